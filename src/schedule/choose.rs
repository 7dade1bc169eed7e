//! Giving blocks out: whose turn is it, and what is best for it.
//!
//! The peer that will have answered first chooses first. It takes the first open piece of the plan that it has,
//! unless the piece is due before this peer could bring it and the others would be sooner without its help: the
//! *level* is the time at which all of them together would have brought what is unasked up to there, each filled up
//! with whole blocks to the same height, like water in vessels. Blocks given out at their best place do not move the
//! level, so it is computed once per pump.

use std::time::Duration;

use super::board::Board;
use super::copies::Copies;
use super::peer::{Ask, FIRST_ASKS_MIN, Peer, PeerId};
use super::picker::{Command, Picker};
use super::plan::{Tier, Want};
use super::suspects::Balance;

/// Waited-for blocks that are shared out at once among peers whose rates are unknown. What the slow ones get too
/// much is asked again of the fast ones as soon as the difference shows.
const SHARED_AT_ONCE: usize = 256;
const SHARE_MIN: usize = 16;
/// Requests of a peer of unknown rate for what nobody waits for, while somebody waits for something else.
const DEPTH_UNKNOWN: usize = 2;
/// Pieces a peer may be too slow for before it is sent to work further ahead.
const REFUSALS: usize = 16;
/// A piece should be whole this many seconds before it is due.
const SPARE: f64 = 1.0;

/// What one pump computes once.
pub(super) struct Look {
    now: Duration,
    usable: usize,
    /// Pieces at the plan's head that are waited for.
    waited: usize,
    /// Of the waited-for blocks, what one peer of unknown rate gets.
    share: usize,
    /// Per place in the plan.
    levels: Vec<Option<f64>>,
    /// Per range of the plan's rest, from where on it has open pieces.
    rest: Vec<Option<u32>>,
    /// For `suspects`, once asked for: what they may give of a piece, when the honest peers are done, new blocks.
    pub(super) balance: Option<Balance>,
    pub(super) honest_end: Option<f64>,
    pub(super) new_blocks: Option<u32>,
    /// Somebody sends wrong data and nobody knows who.
    distrust: bool,
    /// Somebody gave wrong blocks.
    suspects: bool,
    copies: Option<Copies>,
}

impl Picker {
    /// How many blocks more a peer may be asked.
    fn room(&self, peer: &Peer, look: &Look) -> usize {
        let room = look.room(peer);
        let held = self.is_held(peer, look.now);
        if held { room.min(FIRST_ASKS_MIN.saturating_sub(peer.load())) } else { room }
    }

    /// Fills every peer's queue.
    pub(super) fn fill(&mut self, now: Duration, out: &mut Vec<Command>) {
        // A group for a failed piece, or a copy, decided late in one round may be news for a peer that was asked
        // early in it. Rounds only ever add requests, so they end.
        while self.round(now, out) {}
    }

    /// One turn for every peer with room; whether anything was sent.
    fn round(&mut self, now: Duration, out: &mut Vec<Command>) -> bool {
        let Some(board) = &self.board else { return false };
        let before = out.len();
        let usable = self.peers.values().filter(|peer| peer.is_usable(now)).count();
        let waited = self.waited();
        let missing: usize =
            self.plan.wants[..waited].iter().map(|want| board.missing(want.piece) as usize).sum();
        let most = (SHARED_AT_ONCE / usable.max(1)).max(SHARE_MIN);
        let mut look = Look {
            now,
            usable,
            waited,
            share: missing.div_ceil(usable.max(1)).min(most),
            levels: Vec::new(),
            rest: Vec::new(),
            balance: None,
            honest_end: None,
            new_blocks: None,
            distrust: self.is_distrustful() && !self.keeps_evidence,
            suspects: self.peers.values().any(|peer| peer.record.is_suspect()),
            copies: None,
        };
        let mut ready: Vec<PeerId> =
            self.peers.iter().filter(|(_, peer)| self.room(peer, &look) > 0).map(|(id, _)| *id).collect();
        while let Some(at) = self.soonest(&ready, now) {
            let id = ready[at];
            let Some((piece, block)) = self.choose(id, &mut look) else {
                ready.swap_remove(at);
                continue;
            };
            let peer = self.peers.get_mut(&id).expect("ready holds known peers");
            peer.asked(Ask::new(piece, block, now));
            out.push(Command::Request { peer: id, piece, block });
            let peer = &self.peers[&id];
            if self.room(peer, &look) == 0 {
                ready.swap_remove(at);
            }
        }
        out.len() > before
    }

    fn soonest(&self, ready: &[PeerId], now: Duration) -> Option<usize> {
        let eta = |id: &PeerId| self.peers.get(id).map_or(f64::MAX, |peer| peer.eta(now));
        let etas = ready.iter().map(eta).enumerate();
        etas.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(at, _)| at)
    }

    /// The best block to ask of a peer now; it is marked as asked.
    fn choose(&mut self, id: PeerId, look: &mut Look) -> Option<(u32, u32)> {
        let best = self.best(id, false, look);
        if best.is_some()
            || !look.suspects
            || self.peers.get(&id).is_some_and(|peer| peer.load() >= look.depth(peer))
        {
            return best;
        }
        self.choose_idle(id, look)
    }

    /// The same; `idle`: not only what is left to the peer by others that could do it as well, see `suspects`.
    pub(super) fn best(&mut self, id: PeerId, idle: bool, look: &mut Look) -> Option<(u32, u32)> {
        let peer = self.peers.get(&id)?;
        let eta = peer.eta(look.now);
        // Beyond its depth a peer of unknown rate gets its share of what is waited for, nothing else.
        let share_only = peer.load() >= look.depth(peer);
        let mut refused = 0;
        for at in 0..self.plan.wants.len() {
            if at == look.waited
                && !share_only
                && let Some(copy) = self.copy(id, eta, at, look)
            {
                return Some(copy);
            }
            if at >= look.waited && share_only {
                return None;
            }
            let want = self.plan.wants[at];
            let is_open = self.board.as_ref()?.is_open(want.piece);
            // What is on its way may be late: that goes before what is further ahead.
            if !is_open
                && at >= look.waited
                && want.tier == Tier::Urgent
                && let Some(copy) = self.copy(id, eta, at + 1, look)
            {
                return Some(copy);
            }
            if !is_open || !self.peers.get(&id)?.may_have(want.piece, look.now) {
                continue;
            }
            // Before the level is asked for: it depends on who may send the piece.
            if !self.is_welcome(id, &want, idle, look) || !self.is_trusted_with(id, &want, look.now) {
                continue;
            }
            if want.tier != Tier::Ahead && (refused == REFUSALS || self.is_too_late(eta, at, look)) {
                refused = REFUSALS.min(refused + 1);
                continue;
            }
            if let Some(block) = self.take(id, &want, look) {
                return Some((want.piece, block));
            }
        }
        if look.waited == self.plan.wants.len()
            && !share_only
            && let Some(copy) = self.copy(id, eta, look.waited, look)
        {
            return Some(copy);
        }
        if self.essential_only || share_only { None } else { self.rest(id, idle, look) }
    }

    fn copy(&mut self, id: PeerId, eta: f64, places: usize, look: &mut Look) -> Option<(u32, u32)> {
        let board = self.board.as_mut()?;
        let copies =
            look.copies.get_or_insert_with(|| Copies::new(&self.plan.wants, board, &self.peers, look.now));
        let (piece, block) = copies.take(id, self.peers.get(&id)?, eta, places, board, look.now)?;
        board.copy(piece, block, id);
        Some((piece, block))
    }

    /// A block of tier 3.
    fn rest(&mut self, id: PeerId, idle: bool, look: &mut Look) -> Option<(u32, u32)> {
        if look.rest.is_empty() {
            // Within one pump pieces are only closed: these are lower bounds until its end.
            let board = self.board.as_ref()?;
            look.rest = self.plan.rest.iter().map(|range| board.first_open(range.clone(), None)).collect();
        }
        for i in 0..self.plan.rest.len() {
            let Some(mut from) = look.rest[i] else { continue };
            let range = self.plan.rest[i].clone();
            loop {
                let peer = self.peers.get(&id)?;
                let Some(piece) = self.board.as_ref()?.first_open(from..range.end, peer.pieces()) else {
                    break;
                };
                let want = Want { piece, tier: Tier::Rest, due: None };
                if peer.may_have(piece, look.now)
                    && self.is_welcome(id, &want, idle, look)
                    && self.is_trusted_with(id, &want, look.now)
                    && let Some(block) = self.take(id, &want, look)
                {
                    return Some((piece, block));
                }
                from = piece + 1;
            }
        }
        None
    }

    /// Takes a piece's next block for a peer that is trusted with it.
    fn take(&mut self, id: PeerId, want: &Want, look: &Look) -> Option<u32> {
        let alone = look.distrust && self.may_bring_alone(id, want, look.now);
        self.board.as_mut()?.take(want.piece, id, alone)
    }

    /// Whether a block of a piece is due before a peer could bring it, and the others would be sooner.
    fn is_too_late(&self, eta: f64, at: usize, look: &mut Look) -> bool {
        let want = &self.plan.wants[at];
        let in_time = match (want.tier, want.due) {
            (Tier::Now, _) => false,
            (_, Some(due)) => eta + SPARE < due.as_secs_f64(),
            (_, None) => true,
        };
        !in_time && eta > self.level(at, look) * 1.01 + 0.002
    }

    /// Seconds until all usable peers that have the piece could bring what is unasked up to this place of the plan.
    fn level(&self, at: usize, look: &mut Look) -> f64 {
        if look.levels.len() <= at {
            look.levels.resize(at + 1, None);
        }
        if let Some(level) = look.levels[at] {
            return level;
        }
        let level = self.board.as_ref().map_or(0.0, |board| self.compute_level(at, board, look.now));
        look.levels[at] = Some(level);
        level
    }

    fn compute_level(&self, at: usize, board: &Board, now: Duration) -> f64 {
        let piece = self.plan.wants[at].piece;
        let blocks: u32 = self.plan.wants[..=at].iter().map(|want| board.unasked(want.piece)).sum();
        let only = board.piece(piece).map_or(&[][..], |piece| &piece.only);
        let may = |id: &PeerId| only.is_empty() || only.contains(id);
        let vessels: Vec<(f64, f64)> = self
            .peers
            .iter()
            .filter(|(id, peer)| peer.is_usable(now) && peer.may_have(piece, now) && may(id))
            .filter(|(_, peer)| !peer.record.is_suspect())
            .map(|(_, peer)| {
                let block = f64::from(super::layout::BLOCK_LEN) / peer.rate(now);
                (peer.eta(now), block)
            })
            .collect();
        level(&vessels, blocks)
    }
}

impl Look {
    /// The moment.
    pub(super) fn now(&self) -> Duration {
        self.now
    }

    /// How many requests a peer should have, whatever they are for.
    fn depth(&self, peer: &Peer) -> usize {
        // While somebody waits, what is of no use to him would keep a peer from helping once its rate shows.
        let few = self.waited > 0 && !peer.is_known();
        if few { DEPTH_UNKNOWN } else { peer.depth(self.usable) }
    }

    /// How many blocks more a peer may be asked, whoever else is about to be there.
    fn room(&self, peer: &Peer) -> usize {
        if !peer.is_usable(self.now) {
            return 0;
        }
        if peer.is_owing() {
            return 1usize.saturating_sub(peer.asks().len());
        }
        let depth = self.depth(peer);
        let share = peer.depth(self.usable).max(self.share);
        let depth = if peer.is_known() { depth } else { depth.max(share) };
        depth.min(peer.queue()).saturating_sub(peer.load())
    }
}

/// The earliest time at which vessels, each with its first whole block at `.0` and one more every `.1` seconds, hold
/// `blocks` together.
pub(super) fn level(vessels: &[(f64, f64)], blocks: u32) -> f64 {
    let held = |time: f64| -> f64 {
        let of = |(first, step): &(f64, f64)| {
            if time < *first { 0.0 } else { ((time - first) / step + 1e-9).floor() + 1.0 }
        };
        vessels.iter().map(of).sum()
    };
    let blocks = f64::from(blocks.max(1));
    let soonest = vessels.iter().map(|(first, _)| *first).fold(f64::MAX, f64::min);
    if soonest == f64::MAX {
        return 0.0;
    }
    // The vessel that is filled first could hold all.
    let alone = vessels.iter().map(|(first, step)| first + step * (blocks - 1.0)).fold(f64::MAX, f64::min);
    let (mut low, mut high) = (soonest, alone);
    for _ in 0..40 {
        if high - low < 1e-4 {
            break;
        }
        let middle = f64::midpoint(low, high);
        if held(middle) >= blocks { high = middle } else { low = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_level_is_what_giving_out_one_by_one_reaches(
            vessels in prop::collection::vec((0.01f64..2.0, 0.001f64..5.0), 1..12),
            blocks in 1u32..200,
        ) {
            let mut heights: Vec<f64> = vessels.iter().map(|(first, _)| *first).collect();
            let mut last = 0.0f64;
            for _ in 0..blocks {
                let at = (0..heights.len()).min_by(|a, b| heights[*a].total_cmp(&heights[*b])).expect("one");
                last = last.max(heights[at]);
                heights[at] += vessels[at].1;
            }
            let found = level(&vessels, blocks);
            prop_assert!((found - last).abs() < 2e-4 + last * 1e-6, "{} instead of {}", found, last);
        }
    }
}
