//! WAV: PCM, 16 bits, stereo, little-endian (Microsoft's "Multimedia Programming Interface and Data Specifications").

use super::{CHANNELS, SAMPLE_RATE, noise::Noise};

/// Length of the RIFF, fmt and data headers before the first sample.
pub const HEADER_LEN: usize = 44;

/// A WAV file of exactly `len` bytes, rounded down to whole sample frames and never shorter than its header.
pub fn wav(len: usize, seed: u64) -> Vec<u8> {
    let frame = usize::from(CHANNELS) * 2;
    let data_len = len.saturating_sub(HEADER_LEN) / frame * frame;
    let field = |n: usize| u32::try_from(n).expect("a WAV file has less than 4 GiB").to_le_bytes();

    let mut out = Vec::with_capacity(HEADER_LEN + data_len);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&field(HEADER_LEN - 8 + data_len));
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&field(16));
    out.extend_from_slice(&1u16.to_le_bytes()); // PCM
    out.extend_from_slice(&CHANNELS.to_le_bytes());
    out.extend_from_slice(&SAMPLE_RATE.to_le_bytes());
    out.extend_from_slice(&(SAMPLE_RATE * u32::from(CHANNELS) * 2).to_le_bytes());
    out.extend_from_slice(&(CHANNELS * 2).to_le_bytes());
    out.extend_from_slice(&16u16.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&field(data_len));
    Noise::new(seed).append(0, data_len, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_agree_with_the_length() {
        for len in [0, 44, 47, 48, 100_003] {
            let file = wav(len, 3);
            assert_eq!(file.len(), 44 + len.saturating_sub(44) / 4 * 4);
            let riff = u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
            let data = u32::from_le_bytes(file[40..44].try_into().unwrap()) as usize;
            assert_eq!((riff + 8, data + 44), (file.len(), file.len()));
            assert_eq!(&file[8..16], b"WAVEfmt ");
        }
    }
}
