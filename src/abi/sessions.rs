//! The pointers hosts hold, and the sessions behind them.
//!
//! A `VozduxanSession *` is a ticket: a number looked up in a table, never an address that is read. So a session that
//! is destroyed, destroyed twice, or never was one gets a plain answer, and a call that is inside while another thread
//! destroys the session keeps what it needs alive by its own `Arc`.
//!
//! The table is the one process-wide value of the library. It has to be: a host passes nothing but the pointer, so
//! the way from the pointer to the session cannot hang on anything else. It decides nothing and is locked only to
//! look up, insert or remove one entry.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use super::gate::Gate;
use super::guard::caught;
use super::types::VozduxanSession;
use crate::engine::{Config, Error, Session};
use crate::log::{Logger, Sink};
use crate::log_line;

static OPEN: Tickets<Session> = Tickets::new();

/// A session with what a host's callbacks need.
pub(super) struct Live<S = Session> {
    pub(super) engine: Arc<S>,
    pub(super) callbacks: Arc<Callbacks>,
}

/// Apart from the engine, so that who only waits for their end does not keep the engine's files and locks.
pub(super) struct Callbacks {
    /// What progress callbacks pass through.
    pub(super) progress: Gate,
    log: Logger,
    /// Set when the session is destroyed and none of them can be called any more.
    over: OnceLock<()>,
}

impl Callbacks {
    fn new(log: Logger) -> Arc<Self> {
        Arc::new(Self { progress: Gate::default(), log, over: OnceLock::new() })
    }

    /// Waits until the session is destroyed, but not inside one of them: whoever destroys it waits for that one.
    fn wait(&self) {
        if !self.progress.is_inside() && !self.log.is_delivering() {
            self.over.wait();
        }
    }
}

/// Starts a session. `remark`: a line to log first.
///
/// # Errors
/// Why there is none. The sink is not called after that.
pub(super) fn open(
    config: Config,
    remark: Option<String>,
    sink: Arc<Sink>,
) -> Result<*mut VozduxanSession, Error> {
    let log = Logger::start(sink)
        .map_err(|error| Error::Internal(format!("the system gave no thread for the log: {error}")))?;
    if let Some(remark) = remark {
        log_line!(log, "{remark}");
    }
    match caught(|| Session::start(config, log.clone())).and_then(|started| started) {
        Ok(engine) => Ok(OPEN.insert(Live { engine, callbacks: Callbacks::new(log) })),
        Err(error) => {
            log.stop();
            Err(error)
        }
    }
}

/// The session behind a pointer.
///
/// # Errors
/// `BadInput` when there is none (any more).
pub(super) fn find(session: *mut VozduxanSession) -> Result<Arc<Live>, Error> {
    if session.is_null() {
        return Err(Error::BadInput("null session".into()));
    }
    OPEN.find(session).ok_or_else(|| {
        Error::BadInput(
            "no such session: it was destroyed, or vozduxan_session_create did not make it".into(),
        )
    })
}

/// Ends a session, if the pointer is one. When this returns, no callback of it runs on another thread and none will.
///
/// Order: no new call finds it; the engine stops and wakes blocked calls; progress callbacks end; the log ends last,
/// so that it tells of all that. A second call meanwhile waits for the first.
pub(super) fn close(session: *mut VozduxanSession) {
    let Some(live) = OPEN.remove(session) else {
        if let Some(callbacks) = OPEN.ending(session) {
            callbacks.wait();
        }
        return;
    };
    let callbacks = Arc::clone(&live.callbacks);
    if let Err(error) = caught(|| live.engine.stop()) {
        log_line!(callbacks.log, "stopping failed: {error}");
    }
    callbacks.progress.close();
    callbacks.log.stop();
    // Before the others return: what the engine holds is free for a new session then.
    drop(live);
    OPEN.forget(session);
    let _ = callbacks.over.set(());
}

/// A table from tickets to sessions.
struct Tickets<S> {
    table: RwLock<Table<S>>,
}

struct Table<S> {
    next: usize,
    live: BTreeMap<usize, Arc<Live<S>>>,
    /// Being destroyed.
    ending: BTreeMap<usize, Arc<Callbacks>>,
}

/// The first ticket: 2^44 where pointers have 64 bits. Far above small integers, below 2^47 as hosts that tag the
/// upper bits of pointers need, and in a part of the address space where no common system puts a program or its heap.
const FIRST: usize = usize::MAX / (1 << 20) + 1;
/// From one ticket to the next: tickets are as aligned as what malloc returns.
const STEP: usize = 16;

impl<S> Tickets<S> {
    const fn new() -> Self {
        Self { table: RwLock::new(Table { next: FIRST, live: BTreeMap::new(), ending: BTreeMap::new() }) }
    }

    /// Tickets are never used twice: an old one stays invalid, whatever is created later.
    fn insert(&self, live: Live<S>) -> *mut VozduxanSession {
        let mut table = self.table.write();
        let ticket = table.next;
        table.next = ticket.checked_add(STEP).expect("2^59 sessions are more than a process can create");
        table.live.insert(ticket, Arc::new(live));
        std::ptr::without_provenance_mut(ticket)
    }

    fn find(&self, ticket: *mut VozduxanSession) -> Option<Arc<Live<S>>> {
        self.table.read().live.get(&ticket.addr()).map(Arc::clone)
    }

    /// From now on the ticket finds nothing but its end. The entry leaves the lock before it is dropped: a session's
    /// drop may take long.
    fn remove(&self, ticket: *mut VozduxanSession) -> Option<Arc<Live<S>>> {
        let mut table = self.table.write();
        let live = table.live.remove(&ticket.addr())?;
        table.ending.insert(ticket.addr(), Arc::clone(&live.callbacks));
        Some(live)
    }

    /// Of a session that was removed and is not forgotten yet.
    fn ending(&self, ticket: *mut VozduxanSession) -> Option<Arc<Callbacks>> {
        self.table.read().ending.get(&ticket.addr()).map(Arc::clone)
    }

    fn forget(&self, ticket: *mut VozduxanSession) {
        // The lock is given back before the callbacks are dropped.
        let _callbacks = self.table.write().ending.remove(&ticket.addr());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn live(name: &str) -> Live<String> {
        let log = Logger::start(Arc::new(Box::new(|_: &str| {}) as Sink)).unwrap();
        Live { engine: Arc::new(name.to_owned()), callbacks: Callbacks::new(log) }
    }

    #[test]
    fn a_ticket_finds_its_session_until_it_is_removed() {
        let tickets = Tickets::new();
        let a = tickets.insert(live("a"));
        let b = tickets.insert(live("b"));
        assert_eq!(*tickets.find(a).unwrap().engine, "a");
        assert_eq!(*tickets.find(b).unwrap().engine, "b");
        assert_eq!(*tickets.remove(a).unwrap().engine, "a");
        assert!(tickets.find(a).is_none());
        assert!(tickets.remove(a).is_none());
        assert!(tickets.ending(a).is_some() && tickets.ending(b).is_none());
        tickets.forget(a);
        assert!(tickets.ending(a).is_none());
        assert_eq!(*tickets.find(b).unwrap().engine, "b");
    }

    #[test]
    fn a_ticket_is_never_null_aligned_and_never_given_twice() {
        let tickets = Tickets::new();
        let mut given = BTreeSet::new();
        for _ in 0..100 {
            let ticket = tickets.insert(live("x"));
            assert!(ticket.addr() >= FIRST && ticket.addr() % STEP == 0);
            assert!(given.insert(ticket));
            tickets.remove(ticket);
        }
    }

    #[test]
    fn what_was_never_a_ticket_finds_nothing() {
        let tickets = Tickets::new();
        let ticket = tickets.insert(live("x")).addr();
        let local = 0_u64;
        for garbage in [0, 1, FIRST - STEP, ticket + 1, ticket + STEP, usize::MAX, (&raw const local).addr()]
        {
            assert!(tickets.find(std::ptr::without_provenance_mut(garbage)).is_none(), "{garbage:#x}");
        }
    }

    #[test]
    fn a_call_inside_keeps_its_session_when_it_is_removed() {
        let tickets = Tickets::new();
        let ticket = tickets.insert(live("x"));
        let inside = tickets.find(ticket).unwrap();
        drop(tickets.remove(ticket));
        assert_eq!(*inside.engine, "x");
    }
}
