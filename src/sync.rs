//! What the waiting and waking code is made of: one name for each lock, atomic and notification.
//!
//! `models/` compiles the files that use these names against a model checker's types of the same names, and runs
//! every interleaving of a few threads through them. So such a file takes its primitives from here, and holds nothing
//! but the waiting: a mistake there shows once in a million runs.

pub use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use parking_lot::{Condvar, Mutex};
pub use tokio::sync::Notify;

/// Tells threads apart, while they live.
///
/// Not `std::thread::current().id()`: on a host's thread that makes std allocate a handle, which the main thread never
/// frees, and hosts that look for leaks would find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadMark(usize);

impl ThreadMark {
    /// The calling thread.
    #[must_use]
    pub fn this() -> Self {
        thread_local! { static OWN: u8 = const { 0 } }
        OWN.with(|own| Self((&raw const *own).addr()))
    }
}
