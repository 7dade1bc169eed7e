//! What is known of one peer's honesty, block by block.

/// A peer nothing is known of counts as if this part of a block had been wrong,
const PRIOR_WRONG: f64 = 0.2;
/// ... of this many.
const PRIOR_BLOCKS: f64 = 4.0;
/// Whoever is wrong more often than this, over at least so many wrong blocks, is of no use.
const USELESS: f64 = 0.5;
const USELESS_BLOCKS: u32 = 8;

/// See the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Blocks that turned out right.
    right: u32,
    /// Blocks that turned out wrong.
    wrong: u32,
}

impl Record {
    /// So many blocks turned out right, so many wrong.
    pub fn add(&mut self, right: u32, wrong: u32) {
        self.right = self.right.saturating_add(right);
        self.wrong = self.wrong.saturating_add(wrong);
    }

    /// How likely the next block is to be wrong, in 0..1.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        self.error_rate_with(0, 0.0)
    }

    /// The same with so many `copies` besides that others can be compared with, `wrong` of them as it seems.
    #[must_use]
    pub fn error_rate_with(&self, copies: u32, wrong: f64) -> f64 {
        let all = f64::from(self.right) + f64::from(self.wrong) + f64::from(copies);
        (f64::from(self.wrong) + wrong + PRIOR_WRONG) / (all + PRIOR_BLOCKS)
    }

    /// Whether it ever gave a wrong block.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.wrong > 0
    }

    /// Whether it costs more than it brings.
    #[must_use]
    pub fn is_useless(&self) -> bool {
        self.wrong >= USELESS_BLOCKS && self.error_rate() > USELESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_wrong_one_time_in_five_stays_useful_and_who_is_wrong_mostly_does_not() {
        let mut record = Record::default();
        assert!(!record.is_suspect() && record.error_rate() < 0.1);
        assert!(record.error_rate_with(2, 1.0) > 0.15);
        record.add(40, 10);
        assert!(record.is_suspect() && !record.is_useless());
        assert!((0.15..0.25).contains(&record.error_rate()));
        record.add(0, 60);
        assert!(record.is_useless());
    }
}
