//! Cold starts: from the call of prepare to the first 32 KiB in the client's hand.

use super::{Act, Curve, Curves, Figure, Sample};
use crate::{
    host::Input,
    http, limits,
    player::HEAD,
    rows::{Candidate, Row},
    stage::{Places, Stage},
};
use std::{io, time::Duration};

/// How long the first measurement of each candidate goes on reading, for the plot, in limits of the row.
const PLOTTED_LIMITS: f64 = 4.0;
/// The same after the first bytes, for who is later than that.
const PLOTTED_MORE: f64 = 0.5;

struct Start {
    stage: Stage,
    magnet: bool,
}

/// From a .torrent.
pub fn open_torrent(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    Ok(Box::new(Start { stage: Stage::open(places, row)?, magnet: false }))
}

/// From a magnet link that knows the swarm's tracker and nothing else.
pub fn open_magnet(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    Ok(Box::new(Start { stage: Stage::open(places, row)?, magnet: true }))
}

impl Act for Start {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let Self { stage, magnet } = self;
        let info_len = if *magnet { stage.swarm.torrent().info_len } else { 0 };
        let cold = |bytes| limits::cold(stage.row.rtt(), stage.row.rate_total(), bytes, info_len);
        let limit = cold(stage.needed(0, 0..HEAD));
        let input = if *magnet { Input::Magnet(stage.swarm.magnet()) } else { stage.input() };
        let (file, truth) = (stage.file(0), stage.truth(0)?);
        let host = stage.fresh(candidate, repeat)?;

        let stream = host.prepare(&input, file, true)?;
        let (begin, prepared) = (stream.called, stream.took.as_secs_f64());
        let mut body = http::get(&stream.url, 0..u64::MAX)?;
        let mut head = vec![0; HEAD as usize];
        let mut got: Curve = vec![(0.0, 0.0)];
        let mut filled = 0;
        while filled < head.len() {
            filled += body.some(&mut head[filled..])?;
            got.push((begin.elapsed().as_secs_f64(), filled as f64));
        }
        let first = begin.elapsed().as_secs_f64();
        truth.check(0, &head)?;
        let figures = vec![Figure::limited("first", first, limit), Figure::seconds("prepare", prepared)];
        if repeat > 0 {
            return Ok(figures.into());
        }

        let end = Duration::from_secs_f64((PLOTTED_LIMITS * limit).max(first + PLOTTED_MORE * limit));
        let mut at = HEAD;
        let mut buffer = vec![0; 64 * 1024];
        while begin.elapsed() < end && body.left() > 0 {
            let len = body.some(&mut buffer)?;
            truth.check(at, &buffer[..len])?;
            at += len as u64;
            got.push((begin.elapsed().as_secs_f64(), at as f64));
        }
        let mut best: Curve = vec![(0.0, 0.0)];
        let piece_len = u64::from(stage.swarm.torrent().piece_len);
        let mut bytes = 0;
        while bytes < at {
            bytes += piece_len;
            best.push((cold(stage.needed(0, 0..bytes)), bytes as f64));
        }
        Ok(Sample { figures, curve: Some(Curves { got, limit: best }) })
    }
}
