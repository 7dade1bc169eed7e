//! What a world asks of whoever decides, and our picker as one of them.

use std::time::Duration;

use vozduxan::schedule::bits::Bits;
use vozduxan::schedule::evidence::Evidence;
use vozduxan::schedule::layout::Layout;
use vozduxan::schedule::picker::{Command, Input, Picker};
use vozduxan::schedule::plan::Demand;

/// Who decides what is asked of whom: ours, or one to compare with.
pub trait Chooser {
    fn begin(&mut self, layout: Layout);
    fn on(&mut self, input: Input, now: Duration);
    fn set_demands(&mut self, demands: Vec<Demand>, now: Duration);
    fn pump(&mut self, now: Duration, out: &mut Vec<Command>);
    fn next_look(&self, now: Duration) -> Option<Duration>;
    /// Looks at the copies of a piece; whether the right ones are found, and the blocks hashed for that. Who keeps none
    /// says no.
    fn examine(&mut self, _evidence: &mut Evidence, _piece: u32, _now: Duration) -> (bool, u64) {
        (false, 0)
    }
}

impl Chooser for Picker {
    fn begin(&mut self, layout: Layout) {
        let have = Bits::none(layout.pieces());
        Self::begin(self, layout, have);
    }
    fn on(&mut self, input: Input, now: Duration) {
        Self::on(self, input, now);
    }
    fn set_demands(&mut self, demands: Vec<Demand>, now: Duration) {
        Self::set_demands(self, demands, now);
    }
    fn pump(&mut self, now: Duration, out: &mut Vec<Command>) {
        Self::pump(self, now, out);
    }
    fn next_look(&self, now: Duration) -> Option<Duration> {
        Self::next_look(self, now)
    }
    fn examine(&mut self, evidence: &mut Evidence, piece: u32, now: Duration) -> (bool, u64) {
        let hashed = std::cell::Cell::new(0);
        // The first byte of a right block is 0, of a wrong one its sender's number.
        let is_right = |blocks: &[&[u8]]| {
            hashed.set(hashed.get() + blocks.len() as u64);
            blocks.iter().all(|block| block[0] == 0)
        };
        let found = Self::examine(self, evidence, piece, now, is_right).is_some();
        (found, hashed.get())
    }
}
