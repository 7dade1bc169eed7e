//! What a file's own header says, learned as its first pieces arrive, and what must be at hand before it can play.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;
use std::time::Duration;

use crate::media::{self, Examination, Facts, Kind, MediaType};
use crate::schedule::prebuffer::{Bounds, needed};

use super::streams::Stream;
use super::torrent::DISK_RETRY;
use super::transfer::Music;

/// The facts about one stream's file.
pub struct Head {
    kind: Kind,
    len: u64,
    facts: Facts,
    /// What the examination needs to go on; `None`: it is done.
    missing: Option<Range<u64>>,
    foreseen: Foreseen,
    /// The file could not be read: not before this. A broken disk takes its time to say so, and the engine waits.
    rest_until: Duration,
}

/// What blocks say that came, but whose piece is not whole: good to plan by, since a wrong guess costs a detour only.
/// A whole piece of a few megabytes takes seconds; its first block says at once where a player will look next.
struct Foreseen {
    /// What looking further needs; `None`: nothing more can be seen.
    missing: Option<Range<u64>>,
    /// What players read at the end of the file before the first sound.
    tail: Option<Range<u64>>,
}

/// A tail that nobody has verified is fetched up to this length: the index of an hour of music is shorter.
const FORESEEN_TAIL: u64 = 2 * 1024 * 1024;

/// What a start waits for, in file bytes.
pub struct Need {
    /// All of these must be at hand.
    pub required: Vec<Range<u64>>,
    /// Fetched beside them.
    pub beside: Vec<Range<u64>>,
}

/// Bytes of a file that came, verified or not.
struct Arrived<'a> {
    verified: &'a Verified<'a>,
    copy: &'a dyn Fn(Range<u64>) -> Option<Vec<u8>>,
}

impl media::Bytes for Arrived<'_> {
    fn get(&self, span: Range<u64>) -> Option<Cow<'_, [u8]>> {
        let base = self.verified.stream.span.start;
        let copied = || (self.copy)(base + span.start..base + span.end).map(Cow::Owned);
        self.verified.get(span.clone()).or_else(copied)
    }
}

/// Verified bytes of a stream.
struct Verified<'a> {
    stream: &'a Stream,
    /// Some could not be read.
    failed: Cell<bool>,
}

impl media::Bytes for Verified<'_> {
    fn get(&self, span: Range<u64>) -> Option<Cow<'_, [u8]>> {
        let base = self.stream.span.start;
        let is_here = self.stream.torrent.availability.has(&(base + span.start..base + span.end));
        if !is_here || self.failed.get() {
            return None;
        }
        let len = usize::try_from(span.end - span.start).ok()?;
        // Just written, so in the page cache but for a restart; then this waits for the disk once.
        let read = self.stream.data.read(span.start, len);
        self.failed.set(read.is_err());
        read.ok().map(|bytes| Cow::Owned(bytes.to_vec()))
    }
}

impl Head {
    /// What can be guessed by the file's name.
    pub fn new(media: MediaType, len: u64) -> Self {
        let facts = media::first_guess(media.kind, len);
        let first = 0..len.min(1);
        let foreseen = Foreseen { missing: Some(first.clone()), tail: None };
        Self { kind: media.kind, len, facts, missing: Some(first), foreseen, rest_until: Duration::ZERO }
    }

    /// Looks at what came and is not verified. `copy`: bytes of the torrent, in torrent offsets, if all are here.
    pub fn foresee(&mut self, stream: &Stream, now: Duration, copy: &dyn Fn(Range<u64>) -> Option<Vec<u8>>) {
        let (Some(_), Some(missing)) = (&self.missing, &self.foreseen.missing) else { return };
        if self.len == 0 || now < self.rest_until {
            return;
        }
        let verified = Verified { stream, failed: Cell::new(false) };
        let bytes = Arrived { verified: &verified, copy };
        // All that is missing, and not its beginning: this is asked with every block that comes.
        let found = media::Bytes::get(&bytes, missing.clone())
            .is_some()
            .then(|| media::examine(self.kind, self.len, &bytes));
        self.rest_after(&verified, now);
        let (facts, missing) = match found {
            None => return,
            Some(Examination::Needs { span, so_far }) => (so_far, Some(span)),
            Some(Examination::Done(facts)) => (facts, None),
        };
        let tail = facts.tail.map(|tail| tail.start..tail.end.min(tail.start + FORESEEN_TAIL));
        self.foreseen = Foreseen { missing, tail };
    }

    fn rest_after(&mut self, look: &Verified<'_>, now: Duration) {
        if look.failed.get() {
            self.rest_until = now + DISK_RETRY;
        }
    }

    /// Looks again at the verified bytes.
    pub fn update(&mut self, stream: &Stream, now: Duration) {
        let Some(missing) = &self.missing else { return };
        let at = stream.span.start + missing.start;
        if self.len == 0
            || now < self.rest_until
            || stream.torrent.availability.readable_end(at, at + 1) == at
        {
            return;
        }
        let verified = Verified { stream, failed: Cell::new(false) };
        match media::examine(self.kind, self.len, &verified) {
            Examination::Needs { span, so_far } => {
                self.facts = so_far;
                self.missing = Some(span);
            }
            Examination::Done(facts) => {
                self.facts = facts;
                self.missing = None;
            }
        }
        self.rest_after(&verified, now);
    }

    /// Bytes per second of music, known or guessed.
    pub fn byte_rate(&self) -> u64 {
        self.facts.byte_rate.bytes_per_second()
    }

    /// Where its music is.
    pub fn music(&self) -> Music {
        Music { start: self.audio_start(), rate: self.byte_rate() }
    }

    /// First byte of music.
    pub fn audio_start(&self) -> u64 {
        self.facts.audio_start
    }

    /// What a start waits for. `rate`: bytes per second from the swarm, `None` while unknown.
    pub fn need(&self, rate: Option<u64>, peers: usize, bounds: &Bounds) -> Need {
        let audio = self.facts.audio_start.min(self.len);
        let prebuffer = needed(rate, self.byte_rate(), peers, bounds);
        let mut required = vec![audio..(audio + prebuffer).min(self.len)];
        let mut beside = Vec::new();
        // In MP4 all before the music says where the music is. An index behind it is read by the player itself, which
        // takes its time to start: what it reads first is here by then, and the index on its way.
        let is_before = self.kind == Kind::Mp4 && self.facts.tail.is_none();
        if let Some(missing) = &self.missing {
            let missing = missing.start..missing.end.min(self.len);
            if is_before || missing.start < audio + prebuffer { &mut required } else { &mut beside }
                .push(missing);
            beside.extend(self.foreseen.missing.clone());
            beside.extend(self.foreseen.tail.clone());
        }
        beside.extend(self.facts.tail.clone());
        required.retain(|span| span.start < span.end);
        beside.retain(|span| span.start < span.end);
        Need { required, beside }
    }
}
