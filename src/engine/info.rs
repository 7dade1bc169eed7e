//! A magnet's metadata from many peers at once (BEP 9), among them such that lie.
//!
//! Only the hash of the whole says whether metadata is right: not which block is wrong, nor how long the right one is. So
//! whatever may be it is collected side by side ([`Collected`]):
//!
//! 1. Peers that announce the same size give their blocks to one whole: no block costs a round trip of its own, none
//!    waits for one slow peer while another is idle. Each size that is announced has a whole of its own, so that a wrong
//!    one holds up nobody.
//! 2. A whole that is wrong has a liar among its givers, and nobody can tell which. From then on each peer of that size
//!    gives a whole alone: a liar spoils only his own, and is not asked any more.
//!
//! So one honest peer is enough, whatever the others do, and the time is what his own copy takes and the wait for a place:
//! only some wholes are collected at a time, for claims cost nothing. Those with most peers come first. One that fails, or
//! gets nowhere while others wait, makes the number of places twice as large; when memory is what lacks, it has to give
//! up its place until those that wait had their turn.
//!
//! Pure: news and times in, blocks to ask for out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::schedule::peer::PeerId;

use super::collected::{Collected, PATIENCE};

/// Blocks asked of a peer at first and at most. libtorrent answers up to 160 KiB at once and the rest a second later.
const WINDOW: usize = 4;
const WINDOW_MOST: usize = 8;
/// An asking without an answer is forgotten.
const GIVEN_UP: Duration = Duration::from_secs(3);
/// A peer that refused, or does not say that it has metadata, is asked again after this long: it may have got it.
const AGAIN: Duration = Duration::from_secs(10);
/// Wholes collected at a time, at first and at most, and all their bytes together.
const PLACES: usize = 4;
const PLACES_MOST: usize = 256;
const MOST_CLAIMED: usize = 64 << 20;
/// A whole gets nowhere when no block of it comes for so long, or when it is not complete after so long. Twice as long for
/// each turn that it had.
const SILENCE: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_secs(2);

/// A peer that may have metadata.
#[derive(Debug)]
struct Giver {
    /// How long it says it is; `None`: it does not say.
    size: Option<usize>,
    window: usize,
    asked: Vec<(u32, Duration)>,
    /// It is not asked before.
    rests_until: Duration,
    /// It has given wrong metadata.
    lied: bool,
}

impl Giver {
    fn may_be_asked(&self, now: Duration) -> bool {
        !self.lied && self.rests_until <= now && self.asked.len() < self.window
    }
}

/// Something that may be the metadata.
#[derive(Debug, Default)]
struct Whole {
    /// What is here, while it has a place.
    collected: Option<Collected>,
    /// Places it had to give up.
    turns: u32,
    /// It got nowhere, and others were let in because of it.
    slow: bool,
}

impl Whole {
    /// When it counts as getting nowhere.
    fn over_at(&self) -> Option<Duration> {
        let collected = self.collected.as_ref()?;
        let times = 1 << self.turns.min(6);
        Some((collected.fed + times * SILENCE).min(collected.since + times * TURN))
    }
}

/// Whose blocks are put together: those of all who say the same size, or one peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Size(usize),
    Peer(usize, PeerId),
}

impl Key {
    fn size(self) -> usize {
        match self {
            Self::Size(size) | Self::Peer(size, _) => size,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Info {
    givers: BTreeMap<PeerId, Giver>,
    wholes: BTreeMap<Key, Whole>,
    /// Sizes of which each peer gives a whole alone.
    apart: BTreeSet<usize>,
    places: usize,
}

impl Default for Info {
    fn default() -> Self {
        Self { givers: BTreeMap::new(), wholes: BTreeMap::new(), apart: BTreeSet::new(), places: PLACES }
    }
}

impl Info {
    /// A peer says it has metadata of `size` bytes; 0: it does not say whether it has any.
    pub fn has(&mut self, peer: PeerId, size: u32) {
        let size = Some(size as usize).filter(|size| *size > 0);
        let giver = self.givers.entry(peer).or_insert(Giver {
            size,
            window: WINDOW,
            asked: Vec::new(),
            rests_until: Duration::ZERO,
            lied: false,
        });
        // What it said first counts.
        giver.size = giver.size.or(size);
        if let Some(key) = self.key(peer) {
            self.wholes.entry(key).or_default();
        }
    }

    /// A connection has ended.
    pub fn gone(&mut self, peer: PeerId) {
        self.forget(peer, |_| true);
        let Some(Giver { size: Some(size), .. }) = self.givers.remove(&peer) else { return };
        self.wholes.remove(&Key::Peer(size, peer));
        // What nobody claims any more is not collected: sizes are anybody's to invent.
        if !self.givers.values().any(|giver| giver.size == Some(size)) {
            self.wholes.remove(&Key::Size(size));
        }
    }

    /// A peer will not give a block; it is left alone for a while.
    pub fn refused(&mut self, peer: PeerId, now: Duration) {
        self.forget(peer, |_| true);
        if let Some(giver) = self.givers.get_mut(&peer) {
            giver.rests_until = now + AGAIN;
        }
    }

    /// A block came, from a peer that says the whole has `total` bytes (0: it does not say). Answers with the whole when
    /// it is complete; then [`Info::tried`] has to say whether it was right.
    pub fn block(
        &mut self,
        peer: PeerId,
        block: u32,
        total: u32,
        data: &[u8],
        now: Duration,
    ) -> Option<Vec<u8>> {
        self.forget(peer, |asked| asked == block);
        let giver = self.givers.get_mut(&peer).filter(|giver| !giver.lied)?;
        giver.window = (giver.window + 1).min(WINDOW_MOST);
        if giver.size.is_none() && total > 0 {
            giver.rests_until = Duration::ZERO;
            self.has(peer, total);
            self.seat(now);
        }
        let key = self.key(peer)?;
        self.wholes.get_mut(&key)?.collected.as_mut()?.put(peer, block, data, now)
    }

    /// Whether the whole that `peer` completed was right.
    pub fn tried(&mut self, peer: PeerId, right: bool) {
        let Some(key) = self.key(peer).filter(|_| !right) else { return };
        self.forget_all(key);
        let Some(Whole { collected: Some(wrong), .. }) = self.wholes.remove(&key) else { return };
        let size = key.size();
        if let [liar] = wrong.givers() {
            self.places = (2 * self.places).min(PLACES_MOST);
            if let Some(giver) = self.givers.get_mut(liar) {
                giver.lied = true;
            }
        }
        self.apart.insert(size);
        let honest = self.givers.iter().filter(|(_, giver)| giver.size == Some(size) && !giver.lied);
        let honest: Vec<Key> = honest.filter_map(|(peer, _)| self.key(*peer)).collect();
        for key in honest {
            self.wholes.entry(key).or_default();
        }
    }

    /// What to ask for now: pairs of peer and block.
    pub fn pump(&mut self, now: Duration, out: &mut Vec<(PeerId, u32)>) {
        let peers: Vec<PeerId> = self.givers.keys().copied().collect();
        for peer in &peers {
            let late = |asked: &(u32, Duration)| now.saturating_sub(asked.1) >= GIVEN_UP;
            let late: Vec<u32> =
                self.givers[peer].asked.iter().filter(|asked| late(asked)).map(|(at, _)| *at).collect();
            if !late.is_empty() {
                self.forget(*peer, |asked| late.contains(&asked));
            }
        }
        self.seat(now);
        // In turn, so that the blocks are spread over all.
        let mut willing = peers;
        while !willing.is_empty() {
            willing.retain(|peer| {
                let block = self.ask(*peer, now);
                out.extend(block.map(|block| (*peer, block)));
                block.is_some()
            });
        }
    }

    /// When `pump` has to be called although nothing happens.
    pub fn next_look(&self, now: Duration) -> Option<Duration> {
        let asked = self.givers.values().flat_map(|giver| &giver.asked);
        let asked = asked.flat_map(|(_, at)| [*at + PATIENCE, *at + GIVEN_UP]);
        let rested = self.givers.values().filter(|giver| !giver.lied).map(|giver| giver.rests_until);
        let wait = self.wholes.values().any(|whole| whole.collected.is_none());
        let over = self.wholes.values().filter(|whole| wait && !whole.slow).filter_map(Whole::over_at);
        asked.chain(rested).chain(over).filter(|at| *at > now).min()
    }

    /// Asks a peer for the block that it is best asked for, if any.
    fn ask(&mut self, peer: PeerId, now: Duration) -> Option<u32> {
        let key = self.key(peer);
        let giver = self.givers.get_mut(&peer).filter(|giver| giver.may_be_asked(now))?;
        let his = |at: u32| giver.asked.iter().any(|(asked, _)| *asked == at);
        let block = match giver.size {
            // Its first block says how long the whole is.
            None => {
                giver.rests_until = now + AGAIN;
                0
            }
            Some(_) => {
                let collected = self.wholes.get_mut(&key?)?.collected.as_mut()?;
                let block = collected.next(his, now)?;
                collected.asked(block, now);
                block
            }
        };
        giver.asked.push((block, now));
        Some(block)
    }

    /// Askings of a peer do not count any more.
    fn forget(&mut self, peer: PeerId, which: impl Fn(u32) -> bool) {
        let key = self.key(peer);
        let Some(giver) = self.givers.get_mut(&peer) else { return };
        let mut collected = key.and_then(|key| self.wholes.get_mut(&key)?.collected.as_mut());
        giver.asked.retain(|(at, _)| {
            if let Some(collected) = collected.as_mut().filter(|_| which(*at)) {
                collected.unasked(*at);
            }
            !which(*at)
        });
    }

    /// Askings for blocks of a whole do not count any more.
    fn forget_all(&mut self, key: Key) {
        let givers: Vec<PeerId> =
            self.givers.keys().copied().filter(|peer| self.key(*peer) == Some(key)).collect();
        givers.into_iter().for_each(|peer| self.forget(peer, |_| true));
    }

    /// Gives places to those that wait.
    fn seat(&mut self, now: Duration) {
        if self.wholes.values().all(|whole| whole.collected.is_some()) {
            return;
        }
        let over = |whole: &Whole| whole.over_at().is_some_and(|at| at <= now);
        for whole in self.wholes.values_mut().filter(|whole| !whole.slow && over(whole)) {
            whole.slow = true;
            self.places = (2 * self.places).min(PLACES_MOST);
        }
        let mut peers: BTreeMap<Key, usize> = BTreeMap::new();
        for peer in self.givers.keys() {
            if let Some(key) = self.key(*peer) {
                *peers.entry(key).or_default() += 1;
            }
        }
        let seated = self.wholes.iter().filter(|(_, whole)| whole.collected.is_some());
        let (mut taken, mut bytes) = seated.fold((0, 0), |(n, sum), (key, _)| (n + 1, sum + key.size()));
        let waiting = self.wholes.iter().filter(|(_, whole)| whole.collected.is_none());
        let mut waiting: Vec<_> = waiting
            .map(|(key, whole)| {
                (whole.turns, Reverse(peers.get(key).copied().unwrap_or(0)), key.size(), *key)
            })
            .collect();
        waiting.sort_unstable();
        for (_, _, size, key) in waiting {
            // Who gets nowhere makes room, first the one that has been silent longest.
            while bytes + size > MOST_CLAIMED && bytes > 0 {
                let slow = self.wholes.iter().filter(|(_, whole)| over(whole));
                let fed = |whole: &Whole| whole.collected.as_ref().map(|collected| collected.fed);
                let Some((slow, _)) = slow.min_by_key(|(_, whole)| fed(whole)) else { return };
                let slow = *slow;
                self.forget_all(slow);
                let whole = self.wholes.get_mut(&slow).expect("just found");
                *whole = Whole { collected: None, turns: whole.turns + 1, slow: false };
                bytes -= slow.size();
                taken -= 1;
            }
            if taken >= self.places {
                return;
            }
            let whole = self.wholes.get_mut(&key).expect("nobody takes one away");
            whole.collected = Some(Collected::new(size, now));
            bytes += size;
            taken += 1;
        }
    }

    /// The whole that a peer gives to; `None`: none.
    fn key(&self, peer: PeerId) -> Option<Key> {
        let giver = self.givers.get(&peer).filter(|giver| !giver.lied)?;
        let size = giver.size?;
        Some(if self.apart.contains(&size) { Key::Peer(size, peer) } else { Key::Size(size) })
    }
}

#[cfg(test)]
#[path = "info_tests.rs"]
mod tests;
