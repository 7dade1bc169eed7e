//! MP3: constant bit rate, MPEG-1 Layer III, 48 kHz stereo (ISO/IEC 11172-3), with optional tags.
//!
//! The frames decode to silence: their side information is all zeros, so no main data belongs to them, and the rest
//! of each frame is ancillary data that every decoder skips. That rest carries the noise. The noise has no byte 0xff,
//! therefore the only frame headers in the file are the real ones.

use super::{jpeg::jpeg, noise::Noise};

/// Sampling rate of the MP3 files, in Hz. At 48 kHz a frame's length is whole for every bit rate.
pub const MP3_SAMPLE_RATE: u32 = 48_000;
/// Samples per channel in one frame (MPEG-1 Layer III).
pub const SAMPLES_PER_FRAME: u32 = 1152;
/// Header and side information of a stereo frame without CRC.
const FRAME_HEAD: usize = 4 + 32;
/// Length of an ID3v1 tag.
const ID3V1_LEN: usize = 128;

/// What an MP3 file is made of.
#[derive(Debug, Clone, Copy)]
pub struct Mp3Spec {
    /// Length of the file in bytes; whole frames are written, so it comes out up to one frame shorter.
    pub len: usize,
    /// One of Layer III's rates: 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 kbit/s.
    pub kbps: u32,
    /// Length of the ID3v2.3 tag with an attached picture in front, in bytes; none when zero.
    pub id3v2_len: usize,
    /// Whether a 128-byte ID3v1 tag ends the file.
    pub id3v1: bool,
    /// Which noise.
    pub seed: u64,
}

/// Length of one frame in bytes at `kbps`.
pub fn frame_len(kbps: u32) -> usize {
    (SAMPLES_PER_FRAME / 8 * kbps * 1000 / MP3_SAMPLE_RATE) as usize
}

/// The file that `spec` describes.
///
/// # Panics
/// When `kbps` is not a rate of Layer III.
pub fn mp3(spec: Mp3Spec) -> Vec<u8> {
    const RATES: [u32; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    let rate_index = RATES.iter().position(|&rate| rate != 0 && rate == spec.kbps);
    let rate_index = u8::try_from(rate_index.expect("a bit rate of Layer III")).expect("less than 15");
    let frame_len = frame_len(spec.kbps);

    let mut out = Vec::with_capacity(spec.len);
    if spec.id3v2_len > 0 {
        id3v2(spec.id3v2_len, spec.seed, &mut out);
    }
    let tail_len = if spec.id3v1 { ID3V1_LEN } else { 0 };
    let frames = spec.len.saturating_sub(out.len() + tail_len) / frame_len;
    let noise = Noise::new(spec.seed);
    let mut place = 0;
    for _ in 0..frames {
        // Sync, MPEG-1, Layer III, no CRC; rate, 48 kHz, no padding; stereo, original.
        out.extend_from_slice(&[0xff, 0xfb, (rate_index << 4) | 0b0100, 0b0000_0100]);
        out.resize(out.len() + FRAME_HEAD - 4, 0);
        let from = out.len();
        noise.append(place, frame_len - FRAME_HEAD, &mut out);
        place += (frame_len - FRAME_HEAD).div_ceil(8) as u64;
        for byte in &mut out[from..] {
            *byte -= u8::from(*byte == 0xff);
        }
    }
    if spec.id3v1 {
        let end = out.len() + ID3V1_LEN;
        out.extend_from_slice(b"TAGNoise");
        out.resize(end, 0);
    }
    out
}

/// An ID3v2.3 tag of `len` bytes: a title, a picture when there is room, padding (id3.org, "ID3 tag version 2.3.0").
fn id3v2(len: usize, seed: u64, out: &mut Vec<u8>) {
    const TITLE: &[u8] = b"\0Noise";
    const PICTURE: &[u8] = b"\0image/jpeg\0\x03\0";
    /// The smallest picture worth a frame.
    const PICTURE_MIN: usize = 400;
    let len = len.max(10 + 10 + TITLE.len());
    let end = out.len() + len;
    let body_len = u32::try_from(len - 10).expect("a tag has less than 256 MiB");
    out.extend_from_slice(b"ID3\x03\0\0");
    // "Synchsafe": seven bits in each byte.
    out.extend([21, 14, 7, 0].map(|shift| (body_len >> shift) as u8 & 0x7f));
    let frame = |name: &[u8; 4], parts: [&[u8]; 2], out: &mut Vec<u8>| {
        let len = u32::try_from(parts[0].len() + parts[1].len()).expect("less than the tag");
        out.extend_from_slice(name);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(parts[0]);
        out.extend_from_slice(parts[1]);
    };
    frame(b"TIT2", [TITLE, b""], out);
    let room = end - out.len();
    if room >= 10 + PICTURE.len() + PICTURE_MIN {
        frame(b"APIC", [PICTURE, &jpeg(room - 10 - PICTURE.len(), seed ^ 0x1d3)], out);
    }
    out.resize(end, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_stand_at_every_frame_and_nowhere_else() {
        let spec = Mp3Spec { len: 300_000, kbps: 320, id3v2_len: 20_000, id3v1: true, seed: 4 };
        let file = mp3(spec);
        assert!(file.len() <= 300_000 && file.len() > 300_000 - 960);
        let audio = &file[20_000..file.len() - 128];
        assert_eq!(audio.len() % 960, 0);
        for (i, &byte) in audio.iter().enumerate() {
            assert_eq!(byte == 0xff, i % 960 == 0, "at {i}");
        }
    }

    #[test]
    fn the_tag_says_its_length() {
        for len in [1, 26, 100, 500, 100_000] {
            let file = mp3(Mp3Spec { len: 200_000, kbps: 128, id3v2_len: len, id3v1: false, seed: 4 });
            let size = file[6..10].iter().fold(0, |sum, &b| sum << 7 | usize::from(b));
            assert_eq!(size + 10, len.max(26));
            assert_eq!(file[size + 10..][..2], [0xff, 0xfb]);
        }
    }
}
