//! A player: reads a stream at the speed of its music, and notes when it would have fallen silent.

use crate::{host::Stream, http, stage::Truth};
use std::{
    io, thread,
    time::{Duration, Instant},
};

/// Bytes per second of the swarm's FLAC: 16-bit stereo at 44.1 kHz that cannot be compressed.
pub const BYTE_RATE: u64 = 176_400;
/// What the player has to have before it begins, and what is read at once after.
const STEP: u64 = 16 * 1024;
/// What the player has to have before it begins.
pub const HEAD: u64 = 32 * 1024;
/// How far a player reads ahead of what is heard.
const READ_AHEAD: u64 = 256 * 1024;
/// A step that comes later than this after its time is a stall; less is the player's own jitter.
const GRACE: Duration = Duration::from_millis(20);

/// How it went.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Heard {
    /// From the call of prepare to the first [`HEAD`] bytes.
    pub start: Duration,
    /// How often it fell silent.
    pub stalls: u32,
    /// For how long altogether.
    pub silence: Duration,
    /// Bytes read.
    pub bytes: u64,
}

/// Plays a stream from its first byte on for `music` or to its end. Every byte is compared with `truth`.
///
/// # Errors
/// When a byte is wrong, or the stream ends early.
pub fn play(stream: &Stream, truth: &Truth, music: Duration) -> io::Result<Heard> {
    let mut body = http::get(&stream.url, 0..u64::MAX)?;
    let music_len = (music.as_secs_f64() * BYTE_RATE as f64) as u64;
    let end = body.left().min(music_len.max(HEAD));
    let mut buffer = vec![0; STEP as usize];
    let (mut heard, mut clock) = (Heard::default(), None::<Clock>);
    while heard.bytes < end {
        if let Some(clock) = &clock {
            let ahead = clock.due(heard.bytes.saturating_sub(READ_AHEAD));
            thread::sleep(ahead.saturating_duration_since(Instant::now()));
        }
        let part = &mut buffer[..STEP.min(end - heard.bytes) as usize];
        body.exact(part)?;
        truth.check(heard.bytes, part)?;
        let now = Instant::now();
        match &mut clock {
            Some(clock) => {
                if let Some(late) = clock.late(heard.bytes, now) {
                    heard.stalls += 1;
                    heard.silence += late;
                }
            }
            None if heard.bytes + part.len() as u64 >= HEAD.min(end) => {
                heard.start = now - stream.called;
                clock = Some(Clock { start: now });
            }
            None => {}
        }
        heard.bytes += part.len() as u64;
    }
    // What was read ahead is still to be heard.
    if let Some(clock) = clock {
        thread::sleep(clock.due(heard.bytes).saturating_duration_since(Instant::now()));
    }
    Ok(heard)
}

/// When which byte is to be heard.
struct Clock {
    start: Instant,
}

impl Clock {
    /// When the byte at `position` is heard.
    fn due(&self, position: u64) -> Instant {
        self.start + Duration::from_secs_f64(position as f64 / BYTE_RATE as f64)
    }

    /// Notes that the byte at `position` came at `now`. If that was too late, the music stood still for as long.
    fn late(&mut self, position: u64, now: Instant) -> Option<Duration> {
        let late = now.saturating_duration_since(self.due(position));
        if late <= GRACE {
            return None;
        }
        self.start += late;
        Some(late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_music_waits_for_what_is_late() {
        let start = Instant::now();
        let mut clock = Clock { start };
        let second = |n: u64| start + Duration::from_secs(n);
        assert_eq!(clock.due(BYTE_RATE), second(1));
        assert_eq!(clock.late(BYTE_RATE, second(1)), None);
        assert_eq!(clock.late(BYTE_RATE, second(1) + GRACE), None);
        assert_eq!(clock.late(BYTE_RATE, second(3)), Some(Duration::from_secs(2)));
        // From now on everything is heard two seconds later.
        assert_eq!(clock.late(2 * BYTE_RATE, second(4)), None);
        assert_eq!(clock.due(2 * BYTE_RATE), second(4));
    }
}
