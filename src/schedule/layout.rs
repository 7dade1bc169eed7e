//! Arithmetic between pieces, blocks, files and bytes. Offsets are bytes from the start of the torrent
//! (`torrent_offset`); ranges are half-open.

use std::ops::Range;

/// What a REQUEST message asks for at most (BEP 3; everything above is refused by common peers).
pub const BLOCK_LEN: u32 = 16 * 1024;

/// The shape of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    piece_len: u32,
    total_len: u64,
}

impl Layout {
    /// `None` when the numbers cannot belong to a torrent.
    #[must_use]
    pub fn new(piece_len: u32, total_len: u64) -> Option<Self> {
        let pieces = total_len.div_ceil(u64::from(piece_len.max(1)));
        (piece_len > 0 && u32::try_from(pieces).is_ok()).then_some(Self { piece_len, total_len })
    }

    /// Pieces of the torrent.
    #[must_use]
    pub fn pieces(&self) -> u32 {
        u32::try_from(self.total_len.div_ceil(u64::from(self.piece_len))).expect("checked in new")
    }

    /// Length of every piece but the last, in bytes.
    #[must_use]
    pub fn piece_len(&self) -> u32 {
        self.piece_len
    }

    /// Bytes of one piece; 0 outside the torrent.
    #[must_use]
    pub fn len_of(&self, piece: u32) -> u32 {
        let start = u64::from(piece) * u64::from(self.piece_len);
        let left = self.total_len.saturating_sub(start);
        u32::try_from(left.min(u64::from(self.piece_len))).expect("at most piece_len")
    }

    /// Blocks of one piece.
    #[must_use]
    pub fn blocks_of(&self, piece: u32) -> u32 {
        self.len_of(piece).div_ceil(BLOCK_LEN)
    }

    /// Bytes of one block.
    #[must_use]
    pub fn block_len(&self, piece: u32, block: u32) -> u32 {
        self.len_of(piece).saturating_sub(block.saturating_mul(BLOCK_LEN)).min(BLOCK_LEN)
    }

    /// The piece that holds a byte.
    #[must_use]
    pub fn piece_at(&self, torrent_offset: u64) -> u32 {
        u32::try_from(torrent_offset / u64::from(self.piece_len)).unwrap_or(u32::MAX)
    }

    /// First byte of a piece.
    #[must_use]
    pub fn start_of(&self, piece: u32) -> u64 {
        u64::from(piece) * u64::from(self.piece_len)
    }

    /// The pieces that hold at least one byte of `span`; empty for an empty span.
    #[must_use]
    pub fn pieces_of(&self, span: &Range<u64>) -> Range<u32> {
        let end = span.end.min(self.total_len);
        if span.start >= end {
            return 0..0;
        }
        self.piece_at(span.start)..self.piece_at(end - 1) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn last_piece_and_last_block_are_short() {
        let layout = Layout::new(40_000, 100_001).expect("a torrent");
        assert_eq!(layout.pieces(), 3);
        assert_eq!(layout.len_of(2), 20_001);
        assert_eq!(layout.blocks_of(0), 3);
        assert_eq!(layout.block_len(0, 2), 40_000 - 2 * BLOCK_LEN);
        assert_eq!(layout.block_len(2, 1), 20_001 - BLOCK_LEN);
        assert_eq!(layout.len_of(3), 0);
        assert_eq!(layout.pieces_of(&(39_999..40_001)), 0..2);
        assert_eq!(layout.pieces_of(&(5..5)), 0..0);
    }

    #[test]
    fn impossible_shapes_are_refused() {
        assert_eq!(Layout::new(0, 1), None);
        assert_eq!(Layout::new(1, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn pieces_tile_the_torrent(piece_len in 1u32..200_000, total in 0u64..5_000_000) {
            prop_assume!(total / u64::from(piece_len) < 5000);
            let layout = Layout::new(piece_len, total).expect("small");
            let sum: u64 = (0..layout.pieces()).map(|p| u64::from(layout.len_of(p))).sum();
            prop_assert_eq!(sum, total);
            for piece in 0..layout.pieces() {
                let blocks: u32 = (0..layout.blocks_of(piece)).map(|b| layout.block_len(piece, b)).sum();
                prop_assert_eq!(blocks, layout.len_of(piece));
            }
        }

        #[test]
        fn pieces_of_is_every_piece_that_is_touched(piece_len in 1u32..500, total in 1u64..5000, a in 0u64..6000, b in 0u64..6000) {
            let layout = Layout::new(piece_len, total).expect("small");
            let span = a.min(b)..a.max(b);
            let naive: Vec<u32> = (0..layout.pieces())
                .filter(|p| (layout.start_of(*p)..layout.start_of(*p) + u64::from(layout.len_of(*p))).any(|byte| span.contains(&byte)))
                .collect();
            prop_assert_eq!(layout.pieces_of(&span).collect::<Vec<_>>(), naive);
        }
    }
}
