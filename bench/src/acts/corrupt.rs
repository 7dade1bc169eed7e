//! Right bytes: whole files from liars, and from torrents of every kind.

use super::{Act, Figure, Sample};
use crate::{
    http, limits,
    rows::{Candidate, Hashes, Row},
    stage::{self, Places, Stage, Truth},
};
use std::io;
use vozduxan_swarm::{Album, PeerSpec};

/// Which part of a liar's blocks is wrong.
const DAMAGE: f64 = 0.2;
/// Bytes of one read.
const STEP: usize = 64 * 1024;

struct Corrupt(Stage);
struct Torrents(Vec<Stage>);

/// Half of the peers lie.
pub fn open(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    let album = Album::flac(row.tracks, row.track_len());
    let stage = Stage::build(places, row, |builder| {
        (0..row.peers).fold(builder.album(album), |builder, number| {
            let corrupt = if number < row.peers / 2 { DAMAGE } else { 0.0 };
            builder.peer(PeerSpec { corrupt, ..stage::peer(row) })
        })
    })?;
    Ok(Box::new(Corrupt(stage)))
}

/// An awkward album in each kind of torrent.
pub fn open_torrents(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    let stage = |(number, kind)| {
        let row = Row { kind, ..row.clone() };
        // Three different torrents: the same files would be one torrent's data in three kinds.
        let album = Album { seed: 1 + number as u64, ..Album::awkward(row.tracks, row.track_len()) };
        Stage::build(places, &row, |builder| stage::peers(builder.album(album), &row))
    };
    let kinds = [Hashes::V1, Hashes::Hybrid, Hashes::V2];
    Ok(Box::new(Torrents(kinds.into_iter().enumerate().map(stage).collect::<io::Result<_>>()?)))
}

/// Reads a whole stream and compares it.
fn whole(url: &str, truth: &Truth) -> io::Result<u64> {
    let mut body = http::get(url, 0..u64::MAX)?;
    let mut buffer = vec![0; STEP];
    let mut at = 0;
    loop {
        match body.some(&mut buffer)? {
            0 => return Ok(at),
            len => {
                truth.check(at, &buffer[..len])?;
                at += len as u64;
            }
        }
    }
}

impl Act for Corrupt {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let stage = &self.0;
        let truth = stage.truth(0)?;
        let given =
            || stage.swarm.peers().iter().map(|peer| Ok(peer.stats()?.payload_up)).sum::<io::Result<u64>>();
        let host = stage.fresh(candidate, repeat)?;
        let before = given()?;
        let stream = host.prepare(&stage.input(), stage.file(0), true)?;
        let len = whole(&stream.url, &truth)?;
        let time = stream.called.elapsed().as_secs_f64();
        let given = given()? - before;
        let limit = limits::cold(stage.row.rtt(), stage.row.rate_total(), stage.needed(0, 0..len), 0);
        Ok(vec![Figure::limited("whole", time, limit), Figure::plain("waste", given as f64 / len as f64)]
            .into())
    }
}

impl Act for Torrents {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let (mut right, mut wrong) = (0u32, Vec::new());
        for stage in &self.0 {
            let host = stage.fresh(candidate, repeat)?;
            let files = stage.swarm.files();
            for file in
                files.iter().filter(|file| file.torrent_path.extension().is_some_and(|end| end == "flac"))
            {
                let truth = Truth::open(&file.disk_path)?;
                let outcome = host.prepare(&stage.input(), file.index, true).and_then(|stream| {
                    let len = whole(&stream.url, &truth)?;
                    host.release(&stream)?;
                    if len == file.len { Ok(()) } else { Err(io::Error::other("the length is wrong")) }
                });
                match outcome {
                    Ok(()) => right += 1,
                    Err(error) => wrong.push(format!("{}: {error}", file.torrent_path.display())),
                }
            }
        }
        for text in &wrong {
            eprintln!("    {}: {text}", candidate.name());
        }
        let wrong = wrong.len() as f64;
        Ok(vec![Figure::plain("wrong", wrong), Figure::plain("right", right.into())].into())
    }
}
