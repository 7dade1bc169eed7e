//! One peer as the block picker sees it: what it has, what it was asked, when it will have answered.

use std::time::Duration;

use super::bits::Bits;
use super::layout::BLOCK_LEN;
use super::pace::Pace;
use super::record::Record;

/// A connection's number; never reused within a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// Blocks asked of a peer about which nothing is known yet, when it is the only one. 256 KiB fill a line of 4 MB/s
/// at 60 ms.
const FIRST_ASKS: usize = 16;
/// The same at the least, however many peers share the work.
pub const FIRST_ASKS_MIN: usize = 4;
/// ... and for this long no more than that, while others are about to be there. Peers with one round trip to them come
/// within milliseconds of each other, and that many blocks fill a line of 4 MB/s until then.
const HOLD: Duration = Duration::from_millis(15);
/// Requests that every client queues (libtorrent and most others take 250 and more).
const DEFAULT_QUEUE: usize = 250;
/// A peer that gives nothing for this long, plus four round trips and three blocks' time, is worked around.
const STALL: f64 = 1.5;
/// ... and for this long whatever its pace was.
const STALL_MAX: f64 = 8.0;
/// A piece that a peer refused to send is not asked of it again for this long; twice as long after each refusal
/// without a block in between.
const REFUSAL: Duration = Duration::from_millis(250);
const REFUSAL_DOUBLINGS: u32 = 5;
/// A block that is late by less than this many seconds may be on its way.
const OVERDUE: f64 = 0.1;
/// A cancelled block that did not come for this long will not come. Slow peers have seconds of them in their send buffers.
const GHOST_MAX: f64 = 4.0;

const BLOCK: f64 = BLOCK_LEN as f64;

/// One outstanding request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Piece asked for.
    pub piece: u32,
    /// Block within the piece.
    pub block: u32,
    /// When it was sent.
    pub at: Duration,
    /// Since when the peer has answered a request that was sent after this one.
    pub passed: Option<Duration>,
}

impl Ask {
    /// A request that is sent now.
    #[must_use]
    pub fn new(piece: u32, block: u32, at: Duration) -> Self {
        Self { piece, block, at, passed: None }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Peer {
    have: Have,
    /// The peer does not serve us now.
    pub choked: bool,
    /// It answers every request, choking or not (BEP 6).
    pub answers_all: bool,
    /// We ended the connection and wait to hear that it is gone.
    pub dropped: bool,
    /// How honest it was so far.
    pub record: Record,
    asks: Vec<Ask>,
    queue: usize,
    pace: Pace,
    /// When it was first asked for anything.
    begun: Option<Duration>,
    /// When the peer was last useful, or was first asked.
    idle_since: Duration,
    /// Since when a block is late that was taken from the peer since: it has to show that it lives.
    owing: Option<Duration>,
    /// Failed pieces that this peer gave blocks of, minus good ones.
    suspicion: i32,
    delivered: u64,
    /// Pieces refused lately, and until when that counts.
    refusals: Vec<(u32, Duration)>,
    /// Refusals since the last block.
    refused: u32,
    /// Cancelled, but maybe on the line all the same: block, and until when.
    ghosts: Vec<(u32, u32, Duration)>,
}

/// What a peer has; its bitfield may come before the torrent's size is known.
#[derive(Clone, Debug)]
enum Have {
    Wire(Vec<u8>),
    All,
    Known(Bits),
}

impl Peer {
    /// A peer that has told nothing yet.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            have: Have::Wire(Vec::new()),
            choked: true,
            answers_all: false,
            dropped: false,
            record: Record::default(),
            asks: Vec::new(),
            queue: DEFAULT_QUEUE,
            pace: Pace::new(now),
            begun: None,
            idle_since: now,
            owing: None,
            suspicion: 0,
            delivered: 0,
            refusals: Vec::new(),
            refused: 0,
            ghosts: Vec::new(),
        }
    }

    /// The peer has everything.
    pub fn has_all(&mut self) {
        self.have = Have::All;
    }

    /// The peer has what its BITFIELD says.
    pub fn has_bitfield(&mut self, wire: Vec<u8>, pieces: Option<u32>) {
        self.have = match pieces {
            Some(pieces) => Have::Known(Bits::from_wire(&wire, pieces)),
            None => Have::Wire(wire),
        };
    }

    /// The peer has one piece more.
    pub fn has_piece(&mut self, piece: u32, pieces: Option<u32>) {
        if let Some(pieces) = pieces {
            self.settle(pieces);
        }
        match &mut self.have {
            Have::Known(bits) => {
                bits.insert(piece);
            }
            Have::All => {}
            Have::Wire(bytes) => {
                // No torrent has more pieces than 2^21 (libtorrent's limit): a peer must not make us allocate more.
                let at = (piece / 8) as usize;
                if at < (1 << 18) {
                    if bytes.len() <= at {
                        bytes.resize(at + 1, 0);
                    }
                    bytes[at] |= 0x80 >> (piece % 8);
                }
            }
        }
    }

    /// The torrent's size is known now.
    pub fn settle(&mut self, pieces: u32) {
        if let Have::Wire(wire) = &self.have {
            self.have = Have::Known(Bits::from_wire(wire, pieces));
        }
    }

    /// Whether the peer has a piece.
    #[must_use]
    pub fn has(&self, piece: u32) -> bool {
        match &self.have {
            Have::All => true,
            Have::Known(bits) => bits.contains(piece),
            Have::Wire(_) => false,
        }
    }

    /// The peer rejected a request for a piece (BEP 6).
    pub fn refused(&mut self, piece: u32, now: Duration) {
        let pause = REFUSAL * (1 << self.refused.min(REFUSAL_DOUBLINGS));
        self.refused = self.refused.saturating_add(1);
        self.refusals.retain(|(other, _)| *other != piece);
        self.refusals.push((piece, now + pause));
    }

    /// What is over counts no more: refusals, and cancelled blocks that did not come.
    pub fn forgive(&mut self, now: Duration) {
        self.refusals.retain(|(_, until)| *until > now);
        self.ghosts.retain(|(_, _, until)| *until > now);
    }

    /// When the next refusal is over.
    #[must_use]
    pub fn refusal_ends(&self) -> Option<Duration> {
        self.refusals.iter().map(|(_, until)| *until).min()
    }

    /// Whether the peer has a piece and did not refuse it lately.
    #[must_use]
    pub fn may_have(&self, piece: u32, now: Duration) -> bool {
        self.has(piece) && !self.refusals.iter().any(|(other, until)| *other == piece && *until > now)
    }

    /// The pieces of a peer that has not all; `None`: it has all, or nothing is known yet and it counts as none.
    #[must_use]
    pub fn pieces(&self) -> Option<&Bits> {
        match &self.have {
            Have::Known(bits) => Some(bits),
            Have::All | Have::Wire(_) => None,
        }
    }

    /// Whether the peer has every piece.
    #[must_use]
    pub fn is_seed(&self) -> bool {
        match &self.have {
            Have::All => true,
            Have::Known(bits) => bits.is_full(),
            Have::Wire(_) => false,
        }
    }

    /// The peer said how many requests it queues (BEP 10 `reqq`).
    pub fn set_queue(&mut self, requests: u32) {
        self.queue = (requests as usize).clamp(2, 2000);
    }

    /// Requests that may be outstanding at once.
    #[must_use]
    pub fn queue(&self) -> usize {
        self.queue
    }

    /// Outstanding requests, oldest first.
    #[must_use]
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// How many requests should be outstanding, with `usable` unchoked peers to share the work.
    #[must_use]
    pub fn depth(&self, usable: usize) -> usize {
        let first = || (2 * FIRST_ASKS / (usable + 1)).clamp(FIRST_ASKS_MIN, FIRST_ASKS);
        self.pace.depth().unwrap_or_else(first).clamp(1, self.queue)
    }

    /// Whether the peer's rate was measured; before, it is a guess.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.pace.is_known()
    }

    /// Until when it is asked for no more than [`FIRST_ASKS_MIN`] blocks while others are about to be there; `None`: it was
    /// asked for nothing yet.
    #[must_use]
    pub fn held_until(&self) -> Option<Duration> {
        Some(self.begun? + HOLD)
    }

    /// A request was sent.
    pub fn asked(&mut self, ask: Ask) {
        self.begun.get_or_insert(ask.at);
        if self.asks.is_empty() {
            if self.owing.is_none() {
                self.idle_since = ask.at;
            }
            self.pace.restart();
        }
        self.asks.push(ask);
    }

    /// A request is being cancelled. True when it was outstanding. Until the peer says so or the time is over, the
    /// block may still be on its way and takes its place on the line.
    pub fn recall(&mut self, piece: u32, block: u32, now: Duration) -> bool {
        let Some(ahead) = self.asks.iter().position(|ask| (ask.piece, ask.block) == (piece, block)) else {
            return false;
        };
        // Those cancelled before it may come before it.
        let wait = (self.expected(ahead + self.ghosts.len(), now) + self.pace.trip()).min(GHOST_MAX);
        self.ghosts.push((piece, block, now + Duration::from_secs_f64(wait)));
        let overdue = self.overdue(now);
        if overdue > self.pace.block_time().max(OVERDUE) {
            self.owing.get_or_insert(now.saturating_sub(Duration::from_secs_f64(overdue)));
        }
        self.asks.remove(ahead);
        true
    }

    /// Requests that fill the peer's queue: outstanding ones, and cancelled ones that may still be answered.
    #[must_use]
    pub fn load(&self) -> usize {
        self.asks.len() + self.ghosts.len()
    }

    /// A request is no longer outstanding (rejected). True when it was.
    pub fn forget(&mut self, piece: u32, block: u32) -> bool {
        if self.lay_ghost(piece, block) {
            // That answers the cancelled request; the block was asked for again since.
            return false;
        }
        let before = self.asks.len();
        self.asks.retain(|ask| (ask.piece, ask.block) != (piece, block));
        self.asks.len() != before
    }

    /// A cancelled request was answered. True when there was one.
    fn lay_ghost(&mut self, piece: u32, block: u32) -> bool {
        let ghost = self.ghosts.iter().position(|ghost| (ghost.0, ghost.1) == (piece, block));
        ghost.map(|at| self.ghosts.swap_remove(at)).is_some()
    }

    /// Every request is gone (choked without BEP 6, or the connection ended).
    pub fn forget_all(&mut self) -> Vec<Ask> {
        self.ghosts.clear();
        self.owing = None;
        std::mem::take(&mut self.asks)
    }

    /// The peer serves us no more. Answers the requests that are gone with that.
    pub fn choke(&mut self) -> Vec<Ask> {
        self.choked = true;
        // Nothing has to come from it now, so that it is late with nothing.
        self.owing = None;
        // A choke may have crossed the requests on their way, and an unchoke be right behind it: seeders of libtorrent
        // begin like that. Who answers all says of each request what becomes of it.
        if self.answers_all { Vec::new() } else { self.forget_all() }
    }

    /// A block arrived. True when it was outstanding.
    pub fn arrived(&mut self, piece: u32, block: u32, len: u32, now: Duration) -> bool {
        let found = self.asks.iter().position(|ask| (ask.piece, ask.block) == (piece, block));
        let ask = found.map(|at| self.asks.remove(at));
        // What was cancelled and asked for again may answer the first request: nobody knows how long that took, and
        // the other answer may still come.
        let ghost = self.ghosts.iter().any(|ghost| (ghost.0, ghost.1) == (piece, block));
        let ask_at = ask.filter(|_| !ghost).map(|ask| ask.at);
        for left in self.asks.iter_mut().filter(|left| ask_at.is_some_and(|at| left.at < at)) {
            left.passed.get_or_insert(now);
        }
        if ask.is_none() {
            self.lay_ghost(piece, block);
        }
        self.refused = 0;
        self.owing = None;
        self.delivered += u64::from(len);
        self.idle_since = now;
        self.pace.arrived(ask_at.map(|at| now.saturating_sub(at)), len, now);
        found.is_some()
    }

    /// Seconds by which the oldest request is late, negative while it is not due.
    fn overdue(&self, now: Duration) -> f64 {
        if let Some(since) = self.owing {
            return now.saturating_sub(since).as_secs_f64();
        }
        let Some(first) = self.asks.first() else { return f64::MIN };
        let begun = (first.at.as_secs_f64() + self.pace.trip()).max(self.idle_since.as_secs_f64());
        now.as_secs_f64() - begun - self.pace.block_time()
    }

    /// Bytes per second that the peer is believed to give.
    #[must_use]
    pub fn rate(&self, now: Duration) -> f64 {
        // Silence beyond what was expected bounds the rate from above.
        BLOCK / (self.pace.block_time() + self.overdue(now).max(0.0))
    }

    /// Seconds from a request to the first byte of its block.
    #[must_use]
    pub fn round_trip(&self) -> f64 {
        self.pace.trip()
    }

    /// Seconds until a block would be here that is asked for now.
    #[must_use]
    pub fn eta(&self, now: Duration) -> f64 {
        // What was cancelled and not refused since is in the peer's send buffer, before what is asked for now.
        self.expected(self.load(), now)
    }

    /// Seconds until the block of an outstanding request is here; the request's number as in [`Self::asks`].
    #[must_use]
    pub fn answers_in(&self, number: usize, now: Duration) -> f64 {
        // Peers answer in order, by and large. What was passed over may take as long again, or never come.
        let passed = self.asks.get(number).and_then(|ask| ask.passed);
        let again = passed.map_or(0.0, |since| now.saturating_sub(since).as_secs_f64());
        self.expected(number, now).max(again)
    }

    /// Requests that the peer has passed over for so long that they may as well be asked anew.
    pub fn passed_over(&self, now: Duration) -> Vec<Ask> {
        let patience = self.patience();
        let is_over = |since: Duration| now.saturating_sub(since).as_secs_f64() > patience;
        self.asks.iter().filter(|ask| ask.passed.is_some_and(is_over)).copied().collect()
    }

    /// Seconds until a block is here that was asked for behind `ahead` others.
    #[must_use]
    pub fn expected(&self, ahead: usize, now: Duration) -> f64 {
        let block = BLOCK / self.rate(now);
        let first = if self.asks.is_empty() && self.owing.is_none() {
            self.pace.trip() + block
        } else {
            // What is overdue is expected to take as long again: nobody knows better.
            let overdue = self.overdue(now);
            let soon = self.pace.block_time() / 8.0;
            if overdue > 0.0 { soon + 2.0 * overdue } else { (-overdue).max(soon) }
        };
        let queued = first + ahead as f64 * block;
        if ahead < self.asks.len() { queued } else { queued.max(self.pace.trip() + block) }
    }

    /// Time since the peer last gave something, while it owes something.
    #[must_use]
    pub fn silence(&self, now: Duration) -> Duration {
        let owes = !self.asks.is_empty() || self.owing.is_some();
        if owes { now.saturating_sub(self.idle_since) } else { Duration::ZERO }
    }

    /// Whether the peer should be worked around: it owes something and gives nothing.
    #[must_use]
    pub fn is_stalled(&self, now: Duration) -> bool {
        !self.asks.is_empty() && self.silence(now).as_secs_f64() > self.patience()
    }

    /// Seconds without an answer after which a peer is worked around.
    fn patience(&self) -> f64 {
        (STALL + 4.0 * self.pace.trip() + 3.0 * self.pace.block_time()).min(STALL_MAX)
    }

    /// Whether the peer let a block be late and has given nothing since: one request is enough to see that it lives.
    #[must_use]
    pub fn is_owing(&self) -> bool {
        self.owing.is_some()
    }

    /// Whether the peer may be asked at all now.
    #[must_use]
    pub fn is_usable(&self, now: Duration) -> bool {
        !self.choked && !self.dropped && !self.is_stalled(now)
    }

    /// Blame (positive) or praise (negative) for a piece that this peer gave blocks of.
    pub fn judge(&mut self, change: i32) {
        self.suspicion = (self.suspicion + change).clamp(-8, 64);
    }

    /// Higher: more likely to send wrong data.
    #[must_use]
    pub fn suspicion(&self) -> i32 {
        self.suspicion
    }

    /// Bytes of blocks received from this peer.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered
    }
}

#[cfg(test)]
mod tests;
