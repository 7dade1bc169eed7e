//! FLAC (RFC 9639, section 8): `fLaC`, a chain of metadata blocks that each say how long they are, then
//! frames.

use super::guess::last;
use super::reader::{Reader, Stop, be};
use super::{Facts, duration, tags};

/// What players read of the end for their first seek when there is no SEEKTABLE: they guess a place, and want
/// the end's time to guess from (measured with mpv and Chromium).
const SEEK_TAIL: u64 = 96 * 1024;

/// Blocks in a chain; an album image with a picture per track stays far below.
const MAX_BLOCKS: u32 = 256;

/// Block types, RFC 9639 table 1.
const STREAMINFO: u8 = 0;
const SEEKTABLE: u8 = 3;
const FORBIDDEN: u8 = 127;

pub(super) fn examine(file: &Reader<'_>, facts: &mut Facts) -> Result<(), Stop> {
    let start = tags::skip(file, facts)?;
    if file.array(start)? != *b"fLaC" {
        return Err(Stop::Malformed);
    }
    let mut at = start + 4;
    let mut info = None;
    let mut seek_table = false;
    for _ in 0..MAX_BLOCKS {
        let [head, len @ ..] = file.array::<4>(at)?;
        let (is_last, block_type, len) = (head & 0x80 != 0, head & 0x7F, be(&len));
        match block_type {
            STREAMINFO => info = Some(StreamInfo::read(file, at + 4)?),
            SEEKTABLE if len > 0 => seek_table = true,
            FORBIDDEN => return Err(Stop::Malformed),
            _ => {}
        }
        at = file.advance(at, 4 + len)?;
        facts.audio_start = at;
        if let Some(info) = &info {
            info.note(file.len - at, facts);
        }
        if is_last {
            facts.seek_table = Some(seek_table);
            facts.seek_tail = if seek_table { None } else { last(file.len, SEEK_TAIL) };
            return Ok(());
        }
    }
    Err(Stop::Malformed)
}

/// The numbers of the STREAMINFO block (RFC 9639, 8.2), also found in Ogg and elsewhere.
pub(super) struct StreamInfo {
    /// Samples per second; 0 where the stream is no sound.
    pub sample_rate: u64,
    channels: u64,
    bits_per_sample: u64,
    /// Per channel; 0: the encoder did not know.
    total_samples: u64,
}

impl StreamInfo {
    /// Reads the block whose content starts at `at`.
    pub fn read(file: &Reader<'_>, at: u64) -> Result<Self, Stop> {
        // Behind the block and frame sizes: 20 bits, 3, 5 and 36.
        let fields = be(&file.array::<18>(at)?[10..]);
        Ok(Self {
            sample_rate: fields >> 44,
            channels: (fields >> 41 & 7) + 1,
            bits_per_sample: (fields >> 36 & 31) + 1,
            total_samples: fields & 0xF_FFFF_FFFF,
        })
    }

    /// Takes down what they say about `music_len` bytes. Whether anything was known.
    pub fn note(&self, music_len: u64, facts: &mut Facts) -> bool {
        match duration(self.total_samples, self.sample_rate) {
            Some(duration) if !duration.is_zero() => {
                facts.note_duration(music_len, duration);
                true
            }
            _ => {
                // Five eighths of what it is without compression.
                facts.note_guess(self.sample_rate * self.channels * self.bits_per_sample / 8 * 5 / 8);
                false
            }
        }
    }
}
