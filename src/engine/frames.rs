//! Memory for frames: used again as soon as the client's system has taken a frame.
//!
//! A fresh buffer for every frame would be zeroed, and its pages asked of the system and given back, for each 128 KiB:
//! a third as much work as sending them. So buffers come back here when hyper drops them. Few are kept: a transfer whose
//! client does not read holds the one frame it waits with, and nothing here belongs to a transfer.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Bytes of a buffer: the longest frame. Few enough that a cut is quick, that reading and sending one stays in the
/// processor's cache and that a hundred paused players hold little; enough that the work per frame vanishes.
pub const FRAME_LEN: usize = 128 * 1024;

/// Buffers begin at a multiple of this, and frames end at one in the file: a page. The system's copy out of its page cache
/// takes up to twice the time where source and destination lie differently within a cache line of 64 bytes.
pub const PAGE_LEN: usize = 4096;

/// Buffers kept for later: what a few transfers have in hand at once, being filled and being sent.
const KEPT: usize = 4;

/// The buffers nobody uses at the moment.
#[derive(Default)]
pub struct Frames {
    spare: Mutex<Vec<Box<[u8]>>>,
}

impl Frames {
    /// A buffer of [`FRAME_LEN`] bytes; what is in it is left over from an earlier frame.
    pub fn take(self: &Arc<Self>) -> Frame {
        let spare = self.spare.lock().pop();
        let memory = spare.unwrap_or_else(|| vec![0; FRAME_LEN + PAGE_LEN].into_boxed_slice());
        // A slower copy, should there be no such place.
        let start = memory.as_ptr().align_offset(PAGE_LEN).min(PAGE_LEN);
        Frame { memory, start, len: 0, home: Arc::clone(self) }
    }
}

/// A buffer on loan; dropping it gives it back.
pub struct Frame {
    /// Longer than a frame, so that one fits from a multiple of [`PAGE_LEN`] on.
    memory: Box<[u8]>,
    /// Where the frame begins in it.
    start: usize,
    len: usize,
    home: Arc<Frames>,
}

impl Frame {
    /// Room for `len` bytes, at most [`FRAME_LEN`]. All of it has to be written.
    pub fn room(&mut self, len: usize) -> &mut [u8] {
        self.len = len.min(FRAME_LEN);
        &mut self.memory[self.start..][..self.len]
    }

    /// The bytes of the last [`Frame::room`], without a copy.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.start..][..self.len]
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        let mut spare = self.home.spare.lock();
        if spare.len() < KEPT {
            spare.push(memory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_byte_is_dropped() {
        let frames = Arc::new(Frames::default());
        let mut frame = frames.take();
        frame.room(5).copy_from_slice(b"hello");
        let place = frame.as_ref().as_ptr();
        assert_eq!(place.align_offset(PAGE_LEN), 0);
        let bytes = frame.into_bytes();
        let tail = bytes.slice(3..);
        assert_eq!(bytes, "hello");
        drop(bytes);
        assert!(frames.spare.lock().is_empty(), "its tail is still in use");
        assert_eq!(tail, "lo");
        drop(tail);
        assert_eq!(frames.take().room(1).as_ptr(), place);
    }

    #[test]
    fn never_more_than_it_holds() {
        let frames = Arc::new(Frames::default());
        assert_eq!(frames.take().room(usize::MAX).len(), FRAME_LEN);
        assert_eq!(frames.take().as_ref().len(), 0, "an old frame's bytes are not handed out");
    }

    #[test]
    fn few_are_kept() {
        let frames = Arc::new(Frames::default());
        let many: Vec<Frame> = (0..10).map(|_| frames.take()).collect();
        drop(many);
        assert_eq!(frames.spare.lock().len(), KEPT);
    }
}
