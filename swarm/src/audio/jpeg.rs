//! A cover picture of any size: a valid grey JPEG of 8×8 pixels whose comment segments hold noise (ITU T.81).

use super::noise::Noise;

/// Comment segments hold at most 65 533 bytes beside their own length field.
const COMMENT_MAX: usize = 65_533;
/// Marker and length of one comment segment.
const COMMENT_HEAD: usize = 4;

/// A JPEG of `len` bytes, or the smallest one when `len` is less than that (about 150 bytes).
pub fn jpeg(len: usize, seed: u64) -> Vec<u8> {
    let tail = picture();
    let mut out = vec![0xff, 0xd8];
    let mut rest = len.saturating_sub(out.len() + tail.len());
    let mut place = 0;
    while rest >= COMMENT_HEAD {
        let mut take = (rest - COMMENT_HEAD).min(COMMENT_MAX);
        // Never leave a rest too small for a segment of its own.
        if (1..COMMENT_HEAD).contains(&(rest - COMMENT_HEAD - take)) {
            take -= COMMENT_HEAD;
        }
        out.extend_from_slice(&[0xff, 0xfe]);
        out.extend_from_slice(&u16::try_from(take + 2).expect("at most 65535 by COMMENT_MAX").to_be_bytes());
        Noise::new(seed).append(place, take, &mut out);
        place += take.div_ceil(8) as u64;
        rest -= COMMENT_HEAD + take;
    }
    out.extend_from_slice(&tail);
    out
}

/// Everything after the comments: tables, frame, one block of grey, end of image.
fn picture() -> Vec<u8> {
    let mut out = Vec::new();
    // Quantization table 0: all ones.
    out.extend_from_slice(&[0xff, 0xdb, 0, 67, 0]);
    out.extend_from_slice(&[1; 64]);
    // Baseline frame: 8 bits, 8×8, one component without subsampling.
    out.extend_from_slice(&[0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    // One code of one bit each: "difference 0" for DC (class 0), "end of block" for AC (class 1).
    for class in [0x00, 0x10] {
        out.extend_from_slice(&[0xff, 0xc4, 0, 20, class, 1]);
        out.extend_from_slice(&[0; 15]);
        out.push(0);
    }
    // Scan: the two codes are 0 and 0, the byte is filled up with ones.
    out.extend_from_slice(&[0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0b0011_1111]);
    out.extend_from_slice(&[0xff, 0xd9]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_what_was_asked_for() {
        for len in [400, 65_700, 65_701, 65_702, 65_703, 65_704, 65_705, 500_000] {
            let file = jpeg(len, 1);
            assert_eq!(file.len(), len);
            assert_eq!((&file[..2], &file[len - 2..]), (&[0xff, 0xd8][..], &[0xff, 0xd9][..]));
        }
    }

    #[test]
    fn segments_lead_to_the_scan() {
        let file = jpeg(200_000, 1);
        let mut at = 2;
        while file[at + 1] != 0xda {
            assert_eq!(file[at], 0xff, "no marker at {at}");
            at += 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        }
        assert_eq!(file.len() - at, 10 + 1 + 2);
    }
}
