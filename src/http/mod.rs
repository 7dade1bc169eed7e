//! HTTP/1.1 with Range on loopback. Knows bytes that arrive, not torrents.
//!
//! A player opens `http://127.0.0.1:PORT/stream/TOKEN` and gets the head at once, then bytes as they are verified. hyper
//! speaks the protocol; what is answered is decided in pure steps, one file each:
//!
//! ```text
//!  head ─▶ request ─▶ Source::open ─▶ conditions ─▶ range ─▶ response ─▶ hyper ─▶ client
//!          route?      token known?    If-…          which     status,      ▲
//!                                                    bytes?    fields       │ next frame when the last one is taken
//!                                                                         body ◀── Reader: waits for verified bytes
//! ```
//!
//! Who waits for whom: the reader waits for the swarm, the body for the reader, hyper for the body or for the client's
//! socket. The connection's task (`connection`) watches over all of them and ends them together: when the transfer is
//! cancelled, when the client is gone, when nothing was asked for too long, or when the server stops.
//!
//! **Invariants.** No other route, no listing, nothing that changes state. An answer is never padded, never short without the
//! connection being cut, never longer than it promised. No socket but the loopback one.

pub mod conditions;
pub mod range;
pub mod request;
pub mod response;

mod body;
mod connection;
mod limits;
mod link;
mod server;
mod service;
mod wire;

pub use limits::Limits;
pub use server::Server;

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

/// A boxed future, as the trait objects below need it.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the server needs from whoever owns the media.
pub trait Source: Send + Sync + 'static {
    /// The stream behind a token, if it is open. Compares in constant time.
    fn open(&self, token: &str) -> Option<Arc<dyn Media>>;
}

/// One readable file.
#[expect(clippy::len_without_is_empty, reason = "the length of a representation, not of a collection")]
pub trait Media: Send + Sync + 'static {
    /// Length of the representation in bytes.
    fn len(&self) -> u64;
    /// Content-Type.
    fn mime(&self) -> &str;
    /// Strong entity tag with its quotes (RFC 9110 section 8.8.3).
    fn etag(&self) -> &str;
    /// Starts a transfer of `span` (half-open, file bytes, never empty and never outside the file).
    fn reader(&self, span: Range<u64>, kind: ReadKind) -> Box<dyn Reader>;
}

/// How the span of a transfer was asked for. Decides what a seek may abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadKind {
    /// No Range, or `bytes=X-`: a player that plays on from there.
    OpenEnded,
    /// `bytes=X-Y` or `bytes=-N`: a probe; never aborts others and is never aborted by a seek.
    Bounded,
}

/// One transfer in flight. Dropping it ends the transfer.
pub trait Reader: Send + 'static {
    /// Waits for verified bytes at the transfer's position and hands them over with the reader itself; an empty
    /// `Bytes` means the span is complete. After `Err` the reader is finished.
    fn next(self: Box<Self>) -> BoxFuture<(Box<dyn Reader>, Result<Bytes, Cut>)>;
    /// Resolves when the transfer must end at once, also while the client is not reading. It must resolve for a
    /// reader that is cut and may stay pending for ever otherwise.
    fn cancelled(&self) -> BoxFuture<()>;
}

/// Why a transfer ends before its last byte: the connection is cut, never padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The stream was released, evicted or the session destroyed.
    Closed,
    /// A seek made this transfer stale.
    Superseded,
    /// The bytes cannot be read any more.
    Lost,
}
