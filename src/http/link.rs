//! What a connection is doing right now.
//!
//! hyper drives a connection as one future and tells nobody where it stands. Three things have to be known all the same:
//! how long the connection has been idle (it must not stay for ever), whether a head has begun (it must not take for
//! ever), and which transfer is under way until its last byte left (it may be cancelled while the client reads nothing).
//!
//! ```text
//!            first byte                 request answered              last frame given
//!   Idle ───────────────▶ ReadingHead ───────────────────▶ Serving ───────────────────▶ Sending
//!    ▲                                                                                     │
//!    └─────────────────────────────── hyper's buffer is empty ─────────────────────────────┘
//! ```
//! Serving and Sending have no time limit: a player may pause for an hour.
//!
//! All calls come from the connection's own task, so the lock is never waited for; only [`IdleClock`] is read by others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{BoxFuture, Reader};

/// See the module.
#[derive(Default)]
pub(super) struct Link {
    state: Mutex<State>,
    /// Frames handed to hyper so far.
    frames: AtomicU64,
    clock: Arc<IdleClock>,
}

struct State {
    phase: Phase,
    transfer: Option<Current>,
}

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No request has begun since the given moment.
    Idle(Instant),
    /// The first byte of a head came at the given moment.
    ReadingHead(Instant),
    /// An answer is being given.
    Serving,
    /// All of an answer is in hyper's buffer.
    Sending,
}

/// The transfer that ends when its last byte is gone.
struct Current {
    cancelled: BoxFuture<()>,
    /// Kept from the last frame on, so that the transfer is not over for its owner while bytes wait here.
    finished: Option<Box<dyn Reader>>,
}

impl Default for State {
    fn default() -> Self {
        Self { phase: Phase::Idle(Instant::now()), transfer: None }
    }
}

impl Link {
    /// A new connection, idle from now on.
    pub(super) fn new(clock: Arc<IdleClock>) -> Self {
        clock.idle_from_now();
        Self { state: Mutex::default(), frames: AtomicU64::new(0), clock }
    }

    pub(super) fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        let mut state = self.state.lock();
        if let Phase::Idle(_) = state.phase {
            state.phase = Phase::ReadingHead(Instant::now());
        }
    }

    /// An answer begins; `cancelled` ends it early.
    pub(super) fn serving(&self, cancelled: BoxFuture<()>) {
        self.clock.busy();
        let mut state = self.state.lock();
        state.phase = Phase::Serving;
        state.transfer = Some(Current { cancelled, finished: None });
    }

    /// A frame of the answer is on its way.
    pub(super) fn progressed(&self) {
        self.frames.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes with every frame.
    pub(super) fn progress(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Nothing more will be added to the answer; `finished` lives until it is gone.
    pub(super) fn sending_the_rest(&self, finished: Option<Box<dyn Reader>>) {
        let mut state = self.state.lock();
        state.phase = Phase::Sending;
        if let Some(transfer) = &mut state.transfer {
            transfer.finished = finished;
        }
    }

    /// hyper has nothing left to write.
    pub(super) fn flushed(&self) {
        let done = {
            let mut state = self.state.lock();
            if state.phase != Phase::Sending {
                return;
            }
            state.phase = Phase::Idle(Instant::now());
            state.transfer.take()
        };
        self.clock.idle_from_now();
        // The reader's own code runs here, outside our lock.
        drop(done);
    }

    /// Ready when the current transfer must end at once.
    pub(super) fn poll_cancelled(&self, cx: &mut Context<'_>) -> Poll<()> {
        // Taken out while it is polled: it is not our code. Only this task looks here.
        let Some(mut transfer) = self.state.lock().transfer.take() else { return Poll::Pending };
        let cancelled = transfer.cancelled.as_mut().poll(cx);
        self.state.lock().transfer = Some(transfer);
        cancelled
    }
}

/// Since when a connection has been without a transfer; read by the accept loop when it has to close the one idle
/// longest. Answers without bytes of a file do not count: a client that asks and never reads is no player.
#[derive(Default)]
pub(super) struct IdleClock {
    /// Milliseconds since the process first asked, plus 1; 0: busy.
    since: AtomicU64,
}

impl IdleClock {
    fn idle_from_now(&self) {
        self.since.store(uptime_ms() + 1, Ordering::Relaxed);
    }

    fn busy(&self) {
        self.since.store(0, Ordering::Relaxed);
    }

    /// Smaller is longer; `None`: busy.
    pub(super) fn idle_since(&self) -> Option<u64> {
        match self.since.load(Ordering::Relaxed) {
            0 => None,
            since => Some(since),
        }
    }
}

fn uptime_ms() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    u64::try_from(START.get_or_init(std::time::Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Cut;
    use bytes::Bytes;
    use std::task::Waker;

    /// Tells by its strong count whether it was dropped.
    struct Held(#[expect(dead_code, reason = "only its drop matters")] Arc<()>);

    impl Reader for Held {
        fn next(self: Box<Self>) -> BoxFuture<(Box<dyn Reader>, Result<Bytes, Cut>)> {
            unreachable!("nothing is read here")
        }
        fn cancelled(&self) -> BoxFuture<()> {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn one_round() {
        let link = Link::new(Arc::default());
        assert!(matches!(link.phase(), Phase::Idle(_)));
        link.received();
        assert!(matches!(link.phase(), Phase::ReadingHead(_)));
        link.flushed();
        assert!(matches!(link.phase(), Phase::ReadingHead(_)), "flushing nothing changes nothing");
        link.serving(Box::pin(std::future::pending()));
        link.received();
        link.flushed();
        assert_eq!(
            link.phase(),
            Phase::Serving,
            "neither a pipelined request nor a written head ends an answer"
        );
        link.sending_the_rest(None);
        assert_eq!(link.phase(), Phase::Sending);
        link.flushed();
        assert!(matches!(link.phase(), Phase::Idle(_)));
    }

    #[test]
    fn idle_for_the_accept_loop() {
        let clock = Arc::new(IdleClock::default());
        assert_eq!(clock.idle_since(), None);
        let link = Link::new(Arc::clone(&clock));
        assert!(clock.idle_since().is_some());
        link.received();
        assert!(clock.idle_since().is_some(), "who sends half a head is idle");
        link.serving(Box::pin(std::future::pending()));
        assert_eq!(clock.idle_since(), None);
        link.sending_the_rest(None);
        link.flushed();
        assert!(clock.idle_since().is_some());
    }

    #[test]
    fn a_transfer_lasts_until_it_is_flushed() {
        let link = Link::default();
        let held = Arc::new(());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(link.poll_cancelled(&mut cx), Poll::Pending, "nothing to cancel");
        link.serving(Box::pin(std::future::ready(())));
        link.sending_the_rest(Some(Box::new(Held(Arc::clone(&held)))));
        assert_eq!(link.poll_cancelled(&mut cx), Poll::Ready(()));
        assert_eq!(Arc::strong_count(&held), 2);
        link.flushed();
        assert_eq!(Arc::strong_count(&held), 1);
        assert_eq!(link.poll_cancelled(&mut cx), Poll::Pending);
    }
}
