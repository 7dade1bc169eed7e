//! What a file's own header says, learned as its first pieces arrive, and what must be at hand before it can play.

use std::borrow::Cow;
use std::ops::Range;

use crate::media::{self, Examination, Facts, Kind, MediaType};
use crate::schedule::prebuffer::{Bounds, needed};

use super::streams::Stream;

/// The facts about one stream's file.
pub struct Head {
    kind: Kind,
    len: u64,
    facts: Facts,
    /// What the examination needs to go on; `None`: it is done.
    missing: Option<Range<u64>>,
}

/// What a start waits for, in file bytes.
pub struct Need {
    /// All of these must be at hand.
    pub required: Vec<Range<u64>>,
    /// Fetched beside them.
    pub beside: Vec<Range<u64>>,
}

/// Verified bytes of a stream.
struct Verified<'a>(&'a Stream);

impl media::Bytes for Verified<'_> {
    fn get(&self, span: Range<u64>) -> Option<Cow<'_, [u8]>> {
        let base = self.0.span.start;
        if !self.0.torrent.availability.has(&(base + span.start..base + span.end)) {
            return None;
        }
        let len = usize::try_from(span.end - span.start).ok()?;
        // Just written, so in the page cache but for a restart; then this waits for the disk once.
        self.0.data.read(span.start, len).ok().map(|bytes| Cow::Owned(bytes.to_vec()))
    }
}

impl Head {
    /// What can be guessed by the file's name.
    pub fn new(media: MediaType, len: u64) -> Self {
        let facts = media::first_guess(media.kind, len);
        Self { kind: media.kind, len, facts, missing: Some(0..len.min(1)) }
    }

    /// Looks again at the verified bytes.
    pub fn update(&mut self, stream: &Stream) {
        let Some(missing) = &self.missing else { return };
        let at = stream.span.start + missing.start;
        if self.len == 0 || stream.torrent.availability.readable_end(at, at + 1) == at {
            return;
        }
        match media::examine(self.kind, self.len, &Verified(stream)) {
            Examination::Needs { span, so_far } => {
                self.facts = so_far;
                self.missing = Some(span);
            }
            Examination::Done(facts) => {
                self.facts = facts;
                self.missing = None;
            }
        }
    }

    /// Bytes per second of music, known or guessed.
    pub fn byte_rate(&self) -> u64 {
        self.facts.byte_rate.bytes_per_second()
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
        // An index at the end of the file is part of the head: without it nothing can be decoded.
        let tail_first = self.kind == Kind::Mp4;
        if let Some(missing) = &self.missing {
            let missing = missing.start..missing.end.min(self.len);
            if tail_first || missing.start < audio + prebuffer { &mut required } else { &mut beside }
                .push(missing);
        }
        if let Some(tail) = &self.facts.tail {
            if tail_first { &mut required } else { &mut beside }.push(tail.clone());
        }
        required.retain(|span| span.start < span.end);
        beside.retain(|span| span.start < span.end);
        Need { required, beside }
    }
}
