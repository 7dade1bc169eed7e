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
        Self { state: Mutex::default(), clock }
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

    /// Nothing more will be added to the answer; `finished` lives until it is gone.
    pub(super) fn sending_the_rest(&self, finished: Option<Box<dyn Reader>>) {
        self.clock.busy();
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

/// Since when a connection has been idle; read by the accept loop when it has to close the one idle longest.
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
