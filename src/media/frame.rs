//! Frame headers of the two formats that have no file header: MPEG audio and ADTS.
//!
//! Four (MPEG) or seven (ADTS) bytes say how long the frame is, hence where the next must start. Random bytes
//! look like a header once in a few thousand, so nobody should believe one that is not followed by a kindred
//! one.

/// One frame, as its header describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bytes from this header to the next; at least that of the header.
    pub len: u64,
    /// Samples per channel in the frame.
    pub samples: u64,
    /// Samples per second, not 0.
    pub sample_rate: u64,
    /// Bits per second; `None` where the header does not say (ADTS).
    pub bit_rate: Option<u64>,
    /// Where a Xing header would be, counted from the frame's start; `None` for other layers and ADTS.
    pub xing_offset: Option<u64>,
    /// What does not change from frame to frame: version, layer or profile, sample rate.
    character: u32,
}

/// Reads a frame header; the array is as long as the header.
pub(super) type Parse<const N: usize> = fn(&[u8; N]) -> Option<Frame>;

/// kbit/s by index 1..=14, ISO 11172-3 2.4.2.3 (MPEG-1) and ISO 13818-3 2.4.2.3 (MPEG-2 and 2.5).
const V1_LAYER1: [u16; 14] = [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
const V1_LAYER2: [u16; 14] = [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const V1_LAYER3: [u16; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const V2_LAYER1: [u16; 14] = [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
const V2_LAYER23: [u16; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// Samples per second by ADTS sampling frequency index, ISO 14496-3 table 1.18.
const ADTS_RATES: [u64; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

impl Frame {
    /// Reads an MPEG audio header. `None` for free format (no length in the header) and every reserved value.
    pub fn mpeg(header: &[u8; 4]) -> Option<Self> {
        let word = u32::from_be_bytes(*header);
        let bits = |shift: u32, count: u32| word >> shift & ((1 << count) - 1);
        if bits(21, 11) != 0x7FF || bits(0, 2) == 2 {
            return None;
        }
        // 0: MPEG-2.5, 1: reserved, 2: MPEG-2, 3: MPEG-1.
        let version = bits(19, 2);
        let mpeg1 = version == 3;
        let layer = 4 - bits(17, 2);
        let table = match (layer, mpeg1) {
            (1, true) => V1_LAYER1,
            (2, true) => V1_LAYER2,
            (3, true) => V1_LAYER3,
            (1, false) => V2_LAYER1,
            (2 | 3, false) => V2_LAYER23,
            _ => return None,
        };
        // Index 0 is free format, 15 is forbidden; both fall outside the table.
        let bit_rate = u64::from(*table.get((bits(12, 4) as usize).checked_sub(1)?)?) * 1000;
        let full_rate = *[44_100, 48_000, 32_000].get(bits(10, 2) as usize)?;
        let sample_rate = match version {
            3 => full_rate,
            2 => full_rate / 2,
            0 => full_rate / 4,
            _ => return None,
        };
        let samples = match (layer, mpeg1) {
            (1, _) => 384,
            (3, false) => 576,
            _ => 1152,
        };
        let padding = u64::from(bits(9, 1));
        let len = match layer {
            1 => (12 * bit_rate / sample_rate + padding) * 4,
            _ => samples / 8 * bit_rate / sample_rate + padding,
        };
        // The Xing header takes the place of the music behind the side information.
        let mono = bits(6, 2) == 3;
        let side_info_len = match (mpeg1, mono) {
            (true, false) => 32,
            (true, true) | (false, false) => 17,
            (false, true) => 9,
        };
        Some(Self {
            len,
            samples,
            sample_rate,
            bit_rate: Some(bit_rate),
            xing_offset: (layer == 3).then_some(4 + side_info_len),
            character: word & 0xFFFE_0C00,
        })
    }

    /// Reads an ADTS header.
    pub fn adts(header: &[u8; 7]) -> Option<Self> {
        let [first, second, third, fourth, fifth, sixth, seventh] = *header;
        // Twelve bits of sync, then MPEG version (any), layer (always 0), CRC (any).
        if first != 0xFF || second & 0xF6 != 0xF0 {
            return None;
        }
        let sample_rate = *ADTS_RATES.get(usize::from(third >> 2 & 0xF))?;
        let len = u64::from(fourth & 3) << 11 | u64::from(fifth) << 3 | u64::from(sixth >> 5);
        let header_len = if second & 1 == 0 { 9 } else { 7 };
        (len > header_len).then_some(Self {
            len,
            samples: 1024 * (u64::from(seventh & 3) + 1),
            sample_rate,
            bit_rate: None,
            xing_offset: None,
            character: u32::from_be_bytes([first, second, third & 0xFC, 0]),
        })
    }

    /// Whether `next` can belong to the same stream.
    pub fn is_kin_of(&self, next: &Self) -> bool {
        self.character == next.character
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths that any MP3 tool prints for these headers.
    #[test]
    fn known_mpeg_headers() {
        for (header, len, samples, sample_rate, bit_rate) in [
            ([0xFF, 0xFB, 0x90, 0x64], 417, 1152, 44_100, 128_000),
            ([0xFF, 0xFB, 0x92, 0x64], 418, 1152, 44_100, 128_000),
            ([0xFF, 0xFB, 0xE4, 0x00], 960, 1152, 48_000, 320_000),
            ([0xFF, 0xF3, 0x80, 0xC0], 208, 576, 22_050, 64_000),
            ([0xFF, 0xE3, 0x18, 0xC0], 72, 576, 8_000, 8_000),
            ([0xFF, 0xFD, 0xA4, 0x00], 576, 1152, 48_000, 192_000),
            ([0xFF, 0xFF, 0xC0, 0x00], 416, 384, 44_100, 384_000),
        ] {
            let frame = Frame::mpeg(&header).unwrap();
            let got = (frame.len, frame.samples, frame.sample_rate, frame.bit_rate);
            assert_eq!(got, (len, samples, sample_rate, Some(bit_rate)), "{header:02x?}");
        }
    }

    #[test]
    fn no_mpeg_header() {
        for header in [
            [0xFF, 0xD8, 0xFF, 0xE0], // JPEG
            [0xFF, 0xFE, 0x00, 0x00], // UTF-16 text: free format, and no length
            [0xFF, 0xFB, 0xF0, 0x00], // bit rate 15
            [0xFF, 0xFB, 0x9C, 0x00], // sample rate 3
            [0xFF, 0xEB, 0x90, 0x00], // version 1
            [0xFF, 0xF9, 0x90, 0x00], // layer 0, which is ADTS
            [0xFF, 0xFB, 0x90, 0x02], // emphasis 2
        ] {
            assert_eq!(Frame::mpeg(&header), None, "{header:02x?}");
        }
    }

    #[test]
    fn adts_length_spans_three_bytes() {
        let frame = Frame::adts(&[0xFF, 0xF1, 0x50, 0x80, 0x2E, 0x7F, 0xFC]).unwrap();
        assert_eq!((frame.len, frame.samples, frame.sample_rate), (371, 1024, 44_100));
        assert_eq!(Frame::adts(&[0xFF, 0xF1, 0x50, 0x80, 0x00, 0x3F, 0xFC]), None, "shorter than its header");
        assert_eq!(Frame::adts(&[0xFF, 0xFB, 0x50, 0x80, 0x2E, 0x7F, 0xFC]), None, "layer III");
    }
}
