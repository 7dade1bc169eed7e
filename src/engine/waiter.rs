//! A blocked caller: the engine's thread tells it how far things are and at last the result.

use std::sync::Arc;
use std::time::Duration;

use crate::sync::{Condvar, Mutex};

use super::Error;

/// How often a caller hears of progress at the least.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// The meeting point of one caller and the engine.
pub struct Waiter<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    progress: f32,
    status: String,
    result: Option<Result<T, Error>>,
}

/// The engine's end of a [`Waiter`]. Dropped without an answer (a defect) it answers `Internal`, so that no caller can
/// be left waiting for ever.
pub struct Promise<T>(Arc<Waiter<T>>);

impl<T> Promise<T> {
    /// The engine's end of `waiter`.
    pub fn new(waiter: &Arc<Waiter<T>>) -> Self {
        Self(Arc::clone(waiter))
    }
}

impl<T> std::ops::Deref for Promise<T> {
    type Target = Waiter<T>;

    fn deref(&self) -> &Waiter<T> {
        &self.0
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.0.finish(Err(Error::Internal(
            "a defect in the engine ended this call; the log has a line about it".into(),
        )));
    }
}

impl<T> Waiter<T> {
    /// Nothing known yet.
    pub fn new(status: &str) -> Arc<Self> {
        let state = State { progress: 0.0, status: status.into(), result: None };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Engine: what is waited for and how far it is. Progress never goes back.
    pub fn tell(&self, progress: f32, status: impl FnOnce() -> String) {
        let status = status();
        let mut state = self.state.lock();
        state.progress = state.progress.max(progress.clamp(0.0, 1.0));
        state.status = status;
    }

    /// Engine: the end. Only the first result counts.
    pub fn finish(&self, result: Result<T, Error>) {
        let mut state = self.state.lock();
        if state.result.is_none() {
            state.result = Some(result);
            self.changed.notify_all();
        }
    }

    /// Caller: blocks until the result is there; calls `progress` on this thread, with no lock held.
    pub fn wait(&self, progress: &mut dyn FnMut(f32, &str)) -> Result<T, Error> {
        loop {
            let (share, status) = {
                let mut state = self.state.lock();
                if state.result.is_none() {
                    self.changed.wait_for(&mut state, TELL_EVERY);
                }
                if let Some(result) = state.result.take() {
                    return result;
                }
                (state.progress, state.status.clone())
            };
            progress(share, &status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_never_goes_back_and_the_first_result_counts() {
        let waiter = Waiter::new("begin");
        waiter.tell(0.5, || "half".into());
        waiter.tell(0.2, || "later".into());
        waiter.finish(Ok(1));
        waiter.finish(Ok(2));
        assert_eq!(waiter.state.lock().progress, 0.5);
        assert_eq!(waiter.wait(&mut |_, _| {}), Ok(1));
    }

    #[test]
    fn a_promise_that_is_dropped_is_answered() {
        let waiter = Waiter::<u8>::new("begin");
        drop(Promise::new(&waiter));
        assert!(matches!(waiter.wait(&mut |_, _| {}), Err(Error::Internal(_))));
    }

    #[test]
    fn a_waiting_caller_hears_of_progress_on_its_own_thread() {
        let waiter = Waiter::<u8>::new("begin");
        let me = std::thread::current().id();
        let mut told = Vec::new();
        let other = Arc::clone(&waiter);
        waiter.tell(0.25, || "a quarter".into());
        let result = waiter.wait(&mut |share, status| {
            assert_eq!(std::thread::current().id(), me);
            told.push((share, status.to_owned()));
            other.finish(Err(Error::Superseded));
        });
        assert_eq!(result, Err(Error::Superseded));
        assert_eq!(told, vec![(0.25, "a quarter".into())]);
    }
}
