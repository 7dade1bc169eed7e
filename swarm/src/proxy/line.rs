//! A line of fixed rate: when does a byte that is handed over now come out at the far end?
//!
//! Pure arithmetic on a virtual clock. The line remembers when it will be free; what is handed over begins to leave
//! then, or now if the line is idle, and takes `len / rate`. Rounding is upwards: a line may be late, never early.

use std::time::{Duration, Instant};

/// How much waits in front of a line at most, in time; see [`Line::queue_limit`].
const QUEUE_TIME: Duration = Duration::from_millis(20);
/// The same in bytes: a slow line must hold a few packets all the same.
const QUEUE_BYTES: u64 = 32 * 1024;

/// Bytes that come out of a line together: few packets where they take no time to speak of, one packet where they do.
const BURST_BYTES: usize = 4 * 1024;
const BURST_TIME: Duration = Duration::from_millis(25);
pub(super) const PACKET_BYTES: usize = 1024;

/// One direction of a peer's line.
#[derive(Debug, Clone)]
pub struct Line {
    /// Bytes per second; `None` is an unlimited line.
    rate: Option<u64>,
    /// When the last byte handed over has left. In the past when the line is idle.
    free_at: Instant,
}

impl Line {
    /// An idle line. A rate of zero bytes per second counts as one.
    pub fn new(rate: Option<u64>, now: Instant) -> Self {
        Self { rate: rate.map(|rate| rate.max(1)), free_at: now }
    }

    /// Bytes per second; `None` is unlimited.
    pub fn rate(&self) -> Option<u64> {
        self.rate
    }

    /// Puts `len` bytes on the line and answers when the last of them has left it.
    pub fn send(&mut self, len: usize, now: Instant) -> Instant {
        self.free_at = self.free_at.max(now) + self.time_for(len as u64);
        self.free_at
    }

    /// How long `len` bytes take, rounded up to a nanosecond.
    pub fn time_for(&self, len: u64) -> Duration {
        self.rate.map_or(Duration::ZERO, |rate| {
            let nanos = (u128::from(len) * 1_000_000_000).div_ceil(u128::from(rate));
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        })
    }

    /// The longest queue: 20 ms, or the time of 32 KiB if that is more.
    pub fn queue_limit(&self) -> Duration {
        self.time_for(QUEUE_BYTES).max(QUEUE_TIME)
    }

    /// From when on `len` more bytes fit in the queue. A moment in the past means: now.
    pub fn room_at(&self, len: u64) -> Instant {
        let head_start = self.queue_limit().saturating_sub(self.time_for(len));
        self.free_at.checked_sub(head_start).unwrap_or(self.free_at)
    }

    /// How many bytes come out together.
    pub fn burst(&self) -> usize {
        if self.time_for(BURST_BYTES as u64) <= BURST_TIME { BURST_BYTES } else { PACKET_BYTES }
    }

    /// When all that was handed over has left.
    pub fn free_at(&self) -> Instant {
        self.free_at
    }

    /// Moves everything `by` later: the line stood still so long.
    pub fn delay(&mut self, by: Duration) {
        self.free_at += by;
    }

    /// Changes the rate. Bytes that have not left are to be put on the line again with [`Line::send`].
    pub fn restart(&mut self, rate: Option<u64>, now: Instant) {
        *self = Self::new(rate, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Over any interval that starts at the first byte, never more bytes than the rate allows, and no idling
        /// while bytes wait.
        #[test]
        fn never_early_and_never_idle(
            rate in 1u64..50_000_000,
            sends in prop::collection::vec((0u64..30_000_000, 1usize..20_000), 1..60),
        ) {
            let start = Instant::now();
            let mut line = Line::new(Some(rate), start);
            let mut now = start;
            let mut exact = 0u128; // nanoseconds after start, the naive sum
            for (i, &(pause, len)) in sends.iter().enumerate() {
                now += Duration::from_nanos(pause);
                let out = line.send(len, now).duration_since(start).as_nanos();
                let least = len as u128 * 1_000_000_000 / u128::from(rate);
                exact = exact.max(now.duration_since(start).as_nanos()) + least;
                prop_assert!(out >= exact, "early: {out} < {exact}");
                prop_assert!(out <= exact + i as u128 + 1, "idle: {out} > {exact}");
            }
        }

        #[test]
        fn what_is_sent_when_there_is_room_waits_no_longer_than_the_limit(
            rate in 1_000u64..50_000_000,
            len in 1u64..16_384,
            fill in 1usize..1_000_000,
        ) {
            let start = Instant::now();
            let mut line = Line::new(Some(rate), start);
            line.send(fill, start);
            let now = line.room_at(len).max(start);
            let out = line.send(len as usize, now);
            prop_assert!(out.duration_since(now) <= line.queue_limit() + Duration::from_nanos(2));
        }
    }

    #[test]
    fn a_slow_line_lets_out_packet_by_packet() {
        let burst = |rate| Line::new(rate, Instant::now()).burst();
        assert_eq!([Some(20_000), Some(160_000), Some(164_000), None].map(burst), [1024, 1024, 4096, 4096]);
    }

    #[test]
    fn an_unlimited_line_has_no_queue() {
        let now = Instant::now();
        let mut line = Line::new(None, now);
        assert_eq!(line.send(usize::MAX, now), now);
        assert!(line.room_at(1 << 40) <= now);
    }
}
