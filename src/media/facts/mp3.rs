//! MP3: ID3v2 tags, then frames, the first of which may hold a Xing, Info or VBRI header instead of music.

use super::guess::last;
use super::reader::{Reader, Stop, be};
use super::{Facts, duration, tags};
use crate::media::frame::Frame;

/// An ID3v1 tag. Players look for it before they play if there is no ID3v2 tag (measured with ffmpeg and
/// mpv).
const ID3V1_LEN: u64 = 128;

/// How far behind the tags the first frame is looked for: some tags are followed by padding that they do not
/// count.
const SEARCH_LEN: u64 = 128 * 1024;

/// Bytes searched at a time; more than the longest frame, and little enough to be here early.
const CHUNK_LEN: u64 = 2048;

pub(super) fn examine(file: &Reader<'_>, facts: &mut Facts) -> Result<(), Stop> {
    let tags_end = tags::skip(file, facts)?;
    if tags_end == 0 {
        facts.tail = last(file.len, ID3V1_LEN);
    }
    let (start, frame, next) = first_frame(file, tags_end)?;
    facts.audio_start = start;
    let music_len = file.len - start;
    if let Some(summary) = summary(file, start, &frame)? {
        let samples = summary.frames.checked_mul(frame.samples).ok_or(Stop::Malformed)?;
        let duration = duration(samples, frame.sample_rate).ok_or(Stop::Malformed)?;
        facts.note_duration(summary.bytes.unwrap_or(music_len), duration);
    } else if let (Some(rate), true) = (frame.bit_rate, frame.bit_rate == next.bit_rate) {
        // Without a summary the bit rate is constant; every encoder of variable ones writes it.
        let byte_rate = rate / 8;
        if let Some(duration) = duration(music_len, byte_rate) {
            facts.note_duration(music_len, duration);
        }
    }
    Ok(())
}

/// The first frame that is followed by another of its kind, with its offset and that other.
fn first_frame(file: &Reader<'_>, from: u64) -> Result<(u64, Frame, Frame), Stop> {
    let end = file.len.min(from.saturating_add(SEARCH_LEN));
    let mut at = from;
    while end - at >= 4 {
        let chunk = file.span(at, CHUNK_LEN.min(end - at))?;
        for (offset, header) in (at..).zip(chunk.windows(4)) {
            let Some(frame) = header.first_chunk().and_then(Frame::mpeg) else { continue };
            let Some(next) = file.array_if_any(offset + frame.len)?.as_ref().and_then(Frame::mpeg) else {
                continue;
            };
            if frame.is_kin_of(&next) {
                return Ok((offset, frame, next));
            }
        }
        // A header may straddle two chunks.
        at += chunk.len() as u64 - 3;
    }
    Err(Stop::Malformed)
}

/// What an encoder wrote into the first frame about all of them.
struct Summary {
    frames: u64,
    /// Bytes of music, tags aside.
    bytes: Option<u64>,
}

fn summary(file: &Reader<'_>, start: u64, frame: &Frame) -> Result<Option<Summary>, Stop> {
    /// Where a VBRI header is, counted from the frame's start, whatever the side information.
    const VBRI_OFFSET: u64 = 36;
    let Some(xing_offset) = frame.xing_offset else { return Ok(None) };
    if xing_offset + 16 <= frame.len {
        let xing: [u8; 16] = file.array(start + xing_offset)?;
        if matches!(&xing[..4], b"Xing" | b"Info") {
            let (has_frames, has_bytes) = (xing[7] & 1 != 0, xing[7] & 2 != 0);
            // The fields follow each other without gaps.
            let bytes_at = if has_frames { 12 } else { 8 };
            let bytes = has_bytes.then(|| be(&xing[bytes_at..bytes_at + 4])).filter(|bytes| *bytes > 0);
            return Ok(has_frames.then(|| Summary { frames: be(&xing[8..12]), bytes }));
        }
    }
    if VBRI_OFFSET + 18 <= frame.len {
        // Name 4, version 2, delay 2, quality 2, bytes 4, frames 4.
        let vbri: [u8; 18] = file.array(start + VBRI_OFFSET)?;
        if vbri.starts_with(b"VBRI") {
            let bytes = Some(be(&vbri[10..14])).filter(|bytes| *bytes > 0);
            return Ok(Some(Summary { frames: be(&vbri[14..18]), bytes }));
        }
    }
    Ok(None)
}
