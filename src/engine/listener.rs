//! One open stream as the engine's thread sees it: from its transfers and notified positions to what it wants.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::schedule::plan::{Demand, Rank};

use super::head::Head;
use super::streams::{PLAYBACK, Stream};

/// A waiting transfer wants this much at once, so that a player's next reads do not wait one by one.
const WAITING_SPAN: u64 = 64 * 1024;

/// See the module.
pub struct Listener {
    /// The stream.
    pub stream: Arc<Stream>,
    /// What its file says about itself.
    pub head: Head,
    /// File bytes that its start waits for, and what is fetched beside them; empty once it is ready.
    pub starting: Vec<Range<u64>>,
    /// Where reading has been seen last, for hosts that notify no position.
    read_position: u64,
    /// It waited for data at the last look.
    pub waited: bool,
}

impl Listener {
    /// A stream that nobody has read yet.
    pub fn new(stream: Arc<Stream>, head: Head) -> Self {
        Self { stream, head, starting: Vec::new(), read_position: 0, waited: false }
    }

    /// Whether it is what the listener hears.
    pub fn is_main(&self) -> bool {
        self.stream.main_serial.load(Ordering::Relaxed) > 0
    }

    /// Whether a background stream is being played: hosts play a prefetched URL without a second prepare.
    pub fn is_played(&self) -> bool {
        self.stream.notified_position().is_some()
            || self
                .stream
                .transfers()
                .iter()
                .any(|t| t.is_open_ended() && (t.sent() > PLAYBACK || t.is_blocked()))
    }

    /// Playback's place in the file: what the host said, else where the read is that took the most recent frame and is
    /// no probe, else the first byte of music.
    fn position(&mut self) -> u64 {
        if let Some(notified) = self.stream.notified_position() {
            return notified;
        }
        let transfers = self.stream.transfers();
        let continues = |start: u64| start.abs_diff(self.read_position) < WAITING_SPAN;
        let playing = transfers
            .iter()
            .filter(|t| t.sent() > PLAYBACK || (t.is_open_ended() && continues(t.position())))
            .max_by_key(|t| t.last_frame());
        if let Some(transfer) = playing {
            self.read_position = transfer.position();
        }
        self.read_position.max(self.head.audio_start()).min(self.stream.len().saturating_sub(1))
    }

    /// What the stream wants now, in torrent bytes.
    pub fn demand(&mut self) -> Demand {
        let base = self.stream.span.start;
        let position = self.position();
        let mut now: Vec<Range<u64>> = self.starting.iter().map(|s| base + s.start..base + s.end).collect();
        self.waited = false;
        for transfer in self.stream.transfers().iter().filter(|t| t.is_blocked()) {
            self.waited = true;
            let from = transfer.position();
            let until = transfer.end_position().min(from + WAITING_SPAN);
            now.push(base + from..base + until);
        }
        let availability = &self.stream.torrent.availability;
        now.retain(|span| !availability.has(span));
        Demand {
            rank: if self.is_main() { Rank::Main } else { Rank::Background },
            file: self.stream.span.clone(),
            position: base + position,
            now,
            byte_rate: Some(self.head.byte_rate()),
        }
    }

    /// Whether every byte of the file is here.
    pub fn is_whole(&self) -> bool {
        self.stream.torrent.availability.has(&self.stream.span)
    }

    /// Seconds of music after the position.
    pub fn seconds_left(&mut self) -> u64 {
        let left = self.stream.len().saturating_sub(self.position());
        left / self.head.byte_rate().max(1)
    }
}
