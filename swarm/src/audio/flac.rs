//! FLAC (RFC 9639): 16-bit stereo noise in verbatim subframes.
//!
//! Noise cannot be compressed, so "verbatim" is what a good encoder would choose; with 16-bit samples every part of
//! such a frame begins at a byte, which makes the encoder short and fast. The MD5 field is zero: "not known" (8.2).

use super::{CHANNELS, SAMPLE_RATE, crc, jpeg::jpeg, noise::Noise};

/// Samples per channel in all frames but the last.
pub const BLOCK: u32 = 4096;
/// Bytes of one sample of both channels.
const SAMPLE_LEN: usize = 2 * CHANNELS as usize;

/// What a FLAC file is made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct FlacSpec {
    /// Length of the file in bytes; the audio is made to fit, so it comes out a few bytes longer or shorter.
    pub len: usize,
    /// Length of the cover in a PICTURE block; none when zero. At most 16 MB (24-bit block length).
    pub picture_len: usize,
    /// Length of a PADDING block's content; none when zero.
    pub padding_len: usize,
    /// Number of evenly spread seek points; no SEEKTABLE when zero.
    pub seek_points: usize,
    /// Which noise.
    pub seed: u64,
}

/// The file that `spec` describes.
pub fn flac(spec: FlacSpec) -> Vec<u8> {
    let picture = if spec.picture_len > 0 { picture(spec.picture_len, spec.seed) } else { Vec::new() };
    let block = |content_len: usize| if content_len > 0 { 4 + content_len } else { 0 };
    let head_len =
        4 + block(34) + block(18 * spec.seek_points) + block(picture.len()) + block(spec.padding_len);
    let samples = samples_for(spec.len.saturating_sub(head_len));
    let frames = samples.div_ceil(u64::from(BLOCK));

    let mut out = Vec::with_capacity(spec.len + 64);
    out.extend_from_slice(b"fLaC");
    let last = |wanted: bool, later: bool| wanted && !later;
    let (seek, cover, pad) = (spec.seek_points > 0, !picture.is_empty(), spec.padding_len > 0);
    metadata(0, last(true, seek || cover || pad), &stream_info(samples), &mut out);
    if seek {
        metadata(3, last(seek, cover || pad), &seek_table(spec.seek_points, frames), &mut out);
    }
    if cover {
        metadata(6, last(cover, pad), &picture, &mut out);
    }
    if pad {
        metadata(1, true, &vec![0; spec.padding_len], &mut out);
    }
    debug_assert_eq!(out.len(), head_len);

    let noise = Noise::new(spec.seed);
    for number in 0..frames {
        let left = samples - number * u64::from(BLOCK);
        frame(number, u32::try_from(left).unwrap_or(BLOCK).min(BLOCK), noise, &mut out);
    }
    out
}

/// Where the audio of `file` begins: the length of the magic and all metadata blocks. `None` if it is no FLAC.
pub fn audio_offset(file: &[u8]) -> Option<usize> {
    let mut at = 4;
    if file.get(..4)? != b"fLaC" {
        return None;
    }
    loop {
        let head = file.get(at..at + 4)?;
        at += 4 + u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
        if head[0] & 0x80 != 0 {
            return Some(at);
        }
    }
}

/// How many samples fit in `audio_len` bytes. At least 16, the smallest block that is not a file's only one.
fn samples_for(audio_len: usize) -> u64 {
    let (mut samples, mut left, mut number) = (0, audio_len, 0);
    while left >= frame_len(number, BLOCK) {
        left -= frame_len(number, BLOCK);
        samples += u64::from(BLOCK);
        number += 1;
    }
    let short = left.saturating_sub(frame_len(number, 0)) / SAMPLE_LEN;
    if short >= 16 {
        samples += short as u64;
    }
    samples.max(16)
}

/// Length of frame `number` with `samples` per channel.
fn frame_len(number: u64, samples: u32) -> usize {
    let block_size = if samples == BLOCK { 0 } else { 2 };
    4 + coded_number(number).len() + block_size + 1 + CHANNELS as usize + samples as usize * SAMPLE_LEN + 2
}

fn metadata(kind: u8, last: bool, content: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(content.len()).expect("a metadata block has less than 16 MiB");
    assert!(len < 1 << 24, "a metadata block has less than 16 MiB");
    out.push(kind | if last { 0x80 } else { 0 });
    out.extend_from_slice(&len.to_be_bytes()[1..]);
    out.extend_from_slice(content);
}

/// STREAMINFO (8.2). Frame sizes are left at zero, "not known".
fn stream_info(samples: u64) -> Vec<u8> {
    let block = u16::try_from(BLOCK).expect("4096").to_be_bytes();
    let mut out = [block, block].concat();
    out.extend_from_slice(&[0; 6]);
    // 20 bits rate, 3 bits channels - 1, 5 bits depth - 1, 36 bits samples.
    let packed = u64::from(SAMPLE_RATE) << 44 | u64::from(CHANNELS - 1) << 41 | 15 << 36 | samples;
    out.extend_from_slice(&packed.to_be_bytes());
    out.extend_from_slice(&[0; 16]);
    out
}

/// SEEKTABLE (8.5): `points` frames, evenly spread.
fn seek_table(points: usize, frames: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(18 * points);
    let mut offset = 0u64;
    let mut frame = 0u64;
    for point in 0..points as u64 {
        let target = point * frames / points as u64;
        while frame < target {
            offset += frame_len(frame, BLOCK) as u64;
            frame += 1;
        }
        // Points must be unique: what does not fit in a short file is a placeholder.
        let placeholder = points as u64 > frames && point >= frames;
        let number = if placeholder { u64::MAX } else { target * u64::from(BLOCK) };
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&offset.to_be_bytes());
        out.extend_from_slice(&u16::try_from(BLOCK).expect("4096").to_be_bytes());
    }
    out
}

/// PICTURE (8.8): a front cover of `len` bytes.
fn picture(len: usize, seed: u64) -> Vec<u8> {
    let data = jpeg(len, seed ^ 0xf1ac);
    let mut out = Vec::with_capacity(data.len() + 42);
    out.extend_from_slice(&3u32.to_be_bytes());
    out.extend_from_slice(&10u32.to_be_bytes());
    out.extend_from_slice(b"image/jpeg");
    for field in [0, 8, 8, 8, 0, u32::try_from(data.len()).expect("checked by metadata")] {
        out.extend_from_slice(&field.to_be_bytes());
    }
    out.extend_from_slice(&data);
    out
}

/// One frame (9) of `samples` per channel, at least 16 unless it is the file's only one.
fn frame(number: u64, samples: u32, noise: Noise, out: &mut Vec<u8>) {
    let from = out.len();
    let size_code = if samples == BLOCK { 0b1100 } else { 0b0111 };
    // Sync and fixed block size; block size and 44.1 kHz; two channels and 16 bits.
    out.extend_from_slice(&[0xff, 0xf8, size_code << 4 | 0b1001, 0b0001_1000]);
    out.extend_from_slice(&coded_number(number));
    if samples != BLOCK {
        out.extend_from_slice(&u16::try_from(samples - 1).expect("less than 4096").to_be_bytes());
    }
    out.push(crc::crc8(&out[from..]));
    let words_per_channel = u64::from(BLOCK) / 4;
    for channel in 0..u64::from(CHANNELS) {
        out.push(0b0000_0010); // verbatim, no wasted bits
        let place = (number * u64::from(CHANNELS) + channel) * words_per_channel;
        noise.append(place, samples as usize * 2, out);
    }
    let crc = crc::crc16(&out[from..]);
    out.extend_from_slice(&crc.to_be_bytes());
}

/// A frame number in the extended UTF-8 code of 9.1.5.
fn coded_number(number: u64) -> Vec<u8> {
    if number < 0x80 {
        return vec![number as u8];
    }
    // n bytes hold 5n + 1 bits: 7 - n in the first, 6 in each other.
    let bytes = (2..=6).find(|n| number < 1 << (5 * n + 1)).expect("frame numbers have at most 31 bits");
    let lead = (0xff00_u32 >> bytes) as u8;
    let mut out = vec![lead | (number >> (6 * (bytes - 1))) as u8];
    out.extend((0..bytes - 1).rev().map(|i| 0x80 | (number >> (6 * i)) as u8 & 0x3f));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks all frames of `file`, checks their numbers and sums, and answers the number of samples.
    fn walk(file: &[u8]) -> u64 {
        let mut at = audio_offset(file).unwrap();
        let (mut number, mut samples) = (0u64, 0u64);
        while at < file.len() {
            let code = coded_number(number);
            assert_eq!(file[at..at + 2], [0xff, 0xf8]);
            assert_eq!(&file[at + 4..at + 4 + code.len()], &code[..]);
            let mut head = 4 + code.len();
            let block = match file[at + 2] >> 4 {
                0b1100 => BLOCK,
                0b0111 => {
                    head += 2;
                    1 + u32::from(u16::from_be_bytes([file[at + head - 2], file[at + head - 1]]))
                }
                other => panic!("block size code {other}"),
            };
            assert_eq!(crc::crc8(&file[at..at + head]), file[at + head]);
            let len = frame_len(number, block);
            let sum = u16::from_be_bytes([file[at + len - 2], file[at + len - 1]]);
            assert_eq!(crc::crc16(&file[at..at + len - 2]), sum);
            at += len;
            number += 1;
            samples += u64::from(block);
        }
        assert_eq!(at, file.len());
        samples
    }

    #[test]
    fn frames_and_stream_info_agree() {
        for (len, picture_len, padding_len, seek_points) in
            [(0, 0, 0, 0), (9_000, 0, 100, 3), (100_000, 30_000, 0, 0), (3_000_000, 500_000, 8192, 40)]
        {
            let file = flac(FlacSpec { len, picture_len, padding_len, seek_points, seed: 5 });
            let packed = u64::from_be_bytes(file[18..26].try_into().unwrap());
            assert_eq!(walk(&file), packed & ((1 << 36) - 1));
            if len > 0 {
                assert!(file.len().abs_diff(len) < 100, "{len} gave {}", file.len());
            }
        }
    }

    #[test]
    fn numbers_are_coded_as_in_utf_8() {
        for number in [0, 0x7f, 0x80, 0x7ff, 0x800, 0xfffd, 0x1_0000, 0x10_ffff] {
            let text = char::from_u32(number).unwrap().to_string();
            assert_eq!(coded_number(u64::from(number)), text.as_bytes());
        }
        assert_eq!(coded_number(0x7fff_ffff), [0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf]);
    }

    #[test]
    fn seek_points_name_frames() {
        let file = flac(FlacSpec { len: 1_000_000, seek_points: 10, seed: 2, ..FlacSpec::default() });
        let audio = audio_offset(&file).unwrap();
        for point in file[46..46 + 180].chunks(18) {
            let sample = u64::from_be_bytes(point[..8].try_into().unwrap());
            let offset = u64::from_be_bytes(point[8..16].try_into().unwrap()) as usize;
            let code = coded_number(sample / u64::from(BLOCK));
            assert_eq!(file[audio + offset..][..2], [0xff, 0xf8]);
            assert_eq!(&file[audio + offset + 4..][..code.len()], &code[..]);
        }
    }
}
