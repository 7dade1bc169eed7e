//! Many torrents at once: all starts, then play of every stream at the speed of its music.

use super::{Act, Figure, Sample, Unit};
use crate::{
    host::Stream,
    http,
    player::{self, HEAD},
    rows::{Candidate, Row},
    stage::{self, Places, Stage, Truth},
};
use std::{
    io, thread,
    time::{Duration, Instant},
};

struct Many(Vec<Stage>);

/// Opens the act.
pub fn open(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    Ok(Box::new(Many(stage::crowd(places, row, row.torrents)?)))
}

impl Act for Many {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let stages = &self.0;
        let row = &stages[0].row;
        let host = stages[0].fresh(candidate, repeat)?;
        let begin = Instant::now();
        let start = |stage: &Stage, track: usize| -> io::Result<(Stream, Truth, f64)> {
            let truth = stage.truth(track)?;
            let stream = host.prepare(&stage.input(), stage.file(track), true)?;
            let mut head = vec![0; HEAD as usize];
            http::get(&stream.url, 0..u64::MAX)?.exact(&mut head)?;
            let time = begin.elapsed().as_secs_f64();
            truth.check(0, &head)?;
            Ok((stream, truth, time))
        };
        // One after the other within a torrent, where a new main stream supersedes one that is being prepared.
        let starts = |stage| (0..row.tracks).map(|track| start(stage, track)).collect::<io::Result<Vec<_>>>();
        let streams = thread::scope(|scope| {
            let threads: Vec<_> = stages.iter().map(|stage| scope.spawn(move || starts(stage))).collect();
            threads.into_iter().map(join).collect::<io::Result<Vec<_>>>()
        })?;
        let streams: Vec<_> = streams.into_iter().flatten().collect();
        let first = streams.iter().map(|(.., time)| *time).fold(0.0, f64::max);
        // The tracks of one torrent share its line.
        let bytes = (0..row.tracks).map(|track| stages[0].needed(track, 0..HEAD)).sum();
        let limit = crate::limits::cold(row.rtt(), row.rate_total(), bytes, 0);

        let cpu = host.cpu()?;
        let music: Duration = row.duration();
        let heard: Vec<_> = thread::scope(|scope| {
            let play = |(stream, truth, _): &(Stream, Truth, f64)| player::play(stream, truth, music);
            let threads: Vec<_> = streams.iter().map(|stream| scope.spawn(move || play(stream))).collect();
            threads.into_iter().map(join).collect::<io::Result<_>>()
        })?;
        let cpu = host.cpu()? - cpu;
        let facts = host.facts()?;
        Ok(vec![
            Figure::limited("first", first, limit),
            Figure::plain("stalls", heard.iter().map(|heard| f64::from(heard.stalls)).sum()),
            Figure::seconds("silence", heard.iter().map(|heard| heard.silence.as_secs_f64()).sum()),
            Figure::seconds("cpu", cpu),
            Figure::new("anonymous", Unit::Megabytes, facts.anonymous as f64 / 1e6),
            Figure::plain("threads", facts.threads as f64),
            Figure::plain("descriptors", facts.descriptors as f64),
        ]
        .into())
    }
}

fn join<T>(thread: thread::ScopedJoinHandle<'_, io::Result<T>>) -> io::Result<T> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("a reader panicked")))
}
