//! Headers of audio files: any bytes, any of them missing, give facts that fit the file.
#![no_main]

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vozduxan::media::{Bytes, Examination, Facts, Kind, examine, identify, next_audio, sniff};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    kind: u8,
    /// Bytes of the file beyond the ones given.
    beyond: u64,
    /// Where the given tail lies, counted from the end.
    tail_len: u16,
    name: &'a str,
    /// One bit per 64 bytes of what is given: not here yet.
    holes: u64,
    bytes: &'a [u8],
}

const KINDS: [Kind; 8] =
    [Kind::Mp3, Kind::Aac, Kind::Flac, Kind::Ogg, Kind::Mp4, Kind::Wav, Kind::Aiff, Kind::Matroska];

struct Partly<'a> {
    head: &'a [u8],
    tail: &'a [u8],
    len: u64,
    holes: u64,
    reads: Cell<u32>,
}

impl Bytes for Partly<'_> {
    fn get(&self, span: Range<u64>) -> Option<Cow<'_, [u8]>> {
        assert!(span.start < span.end && span.end <= self.len, "{span:?} of {}", self.len);
        assert!(span.end - span.start <= 128 * 1024);
        self.reads.set(self.reads.get() + 1);
        assert!(self.reads.get() <= 512, "too many reads");
        let hole = |at: u64| self.holes >> ((at / 64) % 64) & 1 == 1;
        if hole(span.start) || hole(span.end - 1) {
            return None;
        }
        let tail_at = self.len - self.tail.len() as u64;
        let part = if span.start >= tail_at {
            self.tail.get((span.start - tail_at) as usize..(span.end - tail_at) as usize)
        } else {
            self.head.get(usize::try_from(span.start).ok()?..usize::try_from(span.end).ok()?)
        };
        part.map(Cow::Borrowed)
    }
}

fn check(facts: &Facts, len: u64) {
    assert!(facts.audio_start <= len);
    assert!(facts.byte_rate.bytes_per_second() > 0);
    for span in [&facts.tail, &facts.seek_tail].into_iter().flatten() {
        assert!(span.start < span.end && span.end <= len, "{span:?} of {len}");
    }
}

fuzz_target!(|input: Input<'_>| {
    let (head, tail) = input.bytes.split_at(input.bytes.len().saturating_sub(input.tail_len.into()));
    let len = (input.bytes.len() as u64).saturating_add(input.beyond).min(i64::MAX as u64);
    let _ = sniff(head);
    let _ = identify(input.name, head);
    let _ = next_audio(&[input.name, "b.flac", "a/10.mp3"], usize::from(input.kind) % 4);
    let kind = KINDS[usize::from(input.kind) % KINDS.len()];
    let bytes = Partly { head, tail, len, holes: input.holes, reads: Cell::new(0) };
    let found = examine(kind, len, &bytes);
    check(found.facts(), len);
    if let Examination::Needs { span, .. } = found {
        assert!(span.start < span.end && span.end <= len, "{span:?} of {len}");
    }
});
