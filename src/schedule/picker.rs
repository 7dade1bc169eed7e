//! Which block is asked of which peer, now: one torrent as a state machine.
//!
//! Values in ([`Picker::on`], [`Picker::set_demands`]), commands out ([`Picker::pump`]). `now` is time since any
//! fixed moment. Nothing here waits: [`Picker::next_look`] says when a look without news is worth while.
//!
//! Blocks go to the peer that is expected to deliver them first. A piece that somebody waits for is not given to a
//! peer that would finish it later than the others could, and once all its blocks are asked, idle peers are asked
//! again for those that are expected last; whichever copy comes first cancels the others.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use super::bits::Bits;
use super::board::Board;
pub use super::events::{Command, Input};
use super::layout::Layout;
use super::peer::{Ask, Peer, PeerId};
use super::piece::Piece;
use super::plan::{Demand, Plan, Tier, Windows, plan};
use super::trust::{CAUTION_AFTER_FAILURE, CAUTION_AT_FIRST};

/// A look while somebody waits, and otherwise.
const LOOK_WAITING: Duration = Duration::from_millis(25);
const LOOK_IDLE: Duration = Duration::from_millis(250);

/// See the module.
#[derive(Clone, Debug)]
pub struct Picker {
    /// `None` before the metadata is known.
    pub(super) board: Option<Board>,
    /// What [`Picker::have`] answers until then.
    nothing: Bits,
    windows: Windows,
    demands: Vec<Demand>,
    pub(super) plan: Plan,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    /// Connections that have not served us yet; most will within a round trip.
    expected: BTreeSet<PeerId>,
    /// Cancels and drops that wait for the next pump.
    pub(super) commands: Vec<Command>,
    /// Bytes that came more than once or belonged to a failed piece.
    pub(super) wasted: u64,
    /// Right pieces still to come before peers may share pieces that have time; see `trust`.
    pub(super) caution: u32,
    /// Nothing may be fetched beyond tiers 0 to 2: the cache is over its limit.
    pub(super) essential_only: bool,
    /// Copies of blocks are kept, so that a wrong block can be found without fetching its piece anew.
    pub(super) keeps_evidence: bool,
    /// A wrong piece whose blocks are asked again although nobody knows who lies.
    pub(super) blind: Option<u32>,
    /// Wrong pieces that wait until that one has shown it.
    pub(super) postponed: BTreeSet<u32>,
}

impl Picker {
    /// Before the metadata is known: peers are collected, nothing is asked.
    #[must_use]
    pub fn new(windows: Windows) -> Self {
        Self {
            board: None,
            nothing: Bits::default(),
            windows,
            demands: Vec::new(),
            plan: Plan::default(),
            peers: BTreeMap::new(),
            expected: BTreeSet::new(),
            commands: Vec::new(),
            wasted: 0,
            caution: CAUTION_AT_FIRST,
            essential_only: false,
            keeps_evidence: false,
            blind: None,
            postponed: BTreeSet::new(),
        }
    }

    /// The metadata is known and what is on disk was looked through. Also after a new check: what was on its way is
    /// forgotten, not cancelled.
    pub fn begin(&mut self, layout: Layout, have: Bits) {
        for peer in self.peers.values_mut() {
            peer.settle(layout.pieces());
            peer.forget_all();
        }
        self.board = Some(Board::new(layout, &have));
        (self.blind, self.postponed) = (None, BTreeSet::new());
        self.commands.retain(|command| matches!(command, Command::Drop(_)));
        self.replan();
    }

    /// How far the tiers reach.
    #[must_use]
    pub fn windows(&self) -> Windows {
        self.windows
    }

    /// Pieces at hand.
    #[must_use]
    pub fn have(&self) -> &Bits {
        self.board.as_ref().map_or(&self.nothing, Board::have)
    }

    /// Whether every block of a piece came and its verdict is awaited.
    #[must_use]
    pub fn is_whole(&self, piece: u32) -> bool {
        self.board.as_ref().and_then(|board| board.piece(piece)).is_some_and(Piece::is_whole)
    }

    /// Bytes received in vain.
    #[must_use]
    pub fn wasted(&self) -> u64 {
        self.wasted
    }

    /// Established connections, and those of them that serve us.
    #[must_use]
    pub fn peers(&self) -> (usize, usize) {
        (self.peers.len(), self.peers.values().filter(|peer| !peer.choked).count())
    }

    /// Blocks asked and not yet here.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.peers.values().map(|peer| peer.asks().len()).sum()
    }

    /// Somebody here sends wrong data: as after a wrong piece.
    pub fn be_cautious(&mut self) {
        self.caution = CAUTION_AFTER_FAILURE;
    }

    /// Whether something of tiers 0 and 1 is still missing.
    #[must_use]
    pub fn is_hungry(&self) -> bool {
        self.plan.wants.iter().any(|want| want.tier <= Tier::Urgent)
    }

    /// Fetch only tiers 0 to 2, or everything again.
    pub fn set_essential_only(&mut self, on: bool) {
        self.essential_only = on;
    }

    /// What all streams of the torrent want now; replaces what they wanted before.
    pub fn set_demands(&mut self, demands: Vec<Demand>, now: Duration) {
        if self.demands != demands {
            self.demands = demands;
            self.replan();
            self.clear_the_way(now);
        }
    }

    fn replan(&mut self) {
        if let Some(board) = &self.board {
            self.plan = plan(&self.demands, board.layout(), board.have(), &self.windows);
        }
    }

    /// How many of the plan's first pieces are waited for, with nothing more urgent before them. A background
    /// stream's start is among them only when the main stream lacks nothing of its window.
    #[must_use]
    pub fn waited(&self) -> usize {
        self.plan.wants.iter().take_while(|want| want.tier == Tier::Now).count()
    }

    /// Somebody waits for blocks that are not asked yet: whatever else is outstanding has to stand back, except what
    /// is so near that a cancel would come too late.
    fn clear_the_way(&mut self, now: Duration) {
        let Some(board) = &mut self.board else { return };
        let waited: Vec<u32> =
            self.plan.wants.iter().take_while(|want| want.tier == Tier::Now).map(|want| want.piece).collect();
        if !waited.iter().any(|piece| board.is_open(*piece)) {
            return;
        }
        let waited: HashSet<u32> = waited.into_iter().collect();
        for (id, peer) in &mut self.peers {
            let far = |(ahead, ask): (usize, &Ask)| {
                let stale = !waited.contains(&ask.piece) && peer.expected(ahead, now) > peer.round_trip();
                stale.then_some(*ask)
            };
            let stale: Vec<Ask> = peer.asks().iter().enumerate().filter_map(far).collect();
            for ask in stale {
                peer.recall(ask.piece, ask.block, now);
                board.take_back(ask.piece, ask.block, *id);
                self.commands.push(Command::Cancel { peer: *id, piece: ask.piece, block: ask.block });
            }
        }
    }

    /// Takes one event.
    pub fn on(&mut self, input: Input, now: Duration) {
        let pieces = self.board.as_ref().map(|board| board.layout().pieces());
        match input {
            Input::Expected(peer) => {
                self.expected.insert(peer);
            }
            Input::Connected(peer) => {
                let peer = self.peers.entry(peer).or_insert_with(|| Peer::new(now));
                if let Some(pieces) = pieces {
                    peer.settle(pieces);
                }
            }
            Input::Gone(id) => {
                self.expected.remove(&id);
                if let Some(mut peer) = self.peers.remove(&id) {
                    self.give_back(id, peer.forget_all());
                    self.release_from_duty(id);
                }
            }
            Input::AnswersAll(peer) => self.with(peer, |p| p.answers_all = true),
            Input::Queue(peer, requests) => self.with(peer, |p| p.set_queue(requests)),
            Input::Choked(id) => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    let asks = peer.choke();
                    self.give_back(id, asks);
                    self.release_from_duty(id);
                }
            }
            Input::Unchoked(peer) => {
                self.expected.remove(&peer);
                self.with(peer, |p| p.choked = false);
            }
            Input::HasAll(peer) => self.with(peer, Peer::has_all),
            Input::HasBits(peer, wire) => self.with(peer, |p| p.has_bitfield(wire, pieces)),
            Input::Has(peer, piece) => self.with(peer, |p| p.has_piece(piece, pieces)),
            Input::Block { peer, piece, block, len } => self.block(peer, piece, block, len, now),
            Input::Rejected { peer: id, piece, block } => self.rejected(id, piece, block, now),
            Input::Passed(piece) => self.passed(piece, now),
            Input::Failed(piece) => self.failed(piece, now),
        }
    }

    /// Events of a peer that never connected, or is gone, mean nothing.
    fn with(&mut self, peer: PeerId, change: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            change(peer);
        }
    }

    pub(super) fn give_back(&mut self, id: PeerId, asks: Vec<Ask>) {
        let Some(board) = &mut self.board else { return };
        for ask in asks {
            board.take_back(ask.piece, ask.block, id);
        }
    }

    fn rejected(&mut self, id: PeerId, piece: u32, block: u32, now: Duration) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.forget(piece, block) {
            // Refused is the peer's service then, not the piece.
            if !peer.choked {
                peer.refused(piece, now);
            }
            if let Some(board) = &mut self.board {
                board.take_back(piece, block, id);
            }
            self.release_from_duty(id);
        }
    }

    fn block(&mut self, id: PeerId, piece: u32, block: u32, len: u32, now: Duration) {
        let Some(board) = &mut self.board else { return };
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.arrived(piece, block, len, now);
        }
        let Some(others) = board.arrived(piece, block, id, now) else {
            self.wasted += u64::from(len);
            return;
        };
        for other in others {
            if let Some(peer) = self.peers.get_mut(&other)
                && peer.recall(piece, block, now)
            {
                self.commands.push(Command::Cancel { peer: other, piece, block });
            }
        }
    }

    fn passed(&mut self, piece: u32, now: Duration) {
        let Some(board) = &mut self.board else { return };
        for (giver, blocks) in board.passed(piece) {
            if let Some(peer) = self.peers.get_mut(&giver) {
                peer.judge(-1);
                peer.record.add(blocks, 0);
            }
        }
        for (id, peer) in &mut self.peers {
            let late: Vec<Ask> = peer.asks().iter().copied().filter(|ask| ask.piece == piece).collect();
            for ask in late {
                peer.recall(ask.piece, ask.block, now);
                self.commands.push(Command::Cancel { peer: *id, piece, block: ask.block });
            }
        }
        self.plan.wants.retain(|want| want.piece != piece);
        self.caution = self.caution.saturating_sub(1);
    }

    pub(super) fn failed(&mut self, piece: u32, now: Duration) {
        let Some(board) = &mut self.board else { return };
        self.wasted += u64::from(board.layout().len_of(piece));
        let (givers, asked) = board.failed(piece);
        for (block, of) in asked {
            if let Some(peer) = self.peers.get_mut(&of)
                && peer.recall(piece, block, now)
            {
                self.commands.push(Command::Cancel { peer: of, piece, block });
            }
        }
        self.blame(&givers);
        self.caution = CAUTION_AFTER_FAILURE;
        self.replan();
    }

    /// Works around silent peers, then fills every peer's queue. Appends what is to be sent, in order.
    pub fn pump(&mut self, now: Duration, out: &mut Vec<Command>) {
        self.work_around_silence(now);
        self.resume_doubts(now);
        out.append(&mut self.commands);
        if self.board.is_some() && !self.demands.is_empty() {
            self.fill(now, out);
        }
    }

    /// Whether a peer of unknown rate gets few blocks for now, since others are about to be there: what it has in its send
    /// buffer cannot be taken back from it, and would be asked of them as well.
    pub(super) fn is_held(&self, peer: &Peer, now: Duration) -> bool {
        !self.expected.is_empty() && !peer.is_known() && peer.held_until().is_none_or(|until| until > now)
    }

    /// When [`Picker::pump`] should be called again although nothing happened; `None`: not before news.
    #[must_use]
    pub fn next_look(&self, now: Duration) -> Option<Duration> {
        let outstanding = self.peers.values().any(|peer| !peer.asks().is_empty());
        let undecided = self.board.as_ref().is_some_and(Board::is_undecided);
        if let Some(refusal) = self.peers.values().filter_map(Peer::refusal_ends).min()
            && !outstanding
            && !undecided
        {
            return Some(refusal.max(now + LOOK_WAITING));
        }
        if !outstanding && !undecided {
            return None;
        }
        let looks = if self.waited() > 0 { LOOK_WAITING } else { LOOK_IDLE };
        let held = self.peers.values().filter_map(Peer::held_until).filter(|until| *until > now).min();
        let held = held.filter(|_| !self.expected.is_empty());
        Some(held.map_or(now + looks, |until| until.min(now + looks)))
    }
}
