//! Everything on disk and the engine started anew: how soon it is served.

use super::{Act, Figure, Sample};
use crate::{
    http,
    player::HEAD,
    rows::{Candidate, Row},
    stage::{Places, Stage},
};
use std::io;

struct Restart(Stage);

/// Opens the act.
pub fn open(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    Ok(Box::new(Restart(Stage::open(places, row)?)))
}

impl Act for Restart {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let stage = &self.0;
        let (truth, len) = (stage.truth(0)?, stage.len(0));
        let host = stage.fresh(candidate, repeat)?;
        let stream = host.prepare(&stage.input(), stage.file(0), true)?;
        http::get(&stream.url, 0..u64::MAX)?.exact(&mut vec![0; len as usize])?;
        host.quit()?;

        let host = stage.hosts.again(candidate, repeat)?;
        let stream = host.prepare(&stage.input(), stage.file(0), true)?;
        let prepared = stream.took.as_secs_f64();
        let mut bytes = vec![0; HEAD as usize];
        http::get(&stream.url, len / 2..u64::MAX)?.exact(&mut bytes)?;
        let middle = stream.called.elapsed().as_secs_f64();
        truth.check(len / 2, &bytes)?;
        Ok(vec![Figure::seconds("prepare", prepared), Figure::seconds("middle", middle)].into())
    }
}
