//! Callers inside a blocking function, counted so that the end can wait for them.

use std::time::Duration;

use crate::sync::{Condvar, Mutex};

/// See the module.
#[derive(Default)]
pub struct Calls {
    inside: Mutex<usize>,
    left: Condvar,
}

/// A caller is inside while this lives.
pub struct Inside<'a>(&'a Calls);

impl Calls {
    /// A caller comes in.
    pub fn enter(&self) -> Inside<'_> {
        *self.inside.lock() += 1;
        Inside(self)
    }

    /// Waits until nobody is inside; false when that takes longer than `time`.
    pub fn wait_until_empty(&self, time: Duration) -> bool {
        let mut inside = self.inside.lock();
        while *inside > 0 {
            if self.left.wait_for(&mut inside, time).timed_out() {
                return *inside == 0;
            }
        }
        true
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut inside = self.0.inside.lock();
        *inside -= 1;
        let empty = *inside == 0;
        drop(inside);
        if empty {
            self.0.left.notify_all();
        }
    }
}
