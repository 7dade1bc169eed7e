//! Several tracks of one torrent: switching between them, a far one after silence, and a prefetch during play.

use super::{Act, Figure, Sample};
use crate::{
    host::Stream,
    http,
    player::{self, HEAD},
    rows::{Candidate, Row},
    stage::{Places, Stage, Truth},
    stats,
};
use std::{
    io, thread,
    time::{Duration, Instant},
};

/// The tracks that are switched to, in parts of twelve: none is the neighbour of an earlier one, which an engine may
/// have fetched on its own account.
const ORDER: [usize; 6] = [0, 5, 10, 2, 7, 4];
/// What `next` reads of the far track.
const NEXT_HEAD: u64 = 256 * 1024;
/// How long `next` waits for the swarm to fall silent. Who fetches the whole album does not get that.
const SILENCE_PATIENCE: Duration = Duration::from_secs(8);
/// When the background prepare of `prefetch` comes.
const PREFETCH_AFTER: Duration = Duration::from_secs(3);

struct Switch(Stage);
struct Next(Stage);
struct Prefetch(Stage);

/// Another track every few seconds.
pub fn open_switch(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    Ok(Box::new(Switch(Stage::open(places, row)?)))
}

/// A far track after silence.
pub fn open_next(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    Ok(Box::new(Next(Stage::open(places, row)?)))
}

/// A background prepare during play.
pub fn open_prefetch(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    Ok(Box::new(Prefetch(Stage::open(places, row)?)))
}

/// Reads `len` bytes from the beginning of a stream; how long that took from `begin` on.
fn head(stream: &Stream, truth: &Truth, len: u64, begin: Instant) -> io::Result<f64> {
    let mut bytes = vec![0; len as usize];
    http::get(&stream.url, 0..u64::MAX)?.exact(&mut bytes)?;
    let time = begin.elapsed().as_secs_f64();
    truth.check(0, &bytes)?;
    Ok(time)
}

impl Act for Switch {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let stage = &self.0;
        let tracks: Vec<usize> = ORDER.iter().map(|part| part * stage.row.tracks / 12).collect();
        let host = stage.fresh(candidate, repeat)?;
        let input = stage.input();
        let mut playing = host.prepare(&input, stage.file(tracks[0]), true)?;
        player::play(&playing, &stage.truth(tracks[0])?, stage.row.duration())?;
        let (mut times, mut limits) = (Vec::new(), Vec::new());
        // The change that was slowest beside what it needed: 32 KiB of music, which begins behind the cover.
        let mut worst = (0.0, 1.0);
        for &track in &tracks[1..] {
            let truth = stage.truth(track)?;
            let stream = host.prepare(&input, stage.file(track), true)?;
            let time = head(&stream, &truth, HEAD, stream.called)?;
            let limit = stage.live(track, 0..HEAD);
            if time < limit {
                // A median could hide it.
                return Ok(vec![Figure::limited("first", time, limit)].into());
            }
            times.push(time);
            limits.push(limit);
            let own = stage.live(track, 0..stage.music(track)? + HEAD);
            if time / own > worst.0 / worst.1 {
                worst = (time, own);
            }
            host.release(&playing)?;
            player::play(&stream, &truth, stage.row.duration())?;
            playing = stream;
        }
        let (times, limits) = (stats::summary(&times), stats::summary(&limits));
        let (Some(times), Some(limits)) = (times, limits) else { return Err(io::Error::other("no track")) };
        Ok(vec![
            Figure::limited("first", times.median, limits.median),
            Figure::limited("worst", worst.0, worst.1),
        ]
        .into())
    }
}

impl Act for Next {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let stage = &self.0;
        let far = stage.row.tracks - 1;
        let host = stage.fresh(candidate, repeat)?;
        let input = stage.input();
        let first = host.prepare(&input, stage.file(0), true)?;
        head(&first, &stage.truth(0)?, stage.len(0), first.called)?;
        stage.silence(SILENCE_PATIENCE);
        let truth = stage.truth(far)?;
        let stream = host.prepare(&input, stage.file(far), true)?;
        let time = head(&stream, &truth, NEXT_HEAD, stream.called)?;
        Ok(vec![Figure::limited("first", time, stage.live(far, 0..NEXT_HEAD))].into())
    }
}

impl Act for Prefetch {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let stage = &self.0;
        let (truth, next_truth) = (stage.truth(0)?, stage.truth(1)?);
        let host = stage.fresh(candidate, repeat)?;
        let input = stage.input();
        let stream = host.prepare(&input, stage.file(0), true)?;
        let (heard, next) = thread::scope(|scope| {
            let background = scope.spawn(|| {
                thread::sleep(PREFETCH_AFTER);
                host.prepare(&input, stage.file(1), false)
            });
            let heard = player::play(&stream, &truth, Duration::MAX);
            let next = background.join().unwrap_or_else(|_| Err(io::Error::other("a caller panicked")));
            io::Result::Ok((heard?, next?))
        })?;
        // Not before: a background stream whose URL is read is a background stream no more.
        let background = head(&next, &next_truth, next.len, stream.called)?;
        // Both tracks at the rate of the swarm.
        let whole = stage.len(0) + stage.len(1);
        let limit = crate::limits::cold(stage.row.rtt(), stage.row.rate_total(), whole, 0);
        Ok(vec![
            Figure::plain("stalls", heard.stalls.into()),
            Figure::seconds("silence", heard.silence.as_secs_f64()),
            Figure::limited("start", heard.start.as_secs_f64(), stage.cold(0, 0..HEAD)),
            Figure::limited("background", background, limit),
        ]
        .into())
    }
}
