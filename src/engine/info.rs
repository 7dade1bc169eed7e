//! A magnet's metadata from many peers at once (BEP 9).
//!
//! libtorrent asks each peer for one block of 16 KiB at a time, so that every block costs a round trip. Here each peer
//! is asked for several, no block waits for one slow peer while another is idle, and what is complete is tried: only the
//! hash of the whole says whether it is right. After a wrong whole the blocks of different peers are not mixed any more,
//! so that a liar can spoil its own copy only.
//!
//! libtorrent goes on asking by itself; what comes first counts. Pure: news and times in, blocks to ask for out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::schedule::peer::PeerId;

/// Length of a block; the last may be shorter.
pub const BLOCK: usize = 16 * 1024;

/// Blocks asked of a peer at first and at most. libtorrent answers up to 160 KiB at once and the rest a second later.
const WINDOW: usize = 4;
const WINDOW_MOST: usize = 8;
/// Askings of a block at a time, and how old they have to be before there are more.
const COPIES: usize = 2;
const PATIENCE: Duration = Duration::from_millis(100);
/// All sizes that are collected at a time, together: who claims is not who has.
const MOST_CLAIMED: usize = 64 << 20;
/// An asking without an answer is forgotten.
const GIVEN_UP: Duration = Duration::from_secs(3);

/// A peer that has metadata.
#[derive(Debug)]
struct Giver {
    size: usize,
    window: usize,
    asked: Vec<(u32, Duration)>,
    /// It has given wrong metadata, or refuses.
    barred: bool,
}

/// Blocks that belong together.
#[derive(Debug)]
struct Whole {
    size: usize,
    blocks: Vec<Option<Vec<u8>>>,
    givers: Vec<PeerId>,
}

impl Whole {
    fn new(size: usize) -> Self {
        Self { size, blocks: vec![None; size.div_ceil(BLOCK)], givers: Vec::new() }
    }

    fn block_len(&self, block: usize) -> usize {
        (self.size - block * BLOCK).min(BLOCK)
    }
}

/// Whose blocks are put together: those of all who say the same size, or one peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Size(usize),
    Peer(PeerId),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Info {
    givers: BTreeMap<PeerId, Giver>,
    wholes: BTreeMap<Key, Whole>,
    /// Blocks of different peers are not mixed.
    apart: bool,
    /// libtorrent has asked somebody for the first block already.
    begun: bool,
}

impl Info {
    /// A peer says it has metadata of `size` bytes, more than 0.
    pub fn has(&mut self, peer: PeerId, size: u32, now: Duration) {
        let size = size as usize;
        if size == 0 || self.givers.contains_key(&peer) {
            return;
        }
        // What libtorrent asks the first of all for is not asked twice.
        let asked = if self.begun { Vec::new() } else { vec![(0, now)] };
        self.begun = true;
        self.givers.insert(peer, Giver { size, window: WINDOW, asked, barred: false });
        let key = self.key(peer, size);
        self.collect(key, size);
    }

    /// Begins to collect metadata of `size` bytes, unless so much is being collected that it must be lies.
    fn collect(&mut self, key: Key, size: usize) {
        let claimed: usize = self.wholes.values().map(|whole| whole.size).sum();
        if claimed + size <= MOST_CLAIMED {
            self.wholes.entry(key).or_insert_with(|| Whole::new(size));
        }
    }

    /// A connection has ended.
    pub fn gone(&mut self, peer: PeerId) {
        self.givers.remove(&peer);
        self.wholes.remove(&Key::Peer(peer));
        // What nobody claims any more is not collected: sizes are anybody's to invent.
        let givers = &self.givers;
        self.wholes.retain(|key, _| match key {
            Key::Size(size) => givers.values().any(|giver| giver.size == *size),
            Key::Peer(_) => true,
        });
    }

    /// A peer will not give a block; it is not asked again.
    pub fn refused(&mut self, peer: PeerId) {
        if let Some(giver) = self.givers.get_mut(&peer) {
            giver.barred = true;
            giver.asked.clear();
        }
    }

    /// A block came. Answers with the whole when it is complete; then [`Info::tried`] has to say whether it was right.
    pub fn block(&mut self, peer: PeerId, block: u32, data: &[u8]) -> Option<Vec<u8>> {
        let giver = self.givers.get_mut(&peer).filter(|giver| !giver.barred)?;
        giver.asked.retain(|(asked, _)| *asked != block);
        giver.window = (giver.window + 1).min(WINDOW_MOST);
        let size = giver.size;
        let key = self.key(peer, size);
        let whole = self.wholes.get_mut(&key)?;
        let at = block as usize;
        if at >= whole.blocks.len() || data.len() != whole.block_len(at) || whole.blocks[at].is_some() {
            return None;
        }
        whole.blocks[at] = Some(data.to_vec());
        if !whole.givers.contains(&peer) {
            whole.givers.push(peer);
        }
        let here: Option<Vec<&[u8]>> = whole.blocks.iter().map(|block| block.as_deref()).collect();
        here.map(|blocks| blocks.concat())
    }

    /// Whether the whole that `peer` completed was right.
    pub fn tried(&mut self, peer: PeerId, right: bool) {
        let Some(size) = self.givers.get(&peer).map(|giver| giver.size) else { return };
        if right {
            return;
        }
        let key = self.key(peer, size);
        let givers = self.wholes.remove(&key).map_or(Vec::new(), |whole| whole.givers);
        if let [liar] = givers[..] {
            self.refused(liar);
            self.collect(key, size);
            return;
        }
        self.apart = true;
        self.wholes.clear();
        self.givers.values_mut().for_each(|giver| giver.asked.clear());
        let claims: Vec<(PeerId, usize)> = self.givers.iter().map(|(id, giver)| (*id, giver.size)).collect();
        claims.into_iter().for_each(|(peer, size)| self.collect(Key::Peer(peer), size));
    }

    /// What to ask for now: pairs of peer and block.
    pub fn pump(&mut self, now: Duration, out: &mut Vec<(PeerId, u32)>) {
        for giver in self.givers.values_mut() {
            giver.asked.retain(|(_, at)| now.saturating_sub(*at) < GIVEN_UP);
        }
        let peers: Vec<PeerId> = self.givers.keys().copied().collect();
        // In turn, so that the blocks are spread over all.
        let mut asking = true;
        while asking {
            asking = false;
            for peer in &peers {
                if let Some(block) = self.next_for(*peer, now) {
                    let giver = self.givers.get_mut(peer).expect("a key of the map");
                    giver.asked.push((block, now));
                    out.push((*peer, block));
                    asking = true;
                }
            }
        }
    }

    /// When `pump` has to be called although nothing happens.
    pub fn next_look(&self, now: Duration) -> Option<Duration> {
        let asked = self.givers.values().flat_map(|giver| &giver.asked);
        asked.flat_map(|(_, at)| [*at + PATIENCE, *at + GIVEN_UP]).filter(|at| *at > now).min()
    }

    /// The block that a peer is asked for next: one that few are asked for.
    fn next_for(&self, peer: PeerId, now: Duration) -> Option<u32> {
        let giver = self.givers.get(&peer)?;
        if giver.barred || giver.asked.len() >= giver.window {
            return None;
        }
        let key = self.key(peer, giver.size);
        let whole = self.wholes.get(&key)?;
        let missing = whole.blocks.iter().enumerate().filter(|(_, here)| here.is_none());
        let candidates = missing.filter_map(|(at, _)| {
            let block = u32::try_from(at).ok()?;
            if giver.asked.iter().any(|(asked, _)| *asked == block) {
                return None;
            }
            let same = self.givers.iter().filter(|(other, g)| self.key(**other, g.size) == key);
            let times: Vec<Duration> = same
                .flat_map(|(_, g)| &g.asked)
                .filter(|(asked, _)| *asked == block)
                .map(|(_, at)| *at)
                .collect();
            let stale = times.iter().all(|at| now.saturating_sub(*at) >= PATIENCE);
            (times.len() < COPIES || stale).then_some((times.len(), block))
        });
        candidates.min().map(|(_, block)| block)
    }

    fn key(&self, peer: PeerId, size: usize) -> Key {
        if self.apart { Key::Peer(peer) } else { Key::Size(size) }
    }
}

#[cfg(test)]
#[path = "info_tests.rs"]
mod tests;
