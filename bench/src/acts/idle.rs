//! What it costs to be there: an open stream that nobody reads, in a swarm that carries nothing.

use super::{Act, Figure, Sample, Unit};
use crate::{
    rows::{Candidate, Row},
    stage::{Places, Stage},
};
use std::{io, thread, time::Duration};

struct Idle(Stage);

/// How long the file may take to come.
const SILENCE_PATIENCE: Duration = Duration::from_secs(30);

/// Opens the act.
pub fn open(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    Ok(Box::new(Idle(Stage::open(places, row)?)))
}

impl Act for Idle {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let stage = &self.0;
        let host = stage.fresh(candidate, repeat)?;
        host.prepare(&stage.input(), stage.file(0), true)?;
        if !stage.silence(SILENCE_PATIENCE) {
            return Err(io::Error::other("the swarm does not fall silent"));
        }
        let (cpu, facts) = (host.cpu()?, host.facts()?);
        thread::sleep(stage.row.duration());
        let (cpu, later) = (host.cpu()? - cpu, host.facts()?);
        let wakeups = later.wakeups.saturating_sub(facts.wakeups) as f64 / stage.row.duration().as_secs_f64();
        Ok(vec![
            Figure::seconds("cpu", cpu),
            Figure::plain("wakeups", wakeups),
            Figure::new("anonymous", Unit::Megabytes, later.anonymous as f64 / 1e6),
            Figure::plain("threads", later.threads as f64),
        ]
        .into())
    }
}
