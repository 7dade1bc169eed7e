//! When the host's code may be called: until the session is destroyed, which waits for the calls inside.

use crate::sync::{Condvar, Mutex, ThreadMark};

/// Lets host calls through until it is closed.
#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    left: Condvar,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// The thread of each call inside; one thread may be inside several times, by callbacks that prepare again.
    inside: Vec<ThreadMark>,
}

impl Gate {
    /// Runs `call`, unless the gate is closed.
    pub fn pass(&self, call: impl FnOnce()) {
        {
            let mut state = self.state.lock();
            if state.closed {
                return;
            }
            state.inside.push(ThreadMark::this());
        }
        let _inside = Inside { gate: self };
        call();
    }

    /// Whether this thread is inside a call.
    pub fn is_inside(&self) -> bool {
        self.state.lock().inside.contains(&ThreadMark::this())
    }

    /// Lets no call begin any more and waits for those inside on other threads. A call inside on this thread is the
    /// one that is closing the gate: it cannot be waited for.
    pub fn close(&self) {
        let this = ThreadMark::this();
        let mut state = self.state.lock();
        state.closed = true;
        while state.inside.iter().any(|thread| *thread != this) {
            self.left.wait(&mut state);
        }
    }
}

/// Leaves the gate, however the call ends.
struct Inside<'a> {
    gate: &'a Gate,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let this = ThreadMark::this();
        let mut state = self.gate.state.lock();
        if let Some(place) = state.inside.iter().position(|thread| *thread == this) {
            state.inside.swap_remove(place);
        }
        drop(state);
        self.gate.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_closed_gate_lets_nothing_through() {
        let gate = Gate::default();
        gate.close();
        gate.pass(|| unreachable!("the gate is closed"));
    }

    #[test]
    fn closing_waits_for_the_calls_of_other_threads() {
        let gate = Gate::default();
        let left = AtomicBool::new(false);
        let (inside, entered) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                gate.pass(|| {
                    inside.send(()).unwrap();
                    // Closed while we are inside: a call after that does not begin.
                    while !gate.state.lock().closed {
                        std::thread::yield_now();
                    }
                    gate.pass(|| unreachable!("the gate is closed"));
                    left.store(true, Ordering::SeqCst);
                });
            });
            entered.recv().unwrap();
            gate.close();
            assert!(left.load(Ordering::SeqCst));
        });
    }

    #[test]
    fn a_call_may_close_the_gate_it_is_inside_of() {
        let gate = Gate::default();
        gate.pass(|| {
            gate.pass(|| gate.close());
            assert!(gate.is_inside());
        });
        assert!(!gate.is_inside() && gate.state.lock().inside.is_empty());
    }
}
