//! Jumps: to where nobody has asked for anything yet, and back to what is at hand.

use super::{Act, Figure, Sample};
use crate::{
    http, player,
    rows::{Candidate, Row},
    stage::{Places, Stage},
    stats,
};
use std::{io, time::Instant};

/// How often the second kind jumps.
const JUMPS: u64 = 10;

struct Seek {
    stage: Stage,
    back: bool,
}

/// To where nobody has asked for anything.
pub fn open(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    Ok(Box::new(Seek { stage: Stage::open(places, row)?, back: false }))
}

/// Into data at hand.
pub fn open_back(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    Ok(Box::new(Seek { stage: Stage::open(places, row)?, back: true }))
}

impl Act for Seek {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let Self { stage, back } = self;
        let truth = stage.truth(0)?;
        let (len, before) = (stage.len(0), stage.sent());
        let host = stage.fresh(candidate, repeat)?;
        let stream = host.prepare(&stage.input(), stage.file(0), true)?;
        let heard = player::play(&stream, &truth, stage.row.duration())?;
        let jump = |to: u64| -> io::Result<f64> {
            let begin = Instant::now();
            let mut byte = [0];
            http::get(&stream.url, to..u64::MAX)?.exact(&mut byte)?;
            let time = begin.elapsed().as_secs_f64();
            truth.check(to, &byte)?;
            Ok(time)
        };
        if *back {
            let times = (0..JUMPS).map(|n| jump((n * 7 % JUMPS) * heard.bytes / JUMPS));
            let times = times.collect::<io::Result<Vec<_>>>()?;
            let median = stats::summary(&times).map_or(0.0, |summary| summary.median);
            return Ok(vec![Figure::seconds("first", median)].into());
        }
        // Everybody fetches what follows the beginning; places differ from one measurement to the next.
        let to = len / 100 * (60 + (repeat as u64 * 37) % 35);
        let fetched = stage.sent() - before;
        if fetched >= to {
            return Err(io::Error::other(format!(
                "the swarm has sent {fetched} bytes before the jump to {to}: take a longer track or a lower rate"
            )));
        }
        let limit = stage.live(0, to..to + 1);
        Ok(vec![Figure::limited("first", jump(to)?, limit)].into())
    }
}
