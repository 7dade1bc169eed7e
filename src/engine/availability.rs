//! Which pieces may be read: the one truth that the engine's thread writes and every reader waits on.

use std::ops::Range;

use crate::schedule::bits::Bits;
use crate::schedule::layout::Layout;
use crate::sync::{AtomicU64, Mutex, Notify, Ordering};

/// Pieces whose hash was right and whose bytes are in the file.
pub struct Availability {
    layout: Layout,
    have: Mutex<Bits>,
    changed: Notify,
    /// Counts how often all that was known was taken back.
    generation: AtomicU64,
    /// Counts every change.
    revision: AtomicU64,
}

impl Availability {
    /// What is at hand now.
    pub fn new(layout: Layout, have: Bits) -> Self {
        Self {
            layout,
            have: Mutex::new(have),
            changed: Notify::new(),
            generation: AtomicU64::new(0),
            revision: AtomicU64::new(0),
        }
    }

    /// Engine: a piece passed. Wakes every reader.
    pub fn insert(&self, piece: u32) {
        // Counted first: whoever sees the piece sees the count.
        self.revision.fetch_add(1, Ordering::AcqRel);
        self.have.lock().insert(piece);
        self.changed.notify_waiters();
    }

    /// Engine: the files were checked again.
    pub fn replace(&self, have: Bits) {
        {
            let mut bits = self.have.lock();
            *bits = have;
            // Within the lock: nobody pairs the new count with the old pieces.
            self.generation.fetch_add(1, Ordering::AcqRel);
            self.revision.fetch_add(1, Ordering::AcqRel);
        }
        self.changed.notify_waiters();
    }

    /// Changes whenever pieces are taken back: bytes that were read across a change must not be used.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Changes whenever anything does. Asked after [`Self::readable_end`] it counts all that the answer rests on.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// The end of the readable bytes that begin at `torrent_offset`, at most `limit`; equal to `torrent_offset` when
    /// its own piece is missing.
    pub fn readable_end(&self, torrent_offset: u64, limit: u64) -> u64 {
        if torrent_offset >= limit {
            return torrent_offset;
        }
        let pieces = self.layout.pieces_of(&(torrent_offset..limit));
        match self.have.lock().first_missing(pieces) {
            Some(missing) => self.layout.start_of(missing).clamp(torrent_offset, limit),
            None => limit,
        }
    }

    /// Whether all bytes of a span are at hand.
    pub fn has(&self, span: &Range<u64>) -> bool {
        span.start >= span.end || self.readable_end(span.start, span.end) == span.end
    }

    /// Waits until the byte at `torrent_offset` can be read.
    pub async fn readable(&self, torrent_offset: u64) {
        loop {
            // Registered before the look: an insert between the look and the wait is not missed.
            let changed = self.changed.notified();
            if self.readable_end(torrent_offset, torrent_offset + 1) > torrent_offset {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_bytes_end_at_the_first_missing_piece() {
        let layout = Layout::new(10, 45).expect("a torrent");
        let mut have = Bits::none(5);
        have.insert(0);
        have.insert(1);
        have.insert(4);
        let availability = Availability::new(layout, have);
        assert_eq!(availability.readable_end(3, 45), 20);
        assert_eq!(availability.readable_end(3, 12), 12);
        assert_eq!(availability.readable_end(25, 45), 25);
        assert_eq!(availability.readable_end(44, 45), 45);
        assert!(availability.has(&(5..20)) && !availability.has(&(5..21)) && availability.has(&(7..7)));
        availability.insert(2);
        availability.insert(3);
        assert!(availability.has(&(0..45)));
    }
}
