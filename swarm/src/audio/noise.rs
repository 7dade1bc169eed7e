//! Noise: bytes that are the same on every run, cannot be compressed, and differ at every position.
//!
//! A byte that arrives wrong, twice, or shifted must not look right. Counting patterns fail that (a shift by the
//! period goes unseen), so the bytes come from a generator that is addressed by position.

/// A source of noise bytes, addressed by position: `word(n)` is bytes `8n..8n+8`.
#[derive(Debug, Clone, Copy)]
pub struct Noise {
    key: u64,
}

impl Noise {
    /// The noise that belongs to `seed`. Different seeds give unrelated bytes.
    pub fn new(seed: u64) -> Self {
        Self { key: mix(seed ^ 0x9e37_79b9_7f4a_7c15) }
    }

    /// The 64 bits at place `index`.
    #[inline]
    pub fn word(self, index: u64) -> u64 {
        mix(self.key.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Appends the first `len` bytes from word `index` on.
    pub fn append(self, mut index: u64, len: usize, out: &mut Vec<u8>) {
        out.reserve(len);
        let end = out.len() + len;
        while out.len() + 8 <= end {
            out.extend_from_slice(&self.word(index).to_le_bytes());
            index += 1;
        }
        let rest = end - out.len();
        out.extend_from_slice(&self.word(index).to_le_bytes()[..rest]);
    }

    /// `len` bytes of this noise.
    pub fn bytes(self, len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        self.append(0, len, &mut out);
        out
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection, so two positions never share a word.
#[inline]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_eight_bytes_are_unique_and_the_seed_decides() {
        let bytes = Noise::new(7).bytes(1 << 20);
        let words: HashSet<&[u8]> = bytes.chunks(8).collect();
        assert_eq!(words.len(), bytes.len() / 8);
        assert_eq!(bytes, Noise::new(7).bytes(1 << 20));
        assert_ne!(bytes[..64], Noise::new(8).bytes(64)[..]);
    }

    #[test]
    fn appending_from_the_middle_gives_the_same_bytes() {
        let all = Noise::new(1).bytes(803);
        let mut tail = Vec::new();
        Noise::new(1).append(50, 403, &mut tail);
        assert_eq!(tail, all[400..]);
    }
}
