//! What is true of most files of a kind, before a byte of this one is here.

use std::ops::Range;

use super::{ByteRate, Facts};
use crate::media::kind::Kind;

/// What players read of an Ogg file's end to learn how long it plays: one page for mpv (65,307 bytes), about
/// 72 KB for Chromium, 131,071 bytes for GStreamer (measured).
const OGG_TAIL: u64 = 128 * 1024;

/// APEv2 or ID3 tags (a picture among them, perhaps) that are read before anything is played where the format
/// puts them at the end (measured with WavPack and True Audio); for Core Audio its packet table.
const TAGS_TAIL: u64 = 64 * 1024;

/// Matroska's cues, usually the last thing in the file and read at the first seek.
const CUES_TAIL: u64 = 64 * 1024;

/// What can be planned by, and is worth fetching beside the head, while nothing of the file is here.
///
/// The rates are the high end of what is common, because a guess too low stalls and one too high only fetches
/// early. MP4 and MP3 get no tail yet: whether there is one stands in their first bytes.
pub fn first_guess(kind: Kind, file_len: u64) -> Facts {
    let byte_rate = match kind {
        // 320 kbit/s, the format's highest.
        Kind::Mp3 => 40_000,
        // 256 kbit/s, what shops sell.
        Kind::Aac | Kind::Ogg => 32_000,
        Kind::Mp4 | Kind::Matroska | Kind::Wma => 40_000,
        // 44.1 kHz, 16 bits, stereo: 176,400 uncompressed, about five eighths of it compressed.
        Kind::Flac | Kind::WavPack | Kind::Tta | Kind::Tak | Kind::Ape | Kind::Shorten => 110_000,
        Kind::Wav | Kind::Aiff | Kind::Caf | Kind::Au => 176_400,
        // DSD64 stereo: 2,822,400 bits per second and channel.
        Kind::Dsf | Kind::Dff => 705_600,
        Kind::Musepack => 25_000,
        // 640 kbit/s and 1,536 kbit/s, what discs carry at most.
        Kind::Ac3 => 80_000,
        Kind::Dts => 192_000,
        // 23.85 kbit/s, wide band's highest.
        Kind::Amr => 3_000,
    };
    let tail = match kind {
        Kind::Ogg => last(file_len, OGG_TAIL),
        Kind::Ape | Kind::WavPack | Kind::Dsf | Kind::Musepack | Kind::Tta | Kind::Tak | Kind::Caf => {
            last(file_len, TAGS_TAIL)
        }
        _ => None,
    };
    let seek_tail = if kind == Kind::Matroska { last(file_len, CUES_TAIL) } else { None };
    Facts {
        audio_start: 0,
        byte_rate: ByteRate::Guessed(byte_rate),
        duration: None,
        tail,
        seek_tail,
        seek_table: None,
    }
}

/// The last `len` bytes of a file, or all of a shorter one; `None` of an empty one.
pub(super) fn last(file_len: u64, len: u64) -> Option<Range<u64>> {
    (file_len > 0 && len > 0).then_some(file_len.saturating_sub(len)..file_len)
}
