//! How fast bytes have come lately.

use std::collections::VecDeque;
use std::time::Duration;

/// What the rate is measured over.
const WINDOW: Duration = Duration::from_secs(2);
/// Shortest time a rate is computed over, so that one block is no record.
const SHORTEST: Duration = Duration::from_millis(100);

/// Bytes and when they came. `now` is time since any fixed moment.
#[derive(Default)]
pub struct Meter {
    arrivals: VecDeque<(Duration, u32)>,
    bytes: u64,
    total: u64,
    last: Option<Duration>,
}

impl Meter {
    /// Bytes came.
    pub fn add(&mut self, bytes: u32, now: Duration) {
        self.arrivals.push_back((now, bytes));
        self.bytes += u64::from(bytes);
        self.total += u64::from(bytes);
        self.last = Some(now);
        self.forget(now);
    }

    fn forget(&mut self, now: Duration) {
        while let Some((at, bytes)) = self.arrivals.front()
            && *at + WINDOW < now
        {
            self.bytes -= u64::from(*bytes);
            self.arrivals.pop_front();
        }
    }

    /// Bytes per second over the last two seconds, or since the first byte of a burst.
    pub fn rate(&mut self, now: Duration) -> u64 {
        self.forget(now);
        let Some((first, _)) = self.arrivals.front() else { return 0 };
        let time = now.saturating_sub(*first).max(SHORTEST).as_secs_f64();
        (self.bytes as f64 / time) as u64
    }

    /// Whether a rate is still shown.
    pub fn is_running(&self) -> bool {
        !self.arrivals.is_empty()
    }

    /// Everything so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// When the last bytes came.
    pub fn last(&self) -> Option<Duration> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_what_came_and_falls_to_nothing() {
        let mut meter = Meter::default();
        for i in 0..100u64 {
            meter.add(10_000, Duration::from_millis(10 * i));
        }
        let rate = meter.rate(Duration::from_millis(1000));
        assert!((900_000..1_100_000).contains(&rate), "{rate}");
        assert_eq!(meter.rate(Duration::from_secs(4)), 0);
        assert!(!meter.is_running());
        assert_eq!(meter.total(), 1_000_000);
    }
}
