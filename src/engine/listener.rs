//! One open stream as the engine's thread sees it: from its transfers and notified positions to what it wants.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::schedule::plan::{Demand, Rank};

use super::head::Head;
use super::progress::PLAYBACK;
use super::streams::Stream;
use super::transfer::Transfer;

/// A waiting transfer wants this much at once, so that a player's next reads do not wait one by one.
const WAITING_SPAN: u64 = 64 * 1024;

/// A reader that has more music in hand than this, beyond what it plays, does not wait for what it asks for next: it
/// only reads as fast as it gets. Players with large buffers, and the system's socket buffers before them, always do.
/// What somebody waits for is asked of several peers, which costs bandwidth: with 5 s here, a swarm of 1.3 times the
/// bitrate sent every tenth block twice and never got 5 s ahead; with 1 s it is every sixtieth.
const COMFORT: Duration = Duration::from_secs(1);

/// The step in which music in hand is told to the scheduler, so that time alone does not make a new plan each time.
const STEP: Duration = Duration::from_millis(250);

/// A main stream whose position has stood still for this long, while a newer one plays, is not being heard: the player
/// was paused, or has gone on to the newer one without a release yet.
const ASLEEP: Duration = Duration::from_secs(5);

/// Music that is waited for longer than this is a stall.
const STALL: Duration = Duration::from_secs(1);

/// What a listener went through since the last look; for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Playback jumped to this byte.
    Sought(u64),
    /// A reader has been waiting for this byte for more than a second.
    Stalled(u64),
    /// What it waited for came, after this long.
    Resumed(Duration),
}

/// See the module.
pub struct Listener {
    /// The stream.
    pub stream: Arc<Stream>,
    /// What its file says about itself.
    pub head: Head,
    /// File bytes that its start waits for, and what is fetched beside them; empty once it is ready.
    pub starting: Vec<Range<u64>>,
    /// Its start is over: it may be played.
    pub ready: bool,
    /// Where reading has been seen last, for hosts that notify no position.
    read_position: u64,
    /// Playback's place at the last look.
    last_position: Option<u64>,
    /// The place that was last wanted, and since when.
    stands: Option<(u64, Duration)>,
    /// At the last look: in how long the wait of a reader becomes a stall; `None`: nobody waits.
    stalls_in: Option<Duration>,
    /// The log says that it stalls, since then.
    stalled_since: Option<Duration>,
}

impl Listener {
    /// A stream that nobody has read yet.
    pub fn new(stream: Arc<Stream>, head: Head) -> Self {
        Self {
            stream,
            head,
            starting: Vec::new(),
            ready: false,
            read_position: 0,
            last_position: None,
            stands: None,
            stalls_in: None,
            stalled_since: None,
        }
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
        self.place().0
    }

    /// The same, and the music that a reader has in hand before it is heard.
    fn place(&mut self) -> (u64, Duration) {
        if let Some(notified) = self.stream.notified_position() {
            return (notified, Duration::ZERO);
        }
        let mut in_hand = Duration::ZERO;
        let transfers = self.stream.transfers();
        let continues = |start: u64| start.abs_diff(self.read_position) < WAITING_SPAN;
        let playing = transfers
            .iter()
            .filter(|t| t.sent() > PLAYBACK || (t.is_open_ended() && continues(t.position())))
            .max_by_key(|t| t.last_frame());
        if let Some(transfer) = playing {
            self.read_position = transfer.position();
            in_hand = transfer.in_hand(self.head.music(), Instant::now());
        }
        let position =
            self.read_position.max(self.head.audio_start()).min(self.stream.len().saturating_sub(1));
        (position, in_hand - Duration::from_nanos((in_hand.as_nanos() % STEP.as_nanos()) as u64))
    }

    /// What readers wait for, but for those that are `at_ease`; in torrent bytes.
    fn waited(&self, at_ease: impl Fn(&Transfer) -> bool) -> Vec<Range<u64>> {
        let base = self.stream.span.start;
        let span = |from: u64, end: u64| base + from..base + end.min(from + WAITING_SPAN);
        let transfers = self.stream.transfers();
        let waiting = transfers.iter().filter(|t| t.is_blocked() && !at_ease(t));
        let blocked = waiting.map(|t| span(t.position(), t.end_position()));
        blocked.filter(|span| !self.stream.torrent.availability.has(span)).collect()
    }

    /// What it wants while only the necessary is fetched: a main stream all it plays, a background stream no more than
    /// what somebody already waits for.
    pub fn spare_demands(&mut self, newest: u64, now: Duration) -> Vec<Demand> {
        if self.is_main() {
            return vec![self.demand(newest, now)];
        }
        let alone = |span: Range<u64>| Demand {
            rank: Rank::Background,
            position: span.start,
            file: span.clone(),
            now: vec![span],
            byte_rate: None,
            ahead: Duration::ZERO,
        };
        self.waited(|_| false).into_iter().map(alone).collect()
    }

    /// What the stream wants now, in torrent bytes. `newest`: the serial of the newest main stream of the torrent.
    pub fn demand(&mut self, newest: u64, now: Duration) -> Demand {
        let base = self.stream.span.start;
        let (position, ahead) = self.place();
        let mut wanted: Vec<Range<u64>> =
            self.starting.iter().map(|s| base + s.start..base + s.end).collect();
        wanted.retain(|span| !self.stream.torrent.availability.has(span));
        let reads = !self.waited(|_| false).is_empty();
        let is_awake = self.is_awake(position, reads || !wanted.is_empty(), newest, now);
        let (clock, music) = (Instant::now(), self.head.music());
        // What follows playback's place comes in its turn, also beyond the window to who has read from that place on. A
        // reader elsewhere, of a tag or an index, plays nothing.
        let window = position..position.saturating_add(self.stream.window_len);
        let plays =
            |t: &Transfer| window.contains(&t.position()) || (t.start()..t.position()).contains(&position);
        wanted.extend(self.waited(|t| plays(t) && t.in_hand(music, clock) > COMFORT));
        Demand {
            rank: if self.is_main() && is_awake { Rank::Main } else { Rank::Background },
            file: self.stream.span.clone(),
            position: base + position,
            now: wanted,
            byte_rate: Some(self.head.byte_rate()),
            ahead,
        }
    }

    /// Whether it is being heard, as far as can be told; the newest main stream always counts as such.
    fn is_awake(&mut self, position: u64, is_waiting: bool, newest: u64, now: Duration) -> bool {
        match self.stands {
            Some((at, since)) if at == position && !is_waiting => {
                let serial = self.stream.main_serial.load(Ordering::Relaxed);
                serial == newest || now.saturating_sub(since) < ASLEEP
            }
            _ => {
                self.stands = Some((position, now));
                true
            }
        }
    }

    /// What is worth a line in the log.
    pub fn note(&mut self, now: Duration) -> Option<Note> {
        let position = self.position();
        let near = |last: u64| (last..=last.saturating_add(self.stream.window_len)).contains(&position);
        let jumped = self.last_position.is_some_and(|last| !near(last));
        let read_before = self.last_position.is_some_and(|last| last > self.head.audio_start());
        self.last_position = Some(position);
        let clock = Instant::now();
        let transfers = self.stream.transfers();
        let rate = self.head.byte_rate();
        let silent = |t: &Transfer| clock.checked_duration_since(t.falls_silent(rate)?);
        let longest = transfers.iter().filter_map(|t| Some((silent(t)?, t.position()))).max();
        // A player that reads ahead waits before the music does.
        let soonest = transfers.iter().filter_map(|t| t.falls_silent(rate)).min();
        self.stalls_in = soonest.map(|at| (at + STALL).saturating_duration_since(clock));
        match (longest, self.stalled_since) {
            (Some((time, at)), None) if time > STALL => {
                self.stalled_since = Some(now.saturating_sub(time));
                return Some(Note::Stalled(at));
            }
            (waits, Some(since)) if waits.is_none_or(|(time, _)| time < STALL) => {
                self.stalled_since = None;
                return Some(Note::Resumed(now.saturating_sub(since)));
            }
            _ => {}
        }
        (jumped && read_before).then_some(Note::Sought(position))
    }

    /// When a wait becomes a stall that the log has to tell.
    pub fn next_note(&self, now: Duration) -> Option<Duration> {
        let time = self.stalls_in.filter(|_| self.stalled_since.is_none())?;
        Some(now + time + Duration::from_millis(2))
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

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
