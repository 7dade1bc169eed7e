//! A set of piece numbers.

use std::ops::Range;

/// Piece numbers below a fixed count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits {
    words: Vec<u64>,
    len: u32,
    count: u32,
}

impl Bits {
    /// No piece of `len`.
    #[must_use]
    pub fn none(len: u32) -> Self {
        Self { words: vec![0; len.div_ceil(64) as usize], len, count: 0 }
    }

    /// Every piece of `len`.
    #[must_use]
    pub fn all(len: u32) -> Self {
        let mut bits = Self::none(len);
        (0..len).for_each(|i| {
            bits.insert(i);
        });
        bits
    }

    /// From a BITFIELD message's bytes: bit i is in byte i/8, high bit first (BEP 3). Missing bytes are zero,
    /// spare bits are ignored.
    #[must_use]
    pub fn from_wire(bytes: &[u8], len: u32) -> Self {
        let mut bits = Self::none(len);
        for i in 0..len {
            if bytes.get((i / 8) as usize).is_some_and(|byte| byte & (0x80 >> (i % 8)) != 0) {
                bits.insert(i);
            }
        }
        bits
    }

    /// Whether the set holds `i`; false outside.
    #[must_use]
    pub fn contains(&self, i: u32) -> bool {
        self.words.get((i / 64) as usize).is_some_and(|word| word & (1 << (i % 64)) != 0)
    }

    /// Adds `i`; true when it was not there. Outside the set's size nothing happens.
    pub fn insert(&mut self, i: u32) -> bool {
        if i >= self.len || self.contains(i) {
            return false;
        }
        self.words[(i / 64) as usize] |= 1 << (i % 64);
        self.count += 1;
        true
    }

    /// Takes `i` out; true when it was there.
    pub fn remove(&mut self, i: u32) -> bool {
        let there = self.contains(i);
        if there {
            self.words[(i / 64) as usize] &= !(1 << (i % 64));
            self.count -= 1;
        }
        there
    }

    /// How many are in the set.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many could be.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.len
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.count == self.len
    }

    /// The first number of `range` that is in the set, and in `also` where that is given.
    #[must_use]
    pub fn first_in(&self, range: Range<u32>, also: Option<&Bits>) -> Option<u32> {
        let end = range.end.min(self.len);
        let mut i = range.start;
        while i < end {
            let at = (i / 64) as usize;
            let mask = also.map_or(u64::MAX, |also| also.words.get(at).copied().unwrap_or(0));
            let set = (self.words[at] & mask) >> (i % 64);
            if set != 0 {
                let found = i + set.trailing_zeros();
                return (found < end).then_some(found);
            }
            i = (i / 64 + 1) * 64;
        }
        None
    }

    /// The first number of `range` that is not in the set.
    #[must_use]
    pub fn first_missing(&self, range: Range<u32>) -> Option<u32> {
        let end = range.end.min(self.len);
        let mut i = range.start;
        while i < end {
            let free = !self.words[(i / 64) as usize] >> (i % 64);
            if free != 0 {
                let found = i + free.trailing_zeros();
                return (found < end).then_some(found);
            }
            i = (i / 64 + 1) * 64;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_like_a_set(len in 0u32..300, ops in prop::collection::vec((any::<bool>(), 0u32..320), 0..200), a in 0u32..320, b in 0u32..320) {
            let mut bits = Bits::none(len);
            let mut naive = BTreeSet::new();
            for (add, i) in ops {
                if add {
                    prop_assert_eq!(bits.insert(i), i < len && naive.insert(i));
                } else {
                    prop_assert_eq!(bits.remove(i), naive.remove(&i));
                }
            }
            prop_assert_eq!(bits.count() as usize, naive.len());
            let missing = (a..b.min(len)).find(|i| !naive.contains(i));
            prop_assert_eq!(bits.first_missing(a..b), missing);
            let mut even = Bits::none(len / 2);
            (0..len).filter(|i| i % 2 == 0).for_each(|i| { even.insert(i); });
            prop_assert_eq!(bits.first_in(a..b, None), (a..b).find(|i| naive.contains(i)));
            let both = (a..b).find(|i| naive.contains(i) && i % 2 == 0 && *i < len / 2);
            prop_assert_eq!(bits.first_in(a..b, Some(&even)), both);
        }

        #[test]
        fn wire_order_is_high_bit_first(len in 1u32..100, set in prop::collection::btree_set(0u32..100, 0..50)) {
            let mut bytes = vec![0u8; 13];
            for i in &set {
                bytes[(i / 8) as usize] |= 0x80 >> (i % 8);
            }
            let bits = Bits::from_wire(&bytes, len);
            for i in 0..len {
                prop_assert_eq!(bits.contains(i), set.contains(&i));
            }
        }
    }
}
