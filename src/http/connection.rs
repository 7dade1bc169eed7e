//! The life of one connection: hyper, and what can end it from outside.
//!
//! One task per connection polls in this order: hyper; the current transfer's cancellation, which must work while hyper
//! waits for a client that does not read; the client's disappearance, which must work while the body waits for bytes; and
//! the time limits between requests. Whatever comes first, the task returns, and dropping its parts closes the socket
//! and ends the transfer. Aborting the task does the same.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::server::conn::http1;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::Source;
use super::limits::Limits;
use super::link::{IdleClock, Link, Phase};
use super::service::Answers;
use super::wire::{Socket, Wire};

/// Serves one accepted connection until it ends.
pub(super) async fn serve(
    stream: TcpStream,
    source: Arc<dyn Source>,
    port: u16,
    limits: Limits,
    clock: Arc<IdleClock>,
) {
    let wire = Arc::new(Wire::new(stream));
    let link = Arc::new(Link::new(clock));
    let socket = Socket::new(Arc::clone(&wire), Arc::clone(&link));
    let answers = Answers { source, port, link: Arc::clone(&link) };
    let connection = http1::Builder::new()
        // Both ways: a head must fit, and of a body hyper asks for more when it holds less than this. A frame is never
        // copied into the buffer, so it bounds what waits for a slow client to this and one frame.
        .max_buf_size(limits.head_len)
        // The limits between requests are kept here: hyper has one for a slow head and an idle connection together.
        .header_read_timeout(None)
        .serve_connection(socket, answers);
    let mut connection = pin!(connection);
    let mut gone = pin!(wire.gone());
    let mut alarm = pin!(sleep_until(Instant::now() + limits.idle));
    poll_fn(|cx| {
        // An error has nobody left to hear it: the client is gone, spoke nonsense, or its transfer was cut.
        if connection.as_mut().poll(cx).is_ready()
            || link.poll_cancelled(cx).is_ready()
            || gone.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(());
        }
        poll_limits(&link, limits, alarm.as_mut(), cx)
    })
    .await;
}

/// Ready when the connection has been idle, or at one head, for too long.
///
/// The alarm is set when it has rung and moved only when it must ring earlier, so a busy connection never touches a
/// timer: at worst it wakes once per idle limit for nothing.
fn poll_limits(link: &Link, limits: Limits, mut alarm: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<()> {
    let due = match link.phase() {
        Phase::Idle(since) => Some(since + limits.idle),
        Phase::ReadingHead(since) => Some(since + limits.head),
        Phase::Serving | Phase::Sending => None,
    };
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
            None => alarm.as_mut().reset(now + limits.idle),
        }
    }
}
