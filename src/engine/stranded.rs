//! When all peers are gone and somebody waits: the ones that gave data are tried again and again. libtorrent gives each
//! of them up after three attempts, which is half a minute without a line, and hears of them next from a tracker.

use std::time::Duration;

/// Between two attempts; libtorrent's own `min_reconnect_time`.
const RETRY: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Default)]
pub struct Stranded {
    /// When it is time for the next attempt; `None`: peers are here, or nobody waits.
    again_at: Option<Duration>,
}

impl Stranded {
    /// Whether peers have to be tried again now. `is_stranded`: somebody waits and no peer is connected.
    pub fn is_due(&mut self, is_stranded: bool, now: Duration) -> bool {
        let is_due = is_stranded && self.again_at.is_some_and(|at| at <= now);
        self.again_at = match self.again_at {
            _ if !is_stranded => None,
            Some(at) if !is_due => Some(at),
            _ => Some(now + RETRY),
        };
        is_due
    }

    /// When to ask again although nothing happens.
    pub fn next_look(&self) -> Option<Duration> {
        self.again_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_five_seconds_for_as_long_as_it_lasts() {
        let mut stranded = Stranded::default();
        let seconds = Duration::from_secs;
        let mut due = |is_stranded, at| (stranded.is_due(is_stranded, seconds(at)), stranded.next_look());
        assert_eq!(due(false, 0), (false, None));
        // libtorrent has the first five seconds.
        assert_eq!(due(true, 10), (false, Some(seconds(15))));
        assert_eq!(due(true, 14), (false, Some(seconds(15))));
        assert_eq!(due(true, 15), (true, Some(seconds(20))));
        assert_eq!(due(true, 16), (false, Some(seconds(20))));
        assert_eq!(due(true, 27), (true, Some(seconds(32))));
        assert_eq!(due(false, 28), (false, None));
        assert_eq!(due(true, 40), (false, Some(seconds(45))));
    }
}
