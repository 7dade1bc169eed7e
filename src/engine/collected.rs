//! Blocks of metadata (BEP 9) that are put together, and whom they are asked of.
//!
//! Every step costs no more than a few look-ups, however large the metadata and however many peers: the blocks are kept in
//! the order in which they are asked for. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::schedule::peer::PeerId;

/// Length of a block; the last may be shorter.
pub const BLOCK: usize = 16 * 1024;

/// Askings of a block at a time, and how old the last of them has to be before there are more.
pub const COPIES: usize = 2;
/// See [`COPIES`].
pub const PATIENCE: Duration = Duration::from_millis(100);

#[derive(Clone, Debug, Default)]
struct Block {
    data: Option<Vec<u8>>,
    asked: usize,
    last: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct Collected {
    size: usize,
    blocks: Vec<Block>,
    /// The missing ones, next first: those that few are asked for; of the others the one asked for longest ago.
    missing: BTreeSet<(usize, Duration, u32)>,
    /// Whose blocks are here.
    givers: Vec<PeerId>,
    /// Since when it is collected.
    pub since: Duration,
    /// When a block came last; at first as `since`.
    pub fed: Duration,
}

impl Collected {
    /// Nothing of `size` bytes, more than 0.
    pub fn new(size: usize, now: Duration) -> Self {
        let count = size.div_ceil(BLOCK);
        let missing =
            (0..count).filter_map(|at| Some((0, Duration::ZERO, u32::try_from(at).ok()?))).collect();
        Self {
            size,
            blocks: vec![Block::default(); count],
            missing,
            givers: Vec::new(),
            since: now,
            fed: now,
        }
    }

    /// Whose blocks are here.
    pub fn givers(&self) -> &[PeerId] {
        &self.givers
    }

    /// Takes a block in. Answers with the whole when this was the last one missing.
    pub fn put(&mut self, peer: PeerId, at: u32, data: &[u8], now: Duration) -> Option<Vec<u8>> {
        let begin = at as usize * BLOCK;
        let place = self.blocks.get(at as usize).map(|block| (self.place(at), block.data.is_some()));
        let (place, here) = place?;
        if here || data.len() != (self.size - begin).min(BLOCK) {
            return None;
        }
        self.missing.remove(&place);
        self.blocks[at as usize].data = Some(data.to_vec());
        self.fed = now;
        if !self.givers.contains(&peer) {
            self.givers.push(peer);
        }
        self.missing.is_empty().then(|| {
            self.blocks.iter().flat_map(|block| block.data.as_deref().unwrap_or_default()).copied().collect()
        })
    }

    /// The block to ask a peer for who is asked for `his` already.
    pub fn next(&self, his: impl Fn(u32) -> bool, now: Duration) -> Option<u32> {
        let ripe = |(asked, last, _): &&(usize, Duration, u32)| {
            *asked < COPIES || now.saturating_sub(*last) >= PATIENCE
        };
        self.missing.iter().take_while(ripe).map(|(_, _, at)| *at).find(|at| !his(*at))
    }

    /// A block was asked of somebody.
    pub fn asked(&mut self, at: u32, now: Duration) {
        self.replace(at, |block| {
            block.asked += 1;
            block.last = now;
        });
    }

    /// An asking was answered, or will not be.
    pub fn unasked(&mut self, at: u32) {
        self.replace(at, |block| block.asked = block.asked.saturating_sub(1));
    }

    fn replace(&mut self, at: u32, change: impl FnOnce(&mut Block)) {
        if at as usize >= self.blocks.len() {
            return;
        }
        let was_missing = self.missing.remove(&self.place(at));
        change(&mut self.blocks[at as usize]);
        if was_missing {
            self.missing.insert(self.place(at));
        }
    }

    fn place(&self, at: u32) -> (usize, Duration, u32) {
        let block = &self.blocks[at as usize];
        let last = if block.asked < COPIES { Duration::ZERO } else { block.last };
        (block.asked.min(COPIES), last, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn who_is_asked_gets_what_few_are_asked_for() {
        let mut collected = Collected::new(2 * BLOCK + 1, Duration::ZERO);
        let nobody = |_: u32| false;
        for expected in [0, 1, 2, 0, 1, 2] {
            assert_eq!(collected.next(nobody, MS), Some(expected));
            collected.asked(expected, MS);
        }
        assert_eq!(collected.next(nobody, MS), None, "enough are asked for all");
        assert_eq!(collected.next(nobody, MS + PATIENCE), Some(0));
        assert_eq!(collected.next(|at| at == 0, MS + PATIENCE), Some(1));
        collected.unasked(2);
        assert_eq!(collected.next(nobody, MS), Some(2));
    }

    #[test]
    fn the_last_block_is_shorter() {
        let mut collected = Collected::new(BLOCK + 2, Duration::ZERO);
        assert_eq!(collected.put(PeerId(1), 1, b"yyy", MS), None, "too long");
        assert_eq!(collected.put(PeerId(1), 2, b"y", MS), None, "no such block");
        assert_eq!(collected.put(PeerId(1), 1, b"yy", MS), None);
        assert_eq!(collected.put(PeerId(2), 1, b"zz", MS), None, "it is here");
        let whole = collected.put(PeerId(2), 0, &[b'x'; BLOCK], MS).expect("the whole");
        assert_eq!((whole.len(), &whole[BLOCK - 1..]), (BLOCK + 2, &b"xyy"[..]));
        assert_eq!(collected.givers(), [PeerId(1), PeerId(2)]);
    }

    proptest! {
        /// The order that is kept is the one that looking at every block would give.
        #[test]
        fn the_order_is_right(steps in proptest::collection::vec((0_u8..3, 0_u32..5, 0_u32..80), 0..60)) {
            let mut collected = Collected::new(4 * BLOCK + 7, Duration::ZERO);
            let mut now = Duration::ZERO;
            for (what, at, wait) in steps {
                now += wait * MS;
                match what {
                    0 => collected.asked(at, now),
                    1 => collected.unasked(at),
                    _ => drop(collected.put(PeerId(1), at, &vec![0; if at == 4 { 7 } else { BLOCK }], now)),
                }
                let ripe = |block: &Block| block.asked < COPIES || now - block.last >= PATIENCE;
                let all = collected.blocks.iter().enumerate();
                let best = all.filter(|(_, block)| block.data.is_none() && ripe(block)).min_by_key(|(at, block)| {
                    let many = block.asked >= COPIES;
                    (block.asked.min(COPIES), if many { block.last } else { Duration::ZERO }, *at)
                });
                prop_assert_eq!(collected.next(|_| false, now), best.map(|(at, _)| at as u32));
            }
        }
    }
}
