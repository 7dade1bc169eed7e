//! The listener, and the start and end of everything behind it.
//!
//! ```text
//!  accept task ── one ──▶ connection task (hyper + transfer)        all on the runtime handle that was given
//!      ▲    ◀── ended ──┘
//!      │ stop asked
//!  stop(), any thread ── waits ──▶ gate, opened when the accept task and all its connections are gone
//! ```
//! The accept task owns every connection task. It survives running out of descriptors: it closes the connection that
//! has been idle longest, waits a moment or until one of its own ends, and tries again.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinSet};

use super::Source;
use super::connection;
use super::limits::Limits;
use super::link::IdleClock;
use crate::log::Logger;
use crate::log_line;

/// Between two tries while the system refuses a connection: 20 wake-ups a second, and a player's retry is slower.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// Connections that wait in the system to be accepted. More are not refused but tried again by the system after a second,
/// a player's among them: with the usual 128 a crowd of short connections does that.
const WAITING_MOST: u32 = 4096;

/// Longest [`Server::stop`] waits. Connections end in microseconds; this is for a machine that does not get to it.
const STOP_LIMIT: Duration = Duration::from_millis(450);

/// A running server. Dropping it stops it without waiting.
pub struct Server {
    port: u16,
    ending: Arc<Ending>,
}

/// How the end is asked for and how it is told.
#[derive(Default)]
struct Ending {
    asked: Notify,
    over: Mutex<bool>,
    told: Condvar,
}

impl Server {
    /// Listens on 127.0.0.1, on a port the system picks, before it returns. Everything runs on `runtime`; the calling
    /// thread need not belong to it.
    ///
    /// # Errors
    /// When the system refuses the socket.
    pub fn bind(runtime: &Handle, source: Arc<dyn Source>, log: Logger, limits: Limits) -> io::Result<Self> {
        let listener = {
            // The socket must be registered with the runtime that was given, not with one that happens to be around.
            let _inside = runtime.enter();
            let socket = TcpSocket::new_v4()?;
            socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
            socket.listen(WAITING_MOST)?
        };
        let port = listener.local_addr()?.port();
        let ending = Arc::new(Ending::default());
        let accepting = Accepting {
            source,
            port,
            limits,
            log,
            runtime: runtime.clone(),
            tasks: JoinSet::new(),
            known: HashMap::new(),
            refused: false,
        };
        let gate = Gate(Arc::clone(&ending));
        runtime.spawn(async move {
            // Dropped last, also when the runtime ends first and drops this task: whoever waits is always told.
            let gate = gate;
            accepting.run(listener, &gate.0.asked).await;
        });
        Ok(Self { port, ending })
    }

    /// The port, the same until the server is stopped.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes the port, cuts every connection, and returns when all tasks of the server are gone, readers included.
    /// Any thread, any number of times; a thread of the runtime itself should not, it would wait for its own work.
    ///
    /// False when that took longer than half a second; then the end still comes.
    pub fn stop(&self) -> bool {
        self.ending.asked.notify_one();
        let mut over = self.ending.over.lock();
        let deadline = std::time::Instant::now() + STOP_LIMIT;
        while !*over {
            if self.ending.told.wait_until(&mut over, deadline).timed_out() {
                break;
            }
        }
        *over
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ending.asked.notify_one();
    }
}

/// Tells the end when it is dropped.
struct Gate(Arc<Ending>);

impl Drop for Gate {
    fn drop(&mut self) {
        *self.0.over.lock() = true;
        self.0.told.notify_all();
    }
}

/// The accept task's own state.
struct Accepting {
    source: Arc<dyn Source>,
    port: u16,
    limits: Limits,
    log: Logger,
    runtime: Handle,
    tasks: JoinSet<()>,
    /// Every connection that was not told to end.
    known: HashMap<Id, Connection>,
    /// The system refuses connections at the moment; said once.
    refused: bool,
}

/// What the accept task keeps of a connection.
struct Connection {
    task: AbortHandle,
    clock: Arc<IdleClock>,
}

impl Accepting {
    async fn run(mut self, listener: TcpListener, stop: &Notify) {
        let mut pause = Duration::ZERO;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.notified() => break,
                Some(ended) = self.tasks.join_next_with_id() => {
                    let id = match ended {
                        Ok((id, ())) => id,
                        // Aborted, or a panic inside a source: either way that connection is closed.
                        Err(error) => error.id(),
                    };
                    self.known.remove(&id);
                    // A descriptor is free again.
                    pause = Duration::ZERO;
                    continue;
                }
                accepted = accept(&listener, pause) => accepted,
            };
            pause = match accepted {
                Ok(stream) => {
                    self.refused = false;
                    self.admit(stream);
                    Duration::ZERO
                }
                Err(error) if is_the_clients(&error) => Duration::ZERO,
                Err(error) => {
                    self.refuse(&error);
                    REFUSED_PAUSE
                }
            };
        }
        drop(listener);
        self.tasks.shutdown().await;
    }

    fn admit(&mut self, stream: TcpStream) {
        if self.known.len() >= self.limits.connections && !self.close_longest_idle() {
            return;
        }
        let clock = Arc::new(IdleClock::default());
        let serving =
            connection::serve(stream, Arc::clone(&self.source), self.port, self.limits, Arc::clone(&clock));
        let task = self.tasks.spawn_on(serving, &self.runtime);
        self.known.insert(task.id(), Connection { task, clock });
    }

    fn refuse(&mut self, error: &io::Error) {
        let closed = self.close_longest_idle();
        if !self.refused {
            let remedy = if closed { "closing idle ones" } else { "waiting until one ends" };
            log_line!(self.log, "HTTP: the system refuses new connections ({error}): {remedy}");
        }
        self.refused = true;
    }

    /// False when no connection is idle.
    fn close_longest_idle(&mut self) -> bool {
        let idle = self.known.iter().filter_map(|(id, it)| it.clock.idle_since().map(|since| (since, *id)));
        let Some((_, id)) = idle.min_by_key(|(since, _)| *since) else { return false };
        if let Some(longest) = self.known.remove(&id) {
            longest.task.abort();
        }
        true
    }
}

/// The next connection, not before `pause` is over.
async fn accept(listener: &TcpListener, pause: Duration) -> io::Result<TcpStream> {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    listener.accept().await.map(|(stream, _)| stream)
}

/// Errors of one connection that ended before it was accepted; the next one may be fine.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
