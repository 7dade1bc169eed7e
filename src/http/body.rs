//! The bytes of an answer, as hyper asks for them.
//!
//! hyper asks for the next frame only when it holds less than its small buffer (see `connection`), so a client that does
//! not read stops the reader: back-pressure instead of memory. The head promised a length. This body keeps the promise or
//! fails: a reader that is cut, or runs dry, is an error, and hyper then drops the connection in mid-body. That is the
//! only way to tell an HTTP/1.1 client that what it got is not all.
//!
//! Cancellation: dropping the body drops the reader, also while it waits. The last frame hands the reader over to the
//! [`Link`] instead, which keeps it until the client's system has taken that frame.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::link::Link;
use super::{BoxFuture, Cut, Reader};

/// A body: nothing, a text, or a transfer.
pub(super) enum Body {
    Text(Bytes),
    Transfer(Transfer),
}

/// A span of a file on its way to the client.
pub(super) struct Transfer {
    state: State,
    /// Bytes still owed to the client.
    owed: u64,
    link: Arc<Link>,
}

enum State {
    /// Nobody waits; the reader stands at the next byte.
    Resting(Box<dyn Reader>),
    /// The reader waits for bytes.
    Waiting(BoxFuture<(Box<dyn Reader>, Result<Bytes, Cut>)>),
    /// All is handed over, or the transfer failed.
    Over,
}

impl Body {
    pub(super) fn text(text: &'static str) -> Self {
        Self::Text(Bytes::from_static(text.as_bytes()))
    }

    /// A body of exactly `len` bytes, which is not 0.
    pub(super) fn transfer(reader: Box<dyn Reader>, len: u64, link: Arc<Link>) -> Self {
        Self::Transfer(Transfer { state: State::Resting(reader), owed: len, link })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Text(text) if text.is_empty() => Poll::Ready(None),
            Self::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text))))),
            Self::Transfer(transfer) => transfer.poll_next(cx).map(|next| next.map(|it| it.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.owed() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.owed())
    }
}

impl Body {
    fn owed(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Transfer(transfer) => transfer.owed,
        }
    }
}

impl Transfer {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let mut pending = match std::mem::replace(&mut self.state, State::Over) {
            State::Resting(reader) => reader.next(),
            State::Waiting(pending) => pending,
            State::Over => return Poll::Ready(None),
        };
        let Poll::Ready((reader, next)) = pending.as_mut().poll(cx) else {
            self.state = State::Waiting(pending);
            return Poll::Pending;
        };
        match next {
            Ok(bytes) if bytes.is_empty() => Poll::Ready(Some(Err(Broken::Short))),
            Ok(bytes) => Poll::Ready(Some(Ok(self.hand_over(bytes, reader)))),
            Err(cut) => Poll::Ready(Some(Err(Broken::Cut(cut)))),
        }
    }

    /// Never more than is owed, whatever the reader says.
    fn hand_over(&mut self, mut bytes: Bytes, reader: Box<dyn Reader>) -> Bytes {
        let len = usize::try_from(self.owed).map_or(bytes.len(), |owed| bytes.len().min(owed));
        bytes.truncate(len);
        self.owed -= len as u64;
        self.link.progressed();
        if self.owed == 0 {
            self.link.sending_the_rest(Some(reader));
        } else {
            self.state = State::Resting(reader);
        }
        bytes
    }
}

/// Why a body ended before its promised length. hyper drops the connection; nobody else sees it.
#[derive(Debug)]
pub(super) enum Broken {
    /// The reader was cut.
    Cut(Cut),
    /// The reader said it was complete, and was not.
    Short,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut(cut) => write!(f, "the transfer was cut: {cut:?}"),
            Self::Short => f.write_str("the reader ended before its span did"),
        }
    }
}

impl Error for Broken {}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use std::task::Waker;

    /// Hands over the given steps, then is complete.
    struct Script(std::vec::IntoIter<Result<&'static [u8], Cut>>);

    impl Reader for Script {
        fn next(mut self: Box<Self>) -> BoxFuture<(Box<dyn Reader>, Result<Bytes, Cut>)> {
            let step = self.0.next().unwrap_or(Ok(b"")).map(Bytes::from_static);
            Box::pin(std::future::ready((self as Box<dyn Reader>, step)))
        }
        fn cancelled(&self) -> BoxFuture<()> {
            Box::pin(std::future::pending())
        }
    }

    /// All bytes the body gives, and whether it ended well.
    fn drain(steps: Vec<Result<&'static [u8], Cut>>, len: u64) -> (Vec<u8>, bool) {
        let mut body = Body::transfer(Box::new(Script(steps.into_iter())), len, Arc::new(Link::default()));
        let mut cx = Context::from_waker(Waker::noop());
        let mut got = Vec::new();
        loop {
            assert_eq!(body.size_hint().exact(), Some(len - got.len() as u64));
            match Pin::new(&mut body).poll_frame(&mut cx) {
                Poll::Ready(Some(Ok(frame))) => got.extend_from_slice(&frame.into_data().unwrap()),
                Poll::Ready(Some(Err(_))) => return (got, false),
                Poll::Ready(None) => return (got, body.is_end_stream()),
                Poll::Pending => unreachable!("the script never waits"),
            }
        }
    }

    #[test]
    fn exactly_what_was_promised() {
        assert_eq!(drain(vec![Ok(b"ab"), Ok(b"c")], 3), (b"abc".to_vec(), true));
    }

    #[test]
    fn never_more() {
        assert_eq!(drain(vec![Ok(b"ab"), Ok(b"cdef")], 3), (b"abc".to_vec(), true));
    }

    #[test]
    fn never_silently_less() {
        assert_eq!(drain(vec![Ok(b"ab")], 3), (b"ab".to_vec(), false));
        assert_eq!(drain(vec![Ok(b"ab"), Err(Cut::Lost), Ok(b"c")], 3), (b"ab".to_vec(), false));
        assert_eq!(drain(vec![], 3), (Vec::new(), false));
    }
}
