//! How many bytes of music must be at hand before a stream counts as ready, and what the progress bar says.

/// Bounds of the prebuffer, in bytes of audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Enough on a swarm that is clearly faster than the music.
    pub min: u64,
    /// Never more, however slow the swarm.
    pub max: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { min: 32 * 1024, max: 512 * 1024 }
    }
}

/// Bytes of audio, from the first audio byte on, that make a stream ready.
///
/// `rate`: bytes per second from the swarm now, `None` while unknown. `byte_rate`: bytes per second of music.
/// A swarm that is clearly faster than the music needs only the minimum: each piece comes before the last one has been
/// heard (`tests/simulate/play.rs`). One that is slower will stall whatever is buffered, so the maximum buys the longest
/// undisturbed beginning. In between the need falls linearly. Without a rate the minimum is used: bytes that are here
/// show that the swarm works.
#[must_use]
pub fn needed(rate: Option<u64>, byte_rate: u64, peers: usize, bounds: &Bounds) -> u64 {
    let Some(rate) = rate else { return bounds.min };
    let ratio = rate as f64 / byte_rate.max(1) as f64;
    // One peer may leave; several rarely do so at once.
    let safe = if peers > 1 { 1.25 } else { 1.5 };
    let lack = ((safe - ratio) / (safe - 1.0)).clamp(0.0, 1.0);
    let span = bounds.max.saturating_sub(bounds.min) as f64;
    bounds.min + (span * lack) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fast_swarms_need_the_minimum_and_slow_ones_the_maximum() {
        let bounds = Bounds::default();
        assert_eq!(needed(Some(4_000_000), 112_000, 1, &bounds), 32 * 1024);
        assert_eq!(needed(Some(100_000), 112_000, 1, &bounds), 512 * 1024);
        assert_eq!(needed(Some(140_000), 112_000, 2, &bounds), 32 * 1024);
        assert_eq!(needed(Some(140_000), 112_000, 1, &bounds), 272 * 1024);
        assert_eq!(needed(None, 112_000, 1, &bounds), 32 * 1024);
    }

    proptest! {
        #[test]
        fn stays_inside_and_falls_with_the_rate(rate in 0u64..10_000_000, more in 0u64..1_000_000, music in 0u64..1_000_000, peers in 0usize..9) {
            let bounds = Bounds::default();
            let slow = needed(Some(rate), music, peers, &bounds);
            let fast = needed(Some(rate + more), music, peers, &bounds);
            prop_assert!(bounds.min <= fast && fast <= slow && slow <= bounds.max);
        }
    }
}
