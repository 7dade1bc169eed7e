//! What a peer that gave wrong blocks is still good for.
//!
//! Who is wrong about one block in five is right about the other four, and its line is free: such a *suspect* goes on
//! giving blocks, few per piece, so that finding the wrong ones costs less than the right ones save, and never of a
//! piece that somebody waits for while an honest peer could bring it.
//!
//! An honest peer's block is worth more than a suspect's, so honest peers bring what is new, and suspects check each
//! other: a copy from a second suspect that agrees clears a block as well as an honest one does. Only who has nothing
//! better to do goes further: a suspect gives more of a piece, an honest peer checks, and when nothing new is left at
//! all, what suspects gave is checked before anybody knows whether its piece is wrong.

use std::time::Duration;

use super::board::Board;
use super::choose::{Look, level};
use super::layout::BLOCK_LEN;
use super::peer::{Peer, PeerId};
use super::picker::Picker;
use super::piece::Piece;
use super::plan::{Tier, Want};

/// A suspect may give another block of a piece as long as all its suspects' blocks are together at least so likely to be
/// right; with more, nearly all of them are checked before the last wrong one is found, and little is won. Where honest
/// peers have to check,
const CLEAN_ALONE: f64 = 0.25;
/// ... and where other suspects do, whose lines are free.
const CLEAN_PAIR: f64 = 0.1;
/// Suspects can check each other if they have this many times the fastest one's rate together.
const PAIR: f64 = 1.25;
/// A check is left to suspects that answer within this many times the time that an honest peer needs,
const SLOW: f64 = 4.0;
/// ... and so many seconds before the piece is due.
const SPARE: f64 = 1.0;
/// Of two copies by suspects that differ, an honest peer has to decide so many, times the rate of wrong ones.
const DECIDED: f64 = 0.7;
/// A piece due within this time counts as waited for.
const SOON: Duration = Duration::from_secs(1);
/// Bytes of open pieces beyond which suspects begin no other piece,
const OPEN_BYTES: u64 = 24 * 1024 * 1024;
/// ... and beyond so many pieces as far as they hold more than honest peers bring in so many seconds: in a file's last
/// pieces there would be nothing left for suspects but to give too much of each.
const LEAD_PIECES: u32 = 3;
const LEAD: f64 = 0.3;
/// A suspect's block is believed this many times its own delay after it was asked for: what honest peers bring sooner is
/// theirs.
const CHECKED: f64 = 3.0;
/// The same where more of a piece than its share costs a check more surely.
const CHECKED_MORE: f64 = 12.0;
/// More new blocks than this are not counted: they are not nearly all asked for.
const MANY: u32 = 2048;

impl Picker {
    /// Whether a block of a piece may be asked of a peer, as far as wrong blocks of the past are concerned. The peer is
    /// `idle` when nothing else is left for it.
    pub(super) fn is_welcome(&self, id: PeerId, want: &Want, idle: bool, look: &mut Look) -> bool {
        let Some(peer) = self.peers.get(&id) else { return true };
        if peer.record.is_suspect() {
            self.is_good_for(id, peer, want, look)
        } else {
            idle || !self.is_checked(want, look.now())
        }
    }

    /// Whether a piece is in doubt and there is a suspect that will check it in time.
    fn is_checked(&self, want: &Want, now: Duration) -> bool {
        let piece = self.board.as_ref().and_then(|board| board.piece(want.piece));
        let Some(piece) = piece.filter(|piece| piece.is_in_doubt()) else { return false };
        let eta = |peer: &Peer| peer.eta(now);
        let honest = self.peers.values().filter(|peer| peer.is_usable(now) && !peer.record.is_suspect());
        let patience = SLOW * honest.map(eta).fold(f64::MAX, f64::min);
        let latest = want.due.map_or(patience, |due| patience.min(due.as_secs_f64() - SPARE));
        let may = |(id, peer): &(&PeerId, &Peer)| {
            peer.record.is_suspect() && could(**id, peer, want.piece, Some(piece), now) && eta(peer) < latest
        };
        let checkers: Vec<PeerId> = self.peers.iter().filter(may).map(|(id, _)| *id).collect();
        !is_soon(want) && piece.is_covered_by(&checkers)
    }

    /// Whether a suspect may give a block of a piece.
    fn is_good_for(&self, id: PeerId, peer: &Peer, want: &Want, look: &mut Look) -> bool {
        let Some(board) = &self.board else { return true };
        let piece = board.piece(want.piece);
        let is_suspect = |id: &PeerId| self.peers.get(id).is_some_and(|peer| peer.record.is_suspect());
        let others = |of: bool| {
            self.peers.iter().any(|(other, peer)| {
                *other != id
                    && peer.record.is_suspect() == of
                    && could(*other, peer, want.piece, piece, look.now())
            })
        };
        if !others(false) {
            return true;
        }
        if piece.is_some_and(|piece| piece.is_in_doubt() || piece.only.contains(&id)) {
            return true;
        }
        if is_soon(want) {
            return false;
        }
        let now = look.now();
        let balance = *look.balance.get_or_insert_with(|| self.balance(board, now));
        let clean = |id: &PeerId| self.peers.get(id).map_or(1.0, |peer| 1.0 - peer.record.error_rate());
        let may = match piece {
            Some(piece) => {
                let first = piece.count_of(is_suspect) == 0;
                first
                    || piece.product_of(|id| if is_suspect(id) { clean(id) } else { 1.0 }) * clean(&id)
                        > balance.clean
            }
            None => self.is_near(board, look.now()),
        };
        may && peer.eta(look.now()) * CHECKED < self.honest_end(look)
    }

    /// Whether a suspect may begin another piece: honest peers bring the rest of those that are begun soon enough.
    fn is_near(&self, board: &Board, now: Duration) -> bool {
        let open = board.pieces().len() as u64 + 1;
        let honest = self.peers.values().filter(|peer| peer.is_usable(now) && !peer.record.is_suspect());
        let rate: f64 = honest.map(|peer| peer.rate(now)).sum();
        let begun = board.pieces().values().filter(|piece| piece.unasked() > 0 && !piece.is_in_doubt());
        let (count, blocks) =
            begun.fold((0, 0), |(count, blocks), piece| (count + 1, blocks + piece.unasked()));
        open * u64::from(board.layout().piece_len()) <= OPEN_BYTES
            && (count < LEAD_PIECES || f64::from(blocks) * f64::from(BLOCK_LEN) < LEAD * rate)
    }

    /// Another block of a piece that suspects gave enough of, for one that would be idle: where they gave least.
    fn more(&mut self, id: PeerId, look: &mut Look) -> Option<(u32, u32)> {
        let now = look.now();
        let board = self.board.as_ref()?;
        let peer = self.peers.get(&id).filter(|peer| peer.record.is_suspect())?;
        let least = look.balance.get_or_insert_with(|| self.balance(board, now)).least;
        if peer.eta(now) * CHECKED_MORE >= self.honest_end(look) {
            return None;
        }
        let clean = |of: &PeerId| match self.peers.get(of) {
            Some(peer) if peer.record.is_suspect() => 1.0 - peer.record.error_rate(),
            _ => 1.0,
        };
        let soon = |at: u32| self.plan.wants.iter().any(|want| want.piece == at && is_soon(want));
        let mut best: Option<(f64, u32)> = None;
        for (at, piece) in board.pieces() {
            let may = piece.unasked() > 0
                && !piece.is_in_doubt()
                && piece.only.is_empty()
                && peer.may_have(*at, now)
                && self.is_wanted(*at)
                && !soon(*at);
            let product = if may { piece.product_of(clean) * clean(&id) } else { 0.0 };
            if product > best.map_or(least, |(most, _)| most) {
                best = Some((product, *at));
            }
        }
        let (_, piece) = best?;
        let block = self.board.as_mut()?.take(piece, id, false)?;
        Some((piece, block))
    }

    fn is_wanted(&self, piece: u32) -> bool {
        self.plan.tier_of(piece).is_some()
            || !self.essential_only && self.plan.rest.iter().any(|range| range.contains(&piece))
    }

    /// How much of a piece suspects give, so that they and the honest peers are done with it at the same time.
    fn balance(&self, board: &Board, now: Duration) -> Balance {
        let usable = || self.peers.values().filter(|peer| peer.is_usable(now));
        let honest: f64 = usable().filter(|peer| !peer.record.is_suspect()).map(|peer| peer.rate(now)).sum();
        let (mut rate, mut wrong, mut fastest) = (0.0, 0.0, 0.0f64);
        for peer in usable().filter(|peer| peer.record.is_suspect()) {
            rate += peer.rate(now);
            wrong += peer.rate(now) * peer.record.error_rate();
            fastest = fastest.max(peer.rate(now));
        }
        let error = (wrong / rate.max(1.0)).clamp(1e-6, 1.0);
        let is_pair = rate >= fastest * PAIR;
        let least = if is_pair { CLEAN_PAIR } else { CLEAN_ALONE };
        let blocks = f64::from(board.layout().blocks_of(0));
        let (mut given, mut clean) = (1.0, 1.0 - error);
        // One after the other: how many have to be checked until the last wrong one of so many is found.
        while given < blocks && clean > least {
            let checks = given + 1.0 - (1.0 - clean * (1.0 - error)) / error;
            let (suspects, honests) = if is_pair {
                // Some of the checks are wrong themselves, and what two suspects are wrong about an honest peer decides.
                (given + checks * (1.0 + error / 2.0), blocks - given + checks * error * DECIDED)
            } else {
                (given, blocks - given + checks)
            };
            if suspects * honest > honests * rate {
                break;
            }
            given += 1.0;
            clean *= 1.0 - error;
        }
        // Half a block less: peers are not all wrong alike.
        Balance { clean: (clean / (1.0 - error).sqrt()).max(least), least }
    }

    /// Seconds until the honest peers alone would have brought all new blocks.
    fn honest_end(&self, look: &mut Look) -> f64 {
        if let Some(end) = look.honest_end {
            return end;
        }
        let now = look.now();
        let vessels: Vec<(f64, f64)> = self
            .peers
            .values()
            .filter(|peer| peer.is_usable(now) && !peer.record.is_suspect())
            .map(|peer| (peer.eta(now), f64::from(BLOCK_LEN) / peer.rate(now)))
            .collect();
        let new = self.new_blocks();
        let end = if new >= MANY || vessels.is_empty() { f64::MAX } else { level(&vessels, new) };
        look.honest_end = Some(end);
        end
    }

    /// Wanted blocks that nobody was asked for yet; at most a little more than [`MANY`].
    fn new_blocks(&self) -> u32 {
        let Some(board) = &self.board else { return 0 };
        let new = |at: u32| {
            let is_new = board.piece(at).is_none_or(|piece| !piece.is_in_doubt());
            if is_new { board.unasked(at) } else { 0 }
        };
        let mut sum: u32 = self.plan.wants.iter().map(|want| new(want.piece)).sum();
        if self.essential_only {
            return sum;
        }
        for range in &self.plan.rest {
            let mut from = range.start;
            while sum < MANY
                && let Some(at) = board.first_open(from..range.end, None)
            {
                if self.plan.tier_of(at).is_none() {
                    sum += new(at);
                }
                from = at + 1;
            }
        }
        sum
    }

    /// What a peer may be asked that found nothing as long as it left to others what they can do as well; it is marked
    /// as asked.
    pub(super) fn choose_idle(&mut self, id: PeerId, look: &mut Look) -> Option<(u32, u32)> {
        let is_suspect = self.peers.get(&id)?.record.is_suspect();
        let more = if is_suspect { self.more(id, look) } else { self.best(id, true, look) };
        more.or_else(|| self.check(id, look))
    }

    /// A suspect's block for an idle peer to check, when nothing new is left; it is marked as asked.
    fn check(&mut self, id: PeerId, look: &mut Look) -> Option<(u32, u32)> {
        if !self.keeps_evidence || *look.new_blocks.get_or_insert_with(|| self.new_blocks()) > 0 {
            return None;
        }
        let board = self.board.as_ref()?;
        let peer = self.peers.get(&id)?;
        let is_suspect = |id: &PeerId| self.peers.get(id).is_some_and(|peer| peer.record.is_suspect());
        let (piece, block) = board.pieces().iter().find_map(|(at, piece)| {
            let may = !piece.is_whole()
                && (piece.only.is_empty() || piece.only.contains(&id))
                && peer.may_have(*at, look.now())
                && self.is_wanted(*at);
            let block = if may { piece.unchecked(is_suspect, id) } else { None };
            block.map(|block| (*at, block))
        })?;
        let board = self.board.as_mut()?;
        board.reopen(piece, &[block]);
        board.copy(piece, block, id);
        self.wasted += u64::from(BLOCK_LEN);
        Some((piece, block))
    }
}

/// See [`Picker::balance`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Balance {
    /// A piece's suspects' blocks are together at least so likely to be right,
    clean: f64,
    /// ... and those of suspects that would be idle otherwise.
    least: f64,
}

/// Whether a peer can give a block of a piece.
fn could(id: PeerId, peer: &Peer, at: u32, piece: Option<&Piece>, now: Duration) -> bool {
    peer.is_usable(now)
        && peer.may_have(at, now)
        && piece
            .is_none_or(|piece| piece.lacks_from(id) && (piece.only.is_empty() || piece.only.contains(&id)))
}

pub(super) fn is_soon(want: &Want) -> bool {
    want.tier == Tier::Now || want.tier == Tier::Urgent && want.due.is_some_and(|due| due < SOON)
}
