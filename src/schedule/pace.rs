//! How fast one peer answers, and how many requests keep its line full.
//!
//! Two measurements, as in BBR congestion control: the delivery rate and the smallest time from request to block.
//! Their product fills the line; more would only queue at the peer, where a seek has to wait behind it. A full line
//! hides its true delay behind our own queue, so once in a while the queue is let run low and the delay is measured
//! anew.

use std::collections::VecDeque;
use std::time::Duration;

use super::layout::BLOCK_LEN;

/// Above the measured product, so that a faster line shows itself: while growing, and after.
const GAIN_GROWING: f64 = 2.0;
const GAIN_STEADY: f64 = 1.05;
/// Below it, while the delay is measured anew.
const GAIN_DRAINING: f64 = 0.6;
/// Rounding the product up may leave nearly a block too many in the peer's queue, where a seek has to wait for it. This
/// part of a block is made up for by the one that is on the line.
const SLACK: f64 = 0.25;
/// Time that our own threads and the peer's may add between a block's arrival and the next request, in seconds.
const HANDLING: f64 = 0.003;
/// Arrivals that the rate is measured over.
const SAMPLES: usize = 32;
/// Arrivals older than this say nothing about the rate now, except the last few of a slow peer.
const SAMPLE_AGE: Duration = Duration::from_millis(1500);
const SAMPLES_KEPT: usize = 4;
/// A rate holds for this many seconds and two round trips after it was last seen.
const RATE_AGE: f64 = 0.3;
/// A rate seen over less time than this may be a burst out of somebody's buffer: it does not count yet.
const BURST: f64 = 0.012;
/// The delay is measured anew after this long and as many blocks,
const DELAY_AGE: f64 = 5.0;
const DELAY_BLOCKS: f64 = 40.0;
/// ... over this many blocks that were asked for while the queue was low.
const DELAY_SAMPLES: u32 = 2;
/// Rate assumed before anything is known, bytes per second.
pub const GUESSED_RATE: f64 = 250_000.0;
/// Round trip assumed before anything is known, seconds.
const GUESSED_TRIP: f64 = 0.15;

const BLOCK: f64 = BLOCK_LEN as f64;

/// See the module.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Arrivals of the current busy period: time and bytes.
    arrivals: VecDeque<(Duration, u32)>,
    /// Bytes per second, and whether it comes from more than the very first block.
    rate: Option<(f64, bool)>,
    /// When it was last seen.
    rate_at: Duration,
    /// Smallest seconds from request to block.
    delay: Option<f64>,
    delay_since: Duration,
    /// While the queue runs low: since when, the smallest delay and the number of those measured.
    draining: Option<(Duration, f64, u32)>,
    growing: bool,
    /// Blocks arrived since the last growth check, and the rate then.
    round: (usize, f64),
}

impl Pace {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            arrivals: VecDeque::new(),
            rate: None,
            rate_at: now,
            delay: None,
            delay_since: now,
            draining: None,
            growing: true,
            round: (0, 0.0),
        }
    }

    /// The first request after a time without any was sent: what came before says nothing about the rate.
    pub fn restart(&mut self) {
        self.arrivals.clear();
    }

    /// A block of `len` bytes arrived, `latency` after it was asked for (`None`: it was not).
    pub fn arrived(&mut self, latency: Option<Duration>, len: u32, now: Duration) {
        if let Some(latency) = latency {
            self.delayed(latency.as_secs_f64(), now);
        }
        let is_old = |(at, _): &(Duration, u32)| *at + SAMPLE_AGE < now;
        while self.arrivals.len() >= SAMPLES
            || self.arrivals.len() > SAMPLES_KEPT && self.arrivals.front().is_some_and(is_old)
        {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back((now, len));
        let Some(seen) = self.seen() else { return };
        self.rate = match self.rate {
            // Follows a faster line at once; a slower one over a few blocks, and not for a gap in our own requests.
            Some((known, true)) if seen < known * 0.95 => {
                let rests = now.saturating_sub(self.rate_at).as_secs_f64() < RATE_AGE + 2.0 * self.trip();
                Some((if rests { known } else { known * 0.9 + seen * 0.1 }, true))
            }
            Some((known, true)) if seen < known => {
                self.rate_at = now;
                Some((known * 0.9 + seen * 0.1, true))
            }
            _ => {
                self.rate_at = now;
                Some((seen, true))
            }
        };
        self.round.0 += 1;
        if self.round.0 >= SAMPLES / 2 {
            let rate = self.rate();
            self.growing = self.growing && rate > self.round.1 * 1.25;
            self.round = (0, rate);
        }
    }

    fn delayed(&mut self, latency: f64, now: Duration) {
        if self.rate.is_none() {
            // One block does not tell delay from rate. All of it is taken for the line: who is slow had better not be
            // counted on, and a fast one shows itself with the next block.
            self.rate = Some(((BLOCK / latency.max(0.001)).min(GUESSED_RATE), false));
        }
        self.delay = Some(self.delay.map_or(latency, |least| least.min(latency)));
        let (age, block_time) = (now.saturating_sub(self.delay_since).as_secs_f64(), self.block_time());
        match &mut self.draining {
            None if !self.growing && age > DELAY_AGE + DELAY_BLOCKS * block_time => {
                self.draining = Some((now, f64::MAX, 0));
            }
            None => {}
            Some((since, least, count)) => {
                // Asked for before: it may have stood in our own queue.
                if now.as_secs_f64() - latency <= since.as_secs_f64() {
                    return;
                }
                *least = least.min(latency);
                *count += 1;
                if *count >= DELAY_SAMPLES {
                    self.delay = Some(*least);
                    self.delay_since = now;
                    self.draining = None;
                }
            }
        }
    }

    /// Bytes per second over the arrivals of the busy period, when there are enough.
    fn seen(&self) -> Option<f64> {
        let (first, last) = (self.arrivals.front()?.0, self.arrivals.back()?.0);
        let time = last.saturating_sub(first).as_secs_f64();
        // What came together with the first had been under way before the time that is measured.
        let bytes: u64 =
            self.arrivals.iter().filter(|(at, _)| *at > first).map(|(_, len)| u64::from(*len)).sum();
        let full = self.arrivals.len() >= SAMPLES && time > 0.0;
        (bytes > 0 && (time >= BURST || full)).then(|| bytes as f64 / time)
    }

    /// Whether more than a guess is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.rate.is_some_and(|(_, measured)| measured)
    }

    /// Bytes per second while the peer answers at all.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate.map_or(GUESSED_RATE, |(rate, _)| rate.max(1.0))
    }

    /// Seconds that the line needs for one block.
    #[must_use]
    pub fn block_time(&self) -> f64 {
        BLOCK / self.rate()
    }

    /// Seconds from a request to the first byte of its block on an idle line.
    #[must_use]
    pub fn trip(&self) -> f64 {
        self.delay.map_or(GUESSED_TRIP, |least| (least - self.block_time()).max(0.0))
    }

    /// Requests that keep the line full; `None` while the rate is a guess.
    #[must_use]
    pub fn depth(&self) -> Option<usize> {
        let gain = match (self.draining.is_some(), self.growing) {
            (true, _) => GAIN_DRAINING,
            (_, true) => GAIN_GROWING,
            _ => GAIN_STEADY,
        };
        let bytes = gain * self.rate() * (self.trip() + HANDLING);
        // One more: the one that is on the line while the next is asked for.
        let one = usize::from(self.draining.is_none());
        self.is_known().then_some((bytes / BLOCK - SLACK).ceil().max(1.0) as usize + one)
    }
}
