//! One piece on its way: which blocks are here, which are asked of whom.

use std::collections::BTreeMap;
use std::time::Duration;

use super::peer::PeerId;

/// Most peers that are asked for one block at the same time,
pub const MOST_ASKED: usize = 3;
/// ... and when the next one would bring it in less than half the time: all before it may have been slow.
pub const MOST_ASKED_OF_SLOW: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Block {
    /// Asked of these peers; none: asked of nobody.
    Open(Vec<PeerId>),
    /// Here, from this peer.
    Here(PeerId),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Piece {
    blocks: Vec<Block>,
    /// Blocks asked of nobody.
    unasked: u32,
    here: u32,
    /// Blocks before this one are not unasked; only a hint, lowered when a block is given back.
    scan: usize,
    /// Givers of copies that are in doubt, by block: each block is asked of somebody else next.
    gave: Vec<(u32, PeerId)>,
    /// The peers that may send it, so that a wrong hash names few culprits; empty: anyone.
    pub only: Vec<PeerId>,
    /// That is one peer because nobody waited for the piece when it was given out.
    pub alone: bool,
    /// Its givers' blocks were counted as right or wrong already.
    pub judged: bool,
    /// How often its hash was wrong.
    pub failures: u32,
    /// When the last block came.
    pub whole_since: Option<Duration>,
}

impl Piece {
    /// Nothing here, nothing asked.
    #[must_use]
    pub fn new(blocks: u32) -> Self {
        Self {
            blocks: vec![Block::Open(Vec::new()); blocks as usize],
            unasked: blocks,
            here: 0,
            scan: 0,
            gave: Vec::new(),
            only: Vec::new(),
            alone: false,
            judged: false,
            failures: 0,
            whole_since: None,
        }
    }

    /// Blocks that nobody was asked for.
    #[must_use]
    pub fn unasked(&self) -> u32 {
        self.unasked
    }

    /// Blocks that are not here, asked for or not.
    #[must_use]
    pub fn missing(&self) -> u32 {
        u32::try_from(self.blocks.len()).expect("made from a u32") - self.here
    }

    /// Whether every block is here.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.here as usize == self.blocks.len()
    }

    /// Whether nothing is here and nothing asked.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.here == 0 && self.unasked as usize == self.blocks.len()
    }

    /// The first block that nobody was asked for and that this peer has not given before.
    pub fn next_unasked(&mut self, peer: PeerId) -> Option<u32> {
        if self.unasked == 0 {
            return None;
        }
        let open = |block: &Block| matches!(block, Block::Open(asked) if asked.is_empty());
        if !self.gave.is_empty() {
            let is_news = |(block, at): &(&Block, u32)| open(block) && !self.has_given(*at, peer);
            return self.blocks.iter().zip(0u32..).find(is_news).map(|(_, at)| at);
        }
        let at = self.scan + self.blocks[self.scan..].iter().position(open)?;
        self.scan = at;
        u32::try_from(at).ok()
    }

    /// A peer was asked for a block.
    pub fn ask(&mut self, block: u32, peer: PeerId) {
        if let Some(Block::Open(asked)) = self.blocks.get_mut(block as usize) {
            if asked.is_empty() {
                self.unasked -= 1;
            }
            if !asked.contains(&peer) {
                asked.push(peer);
            }
        }
    }

    /// A peer will not send a block any more.
    pub fn take_back(&mut self, block: u32, peer: PeerId) {
        if let Some(Block::Open(asked)) = self.blocks.get_mut(block as usize)
            && let Some(at) = asked.iter().position(|p| *p == peer)
        {
            asked.swap_remove(at);
            if asked.is_empty() {
                self.unasked += 1;
                self.scan = self.scan.min(block as usize);
            }
        }
    }

    /// A block came. Answers who else was asked for it; `None` when it was here already.
    pub fn arrived(&mut self, block: u32, from: PeerId, now: Duration) -> Option<Vec<PeerId>> {
        // Decided: all blocks count as here, whatever their slots say.
        if self.judged {
            return None;
        }
        let slot = self.blocks.get_mut(block as usize)?;
        let Block::Open(asked) = slot else { return None };
        let mut others = std::mem::take(asked);
        if others.is_empty() {
            self.unasked -= 1;
        }
        others.retain(|peer| *peer != from);
        *slot = Block::Here(from);
        self.here += 1;
        if self.is_whole() {
            self.whole_since = Some(now);
        }
        Some(others)
    }

    /// Whether a copy of a block in doubt came from this peer.
    #[must_use]
    pub fn has_given(&self, block: u32, peer: PeerId) -> bool {
        self.gave.contains(&(block, peer))
    }

    /// Whether a block is asked of nobody that this peer has not given before.
    #[must_use]
    pub fn lacks_from(&self, peer: PeerId) -> bool {
        let open = |block: &Block| matches!(block, Block::Open(asked) if asked.is_empty());
        self.unasked > 0
            && (self.gave.is_empty()
                || self.blocks.iter().zip(0u32..).any(|(block, at)| open(block) && !self.has_given(at, peer)))
    }

    /// Whether each block that nobody was asked for could come from one of these peers, who has not given it before.
    #[must_use]
    pub fn is_covered_by(&self, peers: &[PeerId]) -> bool {
        let open = |block: &Block| matches!(block, Block::Open(asked) if asked.is_empty());
        let news = |at: u32| peers.iter().any(|peer| !self.has_given(at, *peer));
        self.blocks.iter().zip(0u32..).all(|(block, at)| !open(block) || news(at))
    }

    /// The right bytes are known: blocks in doubt count as here. Answers who is still asked for which.
    pub fn decide(&mut self, now: Duration) -> Vec<(u32, PeerId)> {
        let asked = self.asked().flat_map(|(block, of)| of.iter().map(move |peer| (block, *peer))).collect();
        for (block, giver) in &self.gave {
            if let Some(slot @ Block::Open(_)) = self.blocks.get_mut(*block as usize) {
                *slot = Block::Here(*giver);
            }
        }
        self.here = u32::try_from(self.blocks.len()).expect("made from a u32");
        self.unasked = 0;
        self.judged = true;
        self.whole_since = Some(now);
        asked
    }

    /// Whether the copy of a block that counts now came from this peer.
    #[must_use]
    pub fn is_here_from(&self, block: u32, peer: PeerId) -> bool {
        self.blocks.get(block as usize) == Some(&Block::Here(peer))
    }

    /// From whom the copy of a block is that counts now.
    #[must_use]
    pub fn giver(&self, block: u32) -> Option<PeerId> {
        match self.blocks.get(block as usize) {
            Some(Block::Here(giver)) => Some(*giver),
            _ => None,
        }
    }

    /// Blocks that are here, with whom they came from.
    pub fn givers_by_block(&self) -> impl Iterator<Item = (u32, PeerId)> {
        (0u32..).zip(&self.blocks).filter_map(|(at, block)| match block {
            Block::Here(giver) => Some((at, *giver)),
            Block::Open(_) => None,
        })
    }

    /// Whether some block's copy is in doubt.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        !self.gave.is_empty()
    }

    /// A block's copy is in doubt: another is needed, from somebody else.
    pub fn reopen(&mut self, block: u32) {
        if let Some(slot) = self.blocks.get_mut(block as usize)
            && let Block::Here(giver) = *slot
        {
            *slot = Block::Open(Vec::new());
            self.gave.push((block, giver));
            self.here -= 1;
            self.unasked += 1;
            self.scan = self.scan.min(block as usize);
            self.whole_since = None;
        }
    }

    /// A block whose only copy is from a peer for which `of` holds, other than `other`, and was never in doubt.
    pub fn unchecked(&self, of: impl Fn(&PeerId) -> bool, other: PeerId) -> Option<u32> {
        let is_old = |at: u32| self.gave.iter().any(|(block, _)| *block == at);
        let of = |block: &Block| matches!(block, Block::Here(giver) if *giver != other && of(giver));
        self.blocks.iter().zip(0u32..).find(|(block, at)| of(block) && !is_old(*at)).map(|(_, at)| at)
    }

    /// Blocks that are here from, or asked of, peers for which `of` holds.
    pub fn count_of(&self, of: impl Fn(&PeerId) -> bool) -> usize {
        let counts = |block: &&Block| match block {
            Block::Open(asked) => asked.iter().any(&of),
            Block::Here(giver) => of(giver),
        };
        self.blocks.iter().filter(counts).count()
    }

    /// The product of `of` over all blocks that are here from, or asked of, somebody; of several the smallest.
    pub fn product_of(&self, of: impl Fn(&PeerId) -> f64) -> f64 {
        let factor = |block: &Block| match block {
            Block::Open(asked) => asked.iter().map(&of).fold(1.0, f64::min),
            Block::Here(giver) => of(giver),
        };
        self.blocks.iter().map(factor).product()
    }

    /// Who was asked for a block that is not here.
    #[must_use]
    pub fn asked_of(&self, block: u32) -> &[PeerId] {
        match self.blocks.get(block as usize) {
            Some(Block::Open(asked)) => asked,
            _ => &[],
        }
    }

    /// Blocks that are asked of somebody and not here, with whom.
    pub fn asked(&self) -> impl Iterator<Item = (u32, &[PeerId])> {
        self.blocks.iter().zip(0u32..).filter_map(|(block, i)| match block {
            Block::Open(asked) if !asked.is_empty() => Some((i, asked.as_slice())),
            _ => None,
        })
    }

    /// Who gave blocks, and how many.
    #[must_use]
    pub fn givers(&self) -> BTreeMap<PeerId, u32> {
        let mut givers = BTreeMap::new();
        for block in &self.blocks {
            if let Block::Here(peer) = block {
                *givers.entry(*peer).or_insert(0) += 1;
            }
        }
        givers
    }

    /// The hash was wrong, or the verdict never came: all from the start.
    pub fn reset(&mut self) {
        let failures = self.failures;
        *self = Self::new(u32::try_from(self.blocks.len()).expect("made from a u32"));
        self.failures = failures;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_agree_with_the_blocks(ops in prop::collection::vec((0u8..3, 0u32..12, 0u32..4), 0..200)) {
            let mut piece = Piece::new(10);
            for (op, block, peer) in ops {
                match op {
                    0 => piece.ask(block, PeerId(peer)),
                    1 => piece.take_back(block, PeerId(peer)),
                    _ => { piece.arrived(block, PeerId(peer), Duration::ZERO); }
                }
                let unasked = piece.blocks.iter().filter(|b| matches!(b, Block::Open(a) if a.is_empty())).count();
                let here = piece.blocks.iter().filter(|b| matches!(b, Block::Here(_))).count();
                prop_assert_eq!(piece.unasked() as usize, unasked);
                prop_assert_eq!(piece.here as usize, here);
                let first = piece.blocks.iter().position(|b| matches!(b, Block::Open(a) if a.is_empty()));
                prop_assert_eq!(piece.next_unasked(PeerId(9)).map(|b| b as usize), first);
            }
        }
    }

    #[test]
    fn a_block_in_doubt_is_asked_of_somebody_else() {
        let mut piece = Piece::new(2);
        piece.arrived(0, PeerId(1), Duration::ZERO);
        piece.arrived(1, PeerId(2), Duration::ZERO);
        piece.reopen(1);
        assert!(!piece.is_whole() && piece.is_in_doubt() && piece.has_given(1, PeerId(2)));
        assert_eq!((piece.next_unasked(PeerId(2)), piece.next_unasked(PeerId(1))), (None, Some(1)));
        piece.arrived(1, PeerId(1), Duration::ZERO);
        assert!(piece.is_whole());
        assert_eq!(piece.count_of(|peer| *peer == PeerId(1)), 2);
        piece.reopen(0);
        piece.ask(0, PeerId(3));
        assert_eq!(piece.decide(Duration::ZERO), vec![(0, PeerId(3))]);
        assert!(piece.is_whole() && piece.unasked() == 0 && piece.asked().count() == 0);
    }

    #[test]
    fn checks_go_round_among_those_that_have_not_given_the_block() {
        let (one, two) = (PeerId(1), PeerId(2));
        let mut piece = Piece::new(3);
        piece.arrived(0, one, Duration::ZERO);
        piece.arrived(1, two, Duration::ZERO);
        assert_eq!(piece.unchecked(|_| true, one), Some(1));
        assert_eq!(piece.unchecked(|giver| *giver == one, one), None);
        assert_eq!(piece.product_of(|_| 0.5), 0.25);
        piece.ask(2, two);
        assert_eq!(piece.product_of(|_| 0.5), 0.125);
        piece.reopen(1);
        assert!(piece.is_covered_by(&[one]) && !piece.is_covered_by(&[two]) && !piece.is_covered_by(&[]));
        piece.ask(1, one);
        piece.arrived(1, one, Duration::ZERO);
        // Nobody needs a third copy before the second is known to be of no use.
        assert_eq!(piece.unchecked(|_| true, two), Some(0));
        assert_eq!(piece.givers_by_block().collect::<Vec<_>>(), vec![(0, one), (1, one)]);
    }

    #[test]
    fn nothing_counts_after_the_decision() {
        let mut piece = Piece::new(3);
        piece.ask(0, PeerId(1));
        assert_eq!(piece.decide(Duration::ZERO), [(0, PeerId(1))]);
        // A block that was cancelled comes after all, and one that nobody was asked for.
        assert_eq!(piece.arrived(0, PeerId(1), Duration::ZERO), None);
        assert_eq!(piece.arrived(2, PeerId(2), Duration::ZERO), None);
        assert!(piece.is_whole());
        assert_eq!(piece.unasked(), 0);
    }

    #[test]
    fn a_block_that_comes_twice_counts_once() {
        let mut piece = Piece::new(2);
        piece.ask(0, PeerId(1));
        piece.ask(0, PeerId(2));
        assert_eq!(piece.arrived(0, PeerId(2), Duration::ZERO), Some(vec![PeerId(1)]));
        assert_eq!(piece.arrived(0, PeerId(1), Duration::ZERO), None);
        assert_eq!(piece.givers(), BTreeMap::from([(PeerId(2), 1)]));
    }
}
