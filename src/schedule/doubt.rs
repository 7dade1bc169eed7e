//! Blocks in doubt: which are asked again, once a piece was wrong. `suspects` says of whom.

use std::collections::BTreeMap;
use std::time::Duration;

use super::evidence::{Evidence, Finding};
use super::layout::BLOCK_LEN;
use super::peer::{Peer, PeerId};
use super::picker::{Command, Picker};
use super::piece::Piece;
use super::record::Record;
use super::suspects::is_soon;

/// Blocks less likely wrong than this are not asked again while others are.
const CLEAR: f64 = 1e-4;
/// Blocks at least this much as doubtful as the most doubtful one are alike. Of a piece that somebody waits for, one in
/// so many of those is asked again at once: while nobody is known to lie, and after;
const ALIKE: f64 = 0.9;
const HASTE_BLIND: usize = 2;
const HASTE: usize = 4;
/// ... of another as many as are together this likely to hold a wrong one: with every right one the rest get likelier.
const PATIENT: f64 = 0.1;
/// How often the guess who is wrong is refined by what it makes of the copies.
const REFINED: usize = 3;

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
        if !evidence.is_ready(piece) {
            return None;
        }
        let record = |id: PeerId| self.peers.get(&id).map(|peer| peer.record).unwrap_or_default();
        // Who contradicts a known liar is not the worse for it: what the records say is refined by the copies.
        let mut compared = BTreeMap::new();
        for _ in 0..REFINED {
            compared = evidence.compared(|id| rate_with(record(id), compared.get(&id)));
        }
        let rate = |id: PeerId| rate_with(record(id), compared.get(&id));
        let mut finding = evidence.examine(piece, rate, false, &is_right);
        let doubtful = evidence.doubtful(piece, rate);
        if finding == Finding::Wrong
            && self.askable(piece, &doubtful, now).is_some_and(|blocks| blocks.is_empty())
        {
            finding = evidence.examine(piece, rate, true, &is_right);
        }
        match finding {
            Finding::Open => None,
            Finding::Right(bytes) => {
                for (peer, (right, wrong)) in evidence.close(piece, Some(&bytes)) {
                    self.prove(peer, right, wrong);
                }
                self.call_off(piece, now);
                Some(bytes)
            }
            Finding::Wrong => {
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

    /// Those doubtful blocks of a whole piece that somebody is left to ask for; `None` while copies are on their way.
    fn askable(&self, piece: u32, doubtful: &[(u32, f64)], now: Duration) -> Option<Vec<(u32, f64)>> {
        let entry = self.board.as_ref()?.piece(piece).filter(|entry| entry.is_whole())?;
        let is_news = |block: u32| {
            let may = |(id, peer): (&PeerId, &Peer)| {
                let may = peer.is_usable(now) && peer.may_have(piece, now);
                may && !entry.has_given(block, *id) && !entry.is_here_from(block, *id)
            };
            self.peers.iter().any(may)
        };
        Some(doubtful.iter().copied().filter(|(block, doubt)| *doubt > CLEAR && is_news(*block)).collect())
    }

    /// `doubtful`: the piece's blocks with their likelihood to be wrong, the most doubtful first.
    fn ask_again(&mut self, piece: u32, doubtful: &[(u32, f64)], now: Duration) {
        let Some(possible) = self.askable(piece, doubtful, now) else { return };
        let Some(most) = possible.first().map(|(_, doubt)| *doubt) else {
            // Nobody is left to ask for another copy: all of it from one peer.
            self.failed(piece, now);
            return;
        };
        let Some(board) = &mut self.board else { return };
        let Some(entry) = board.piece(piece) else { return };
        let is_waited = self.plan.wants.iter().any(|want| want.piece == piece && is_soon(want));
        let is_suspect = |id: &PeerId| self.peers.get(id).is_some_and(|peer| peer.record.is_suspect());
        let is_blind = entry.giver(possible[0].0).is_none_or(|giver| !is_suspect(&giver));
        if is_blind && !is_waited && !entry.is_in_doubt() && self.blind.is_some_and(|other| other != piece) {
            self.postponed.insert(piece);
            return;
        }
        if is_blind {
            self.blind = Some(piece);
        }
        self.postponed.remove(&piece);
        let alike = possible.iter().take_while(|(_, doubt)| *doubt >= most * ALIKE).count();
        // One is wrong for sure.
        let none: f64 = doubtful.iter().map(|(_, doubt)| 1.0 - doubt).product();
        let mut sum = 0.0;
        let patient = possible.iter().take_while(|(_, doubt)| {
            let more = sum < PATIENT;
            sum += doubt / (1.0 - none).max(f64::MIN_POSITIVE);
            more
        });
        let urgent = alike.div_ceil(if is_blind { HASTE_BLIND } else { HASTE });
        let count = if is_waited { urgent } else { patient.count() };
        let blocks: Vec<u32> = possible[..count].iter().map(|(block, _)| *block).collect();
        self.wasted += u64::from(BLOCK_LEN) * blocks.len() as u64;
        board.reopen(piece, &blocks);
    }

    /// Looks again at pieces that were left alone as long as nobody knew who lies.
    pub(super) fn resume_doubts(&mut self, now: Duration) {
        let Some(board) = &self.board else { return };
        let is_open = |at: u32| board.piece(at).is_some_and(|piece| piece.is_in_doubt() && !piece.judged);
        self.blind = self.blind.filter(|piece| is_open(*piece));
        self.postponed
            .retain(|piece| board.piece(*piece).is_some_and(|piece| piece.is_whole() && !piece.judged));
        for at in self.postponed.clone() {
            let Some(piece) = self.board.as_ref().and_then(|board| board.piece(at)) else { continue };
            let rate = |giver: PeerId| self.peers.get(&giver).map_or(1.0, |peer| peer.record.error_rate());
            let mut doubtful: Vec<(u32, f64)> =
                piece.givers_by_block().map(|(block, giver)| (block, rate(giver))).collect();
            doubtful.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            self.ask_again(at, &doubtful, now);
        }
    }

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

fn rate_with(record: Record, compared: Option<&(u32, f64)>) -> f64 {
    let (copies, wrong) = compared.copied().unwrap_or_default();
    record.error_rate_with(copies, wrong)
}
