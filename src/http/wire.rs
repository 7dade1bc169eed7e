//! The socket under hyper: writes that cannot kill the host, and the two things hyper does not say about it.
//!
//! **No SIGPIPE.** A C host does not ignore SIGPIPE as a Rust program does, and writing to a socket whose client is gone
//! raises it. `writev`, which hyper uses on a plain tokio socket, has no way to say no; [`socket::send`] says no,
//! and gathers head and first bytes in one call as `writev` would. (hyper's `writev(false)` would do as well, at the price of
//! copying every byte into its own buffer first.)
//!
//! **A client that left.** hyper notices the end of input only when it reads, and it reads nothing while an answer is
//! under way. [`Wire::reset`] and [`Wire::closed`] look at the socket's state instead, whatever is still unread in it.
//!
//! **A client that does not read.** When a connection is dropped while the client is not taking bytes, a plain close would
//! leave what is queued to the kernel, for as long as the client likes. Then, and only then, the connection is reset.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::link::Link;
use crate::os::socket;

/// Bytes read at once. A player's request head is 100 to 600 bytes.
const READ_LEN: usize = 2048;

/// A connected socket; closing it is dropping it.
pub(super) struct Wire {
    stream: TcpStream,
    /// The last write found no room.
    blocked: AtomicBool,
}

impl Wire {
    /// Fails when the system does not promise that no write raises SIGPIPE.
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        socket::never_signal(&stream)?;
        // Heads and last frames are small and waited for. Without it they are only slower.
        let _ = stream.set_nodelay(true);
        Ok(Self { stream, blocked: AtomicBool::new(false) })
    }

    /// Resolves when the connection is broken: reset by the client, or by its system because nobody is there.
    pub(super) async fn reset(&self) {
        let _ = self.stream.ready(Interest::ERROR).await;
    }

    /// Resolves when the client sends no more: it closed the connection, or its own half of it.
    pub(super) async fn closed(&self) {
        socket::input_ended(&self.stream).await;
    }

    /// Whether the last write found no room.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            let Poll::Ready(writable) = self.stream.poll_write_ready(cx) else {
                self.blocked.store(true, Ordering::Relaxed);
                return Poll::Pending;
            };
            writable?;
            let sent = self.stream.try_io(Interest::WRITABLE, || socket::send(&self.stream, slices));
            match sent {
                // try_io has noted it: the next round waits.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => {
                    self.blocked.store(false, Ordering::Relaxed);
                    return Poll::Ready(sent);
                }
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.is_blocked() {
            let _ = self.stream.set_zero_linger();
        }
    }
}

/// hyper's side of the wire; it tells the [`Link`] what passes.
pub(super) struct Socket {
    wire: Arc<Wire>,
    link: Arc<Link>,
}

impl Socket {
    pub(super) fn new(wire: Arc<Wire>, link: Arc<Link>) -> Self {
        Self { wire, link }
    }
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // Read here and copied: filling hyper's buffer in place would need unsafe, and heads are small.
        let mut bytes = [0; READ_LEN];
        let room = into.remaining().min(READ_LEN);
        loop {
            ready!(self.wire.stream.poll_read_ready(cx))?;
            match self.wire.stream.try_read(&mut bytes[..room]) {
                Ok(len) => {
                    if len > 0 {
                        self.link.received();
                    }
                    into.put_slice(&bytes[..len]);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl Write for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wire.poll_send(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.wire.poll_send(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper calls this when its own buffer is empty, and only then.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket::end_output(&self.wire.stream))
    }
}
