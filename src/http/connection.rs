//! The life of one connection: hyper, and what can end it from outside.
//!
//! One task per connection polls in this order: hyper; the current transfer's cancellation, which must work while hyper
//! waits for a client that does not read; the client's disappearance, which must work while the body waits for bytes; and
//! the time limits. Whatever comes first, the task returns, and dropping its parts closes the socket and ends the
//! transfer. Aborting the task does the same.
//!
//! **When is a client gone?** A reset says so. An end of input does not: it may be a client that closes its half after
//! asking, as scripts do, and still listens. Writing tells the two apart, as bytes for a client that is not there come
//! back as a reset; so an answer goes on while there is something to write. Only when it has been waiting for bytes for
//! [`CLOSED_GRACE`] is the client taken for gone, since what is waited for competes with what the next request wants.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::server::conn::http1;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Source;
use super::limits::Limits;
use super::link::{IdleClock, Link, Phase};
use super::service::Answers;
use super::wire::{Socket, Wire};

/// How long an answer may wait for bytes once the client has closed its half. Long enough for a read from a disk, short
/// beside the time a player gives a seek.
const CLOSED_GRACE: Duration = Duration::from_millis(20);

/// Serves one accepted connection until it ends.
pub(super) async fn serve(
    stream: TcpStream,
    source: Arc<dyn Source>,
    port: u16,
    limits: Limits,
    clock: Arc<IdleClock>,
) {
    // Better no answer than one that can end the host's process.
    let Ok(wire) = Wire::new(stream) else { return };
    let wire = Arc::new(wire);
    let link = Arc::new(Link::new(clock));
    let socket = Socket::new(Arc::clone(&wire), Arc::clone(&link));
    let answers = Answers { source, port, link: Arc::clone(&link) };
    let connection = http1::Builder::new()
        // Both ways: a head must fit, and of a body hyper asks for more when it holds less than this. A frame is never
        // copied into the buffer, so it bounds what waits for a slow client to this and one frame.
        .max_buf_size(limits.head_len)
        // The end of input is judged here, see above.
        .half_close(true)
        // The limits between requests are kept here: hyper has one for a slow head and an idle connection together.
        .header_read_timeout(None)
        .serve_connection(socket, answers);
    let mut connection = pin!(connection);
    let mut reset = pin!(wire.reset());
    let mut closed = pin!(wire.closed());
    let mut alarm = pin!(sleep_until(Instant::now() + limits.idle));
    let mut quiet = Quiet::default();
    poll_fn(|cx| {
        // An error has nobody left to hear it: the client is gone, spoke nonsense, or its transfer was cut.
        if connection.as_mut().poll(cx).is_ready()
            || link.poll_cancelled(cx).is_ready()
            || reset.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(());
        }
        if !quiet.watched {
            quiet.watched = closed.as_mut().poll(cx).is_ready();
        }
        let due = match link.phase() {
            Phase::Idle(since) => Some(since + limits.idle),
            Phase::ReadingHead(since) => Some(since + limits.head),
            Phase::Serving if quiet.watched && !wire.is_blocked() => Some(quiet.due(link.progress())),
            Phase::Serving | Phase::Sending => None,
        };
        poll_due(due, limits.idle, alarm.as_mut(), cx)
    })
    .await;
}

/// How long an answer has stood still for a client that closed its half.
#[derive(Default)]
struct Quiet {
    /// The client did so.
    watched: bool,
    /// The progress seen last, and until when there must be more.
    until: Option<(u64, Instant)>,
}

impl Quiet {
    fn due(&mut self, progress: u64) -> Instant {
        match self.until {
            Some((seen, due)) if seen == progress => due,
            _ => self.until.insert((progress, Instant::now() + CLOSED_GRACE)).1,
        }
    }
}

/// Ready when it is later than `due`.
///
/// The alarm is set when it has rung and moved only when it must ring earlier, so a busy connection never touches a
/// timer: at worst it wakes once every `otherwise` for nothing.
fn poll_due(
    due: Option<Instant>,
    otherwise: Duration,
    mut alarm: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if let Some(due) = due
        && due < alarm.deadline()
    {
        alarm.as_mut().reset(due);
    }
    loop {
        ready!(alarm.as_mut().poll(cx));
        let now = Instant::now();
        match due {
            Some(due) if due <= now => return Poll::Ready(()),
            Some(due) => alarm.as_mut().reset(due),
            None => alarm.as_mut().reset(now + otherwise),
        }
    }
}
