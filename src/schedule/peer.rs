//! One peer as the block picker sees it: what it has, what it was asked, how fast it answers.
//!
//! The number of requests to keep outstanding follows from two measurements, as in BBR congestion control: the
//! delivery rate and the smallest time from request to block. Their product is what fills the line; more would only
//! queue at the peer, where a seek has to wait behind it.

use std::collections::VecDeque;
use std::time::Duration;

use super::bits::Bits;
use super::layout::BLOCK_LEN;

/// A connection's number; never reused within a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// Blocks asked of a peer about which nothing is known yet, when it is the only one. 256 KiB fill a line of 4 MB/s
/// at 60 ms.
const FIRST_ASKS: usize = 16;
/// The same at the least, however many peers share the work.
const FIRST_ASKS_MIN: usize = 4;
/// Requests that every client queues (libtorrent and most others take 250 and more).
const DEFAULT_QUEUE: usize = 250;
/// Above the measured product, so that a faster line shows itself: while growing, and after.
const GAIN_GROWING: f64 = 2.0;
const GAIN_STEADY: f64 = 2.0;
/// Time that our own threads and the peer's may add between a block's arrival and the next request, in seconds.
const HANDLING: f64 = 0.008;
/// Arrivals that the rate is measured over.
const SAMPLES: usize = 32;
/// Arrivals older than this say nothing about the rate now.
const SAMPLE_AGE: Duration = Duration::from_millis(1500);
/// A peer that gives nothing for this long, plus four round trips, is worked around.
const STALL: Duration = Duration::from_millis(1500);
/// Rate assumed before anything is known, bytes per second.
const GUESSED_RATE: f64 = 250_000.0;
/// Round trip assumed before anything is known, seconds.
const GUESSED_RTT: f64 = 0.1;

/// One outstanding request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Piece asked for.
    pub piece: u32,
    /// Block within the piece.
    pub block: u32,
    /// When it was sent.
    pub at: Duration,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Peer {
    have: Have,
    /// The peer does not serve us now.
    pub choked: bool,
    asks: Vec<Ask>,
    queue: usize,
    /// Arrivals of the current busy period: time and bytes.
    arrivals: VecDeque<(Duration, u32)>,
    last_arrival: Option<Duration>,
    rtt: Option<f64>,
    best_rate: f64,
    /// Blocks arrived since the last growth check, and the rate then.
    round: (u32, f64),
    growing: bool,
    /// Failed pieces that this peer gave blocks of, minus good ones.
    suspicion: i32,
    /// When the peer was last useful, or was first asked.
    idle_since: Duration,
    delivered: u64,
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
            asks: Vec::new(),
            queue: DEFAULT_QUEUE,
            arrivals: VecDeque::new(),
            last_arrival: None,
            rtt: None,
            best_rate: 0.0,
            round: (0, 0.0),
            growing: true,
            suspicion: 0,
            idle_since: now,
            delivered: 0,
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

    /// Outstanding requests, oldest first.
    #[must_use]
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// How many requests should be outstanding, with `usable` unchoked peers to share the work.
    #[must_use]
    pub fn depth(&self, usable: usize) -> usize {
        let depth = match self.rtt {
            Some(rtt) if self.best_rate > 0.0 => {
                let gain = if self.growing { GAIN_GROWING } else { GAIN_STEADY };
                let bytes = gain * self.best_rate * (rtt + HANDLING);
                (bytes / f64::from(BLOCK_LEN)).ceil() as usize + 1
            }
            _ => (2 * FIRST_ASKS / (usable + 1)).clamp(FIRST_ASKS_MIN, FIRST_ASKS),
        };
        depth.clamp(2, self.queue)
    }

    /// A request was sent.
    pub fn asked(&mut self, ask: Ask) {
        if self.asks.is_empty() {
            self.idle_since = ask.at;
            self.arrivals.clear();
        }
        self.asks.push(ask);
    }

    /// A request is no longer outstanding (cancelled, rejected). True when it was.
    pub fn forget(&mut self, piece: u32, block: u32) -> bool {
        let before = self.asks.len();
        self.asks.retain(|ask| (ask.piece, ask.block) != (piece, block));
        self.asks.len() != before
    }

    /// Every request is gone (choked without BEP 6, or the connection ended).
    pub fn forget_all(&mut self) -> Vec<Ask> {
        std::mem::take(&mut self.asks)
    }

    /// A block arrived. True when it was outstanding.
    pub fn arrived(&mut self, piece: u32, block: u32, len: u32, now: Duration) -> bool {
        let found = self.asks.iter().position(|ask| (ask.piece, ask.block) == (piece, block));
        let ask = found.map(|at| self.asks.remove(at));
        self.delivered += u64::from(len);
        self.idle_since = now;
        self.last_arrival = Some(now);
        if let Some(ask) = ask {
            let latency = now.saturating_sub(ask.at).as_secs_f64();
            self.rtt = Some(self.rtt.map_or(latency, |best| best.min(latency)));
        }
        while self.arrivals.len() >= SAMPLES
            || self.arrivals.front().is_some_and(|(at, _)| *at + SAMPLE_AGE < now)
        {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back((now, len));
        if let Some(rate) = self.measured_rate() {
            // Follows a faster line at once and a slower one over a few blocks.
            self.best_rate = if rate > self.best_rate { rate } else { self.best_rate * 0.9 + rate * 0.1 };
            self.round.0 += 1;
            if self.round.0 as usize >= SAMPLES / 2 {
                self.growing = self.growing && self.best_rate > self.round.1 * 1.25;
                self.round = (0, self.best_rate);
            }
        }
        ask.is_some()
    }

    /// Bytes per second over the arrivals of the busy period; `None` for fewer than three.
    fn measured_rate(&self) -> Option<f64> {
        let (first, last) = (self.arrivals.front()?, self.arrivals.back()?);
        let time = last.0.saturating_sub(first.0).as_secs_f64();
        let bytes: u64 = self.arrivals.iter().skip(1).map(|(_, len)| u64::from(*len)).sum();
        (self.arrivals.len() >= 3).then(|| bytes as f64 / time.max(0.0005))
    }

    /// Bytes per second that the peer is believed to give.
    #[must_use]
    pub fn rate(&self, now: Duration) -> f64 {
        let known = if self.best_rate > 0.0 { self.best_rate } else { GUESSED_RATE };
        if self.asks.is_empty() {
            return known;
        }
        // Silence while something is outstanding bounds the rate from above.
        let silence = now.saturating_sub(self.idle_since).as_secs_f64() - self.round_trip();
        if silence <= 0.0 { known } else { known.min(f64::from(BLOCK_LEN) / silence) }
    }

    /// Seconds from a request to the first byte of its block.
    #[must_use]
    pub fn round_trip(&self) -> f64 {
        self.rtt.unwrap_or(GUESSED_RTT)
    }

    /// Seconds until a block would be here that is asked behind `ahead` outstanding ones.
    #[must_use]
    pub fn eta(&self, ahead: usize, now: Duration) -> f64 {
        let bytes = (ahead + 1) as f64 * f64::from(BLOCK_LEN);
        let wait = bytes / self.rate(now).max(1.0);
        // The round trip has partly passed for what is already on its way.
        let passed = self.asks.first().map_or(0.0, |ask| now.saturating_sub(ask.at).as_secs_f64());
        wait + if ahead < self.asks.len() { (self.round_trip() - passed).max(0.0) } else { self.round_trip() }
    }

    /// Time since the peer last gave something, while something is outstanding.
    #[must_use]
    pub fn silence(&self, now: Duration) -> Duration {
        if self.asks.is_empty() { Duration::ZERO } else { now.saturating_sub(self.idle_since) }
    }

    /// Whether the peer should be worked around: it owes something and gives nothing.
    #[must_use]
    pub fn is_stalled(&self, now: Duration) -> bool {
        self.silence(now) > STALL + Duration::from_secs_f64(4.0 * self.round_trip())
    }

    /// Blame (positive) or praise (negative) for a piece that this peer gave blocks of.
    pub fn judge(&mut self, change: i32) {
        self.suspicion = (self.suspicion + change).clamp(-8, 64);
    }

    /// Higher: more likely to send wrong data.
    #[must_use]
    pub fn suspicion(&self) -> i32 {
        self.suspicion.max(0)
    }

    /// Bytes of blocks received from this peer.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// A line of `rate` bytes/s and `rtt`; keeps the pipeline as full as `depth` says and returns the last depth.
    fn run(rate: f64, rtt: f64, blocks: u32) -> usize {
        let mut peer = Peer::new(ms(0));
        let mut on_the_line: VecDeque<(f64, u32)> = VecDeque::new();
        let (mut now, mut free_at, mut next) = (0.0f64, 0.0f64, 0);
        for _ in 0..blocks {
            while peer.asks().len() < peer.depth(1) {
                peer.asked(Ask { piece: 0, block: next, at: Duration::from_secs_f64(now) });
                free_at = free_at.max(now + rtt / 2.0) + f64::from(BLOCK_LEN) / rate;
                on_the_line.push_back((free_at + rtt / 2.0, next));
                next += 1;
            }
            let (at, block) = on_the_line.pop_front().expect("something is asked");
            now = at;
            assert!(peer.arrived(0, block, BLOCK_LEN, Duration::from_secs_f64(now)));
        }
        peer.depth(1)
    }

    #[test]
    fn depth_settles_near_what_fills_the_line() {
        for (rate, rtt) in [(4e6, 0.04), (1e6, 0.06), (150e3, 0.08), (20e6, 0.1), (4e6, 0.2)] {
            let ideal = rate * rtt / f64::from(BLOCK_LEN);
            let depth = run(rate, rtt, 3000) as f64;
            assert!(
                depth >= ideal && depth <= 2.2 * ideal + 6.0,
                "rate {rate} rtt {rtt}: {depth} for {ideal}"
            );
        }
    }

    #[test]
    fn unknown_peers_share_the_first_blocks() {
        let peer = Peer::new(ms(0));
        assert_eq!(peer.depth(1), 16);
        assert_eq!(peer.depth(8), 4);
    }

    #[test]
    fn silence_lowers_the_believed_rate() {
        let mut peer = Peer::new(ms(0));
        peer.asked(Ask { piece: 0, block: 0, at: ms(0) });
        assert!(peer.rate(ms(50)) > 200_000.0);
        assert!(peer.rate(ms(4000)) < 5000.0);
    }

    #[test]
    fn a_bitfield_before_the_metadata_counts_afterwards() {
        let mut peer = Peer::new(ms(0));
        peer.has_bitfield(vec![0b0100_0000], None);
        peer.has_piece(9, None);
        assert!(!peer.has(1));
        peer.settle(10);
        assert!(peer.has(1) && peer.has(9) && !peer.has(0));
    }
}
