//! When it is news to the engine that a transfer has moved on.
//!
//! Telling the engine wakes its thread and has it plan anew. A player that takes a cached file at 1 GB/s would do that
//! thousands of times a second, for a plan that cannot change: nothing is missing. So the engine hears of what can make
//! a difference. Waiting for bytes, and the end of it, it always hears of; that is not decided here.

use super::frames::FRAME_LEN;

/// A read that has taken this much is playback, not a probe.
pub const PLAYBACK: u64 = 128 * 1024;

/// Smallest step that is told: less moves no window.
const STEP: u64 = FRAME_LEN as u64;

/// Largest step while something of the file is missing: the engine counts the seconds of music that are left.
const LARGE_STEP: u64 = 1024 * 1024;

/// What is at hand of a file around a transfer's position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtHand {
    /// Something is missing that playback reaches next.
    Little,
    /// All that the engine looks ahead, but not all of the file.
    Ahead,
    /// Every byte of the file.
    Whole,
}

/// What the engine was told of one transfer. Positions are bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    start: u64,
    told: u64,
}

impl Progress {
    /// A transfer that begins at `start`.
    pub fn new(start: u64) -> Self {
        Self { start, told: start }
    }

    /// The transfer stands at `position` now: whether to tell the engine. `window`: how far the engine looks ahead, in
    /// bytes. A step never exceeds half of it, since a position that leaves it between two looks is a jump.
    pub fn is_news(&mut self, position: u64, window: u64, at_hand: impl FnOnce() -> AtHand) -> bool {
        let became_playback = self.told - self.start <= PLAYBACK && position - self.start > PLAYBACK;
        let moved = position - self.told;
        let news = became_playback
            || moved >= STEP && {
                let most = (window / 2).max(STEP);
                moved
                    >= match at_hand() {
                        AtHand::Little => STEP,
                        AtHand::Ahead => LARGE_STEP.min(most),
                        AtHand::Whole => most,
                    }
            };
        if news {
            self.told = position;
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    /// Positions that are told while a transfer reads `len` bytes from `start` in whole frames.
    fn told(start: u64, len: u64, window: u64, at_hand: AtHand) -> Vec<u64> {
        let mut progress = Progress::new(start);
        let frames = (start..=start + len).step_by(FRAME_LEN).skip(1);
        frames.filter(|at| progress.is_news(*at, window, || at_hand)).map(|at| at - start).collect()
    }

    #[test]
    fn every_frame_while_something_near_is_missing() {
        assert_eq!(told(7, 512 * KIB, 1 << 30, AtHand::Little), [128 * KIB, 256 * KIB, 384 * KIB, 512 * KIB]);
    }

    #[test]
    fn playback_and_then_large_steps_otherwise() {
        let mib = 1024 * KIB;
        assert_eq!(
            told(0, 3 * mib, 60 * mib, AtHand::Ahead),
            [256 * KIB, 256 * KIB + mib, 256 * KIB + 2 * mib]
        );
        assert_eq!(
            told(0, 70 * mib, 60 * mib, AtHand::Whole),
            [256 * KIB, 30 * mib + 256 * KIB, 60 * mib + 256 * KIB]
        );
    }

    #[test]
    fn a_step_stays_within_the_window() {
        for at_hand in [AtHand::Ahead, AtHand::Whole] {
            let told = told(0, 4096 * KIB, 960 * KIB, at_hand);
            assert!(told.windows(2).all(|pair| pair[1] - pair[0] <= 512 * KIB), "{told:?}");
        }
    }

    #[test]
    fn a_probe_is_not_told() {
        let mut progress = Progress::new(0);
        assert!((1..=8).all(|n| !progress.is_news(n * 16 * KIB - 1, 1 << 30, || AtHand::Little)));
        assert!(progress.is_news(PLAYBACK + 1, 1 << 30, || AtHand::Whole));
        assert!(!progress.is_news(PLAYBACK + 2, 1 << 30, || AtHand::Whole));
    }
}
