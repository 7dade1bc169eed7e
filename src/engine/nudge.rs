//! "Something is new, look": told by many threads, heard once until the listener looks.

use crate::sync::{AtomicBool, Ordering};

/// A flag between those who change something and the one who looks at it. What they change may be relaxed atomics:
/// whoever is told that the listener knows already can rely on its next look seeing the change.
#[derive(Default)]
pub struct Nudge {
    raised: AtomicBool,
}

impl Nudge {
    /// After a change: true when the listener has to be told, false when it is going to look anyway.
    pub fn raise(&self) -> bool {
        !self.raised.swap(true, Ordering::AcqRel)
    }

    /// Before the look.
    pub fn look(&self) {
        // A swap, not a store: it reads what the last `raise` wrote and so comes after that thread's change. After a
        // mere store the look could still read the old value, and a `raise` in that moment would tell nobody.
        self.raised.swap(false, Ordering::AcqRel);
    }
}
