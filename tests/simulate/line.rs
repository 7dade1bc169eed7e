//! One peer and the way to it.
//!
//! Requests arrive half a round trip after they were sent, are answered in order at the line's rate, and arrive half
//! a round trip later. As libtorrent's seeders do, the peer moves requests into its send buffer ahead of the line, half
//! a second's worth between 10 and 500 KB; a cancel recalls only what is not there yet.

use std::collections::VecDeque;
use std::ops::Range;

use vozduxan::schedule::layout::BLOCK_LEN;

/// A small generator, so that every run is the same.
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as f64) / f64::from(1u32 << 31)
    }
    pub fn between(&mut self, range: Range<f64>) -> f64 {
        range.start + self.roll() * (range.end - range.start)
    }
    /// Every order of magnitude equally likely.
    pub fn log(&mut self, range: Range<f64>) -> f64 {
        self.between(range.start.ln()..range.end.ln()).exp()
    }
}

#[derive(Clone, Debug)]
pub struct Line {
    /// Bytes per second.
    pub rate: f64,
    /// Seconds there and back.
    pub rtt: f64,
    /// Silent from, until.
    pub frozen: Option<(f64, f64)>,
    /// One block in so many is wrong, always the same ones; 0: none.
    pub corrupt: u32,
    /// Decides which.
    pub seed: u64,
    /// Every n-th request is refused; 0: none.
    pub reject: u32,
    /// Requests that are not answered at all: the first of them, and every how many from there on.
    pub skip: Option<(u64, u64)>,
    /// Serves for this many seconds, then chokes for as many.
    pub choke_cycle: Option<f64>,
    /// Chokes this long after its first unchoke, as libtorrent's seeders do whose look for whom to serve falls between
    /// the handshake and our interest.
    pub choke_at_first: Option<f64>,
    /// Answers every request (BEP 6).
    pub answers_all: bool,
    /// Connects at, leaves at.
    pub online: (f64, f64),
    /// Of a hundred pieces it has this many at first, and gets one more every so many seconds.
    pub pieces: Option<(u32, f64)>,
    /// From this moment the round trip is another.
    pub rtt_change: Option<(f64, f64)>,
    /// Bytes that the systems at both ends hold besides; a block in there cannot be recalled either.
    pub sockets: f64,
    /// Requests not yet in the send buffer, and those in it.
    pub queue: VecDeque<(u32, u32)>,
    pub buffer: VecDeque<(u32, u32)>,
    pub choking: bool,
    pub busy: bool,
    pub heard: u64,
}

impl Line {
    pub fn new(rate: f64, rtt: f64) -> Self {
        Self {
            rate,
            rtt,
            frozen: None,
            corrupt: 0,
            seed: 0,
            reject: 0,
            skip: None,
            choke_cycle: None,
            choke_at_first: None,
            answers_all: true,
            online: (0.0, f64::MAX),
            pieces: None,
            rtt_change: None,
            sockets: 0.0,
            queue: VecDeque::new(),
            buffer: VecDeque::new(),
            choking: false,
            busy: false,
            heard: 0,
        }
    }

    pub fn rtt_at(&self, now: f64) -> f64 {
        self.rtt_change.filter(|(from, _)| now >= *from).map_or(self.rtt, |(_, rtt)| rtt)
    }

    /// Moves requests into the send buffer as far as it goes.
    pub fn commit(&mut self, block: impl Fn(u32, u32) -> u32) {
        let most = (self.rate * 0.5).clamp(10e3, 500e3).max(self.sockets);
        let mut bytes: f64 = self.buffer.iter().map(|(p, b)| f64::from(block(*p, *b))).sum();
        while bytes < most
            && let Some((piece, at)) = self.queue.pop_front()
        {
            bytes += f64::from(block(piece, at));
            self.buffer.push_back((piece, at));
        }
    }

    /// Whether this peer's copy of a block is wrong.
    pub fn is_wrong(&self, id: u32, piece: u32, block: u32) -> bool {
        // Mixed well, or neighbours would be wrong together: the finalizer of splitmix64.
        let mut mixed = self.seed ^ (u64::from(id) << 56) ^ (u64::from(piece) << 24) ^ u64::from(block);
        for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(factor);
        }
        self.corrupt > 0 && Dice(mixed ^ (mixed >> 31)).roll() * f64::from(self.corrupt) < 1.0
    }

    /// When a block that is begun now would be sent.
    pub fn sent_at(&self, now: f64, bytes: u32) -> f64 {
        let start =
            self.frozen.filter(|(from, until)| (*from..*until).contains(&now)).map_or(now, |(_, u)| u);
        start + f64::from(bytes) / self.rate
    }
}

/// The earliest moment at which lines, each giving its first byte three round trips after it is there (connect,
/// handshake, request) and nothing while frozen, could have brought `bytes` together in whole blocks.
pub fn limit(lines: &[Line], bytes: u64) -> f64 {
    let block = f64::from(BLOCK_LEN);
    let brought = |line: &Line, time: f64| -> f64 {
        let (from, until) = (line.online.0 + 2.5 * line.rtt, time - line.rtt / 2.0);
        let frozen = line.frozen.map_or(0.0, |(a, b)| (until.min(b) - from.max(a)).max(0.0));
        // What is begun before the frost still gets through.
        let begun = f64::from(frozen > 0.0);
        (line.rate * (until - from - frozen).max(0.0) / block + 1e-9).floor() + begun
    };
    let (mut low, mut high) = (0.0, 1e5);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        let blocks: f64 = lines.iter().map(|line| brought(line, middle)).sum();
        if blocks >= (bytes as f64 / block).floor() { high = middle } else { low = middle }
    }
    high
}
