//! WAVE: a row of chunks in a RIFF file, with 64-bit sizes in an RF64 or BW64 one (EBU Tech 3306, ITU-R
//! BS.2088).

use super::reader::{Reader, Stop, le};
use super::{Facts, duration};

/// The size field of a chunk whose size is in `ds64`, or was never filled in.
const ELSEWHERE: u64 = 0xFFFF_FFFF;

pub(super) fn examine(file: &Reader<'_>, facts: &mut Facts) -> Result<(), Stop> {
    let header: [u8; 12] = file.array(0)?;
    if !matches!(&header[..4], b"RIFF" | b"RF64" | b"BW64") || &header[8..] != b"WAVE" {
        return Err(Stop::Malformed);
    }
    let mut at = 12;
    let mut byte_rate = 0;
    let mut long_data_len = None;
    loop {
        let [name @ .., a, b, c, d] = file.array::<8>(at)?;
        let (body, len) = (at + 8, le(&[a, b, c, d]));
        match &name {
            // RIFF size 8, data size 8.
            b"ds64" => long_data_len = Some(le(&file.array::<8>(body + 8)?)),
            // Format 2, channels 2, sample rate 4, bytes per second 4.
            b"fmt " => byte_rate = le(&file.array::<4>(body + 8)?),
            b"data" => {
                facts.audio_start = file.advance(body, 0)?;
                // A recorder that was stopped short leaves 0 or all ones: then it is the rest.
                let told = if len == ELSEWHERE { long_data_len } else { Some(len) };
                let rest = file.len - body;
                let data_len = told.filter(|len| *len > 0).map_or(rest, |len| len.min(rest));
                if let Some(duration) = duration(data_len, byte_rate) {
                    facts.note_duration(data_len, duration);
                }
                return Ok(());
            }
            _ => {}
        }
        // Chunks start at even offsets.
        at = file.advance(body, len + len % 2)?;
    }
}
