//! Asking a second peer for what would come too late from the first.
//!
//! Only for what somebody waits for, or soon will: elsewhere a late block costs nothing and a copy costs bandwidth.
//! The table of candidates is made once per pump, and only when a peer with room has nothing better to do.

use std::collections::BTreeMap;
use std::time::Duration;

use super::board::Board;
use super::peer::{Peer, PeerId};
use super::piece::{MOST_ASKED, MOST_ASKED_OF_SLOW};
use super::plan::{Tier, Want};

/// A second copy must be expected to come this much sooner than the first.
const GAIN: f64 = 0.75;
/// ... and at least this many seconds sooner.
const MARGIN: f64 = 0.03;
/// Pieces due within this many seconds may need copies.
const HORIZON: f64 = 10.0;
/// A piece should be whole this many seconds before it is due.
const SPARE: f64 = 1.0;

/// A block on its way.
#[derive(Clone, Copy, Debug)]
struct Late {
    /// In the plan.
    place: usize,
    piece: u32,
    block: u32,
    /// Seconds from now; of several copies the soonest.
    expected: f64,
    /// Seconds until the piece is due.
    due: f64,
}

/// Blocks at risk: by place in the plan, within a piece the latest first.
pub(super) struct Copies {
    late: Vec<Late>,
}

impl Copies {
    pub(super) fn new(wants: &[Want], board: &Board, peers: &BTreeMap<PeerId, Peer>, now: Duration) -> Self {
        let due = |want: &Want| match (want.tier, want.due) {
            (Tier::Now, _) => Some(0.0),
            (Tier::Urgent, Some(due)) => Some(due.as_secs_f64()).filter(|due| *due < HORIZON),
            _ => None,
        };
        let at_risk: BTreeMap<u32, (usize, f64)> = wants
            .iter()
            .enumerate()
            .filter(|(_, want)| board.piece(want.piece).is_some())
            .filter_map(|(at, want)| Some((want.piece, (at, due(want)?))))
            .collect();
        let mut soonest: BTreeMap<(usize, u32, u32), (f64, f64)> = BTreeMap::new();
        for peer in peers.values().filter(|_| !at_risk.is_empty()) {
            for (ahead, ask) in peer.asks().iter().enumerate() {
                let Some((at, due)) = at_risk.get(&ask.piece) else { continue };
                let expected = peer.answers_in(ahead, now);
                let entry = soonest.entry((*at, ask.piece, ask.block)).or_insert((expected, *due));
                entry.0 = entry.0.min(expected);
            }
        }
        let mut late: Vec<Late> = soonest
            .into_iter()
            .map(|((place, piece, block), (expected, due))| Late { place, piece, block, expected, due })
            .collect();
        late.sort_by(|a, b| a.place.cmp(&b.place).then(b.expected.total_cmp(&a.expected)));
        Self { late }
    }

    /// The best block of the plan's first `places` for a peer that would bring it in `own` seconds, if any is worth
    /// it.
    pub(super) fn take(
        &mut self,
        id: PeerId,
        peer: &Peer,
        own: f64,
        places: usize,
        board: &Board,
        now: Duration,
    ) -> Option<(u32, u32)> {
        let is_worth = |late: &Late| {
            !peer.record.is_suspect()
                && own < late.expected * GAIN
                && own + MARGIN < late.expected
                && late.expected + SPARE > late.due
                && peer.may_have(late.piece, now)
        };
        let is_allowed = |late: &Late| {
            board.piece(late.piece).is_some_and(|piece| {
                let asked = piece.asked_of(late.block);
                let most = if own * 2.0 < late.expected { MOST_ASKED_OF_SLOW } else { MOST_ASKED };
                asked.len() < most
                    && !asked.contains(&id)
                    && !piece.has_given(late.block, id)
                    && (piece.only.is_empty() || piece.only.contains(&id))
            })
        };
        let near = self.late.iter().take_while(|late| late.place < places);
        let at =
            near.enumerate().find_map(|(at, late)| (is_worth(late) && is_allowed(late)).then_some(at))?;
        // With this copy under way it is no longer late.
        let late = self.late.remove(at);
        Some((late.piece, late.block))
    }
}
