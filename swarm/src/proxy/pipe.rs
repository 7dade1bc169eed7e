//! One direction of a TCP connection: from a socket, over the peer's line, through the delay, into another socket.
//!
//! ```text
//! source --read when the line has room--> [ line ] --leaves--> [ half a round trip ] --due--> target
//! ```
//! Back-pressure is TCP's own: what the line's queue does not hold is not read.

use super::line::{Line, PACKET_BYTES};
use mio::net::TcpStream;
use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Largest read: how much is put on the line at a time.
pub(super) const CHUNK_LEN: usize = 16 * 1024;
/// Bytes become due in parts of at least this size, so a client sees them come in steadily.
const PARTS: usize = CHUNK_LEN / PACKET_BYTES;
/// What may lie due but unread by the target before reading stops: a receive window.
const UNREAD_MAX: usize = 256 * 1024;

/// Up to [`CHUNK_LEN`] bytes under way.
struct Chunk {
    bytes: Vec<u8>,
    /// How many of them the target has.
    sent: usize,
    /// Length of a part.
    part: usize,
    /// When each part has left the line.
    left: [Instant; PARTS],
}

impl Chunk {
    /// Puts `bytes` on the line.
    fn new(bytes: Vec<u8>, line: &mut Line, now: Instant) -> Self {
        let mut chunk = Self { bytes, sent: 0, part: line.burst(), left: [now; PARTS] };
        chunk.schedule(line, now, |_| true);
        chunk
    }

    /// Puts the parts on the line, in order, that `which` chooses by the time they would have left it.
    fn schedule(&mut self, line: &mut Line, now: Instant, which: impl Fn(Instant) -> bool) {
        let mut last = now;
        let mut parts = self.bytes.chunks(self.part);
        for left in &mut self.left {
            match parts.next() {
                Some(part) if which(*left) => *left = line.send(part.len(), now),
                Some(_) => {}
                None => *left = last,
            }
            last = *left;
        }
    }

    /// How many bytes are due by `now`, sent ones included.
    fn due(&self, delay: Duration, now: Instant) -> usize {
        let parts = self.left.iter().take_while(|&&left| left + delay <= now).count();
        (parts * self.part).min(self.bytes.len())
    }
}

/// Whether a pipe is still in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Still in use.
    No,
    /// The end of the stream was passed on.
    Yes,
    /// A socket failed: the whole connection is to be dropped.
    Broken,
}

/// See the module's story.
pub(super) struct Pipe {
    chunks: VecDeque<Chunk>,
    /// No byte is taken before this moment: the connection's handshake is still under way.
    opens_at: Instant,
    /// The source may have bytes: set by the event loop, cleared by a read that would block.
    pub(super) readable: bool,
    /// The target may take bytes: the same.
    pub(super) writable: bool,
    /// When the source's end of stream is to be passed on.
    end_at: Option<Instant>,
    pub(super) ended: Ended,
}

impl Pipe {
    pub(super) fn new(opens_at: Instant) -> Self {
        Self {
            chunks: VecDeque::new(),
            opens_at,
            readable: false,
            writable: false,
            end_at: None,
            ended: Ended::No,
        }
    }

    /// Reads one chunk if the source may have bytes and the line has room. Answers whether it did.
    pub(super) fn take(
        &mut self,
        source: &mut TcpStream,
        line: &mut Line,
        delay: Duration,
        spare: &mut Vec<Vec<u8>>,
        now: Instant,
    ) -> bool {
        if !self.wants_line(delay, now) || self.opens_at > now || line.room_at(CHUNK_LEN as u64) > now {
            return false;
        }
        let mut bytes = spare.pop().unwrap_or_default();
        bytes.resize(CHUNK_LEN, 0);
        match source.read(&mut bytes) {
            Ok(0) => {
                let last = self.chunks.back().map_or(now, |chunk| chunk.left[PARTS - 1].max(now));
                self.end_at = Some(last + delay);
            }
            Ok(len) => {
                bytes.truncate(len);
                self.chunks.push_back(Chunk::new(bytes, line, now));
                return true;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.ended = Ended::Broken,
        }
        spare.push(bytes);
        false
    }

    /// Writes what is due and adds it to `passed`.
    pub(super) fn give(
        &mut self,
        target: &mut TcpStream,
        delay: Duration,
        passed: &AtomicU64,
        spare: &mut Vec<Vec<u8>>,
        now: Instant,
    ) {
        while self.ended == Ended::No && self.writable {
            let Some(chunk) = self.chunks.front_mut() else { break };
            let due = chunk.due(delay, now);
            if due == chunk.sent {
                return;
            }
            let bytes = &chunk.bytes[chunk.sent..due];
            // Counted before the target can see them, so that nobody has got more than the counter says.
            passed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            let written = target.write(bytes);
            let unwritten = bytes.len() - written.as_ref().copied().unwrap_or(0);
            passed.fetch_sub(unwritten as u64, Ordering::Relaxed);
            match written {
                Ok(len) => {
                    chunk.sent += len;
                    if chunk.sent == chunk.bytes.len()
                        && let Some(chunk) = self.chunks.pop_front()
                    {
                        spare.push(chunk.bytes);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.ended = Ended::Broken,
            }
        }
        if self.ended == Ended::No && self.chunks.is_empty() && self.end_at.is_some_and(|at| at <= now) {
            // The other side may be gone already; the pipe has ended all the same.
            let _ = target.shutdown(Shutdown::Write);
            self.ended = Ended::Yes;
        }
    }

    /// When something is to be done again, events aside.
    pub(super) fn wake(&self, line: &Line, delay: Duration, now: Instant) -> Option<Instant> {
        if self.ended != Ended::No {
            return None;
        }
        let due = match self.chunks.front() {
            Some(chunk) if self.writable => Some(chunk.left[chunk.sent / chunk.part] + delay),
            Some(_) => None,
            None => self.end_at,
        };
        let room = self.wants_line(delay, now).then(|| line.room_at(CHUNK_LEN as u64).max(self.opens_at));
        due.into_iter().chain(room).min()
    }

    /// Moves everything under way `by` later.
    pub(super) fn delay(&mut self, by: Duration) {
        self.opens_at += by;
        self.end_at = self.end_at.map(|at| at + by);
        for chunk in &mut self.chunks {
            chunk.left.iter_mut().for_each(|left| *left += by);
        }
    }

    /// Puts what has not left the line by `now` on the line again: its rate has changed.
    pub(super) fn reschedule(&mut self, line: &mut Line, now: Instant) {
        for chunk in &mut self.chunks {
            chunk.schedule(line, now, |left| left > now);
        }
    }

    /// Whether it would read if the connection were open and the line had room.
    fn wants_line(&self, delay: Duration, now: Instant) -> bool {
        self.readable
            && self.ended == Ended::No
            && self.end_at.is_none()
            && self.unread(delay, now) < UNREAD_MAX
    }

    /// Bytes that are due but that the target does not take.
    fn unread(&self, delay: Duration, now: Instant) -> usize {
        if self.writable {
            0
        } else {
            self.chunks.iter().map(|chunk| chunk.due(delay, now) - chunk.sent).sum()
        }
    }
}
