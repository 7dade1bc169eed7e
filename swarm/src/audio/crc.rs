//! The two sums of FLAC (RFC 9639, 9.1.8 and 9.3): polynomials 0x07 and 0x8005, starting at zero, not reflected.

/// CRC-8 of a frame's header.
pub fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, &byte| {
        (0..8).fold(sum ^ byte, |sum: u8, _| if sum & 0x80 != 0 { sum << 1 ^ 0x07 } else { sum << 1 })
    })
}

/// `TABLES[k][b]`: what byte `b` does to the sum when `k` zero bytes follow it. Eight of them, so that eight bytes are
/// taken at a time: a file of 80 MB has to be quick to make in a debug build too.
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0u16; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 0x8000 != 0 { sum << 1 ^ 0x8005 } else { sum << 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut k = 1;
    while k < 8 {
        byte = 0;
        while byte < 256 {
            let before = tables[k - 1][byte];
            tables[k][byte] = before << 8 ^ tables[0][(before >> 8) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

/// CRC-16 of a whole frame.
pub fn crc16(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut sum = 0u16;
    for word in words {
        let [high, low] = sum.to_be_bytes();
        let at = |k: usize, byte: u8| TABLES[k][usize::from(byte)];
        sum = at(7, word[0] ^ high)
            ^ at(6, word[1] ^ low)
            ^ at(5, word[2])
            ^ at(4, word[3])
            ^ at(3, word[4])
            ^ at(2, word[5])
            ^ at(1, word[6])
            ^ at(0, word[7]);
    }
    rest.iter().fold(sum, |sum, &byte| sum << 8 ^ TABLES[0][usize::from((sum >> 8) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue() {
        // CRC-8/SMBUS and CRC-16/UMTS.
        assert_eq!(crc8(b"123456789"), 0xf4);
        assert_eq!(crc16(b"123456789"), 0xfee8);
        assert_eq!(crc16(b"12345678 and more than one word of it"), {
            let bytes = b"12345678 and more than one word of it";
            bytes.iter().fold(0, |sum, &b| sum << 8 ^ TABLES[0][usize::from((sum >> 8) as u8 ^ b)])
        });
    }
}
