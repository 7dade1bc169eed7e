//! Where every block is: at hand, on its way, or asked of nobody. The one place that keeps pieces, the set of those
//! that still have unasked blocks, and the count of bytes that came in vain in agreement.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::bits::Bits;
use super::layout::Layout;
use super::peer::PeerId;
use super::piece::Piece;

/// See the module.
#[derive(Clone, Debug)]
pub struct Board {
    layout: Layout,
    have: Bits,
    /// Pieces not at hand that have a block asked of nobody.
    open: Bits,
    /// Pieces that something is known of; all others are untouched.
    pieces: BTreeMap<u32, Piece>,
}

impl Board {
    /// Nothing on its way. A `have` of another size is cut or filled up with missing pieces.
    #[must_use]
    pub fn new(layout: Layout, have: &Bits) -> Self {
        let (mut own, mut open) = (Bits::none(layout.pieces()), Bits::none(layout.pieces()));
        for piece in 0..layout.pieces() {
            if have.contains(piece) {
                own.insert(piece)
            } else {
                open.insert(piece)
            };
        }
        Self { layout, have: own, open, pieces: BTreeMap::new() }
    }

    /// The torrent's shape.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Pieces at hand.
    #[must_use]
    pub fn have(&self) -> &Bits {
        &self.have
    }

    /// Pieces that something is known of.
    #[must_use]
    pub fn pieces(&self) -> &BTreeMap<u32, Piece> {
        &self.pieces
    }

    /// One of them.
    #[must_use]
    pub fn piece(&self, piece: u32) -> Option<&Piece> {
        self.pieces.get(&piece)
    }

    /// One of them, to restrict who may send it.
    pub fn piece_mut(&mut self, piece: u32) -> Option<&mut Piece> {
        self.pieces.get_mut(&piece)
    }

    /// Whether a piece has a block that nobody was asked for.
    #[must_use]
    pub fn is_open(&self, piece: u32) -> bool {
        self.open.contains(piece)
    }

    /// The first open piece of a range that is in `also`, where that is given.
    #[must_use]
    pub fn first_open(&self, range: Range<u32>, also: Option<&Bits>) -> Option<u32> {
        self.open.first_in(range, also)
    }

    /// Blocks of a piece that nobody was asked for.
    #[must_use]
    pub fn unasked(&self, piece: u32) -> u32 {
        if !self.open.contains(piece) {
            return 0;
        }
        self.pieces.get(&piece).map_or_else(|| self.layout.blocks_of(piece), Piece::unasked)
    }

    /// Blocks of a piece that are not here, asked for or not.
    #[must_use]
    pub fn missing(&self, piece: u32) -> u32 {
        if self.have.contains(piece) {
            return 0;
        }
        self.pieces.get(&piece).map_or_else(|| self.layout.blocks_of(piece), Piece::missing)
    }

    /// Takes the first block of an open piece for a peer. `only`: from now on the peer is the only one that may
    /// send the piece.
    pub fn take(&mut self, piece: u32, peer: PeerId, only: bool) -> Option<u32> {
        if !self.open.contains(piece) {
            return None;
        }
        let entry = self.entry(piece);
        let block = entry.next_unasked(peer)?;
        entry.ask(block, peer);
        if only {
            entry.only = vec![peer];
            entry.alone = true;
        }
        self.settle(piece);
        Some(block)
    }

    /// A second peer was asked for a block.
    pub fn copy(&mut self, piece: u32, block: u32, peer: PeerId) {
        if let Some(entry) = self.pieces.get_mut(&piece) {
            entry.ask(block, peer);
            self.settle(piece);
        }
    }

    /// A peer will not send a block any more.
    pub fn take_back(&mut self, piece: u32, block: u32, peer: PeerId) {
        if let Some(entry) = self.pieces.get_mut(&piece) {
            entry.take_back(block, peer);
            if entry.is_untouched() && entry.failures == 0 {
                self.pieces.remove(&piece);
            }
            self.settle(piece);
        }
    }

    /// A block came. Answers who else was asked for it; `None` when it is of no use.
    pub fn arrived(&mut self, piece: u32, block: u32, from: PeerId, now: Duration) -> Option<Vec<PeerId>> {
        if self.have.contains(piece) || block >= self.layout.blocks_of(piece) {
            return None;
        }
        let others = self.entry(piece).arrived(block, from, now);
        self.settle(piece);
        others
    }

    /// The copies of some blocks of a piece are in doubt: each is asked of somebody else.
    pub fn reopen(&mut self, piece: u32, blocks: &[u32]) {
        if let Some(entry) = self.pieces.get_mut(&piece) {
            blocks.iter().for_each(|block| entry.reopen(*block));
            // Whoever alone was trusted with the piece cannot contradict itself.
            (entry.only, entry.alone) = (Vec::new(), false);
            self.settle(piece);
        }
    }

    /// A piece's right bytes are known, its verdict is only a matter of time. Answers who is still asked for some of it.
    pub fn decide(&mut self, piece: u32, now: Duration) -> Vec<(u32, PeerId)> {
        let asked = self.pieces.get_mut(&piece).map(|entry| entry.decide(now)).unwrap_or_default();
        self.settle(piece);
        asked
    }

    /// A piece is at hand now. Answers who gave it, and how many blocks that were not counted yet.
    pub fn passed(&mut self, piece: u32) -> BTreeMap<PeerId, u32> {
        self.have.insert(piece);
        self.open.remove(piece);
        let mut givers = self.pieces.get(&piece).map(Piece::givers).unwrap_or_default();
        if self.pieces.remove(&piece).is_some_and(|piece| piece.judged) {
            givers.values_mut().for_each(|blocks| *blocks = 0);
        }
        givers
    }

    /// A piece's hash was wrong: all of it is missing again. Answers who gave it and who is still asked for some of
    /// it.
    pub fn failed(&mut self, piece: u32) -> (Vec<PeerId>, Vec<(u32, PeerId)>) {
        if piece >= self.layout.pieces() {
            return (Vec::new(), Vec::new());
        }
        self.have.remove(piece);
        let entry = self.entry(piece);
        let givers = entry.givers().into_keys().collect();
        let asked = entry.asked().flat_map(|(block, of)| of.iter().map(move |peer| (block, *peer))).collect();
        entry.failures += 1;
        entry.reset();
        self.settle(piece);
        (givers, asked)
    }

    /// Pieces that were whole `patience` ago and got no verdict are fetched again.
    pub fn forget_undecided(&mut self, now: Duration, patience: Duration) {
        let late = |piece: &Piece| piece.whole_since.is_some_and(|at| now.saturating_sub(at) > patience);
        let late: Vec<u32> = self.pieces.iter().filter(|(_, p)| late(p)).map(|(at, _)| *at).collect();
        for piece in late {
            self.entry(piece).reset();
            self.settle(piece);
        }
    }

    /// Whether a whole piece waits for its verdict.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        self.pieces.values().any(Piece::is_whole)
    }

    fn entry(&mut self, piece: u32) -> &mut Piece {
        let blocks = self.layout.blocks_of(piece);
        self.pieces.entry(piece).or_insert_with(|| Piece::new(blocks))
    }

    /// Makes `open` agree with the piece.
    fn settle(&mut self, piece: u32) {
        let unasked = self.pieces.get(&piece).is_none_or(|piece| piece.unasked() > 0);
        if unasked && !self.have.contains(piece) {
            self.open.insert(piece);
        } else {
            self.open.remove(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::layout::BLOCK_LEN;

    #[test]
    fn a_block_in_doubt_may_come_from_anyone_even_of_a_piece_that_one_peer_alone_was_trusted_with() {
        let layout = Layout::new(2 * BLOCK_LEN, u64::from(2 * BLOCK_LEN)).expect("a torrent");
        let mut board = Board::new(layout, &Bits::default());
        for _ in 0..2 {
            let block = board.take(0, PeerId(1), true).expect("an open block");
            board.arrived(0, block, PeerId(1), Duration::ZERO);
        }
        board.reopen(0, &[1]);
        let piece = board.piece(0).expect("begun");
        assert!(piece.only.is_empty() && !piece.lacks_from(PeerId(1)) && piece.lacks_from(PeerId(2)));
        assert_eq!(board.take(0, PeerId(2), false), Some(1));
    }
}
