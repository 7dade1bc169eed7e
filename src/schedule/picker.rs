//! Which block is asked of which peer, now: one torrent as a state machine.
//!
//! Values in ([`Picker::on`], [`Picker::set_demands`]), commands out ([`Picker::pump`]). `now` is time since any
//! fixed moment. Nothing here waits: [`Picker::next_look`] says when a look without news is worth while.
//!
//! Blocks go to the peer that is expected to deliver them first. A piece that somebody waits for is not given to a
//! peer that would finish it later than the others could, and once all its blocks are asked, idle peers are asked
//! again for those that are expected last; whichever copy comes first cancels the others.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::bits::Bits;
use super::layout::{BLOCK_LEN, Layout};
use super::peer::{Ask, Peer, PeerId};
use super::piece::{MOST_ASKED, Piece};
use super::plan::{Demand, Plan, Tier, Windows, plan};

/// A second copy must be expected to come this much sooner than the first.
const COPY_GAIN: f64 = 0.6;
/// ... and at least this many seconds sooner.
const COPY_MARGIN: f64 = 0.03;
/// A peer that gives nothing for this long is dropped.
const DROP: Duration = Duration::from_secs(20);
/// A piece without a verdict for this long after its last block is fetched again.
const NO_VERDICT: Duration = Duration::from_secs(15);
/// A look while somebody waits, and otherwise.
const LOOK_WAITING: Duration = Duration::from_millis(25);
const LOOK_IDLE: Duration = Duration::from_millis(250);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The handshake is done.
    Connected(PeerId),
    /// The connection ended.
    Gone(PeerId),
    /// The peer queues this many requests.
    Queue(PeerId, u32),
    /// CHOKE.
    Choked(PeerId),
    /// UNCHOKE.
    Unchoked(PeerId),
    /// HAVE ALL.
    HasAll(PeerId),
    /// BITFIELD, in wire order; empty for HAVE NONE.
    HasBits(PeerId, Vec<u8>),
    /// HAVE.
    Has(PeerId, u32),
    /// A block arrived.
    Block {
        /// From whom.
        peer: PeerId,
        /// Piece number.
        piece: u32,
        /// Block number within the piece.
        block: u32,
        /// Bytes.
        len: u32,
    },
    /// The peer refuses a block.
    Rejected {
        /// Who.
        peer: PeerId,
        /// Piece number.
        piece: u32,
        /// Block number within the piece.
        block: u32,
    },
    /// The hash was right.
    Passed(u32),
    /// The hash was wrong.
    Failed(u32),
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// REQUEST.
    Request {
        /// To whom.
        peer: PeerId,
        /// Piece number.
        piece: u32,
        /// Block number within the piece.
        block: u32,
    },
    /// CANCEL.
    Cancel {
        /// To whom.
        peer: PeerId,
        /// Piece number.
        piece: u32,
        /// Block number within the piece.
        block: u32,
    },
    /// End the connection: the peer is silent or sends wrong data.
    Drop(PeerId),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Picker {
    layout: Option<Layout>,
    have: Bits,
    windows: Windows,
    demands: Vec<Demand>,
    plan: Plan,
    peers: BTreeMap<PeerId, Peer>,
    pieces: HashMap<u32, Piece>,
    /// Cancels that wait for the next pump.
    commands: Vec<Command>,
    copies_at: Duration,
    /// Bytes that came more than once or belonged to a failed piece.
    wasted: u64,
    /// Nothing may be fetched (disk full, over the cache limit) beyond what somebody waits for.
    essential_only: bool,
}

impl Picker {
    /// Before the metadata is known: peers are collected, nothing is asked.
    #[must_use]
    pub fn new(windows: Windows) -> Self {
        Self {
            layout: None,
            have: Bits::default(),
            windows,
            demands: Vec::new(),
            plan: Plan::default(),
            peers: BTreeMap::new(),
            pieces: HashMap::new(),
            commands: Vec::new(),
            copies_at: Duration::ZERO,
            wasted: 0,
            essential_only: false,
        }
    }

    /// The metadata is known and what is on disk was looked through. Also after a new check: what was on its way is
    /// forgotten, not cancelled.
    pub fn begin(&mut self, layout: Layout, have: Bits) {
        for peer in self.peers.values_mut() {
            peer.settle(layout.pieces());
            peer.forget_all();
        }
        self.layout = Some(layout);
        self.have = have;
        self.pieces.clear();
        self.replan();
    }

    /// Pieces at hand.
    #[must_use]
    pub fn have(&self) -> &Bits {
        &self.have
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

    /// Fetch only what somebody waits for, or everything again.
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
        if let Some(layout) = &self.layout {
            self.plan = plan(&self.demands, layout, &self.have, &self.windows);
        }
    }

    /// Somebody waits for blocks that are not asked yet: whatever else is outstanding has to stand back.
    fn clear_the_way(&mut self, _now: Duration) {
        let waited = |plan: &Plan, piece: u32| plan.tier_of(piece) == Some(Tier::Now);
        let mut needed = false;
        for want in self.plan.wants.iter().filter(|want| want.tier == Tier::Now) {
            needed |= self.pieces.get(&want.piece).is_none_or(|piece| piece.unasked() > 0);
        }
        if !needed {
            return;
        }
        for (id, peer) in &mut self.peers {
            let stale: Vec<Ask> =
                peer.asks().iter().copied().filter(|ask| !waited(&self.plan, ask.piece)).collect();
            for ask in stale {
                peer.forget(ask.piece, ask.block);
                if let Some(piece) = self.pieces.get_mut(&ask.piece) {
                    piece.take_back(ask.block, *id);
                }
                self.commands.push(Command::Cancel { peer: *id, piece: ask.piece, block: ask.block });
            }
        }
    }

    /// Takes one event.
    pub fn on(&mut self, input: Input, now: Duration) {
        let pieces = self.layout.as_ref().map(Layout::pieces);
        match input {
            Input::Connected(peer) => {
                self.peers.entry(peer).or_insert_with(|| Peer::new(now));
            }
            Input::Gone(id) => {
                if let Some(mut peer) = self.peers.remove(&id) {
                    self.give_back(id, peer.forget_all());
                }
                for piece in self.pieces.values_mut().filter(|piece| piece.sole == Some(id)) {
                    piece.sole = None;
                }
            }
            Input::Queue(peer, requests) => self.with(peer, now, |p| p.set_queue(requests)),
            Input::Choked(id) => {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.choked = true;
                    let asks = peer.forget_all();
                    self.give_back(id, asks);
                }
            }
            Input::Unchoked(peer) => self.with(peer, now, |p| p.choked = false),
            Input::HasAll(peer) => self.with(peer, now, Peer::has_all),
            Input::HasBits(peer, wire) => self.with(peer, now, |p| p.has_bitfield(wire, pieces)),
            Input::Has(peer, piece) => self.with(peer, now, |p| p.has_piece(piece, pieces)),
            Input::Block { peer, piece, block, len } => self.block(peer, piece, block, len, now),
            Input::Rejected { peer: id, piece, block } => {
                if let Some(peer) = self.peers.get_mut(&id)
                    && peer.forget(piece, block)
                    && let Some(piece) = self.pieces.get_mut(&piece)
                {
                    piece.take_back(block, id);
                }
            }
            Input::Passed(piece) => self.passed(piece),
            Input::Failed(piece) => self.failed(piece),
        }
    }

    fn with(&mut self, peer: PeerId, now: Duration, change: impl FnOnce(&mut Peer)) {
        change(self.peers.entry(peer).or_insert_with(|| Peer::new(now)));
    }

    fn give_back(&mut self, id: PeerId, asks: Vec<Ask>) {
        for ask in asks {
            if let Some(piece) = self.pieces.get_mut(&ask.piece) {
                piece.take_back(ask.block, id);
            }
        }
    }

    fn block(&mut self, id: PeerId, piece: u32, block: u32, len: u32, now: Duration) {
        let Some(layout) = &self.layout else { return };
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.arrived(piece, block, len, now);
        }
        if self.have.contains(piece) || block >= layout.blocks_of(piece) {
            self.wasted += u64::from(len);
            return;
        }
        let blocks = layout.blocks_of(piece);
        let entry = self.pieces.entry(piece).or_insert_with(|| Piece::new(blocks));
        match entry.arrived(block, id, now) {
            Some(others) => {
                for other in others {
                    if let Some(peer) = self.peers.get_mut(&other)
                        && peer.forget(piece, block)
                    {
                        self.commands.push(Command::Cancel { peer: other, piece, block });
                    }
                }
            }
            None => self.wasted += u64::from(len),
        }
    }

    fn passed(&mut self, piece: u32) {
        self.have.insert(piece);
        if let Some(state) = self.pieces.remove(&piece) {
            for giver in state.givers() {
                if let Some(peer) = self.peers.get_mut(&giver) {
                    peer.judge(-1);
                }
            }
        }
        for (id, peer) in &mut self.peers {
            let late: Vec<Ask> = peer.asks().iter().copied().filter(|ask| ask.piece == piece).collect();
            for ask in late {
                peer.forget(ask.piece, ask.block);
                self.commands.push(Command::Cancel { peer: *id, piece, block: ask.block });
            }
        }
        self.plan.wants.retain(|want| want.piece != piece);
    }

    fn failed(&mut self, piece: u32) {
        let Some(layout) = &self.layout else { return };
        self.have.remove(piece);
        self.wasted += u64::from(layout.len_of(piece));
        let Some(mut state) = self.pieces.remove(&piece) else { return };
        let givers = state.givers();
        let alone = givers.len() == 1;
        for giver in givers {
            if let Some(peer) = self.peers.get_mut(&giver) {
                peer.judge(if alone { 16 } else { 1 });
                if alone {
                    self.commands.push(Command::Drop(giver));
                }
            }
        }
        state.failures += 1;
        state.sole = None;
        state.reset();
        self.pieces.insert(piece, state);
        self.replan();
    }

    /// Works around silent peers, then fills every peer's queue. Appends what is to be sent, in order.
    pub fn pump(&mut self, now: Duration, out: &mut Vec<Command>) {
        self.work_around_silence(now);
        out.append(&mut self.commands);
        if self.layout.is_none() || self.demands.is_empty() {
            return;
        }
        let usable = self.peers.values().filter(|peer| !peer.choked).count();
        let mut ready: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, peer)| {
                !peer.choked && !peer.is_stalled(now) && peer.asks().len() < peer.depth(usable)
            })
            .map(|(id, _)| *id)
            .collect();
        while let Some(at) = self.soonest(&ready, now) {
            let id = ready[at];
            let Some((piece, block)) = self.choose(id, now) else {
                ready.swap_remove(at);
                continue;
            };
            self.pieces.get_mut(&piece).expect("choose made it").ask(block, id);
            let peer = self.peers.get_mut(&id).expect("ready holds known peers");
            peer.asked(Ask { piece, block, at: now });
            out.push(Command::Request { peer: id, piece, block });
            if peer.asks().len() >= peer.depth(usable) {
                ready.swap_remove(at);
            }
        }
    }

    fn soonest(&self, ready: &[PeerId], now: Duration) -> Option<usize> {
        let eta = |id: &PeerId| self.peers.get(id).map_or(f64::MAX, |peer| peer.eta(peer.asks().len(), now));
        (0..ready.len()).min_by(|a, b| eta(&ready[*a]).total_cmp(&eta(&ready[*b])))
    }

    /// The best block to ask of a peer now.
    fn choose(&mut self, id: PeerId, now: Duration) -> Option<(u32, u32)> {
        let mut copies_tried = false;
        for i in 0..self.plan.wants.len() {
            let want = self.plan.wants[i];
            if want.tier != Tier::Now && !copies_tried {
                copies_tried = true;
                if let Some(copy) = self.copy(id, now) {
                    return Some(copy);
                }
                if self.essential_only {
                    return None;
                }
            }
            if want.tier == Tier::Now && self.is_too_slow(id, now) {
                continue;
            }
            if let Some(block) = self.unasked(id, want.piece) {
                return Some((want.piece, block));
            }
        }
        if !copies_tried && let Some(copy) = self.copy(id, now) {
            return Some(copy);
        }
        if self.essential_only { None } else { self.rest(id) }
    }

    /// The first block of a piece that nobody was asked for and that this peer may be asked for.
    fn unasked(&mut self, id: PeerId, piece: u32) -> Option<u32> {
        let layout = self.layout.as_ref()?;
        if self.have.contains(piece) || !self.peers.get(&id)?.has(piece) {
            return None;
        }
        let blocks = layout.blocks_of(piece);
        let entry = self.pieces.entry(piece).or_insert_with(|| Piece::new(blocks));
        let block = entry.next_unasked()?;
        if entry.failures > 0 {
            // One peer alone, the least suspect one: a second failure then names the culprit.
            let sole = entry.sole;
            let sole = sole.or_else(|| self.least_suspect(piece));
            if let Some(entry) = self.pieces.get_mut(&piece) {
                entry.sole = sole;
            }
            if sole != Some(id) {
                return None;
            }
        }
        Some(block)
    }

    fn least_suspect(&self, piece: u32) -> Option<PeerId> {
        let busy = |id: PeerId| self.pieces.values().filter(|piece| piece.sole == Some(id)).count();
        self.peers
            .iter()
            .filter(|(_, peer)| !peer.choked && peer.has(piece))
            .min_by_key(|(id, peer)| (peer.suspicion() / 4, busy(**id), peer.suspicion()))
            .map(|(id, _)| *id)
    }

    /// Whether the others could bring all that is waited for before this peer brings one block more.
    fn is_too_slow(&self, id: PeerId, now: Duration) -> bool {
        let Some(peer) = self.peers.get(&id) else { return true };
        let waited: u64 = self
            .plan
            .wants
            .iter()
            .filter(|want| want.tier == Tier::Now)
            .map(|want| {
                let layout = self.layout.as_ref();
                self.pieces.get(&want.piece).map_or_else(
                    || layout.map_or(0, |l| u64::from(l.len_of(want.piece))),
                    |piece| u64::from(piece.unasked()) * u64::from(BLOCK_LEN),
                )
            })
            .sum();
        let (mut rate, mut bytes, mut trip) = (0.0, waited as f64, f64::MAX);
        for (other, p) in self.peers.iter().filter(|(other, p)| **other != id && !p.choked) {
            debug_assert_ne!(*other, id);
            rate += p.rate(now);
            bytes += p.asks().len() as f64 * f64::from(BLOCK_LEN);
            trip = trip.min(p.round_trip());
        }
        rate > 0.0 && peer.eta(peer.asks().len(), now) > bytes / rate + trip.max(0.05)
    }

    /// A block that somebody waits for, asked of others, that this peer is expected to bring much sooner.
    fn copy(&self, id: PeerId, now: Duration) -> Option<(u32, u32)> {
        let peer = self.peers.get(&id)?;
        let own = peer.eta(peer.asks().len(), now);
        let mut best: Option<(f64, u32, u32)> = None;
        let soon = Duration::from_secs_f64(own + 1.0);
        let at_risk = |want: &&super::plan::Want| {
            want.tier == Tier::Now || want.tier == Tier::Urgent && want.due.is_some_and(|due| due < soon)
        };
        for want in self.plan.wants.iter().filter(at_risk) {
            let Some(piece) = self.pieces.get(&want.piece) else { continue };
            if !peer.has(want.piece) || piece.sole.is_some_and(|sole| sole != id) {
                continue;
            }
            for (block, asked) in piece.asked() {
                if asked.len() >= MOST_ASKED || asked.contains(&id) {
                    continue;
                }
                let expected = asked
                    .iter()
                    .filter_map(|other| self.expected(*other, want.piece, block, now))
                    .fold(f64::MAX, f64::min);
                let worth = own < expected * COPY_GAIN && own + COPY_MARGIN < expected;
                if worth && best.is_none_or(|(latest, ..)| expected > latest) {
                    best = Some((expected, want.piece, block));
                }
            }
            if best.is_some() {
                break;
            }
        }
        best.map(|(_, piece, block)| (piece, block))
    }

    /// Seconds until an outstanding block is expected.
    fn expected(&self, id: PeerId, piece: u32, block: u32, now: Duration) -> Option<f64> {
        let peer = self.peers.get(&id)?;
        let ahead = peer.asks().iter().position(|ask| (ask.piece, ask.block) == (piece, block))?;
        Some(peer.eta(ahead, now))
    }

    /// A block of tier 3.
    fn rest(&mut self, id: PeerId) -> Option<(u32, u32)> {
        /// Pieces that are wholly asked already and looked past; more cannot be outstanding at sane depths.
        const LOOK: usize = 512;
        let ranges = self.plan.rest.clone();
        for range in ranges {
            let mut from = range.start;
            let mut looked = 0;
            while let Some(piece) = self.have.first_missing(from..range.end) {
                if let Some(block) = self.unasked(id, piece) {
                    return Some((piece, block));
                }
                from = piece + 1;
                looked += 1;
                if looked > LOOK {
                    break;
                }
            }
        }
        None
    }

    fn work_around_silence(&mut self, now: Duration) {
        let mut returned = Vec::new();
        for (id, peer) in &mut self.peers {
            let silence = peer.silence(now);
            if silence > DROP {
                self.commands.push(Command::Drop(*id));
                returned.push((*id, peer.forget_all()));
            } else if peer.is_stalled(now) {
                // Others may take its blocks; one stays asked, so that the peer can show that it lives.
                let asks: Vec<Ask> = peer.asks().iter().skip(1).copied().collect();
                for ask in &asks {
                    peer.forget(ask.piece, ask.block);
                    self.commands.push(Command::Cancel { peer: *id, piece: ask.piece, block: ask.block });
                }
                returned.push((*id, asks));
            }
        }
        for (id, asks) in returned {
            self.give_back(id, asks);
        }
        for piece in self.pieces.values_mut() {
            if piece.whole_since.is_some_and(|since| now.saturating_sub(since) > NO_VERDICT) {
                piece.reset();
            }
        }
        if now.saturating_sub(self.copies_at) > Duration::from_secs(1) {
            self.copies_at = now;
            self.pieces.retain(|_, piece| !piece.is_untouched() || piece.failures > 0);
        }
    }

    /// When [`Picker::pump`] should be called again although nothing happened; `None`: not before news.
    #[must_use]
    pub fn next_look(&self, now: Duration) -> Option<Duration> {
        let outstanding = self.peers.values().any(|peer| !peer.asks().is_empty());
        let undecided = self.pieces.values().any(|piece| piece.whole_since.is_some());
        if !outstanding && !undecided {
            return None;
        }
        let waiting = self.plan.wants.first().is_some_and(|want| want.tier == Tier::Now);
        Some(now + if waiting { LOOK_WAITING } else { LOOK_IDLE })
    }
}
