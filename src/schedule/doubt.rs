//! Blocks in doubt: which are asked again, and what a peer that gave wrong ones is still good for.
//!
//! Who is wrong about one block in five is right about the other four, and its line is free: such a *suspect* goes on
//! giving blocks, few per piece, so that finding the wrong ones costs less than the right ones save, and never of a
//! piece that somebody waits for while an honest peer could bring it.

use std::time::Duration;

use super::evidence::{Evidence, Finding};
use super::peer::{Peer, PeerId};
use super::picker::{Command, Picker};
use super::piece::Piece;
use super::plan::{Tier, Want};

/// Wrong blocks that suspects together may be expected to give of one piece. With more of them nearly all suspects'
/// blocks have to be asked again before the last wrong one is found.
const WRONG_PER_PIECE: f64 = 1.6;
/// Blocks less likely wrong than this are not asked again while others are.
const CLEAR: f64 = 1e-4;
/// Blocks at least this much as doubtful as the most doubtful one are alike. Of a piece that somebody waits for, half of
/// those are asked again at once;
const ALIKE: f64 = 0.9;
/// ... of another as many as are together this likely to hold a wrong one: with every right one the rest get likelier.
const PATIENT: f64 = 0.1;
/// A piece due within this time counts as waited for.
const SOON: Duration = Duration::from_secs(1);
/// Bytes of open pieces beyond which suspects begin no other piece.
const OPEN_BYTES: u64 = 24 * 1024 * 1024;

impl Picker {
    /// Whether copies of blocks are kept from now on and [`Picker::examine`] called with them.
    pub fn set_keeps_evidence(&mut self, on: bool) {
        self.keeps_evidence = on;
    }

    /// Whether wrong data came lately, or somebody who gave some is still here.
    #[must_use]
    pub fn is_wary(&self) -> bool {
        self.is_distrustful() || self.peers.values().any(|peer| peer.record.is_suspect())
    }

    /// Looks at the copies of a piece after one more came, or after libtorrent found the first ones wrong. Answers the
    /// right bytes once they are found; else sees to it that doubtful blocks are asked again. `is_right` tells whether
    /// blocks in this order have the piece's hash.
    pub fn examine(
        &mut self,
        evidence: &mut Evidence,
        piece: u32,
        now: Duration,
        is_right: impl Fn(&[&[u8]]) -> bool,
    ) -> Option<Vec<u8>> {
        let disputed = evidence.disputed();
        let rate = |id: PeerId| {
            let record = self.peers.get(&id).map(|peer| peer.record).unwrap_or_default();
            record.error_rate(disputed.get(&id).copied().unwrap_or(0))
        };
        match evidence.examine(piece, rate, is_right) {
            Finding::Open => None,
            Finding::Right(bytes) => {
                for (peer, (right, wrong)) in evidence.close(piece, Some(&bytes)) {
                    self.prove(peer, right, wrong);
                }
                self.call_off(piece, now);
                Some(bytes)
            }
            Finding::Wrong => {
                let doubtful = evidence.doubtful(piece, rate);
                self.be_cautious();
                self.ask_again(piece, &doubtful, now);
                None
            }
        }
    }

    /// A piece's right bytes are known: what is still asked of it is not needed.
    fn call_off(&mut self, piece: u32, now: Duration) {
        let Some(board) = &mut self.board else { return };
        for (block, of) in board.decide(piece, now) {
            if let Some(peer) = self.peers.get_mut(&of)
                && peer.recall(piece, block, now)
            {
                self.commands.push(Command::Cancel { peer: of, piece, block });
            }
        }
    }

    fn prove(&mut self, id: PeerId, right: u32, wrong: u32) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.record.add(right, wrong);
        if peer.record.is_useless() && !peer.dropped {
            peer.dropped = true;
            self.commands.push(Command::Drop(id));
            let asks = peer.forget_all();
            self.give_back(id, asks);
            self.release_from_duty(id);
        }
    }

    /// `doubtful`: the piece's blocks with their likelihood to be wrong, the most doubtful first.
    fn ask_again(&mut self, piece: u32, doubtful: &[(u32, f64)], now: Duration) {
        let Some(board) = &mut self.board else { return };
        let Some(entry) = board.piece(piece).filter(|entry| entry.is_whole()) else { return };
        self.wasted += u64::from(super::layout::BLOCK_LEN);
        let is_news = |block: u32| {
            let may = |(id, peer): (&PeerId, &Peer)| {
                peer.is_usable(now)
                    && peer.may_have(piece, now)
                    && !entry.has_given(block, *id)
                    && !entry.is_here_from(block, *id)
            };
            self.peers.iter().any(may)
        };
        let possible: Vec<(u32, f64)> =
            doubtful.iter().copied().filter(|(block, doubt)| *doubt > CLEAR && is_news(*block)).collect();
        let Some(most) = possible.first().map(|(_, doubt)| *doubt) else {
            // Nobody is left to ask for another copy: all of it from one peer.
            self.failed(piece, now);
            return;
        };
        let is_waited = self.plan.wants.iter().any(|want| want.piece == piece && is_soon(want));
        let alike = possible.iter().take_while(|(_, doubt)| *doubt >= most * ALIKE).count();
        let mut sum = 0.0;
        let patient = possible.iter().take_while(|(_, doubt)| {
            sum += doubt;
            sum - doubt < PATIENT
        });
        let count = if is_waited { alike.div_ceil(2) } else { patient.count() };
        let blocks: Vec<u32> = possible[..count].iter().map(|(block, _)| *block).collect();
        board.reopen(piece, &blocks);
    }

    /// Whether a block of a piece may be asked of a peer, as far as wrong blocks of the past are concerned.
    pub(super) fn is_welcome(&self, id: PeerId, want: &Want, now: Duration) -> bool {
        let (Some(peer), Some(board)) = (self.peers.get(&id), &self.board) else { return true };
        if !peer.record.is_suspect() {
            return true;
        }
        let is_suspect = |id: &PeerId| self.peers.get(id).is_some_and(|peer| peer.record.is_suspect());
        let piece = board.piece(want.piece);
        let could = |id: PeerId| piece.is_none_or(|piece| piece.lacks_from(id));
        let honest = self.peers.iter().any(|(id, peer)| {
            !peer.record.is_suspect() && peer.is_usable(now) && peer.may_have(want.piece, now) && could(*id)
        });
        if !honest {
            return true;
        }
        if is_soon(want) {
            return false;
        }
        match piece {
            Some(piece) if piece.is_in_doubt() || piece.only.contains(&id) => true,
            Some(piece) => {
                let most = (WRONG_PER_PIECE / peer.record.error_rate(0)).max(1.0);
                ((piece.count_of(is_suspect) + 1) as f64) <= most
            }
            None => {
                let open = board.pieces().len() as u64 + 1;
                open * u64::from(board.layout().piece_len()) <= OPEN_BYTES
            }
        }
    }
}

impl Picker {
    /// Pieces in doubt whose open blocks nobody who serves us could give another copy of are fetched anew.
    pub(super) fn give_up_doubts(&mut self, now: Duration) {
        let Some(board) = &self.board else { return };
        let stuck = |at: u32, piece: &Piece| {
            let could = |(id, peer): (&PeerId, &Peer)| {
                !peer.choked && !peer.dropped && peer.has(at) && piece.lacks_from(*id)
            };
            piece.is_in_doubt() && piece.unasked() > 0 && !self.peers.iter().any(could)
        };
        let stuck: Vec<u32> =
            board.pieces().iter().filter(|(at, piece)| stuck(**at, piece)).map(|(at, _)| *at).collect();
        stuck.into_iter().for_each(|piece| self.failed(piece, now));
    }
}

fn is_soon(want: &Want) -> bool {
    want.tier == Tier::Now || want.tier == Tier::Urgent && want.due.is_some_and(|due| due < SOON)
}
