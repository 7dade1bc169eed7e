//! AAC in ADTS frames: no header speaks for the whole file, so the first frames are averaged.

use super::guess::last;
use super::reader::{Reader, Stop};
use super::{Facts, tags};
use crate::media::frame::Frame;

/// An ID3v1 tag, looked for as in an MP3 when there is no ID3v2 tag.
const ID3V1_LEN: u64 = 128;

/// Frames that are averaged: about 1.5 s at 44.1 kHz, some 50 KB at most.
const SAMPLE_FRAMES: u32 = 64;

pub(super) fn examine(file: &Reader<'_>, facts: &mut Facts) -> Result<(), Stop> {
    let start = tags::skip(file, facts)?;
    if start == 0 {
        facts.tail = last(file.len, ID3V1_LEN);
    }
    let first = Frame::adts(&file.array(start)?).ok_or(Stop::Malformed)?;
    let (mut at, mut frame, mut samples) = (start, first, 0);
    for _ in 0..SAMPLE_FRAMES {
        at += frame.len;
        samples += frame.samples;
        // At least two in a row, or this is not what its name says.
        match file.array_if_any(at)?.as_ref().and_then(Frame::adts).filter(|next| first.is_kin_of(next)) {
            Some(next) => frame = next,
            None if samples == first.samples => return Err(Stop::Malformed),
            None => break,
        }
    }
    // No duration: the average of the start is no promise about the rest.
    facts.note_guess((at - start) * first.sample_rate / samples);
    Ok(())
}
