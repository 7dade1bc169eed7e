//! A minute of play on a swarm that is hardly faster than the music, with its fastest peer frozen for a while.

use super::{Act, Figure, Sample};
use crate::{
    player::{self, HEAD},
    rows::{Candidate, Row},
    stage::{self, Places, Stage},
};
use std::{io, thread, time::Duration};
use vozduxan_swarm::{Album, PeerSpec};

/// Parts of the swarm's rate that the peers have.
const PARTS: [u64; 4] = [40, 30, 20, 10];
/// When the first peer freezes.
const FREEZE_AT: Duration = Duration::from_secs(20);
/// For how long.
const FREEZE_FOR: Duration = Duration::from_secs(10);

struct Sustain(Stage);

/// Opens the act.
pub fn open(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    let row = &Row { peers: PARTS.len(), ..row.clone() };
    let album = Album::flac(row.tracks, row.track_len());
    let stage = Stage::build(places, row, |builder| {
        PARTS.iter().fold(builder.album(album), |builder, part| {
            builder.peer(PeerSpec { rate: Some(row.rate_total() * part / 100), ..stage::peer(row) })
        })
    })?;
    Ok(Box::new(Sustain(stage)))
}

impl Act for Sustain {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let stage = &self.0;
        let truth = stage.truth(0)?;
        let host = stage.fresh(candidate, repeat)?;
        let fastest = &stage.swarm.peers()[0].proxy;
        let stream = host.prepare(&stage.input(), stage.file(0), true)?;
        let heard = thread::scope(|scope| {
            let freezer = scope.spawn(|| {
                thread::sleep(FREEZE_AT);
                fastest.freeze()?;
                thread::sleep(FREEZE_FOR);
                fastest.unfreeze()
            });
            let heard = player::play(&stream, &truth, stage.row.duration());
            freezer.join().unwrap_or_else(|_| Err(io::Error::other("the freezer panicked")))?;
            heard
        })?;
        Ok(vec![
            Figure::plain("stalls", heard.stalls.into()),
            Figure::seconds("silence", heard.silence.as_secs_f64()),
            Figure::limited("start", heard.start.as_secs_f64(), stage.cold(0, 0..HEAD)),
        ]
        .into())
    }
}
