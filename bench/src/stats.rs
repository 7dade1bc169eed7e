//! Medians and ranges of a few measurements.

use serde::Serialize;

/// What several measurements of one thing say.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// The middle one; of an even number, the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// Sums up; `None` of nothing.
pub fn summary(values: &[f64]) -> Option<Summary> {
    let sorted = sorted(values);
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    let middle = sorted.len() / 2;
    let median =
        if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
    Some(Summary { median, min, max })
}

/// The value that `percent` (0 to 100) of the others do not exceed, by the nearest rank; `None` of nothing.
pub fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let sorted = sorted(values);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ranges() {
        assert_eq!(summary(&[]), None);
        assert_eq!(summary(&[2.0]), Some(Summary { median: 2.0, min: 2.0, max: 2.0 }));
        assert_eq!(summary(&[3.0, 1.0, 9.0]), Some(Summary { median: 3.0, min: 1.0, max: 9.0 }));
        assert_eq!(summary(&[3.0, 1.0, 9.0, 4.0]), Some(Summary { median: 3.5, min: 1.0, max: 9.0 }));
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        for (percent, value) in
            [(0.0, 1.0), (1.0, 1.0), (50.0, 50.0), (99.0, 99.0), (99.5, 100.0), (100.0, 100.0)]
        {
            assert_eq!(percentile(&values, percent), Some(value), "{percent}");
        }
        assert_eq!(percentile(&[], 50.0), None);
    }
}
