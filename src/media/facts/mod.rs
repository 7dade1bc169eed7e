//! Verified bytes, as they arrive -> where the music starts, how fast it runs, what a player reads at the
//! end.
//!
//! The problem: bytes come in pieces, out of order, and the ones that matter are few. A FLAC's 42-byte
//! STREAMINFO says how long it plays; the header of a picture block says how far to jump; an Ogg file's
//! length stands in its last page. So nothing is read through: each examiner hops from header to header by
//! [`Reader`], and where a hop lands on bytes that are not here, the examination ends and names them.
//!
//! Who asks whom: the engine calls [`first_guess`] when a stream opens and plans head and tail by it; calls
//! [`examine`] whenever pieces were verified, until it answers [`Examination::Done`]; and takes the facts at
//! hand each time. An examination keeps no state, so there is none to be wrong after a seek or a restart.
//!
//! Bytes are hostile. Every offset is checked against the file's length, every loop either moves forward or
//! spends from a budget of reads, and a file that contradicts itself gets the guess of its kind and
//! [`Examination::Done`].

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use super::kind::Kind;
use reader::{Reader, Stop};

mod aac;
mod aiff;
mod flac;
mod guess;
mod mp3;
mod mp4;
mod ogg;
mod reader;
mod tags;
mod wav;

pub use guess::first_guess;

/// Verified bytes at hand.
pub trait Bytes {
    /// The bytes of `span` (half-open file offsets, never empty, within the file), or `None` if one of them
    /// is missing.
    ///
    /// Bytes once given are always given, and the same; otherwise [`examine`] may contradict itself.
    fn get(&self, span: Range<u64>) -> Option<Cow<'_, [u8]>>;
}

/// The file's first bytes.
impl Bytes for &[u8] {
    fn get(&self, span: Range<u64>) -> Option<Cow<'_, [u8]>> {
        let span = usize::try_from(span.start).ok()?..usize::try_from(span.end).ok()?;
        <[u8]>::get(self, span).map(Cow::Borrowed)
    }
}

/// Bytes per second of music, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRate {
    /// By the file's kind, or by what an encoder aimed at: good for planning, not for promises.
    Guessed(u64),
    /// By the file's own header: bytes of music through their duration.
    Known(u64),
}

impl ByteRate {
    /// Bytes per second, however they were found.
    pub fn bytes_per_second(self) -> u64 {
        match self {
            Self::Guessed(rate) | Self::Known(rate) => rate,
        }
    }
}

/// What is known of a file's inside. Offsets are file offsets; spans are half-open, never empty, within the
/// file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Where the music starts: nothing sounds before this byte is there. At most the file's length. Until
    /// [`Examination::Done`] it may still rise (a picture was found to be in the way).
    pub audio_start: u64,
    /// How fast bytes are played, on average.
    pub byte_rate: ByteRate,
    /// How long the file plays, where it says so.
    pub duration: Option<Duration>,
    /// What players read at the end of the file *before* the first sound: worth fetching beside the head.
    pub tail: Option<Range<u64>>,
    /// What players read at the end of the file at the first *seek*: worth fetching once playback is safe.
    pub seek_tail: Option<Range<u64>>,
    /// FLAC: whether there is a SEEKTABLE (with it a seek is one request, without it six or more). `None` for
    /// other kinds, and as long as it is not known.
    pub seek_table: Option<bool>,
}

/// How far an examination came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Examination {
    /// The file's own headers lead to bytes that are not here.
    Needs {
        /// What to bring, at most 128 KiB, within the file, and not all at hand.
        span: Range<u64>,
        /// What is known without it, and good to plan by.
        so_far: Facts,
    },
    /// Nothing more can be learned: more bytes at hand never change this answer.
    Done(Facts),
}

impl Examination {
    /// What is known, in either case.
    pub fn facts(&self) -> &Facts {
        match self {
            Self::Needs { so_far: facts, .. } | Self::Done(facts) => facts,
        }
    }
}

/// Examines a file of `file_len` bytes by those `bytes` that are here. Never panics, and makes a bounded
/// number of small reads (at most 512, each of at most 128 KiB, most of them a few bytes), whatever the
/// bytes.
pub fn examine(kind: Kind, file_len: u64, bytes: &dyn Bytes) -> Examination {
    // No file is longer (sizes are signed in torrents); below it an offset plus a header's length cannot
    // overflow.
    let file_len = file_len.min(i64::MAX.cast_unsigned());
    let mut facts = first_guess(kind, file_len);
    let file = Reader::new(file_len, bytes);
    let examined = match kind {
        Kind::Mp3 => mp3::examine(&file, &mut facts),
        Kind::Aac => aac::examine(&file, &mut facts),
        Kind::Flac => flac::examine(&file, &mut facts),
        Kind::Ogg => ogg::examine(&file, &mut facts),
        Kind::Mp4 => mp4::examine(&file, &mut facts),
        Kind::Wav => wav::examine(&file, &mut facts),
        Kind::Aiff => aiff::examine(&file, &mut facts),
        // Any other may stand behind a tag with a picture; its own header is left to the player.
        _ => tags::skip(&file, &mut facts).map(drop),
    };
    match examined {
        Err(Stop::Missing(span)) => Examination::Needs { span, so_far: facts },
        Ok(()) | Err(Stop::Malformed) => Examination::Done(facts),
    }
}

impl Facts {
    /// Slower than any codec's music, faster than any: a header that says so is not believed. 100 B/s is a
    /// tenth of the slowest speech codec, 64 MB/s is more than 32 channels of 32 bits at 384 kHz.
    const PLAUSIBLE: Range<u128> = 100..64_000_000;

    /// Takes down that `music_len` bytes play for `duration`, if that can be true.
    fn note_duration(&mut self, music_len: u64, duration: Duration) {
        let rate = (u128::from(music_len) * 1_000_000_000).checked_div(duration.as_nanos());
        if let Some(rate) =
            rate.filter(|rate| Self::PLAUSIBLE.contains(rate)).and_then(|rate| u64::try_from(rate).ok())
        {
            self.byte_rate = ByteRate::Known(rate);
            self.duration = Some(duration);
        }
    }

    /// Takes down a `rate` that is an estimate, if it can be true.
    fn note_guess(&mut self, rate: u64) {
        if Self::PLAUSIBLE.contains(&u128::from(rate)) {
            self.byte_rate = ByteRate::Guessed(rate);
        }
    }
}

/// How long `units` last at `per_second`; `None` when that is 0.
fn duration(units: u64, per_second: u64) -> Option<Duration> {
    let seconds = units.checked_div(per_second)?;
    let nanos = u128::from(units % per_second) * 1_000_000_000 / u128::from(per_second);
    Some(Duration::new(seconds, u32::try_from(nanos).ok()?))
}

#[cfg(test)]
mod tests;
