//! loom's locks and atomics with the faces of the engine's own (`src/sync.rs` there).
//!
//! Time does not pass in a model: a wait with a time limit waits for its wake-up alone, so that one that is lost shows
//! as a deadlock.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// parking_lot's face: no poison.
#[derive(Default)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// Unlocked.
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().expect("a model that panics has failed already")))
    }
}

/// Empty only inside a condition variable's wait, which needs the guard by value.
pub struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("given back after the wait")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("given back after the wait")
    }
}

/// parking_lot's face.
#[derive(Default)]
pub struct Condvar(loom::sync::Condvar);

/// How a wait with a time limit ended.
pub struct WaitTimeoutResult;

impl WaitTimeoutResult {
    /// Never: see the module.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        false
    }
}

impl Condvar {
    /// Nobody waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Until a wake-up.
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.0.take().expect("held by the caller");
        guard.0 = Some(self.0.wait(held).expect("a model that panics has failed already"));
    }

    /// Until a wake-up: see the module.
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _time: Duration) -> WaitTimeoutResult {
        self.wait(guard);
        WaitTimeoutResult
    }

    /// Wakes all.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// As much of tokio's `Notify` as is used: `notify_waiters` wakes every [`Notified`] that was made before it, polled or
/// not (its documentation promises that).
#[derive(Default)]
pub struct Notify(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    calls: u64,
    wakers: Vec<Waker>,
}

impl Notify {
    /// Nobody waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ready after the next `notify_waiters`.
    pub fn notified(&self) -> Notified<'_> {
        let since = self.0.lock().calls;
        Notified { notify: self, since }
    }

    /// Wakes all.
    pub fn notify_waiters(&self) {
        let wakers = {
            let mut waiting = self.0.lock();
            waiting.calls += 1;
            std::mem::take(&mut waiting.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// See [`Notify::notified`].
pub struct Notified<'a> {
    notify: &'a Notify,
    since: u64,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.notify.0.lock();
        if waiting.calls > self.since {
            return Poll::Ready(());
        }
        waiting.wakers.push(context.waker().clone());
        Poll::Pending
    }
}

/// Tells loom's threads apart: they all run on one thread of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadMark(loom::thread::ThreadId);

impl ThreadMark {
    /// The calling thread.
    #[must_use]
    pub fn this() -> Self {
        Self(loom::thread::current().id())
    }
}
