//! AIFF and AIFF-C: a row of chunks in a FORM. COMM counts the samples, SSND holds them; COMM may come last.

use super::reader::{Reader, Stop, be};
use super::{Facts, duration};

/// How much is fetched behind SSND when COMM must be there: it is 18 bytes, among names and comments.
const COMM_TAIL: u64 = 64 * 1024;

pub(super) fn examine(file: &Reader<'_>, facts: &mut Facts) -> Result<(), Stop> {
    let header: [u8; 12] = file.array(0)?;
    if &header[..4] != b"FORM" || !matches!(&header[8..], b"AIFF" | b"AIFC") {
        return Err(Stop::Malformed);
    }
    let mut at = 12;
    let mut common = None;
    let mut data_len = None;
    loop {
        let [name @ .., a, b, c, d] = file.array::<8>(at)?;
        let (body, len) = (at + 8, be(&[a, b, c, d]));
        match &name {
            // Channels 2, sample frames 4, bits per sample 2, rate 10.
            b"COMM" => {
                let fields: [u8; 18] = file.array(body)?;
                let [.., e0, e1, m0, m1, m2, m3, _, _, _, _] = fields;
                common = duration(be(&fields[2..6]), whole_part([e0, e1], [m0, m1, m2, m3]));
            }
            // Offset of the first sample 4, block size 4, samples.
            b"SSND" => {
                let offset = be(&file.array::<4>(body)?);
                let start = file.advance(body + 8, offset)?;
                facts.audio_start = start;
                let told = len.saturating_sub(8 + offset);
                data_len = Some(told.min(file.len - start));
            }
            _ => {}
        }
        if let (Some(duration), Some(data_len)) = (common, data_len) {
            facts.note_duration(data_len, duration);
            return Ok(());
        }
        // Chunks start at even offsets.
        at = file.advance(body, len + len % 2)?;
        if data_len.is_some() {
            let tail = || at..file.len.min(at.saturating_add(COMM_TAIL));
            facts.tail.get_or_insert_with(tail);
        }
    }
}

/// The whole part of a positive 80-bit extended number, from its first six bytes: 15 bits of exponent with a
/// bias of 16,383, then the mantissa with its leading one. 0 for what is less than one or no sample rate at
/// all.
fn whole_part(exponent: [u8; 2], mantissa: [u8; 4]) -> u64 {
    let exponent = u16::from_be_bytes(exponent);
    match exponent.checked_sub(16_383) {
        Some(power @ 0..=31) => u64::from(u32::from_be_bytes(mantissa) >> (31 - power)),
        _ => 0,
    }
}
