//! The end of something: told by many, for different reasons, and heard by whoever waits for it, once.

use crate::sync::{AtomicU64, Notify, Ordering};

/// Not yet, or for which reason.
#[derive(Default)]
pub struct Ending {
    /// 0: not yet.
    reason: AtomicU64,
    wake: Notify,
}

impl Ending {
    /// Ends it for a reason, which is not 0. The first one counts.
    pub fn end(&self, reason: u64) {
        let _ = self.reason.compare_exchange(0, reason, Ordering::AcqRel, Ordering::Relaxed);
        self.wake.notify_waiters();
    }

    /// The reason, once it has ended.
    pub fn reason(&self) -> Option<u64> {
        Some(self.reason.load(Ordering::Acquire)).filter(|reason| *reason != 0)
    }

    /// Waits for the end.
    pub async fn until(&self) -> u64 {
        loop {
            // Registered before the look, as in `Availability::readable`.
            let woken = self.wake.notified();
            if let Some(reason) = self.reason() {
                return reason;
            }
            woken.await;
        }
    }
}
