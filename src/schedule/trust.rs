//! Finding out who sends wrong data.
//!
//! A v1 torrent has one hash for a whole piece: when it is wrong, any giver may be the liar. The retry is given to
//! few peers, the least suspect ones: to one where nobody waits, to half of them where somebody does, because one
//! alone may be slow; what the first half fails goes to the other. A piece that fails again with a single giver names it.
//! While a failure is unresolved, new pieces that have time go to one peer each, so that every verdict is about one peer
//! and no liar spoils the pieces of honest ones.
//!
//! This is for torrents whose hashes are not all at hand (v2 from a magnet link), where libtorrent compares the blocks of
//! the failed try and bans whoever sent another. For the others `evidence` and `doubt` compare them.

use std::time::Duration;

use super::peer::PeerId;
use super::picker::{Command, Picker};
use super::plan::{Tier, Want};

/// Blame for a piece that failed with one giver.
const PROVEN: i32 = 16;
/// Right pieces that must have come before pieces that have time are shared: left to itself (v2) libtorrent distrusts
/// every giver of a wrong piece and bans after four, the honest ones too.
pub(super) const CAUTION_AT_FIRST: u32 = 0;
/// The same after a wrong piece.
pub(super) const CAUTION_AFTER_FAILURE: u32 = 16;

impl Picker {
    /// Whether pieces that have time should come from one peer each.
    pub(super) fn is_distrustful(&self) -> bool {
        self.caution > 0
    }

    /// A piece of these givers was wrong.
    pub(super) fn blame(&mut self, givers: &[PeerId]) {
        for giver in givers {
            let Some(peer) = self.peers.get_mut(giver) else { continue };
            if givers.len() > 1 {
                peer.judge(1);
                continue;
            }
            peer.judge(PROVEN);
            if !peer.dropped {
                peer.dropped = true;
                self.commands.push(Command::Drop(*giver));
                let asks = peer.forget_all();
                self.give_back(*giver, asks);
                self.release_from_duty(*giver);
            }
        }
    }

    /// A peer cannot be counted on now: pieces that only it may send may come from anyone who is left.
    pub(super) fn release_from_duty(&mut self, id: PeerId) {
        let Some(board) = &mut self.board else { return };
        let bound: Vec<u32> =
            board.pieces().iter().filter(|(_, piece)| piece.only.contains(&id)).map(|(at, _)| *at).collect();
        for piece in bound {
            if let Some(piece) = board.piece_mut(piece) {
                piece.only.retain(|peer| *peer != id);
            }
        }
    }

    /// Whether a peer is among those that may send a piece now; decides who they are where that is open.
    pub(super) fn is_trusted_with(&mut self, id: PeerId, want: &Want, now: Duration) -> bool {
        let Some(piece) = self.board.as_ref().and_then(|board| board.piece(want.piece)) else { return true };
        let (failures, restricted) = (piece.failures, !piece.only.is_empty());
        let is_waited = want.tier == Tier::Now;
        // One peer's piece that is waited for now is everybody's, unless it failed before.
        let regroup = is_waited && piece.alone;
        if restricted && !regroup {
            return piece.only.contains(&id);
        }
        if failures == 0 && !regroup {
            return true;
        }
        let only =
            if failures == 0 { Vec::new() } else { self.least_suspect(want.piece, failures, is_waited, now) };
        let trusted = only.is_empty() || only.contains(&id);
        if let Some(piece) = self.board.as_mut().and_then(|board| board.piece_mut(want.piece)) {
            piece.only = only;
            piece.alone = !is_waited;
        }
        trusted
    }

    fn least_suspect(&self, piece: u32, failures: u32, is_waited: bool, now: Duration) -> Vec<PeerId> {
        let Some(board) = &self.board else { return Vec::new() };
        let busy = |id: &PeerId| board.pieces().values().filter(|piece| piece.only.contains(id)).count();
        let mut peers: Vec<(PeerId, i32, usize, f64)> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.is_usable(now) && peer.may_have(piece, now))
            .map(|(id, peer)| {
                let suspicion = if peer.record.is_suspect() { PROVEN } else { peer.suspicion() };
                (*id, suspicion, busy(id), peer.rate(now))
            })
            .collect();
        peers.sort_by(|a, b| {
            let order = |(_, suspicion, busy, _): &(PeerId, i32, usize, f64)| {
                if is_waited { (*suspicion, 0, 0) } else { (suspicion.max(&0) / 4, *busy, *suspicion) }
            };
            order(a).cmp(&order(b)).then(b.3.total_cmp(&a.3)).then(a.0.cmp(&b.0))
        });
        let least = peers.first().map_or(0, |(_, suspicion, ..)| *suspicion);
        let equals = peers.iter().filter(|(_, suspicion, ..)| *suspicion == least).count();
        let few = if is_waited && failures < 4 { peers.len().div_ceil(2).min(equals) } else { 1 };
        peers.truncate(few);
        peers.into_iter().map(|(id, ..)| id).collect()
    }

    /// Whether a peer may have a fresh piece for itself: nobody waits, and it can bring all of it in time.
    pub(super) fn may_bring_alone(&self, id: PeerId, want: &Want, now: Duration) -> bool {
        let (Some(board), Some(peer)) = (&self.board, self.peers.get(&id)) else { return false };
        if want.tier == Tier::Now || board.piece(want.piece).is_some() {
            return false;
        }
        let blocks = board.layout().blocks_of(want.piece) as usize;
        let whole = peer.expected(peer.load() + blocks, now);
        want.due.is_none_or(|due| whole < due.as_secs_f64())
    }
}
