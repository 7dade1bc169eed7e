//! When all peers are gone and somebody waits: the ones that gave data are tried again and again. libtorrent gives each
//! of them up after three attempts, which is half a minute without a line, and hears of them next from a tracker.
//!
//! It also bans whoever was the only giver of a wrong piece, by mistake or not. Where nobody else is left those are tried
//! again too: what they send is looked at by the engine itself (`verdicts`).

use std::time::Duration;

/// Between two attempts; libtorrent's own `min_reconnect_time`.
const RETRY: Duration = Duration::from_secs(5);

/// So many attempts are left to those who only went away, before the ones that libtorrent has banned are let in again:
/// they would end the search for the others.
const HONEST_FIRST: u32 = 3;

/// See the module.
#[derive(Default)]
pub struct Stranded {
    /// When it is time for the next attempt; `None`: peers are here, or nobody waits.
    again_at: Option<Duration>,
    /// Attempts since it began.
    attempts: u32,
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
        self.attempts = if is_stranded { self.attempts + u32::from(is_due) } else { 0 };
        is_due
    }

    /// Whether those who only went away have had their chance to come back.
    pub fn is_hopeless(&self) -> bool {
        self.attempts > HONEST_FIRST
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

    #[test]
    fn the_banned_come_after_three_attempts_for_the_others() {
        let mut stranded = Stranded::default();
        let mut hopeless_at = |seconds| {
            stranded.is_due(true, Duration::from_secs(seconds));
            stranded.is_hopeless()
        };
        assert_eq!(
            [0, 5, 10, 15, 17, 20, 25].map(&mut hopeless_at),
            [false, false, false, false, false, true, true]
        );
        stranded.is_due(false, Duration::from_secs(26));
        assert!(!stranded.is_hopeless());
    }
}
