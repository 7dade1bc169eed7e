//! The network, the disk and libtorrent around one picker.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::ops::Range;
use std::time::Duration;

use vozduxan::schedule::evidence::Evidence;
use vozduxan::schedule::layout::{BLOCK_LEN, Layout};
use vozduxan::schedule::peer::PeerId;
use vozduxan::schedule::picker::{Command, Input, Picker};
use vozduxan::schedule::plan::{Demand, Rank, Windows};

pub use super::chooser::Chooser;
pub use super::line::Dice;
use super::line::Line;

pub const MB: u64 = 1_000_000;
/// Bytes per second of the music, a FLAC at 900 kbit/s.
pub const MUSIC: u64 = 112_000;

#[derive(Debug, PartialEq)]
enum What {
    Handshake(u32),
    Online(u32),
    Offline(u32),
    Choke(u32, bool),
    Crossed(u32, bool),
    Have(u32, u32),
    Ask(u32, u32, u32),
    Cancel(u32, u32, u32),
    LineFree(u32),
    Arrive(u32, u32, u32, bool),
    Reject(u32, u32, u32),
    Pump,
    Look,
}

struct Event(f64, u64, What);

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Event {}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.total_cmp(&self.0).then(other.1.cmp(&self.1))
    }
}

pub struct World<C = Picker> {
    pub now: f64,
    serial: u64,
    events: BinaryHeap<Event>,
    pub lines: BTreeMap<u32, Line>,
    pub layout: Layout,
    pub chooser: C,
    /// Per piece, per block: whose copy is kept, and whether it is wrong.
    here: BTreeMap<u32, BTreeMap<u32, (u32, bool)>>,
    /// Senders of wrong blocks of pieces that have not passed since.
    suspects: BTreeMap<u32, BTreeSet<u32>>,
    evidence: Evidence,
    /// A piece was wrong: blocks of pieces that the disk knows nothing of are kept from it from now on.
    keeping: bool,
    /// Copies are looked at.
    pub watched: bool,
    pub received: u64,
    /// Bytes hashed to find wrong blocks.
    pub hashed: u64,
    /// Of these, what is in pieces that are here or on their way.
    kept: u64,
    pub passed_at: BTreeMap<u32, f64>,
    pub dropped: Vec<u32>,
    pub requests: u64,
    looking: bool,
    pumping: bool,
    /// The engine answers up to this many seconds after an event.
    pub handling: f64,
    dice: Dice,
}

impl World<Picker> {
    pub fn new(piece_len: u32, total: u64, lines: Vec<Line>) -> Self {
        let mut picker = Picker::new(Windows::default());
        picker.set_keeps_evidence(true);
        let mut world = Self::with(picker, piece_len, total, lines);
        world.watched = true;
        world
    }
}

impl<C: Chooser> World<C> {
    pub fn with(mut chooser: C, piece_len: u32, total: u64, lines: Vec<Line>) -> Self {
        let layout = Layout::new(piece_len, total).expect("a torrent");
        chooser.begin(layout.clone());
        let mut world = Self {
            now: 0.0,
            serial: 0,
            events: BinaryHeap::new(),
            lines: BTreeMap::new(),
            layout,
            chooser,
            here: BTreeMap::new(),
            suspects: BTreeMap::new(),
            evidence: Evidence::default(),
            keeping: false,
            watched: false,
            received: 0,
            hashed: 0,
            kept: 0,
            passed_at: BTreeMap::new(),
            dropped: Vec::new(),
            requests: 0,
            looking: false,
            pumping: false,
            handling: 0.0,
            dice: Dice(7),
        };
        for (id, line) in (1u32..).zip(lines) {
            // Connect and handshake take a round trip each, as on a real swarm.
            world.at(line.online.0 + line.rtt, What::Handshake(id));
            world.at(line.online.0 + 2.0 * line.rtt, What::Online(id));
            if line.online.1 < f64::MAX {
                world.at(line.online.1, What::Offline(id));
            }
            world.lines.insert(id, line);
        }
        world
    }

    fn at(&mut self, time: f64, what: What) {
        self.serial += 1;
        self.events.push(Event(time, self.serial, what));
    }

    fn clock(&self) -> Duration {
        Duration::from_secs_f64(self.now)
    }

    pub fn has(&self, piece: u32) -> bool {
        self.passed_at.contains_key(&piece)
    }

    pub fn is_whole(&self) -> bool {
        self.passed_at.len() as u32 == self.layout.pieces()
    }

    /// Bytes received for each byte that was of use.
    pub fn waste(&self) -> f64 {
        self.received as f64 / self.kept.max(1) as f64
    }

    pub fn want(&mut self, demands: Vec<Demand>) {
        let now = self.clock();
        self.chooser.set_demands(demands, now);
        self.pump();
    }

    fn hear(&mut self, input: Input) {
        let now = self.clock();
        self.chooser.on(input, now);
    }

    fn pump(&mut self) {
        let mut commands = Vec::new();
        let now = self.clock();
        self.chooser.pump(now, &mut commands);
        for command in commands {
            match command {
                Command::Request { peer, piece, block } => {
                    self.requests += 1;
                    let line = self.lines.get(&peer.0).expect("requests go to peers that are there");
                    self.at(self.now + line.rtt_at(self.now) / 2.0, What::Ask(peer.0, piece, block));
                }
                Command::Cancel { peer, piece, block } => {
                    if let Some(line) = self.lines.get(&peer.0) {
                        self.at(self.now + line.rtt_at(self.now) / 2.0, What::Cancel(peer.0, piece, block));
                    }
                }
                Command::Drop(peer) => self.end(peer.0),
            }
        }
        if !self.looking
            && let Some(at) = self.chooser.next_look(now)
        {
            self.looking = true;
            self.at(at.as_secs_f64().max(self.now), What::Look);
        }
    }

    fn end(&mut self, id: u32) {
        if self.lines.remove(&id).is_some() {
            self.dropped.push(id);
            self.hear(Input::Gone(PeerId(id)));
        }
    }

    fn serve(&mut self, id: u32) {
        let layout = self.layout.clone();
        let Some(line) = self.lines.get_mut(&id) else { return };
        if line.busy {
            return;
        }
        line.commit(|piece, block| layout.block_len(piece, block));
        let Some((piece, block)) = line.buffer.pop_front() else { return };
        line.busy = true;
        let wrong = line.is_wrong(id, piece, block);
        let done = line.sent_at(self.now, layout.block_len(piece, block));
        let half = line.rtt_at(self.now) / 2.0;
        self.at(done, What::LineFree(id));
        self.at(done + half, What::Arrive(id, piece, block, wrong));
    }

    /// Runs until `done` says so; panics after `limit` seconds.
    #[track_caller]
    pub fn run(&mut self, limit: f64, mut done: impl FnMut(&Self) -> bool) -> f64 {
        while !done(self) {
            let Some(Event(time, _, what)) = self.events.pop() else {
                panic!("nothing can happen any more at {:.3} s", self.now)
            };
            assert!(time < limit, "not done after {limit} s");
            self.now = self.now.max(time);
            let news = self.happen(what);
            if self.handling == 0.0 {
                self.pump();
            } else if news && !self.pumping {
                self.pumping = true;
                let at = self.now + self.dice.roll() * self.handling;
                self.at(at, What::Pump);
            }
        }
        self.now
    }

    /// Runs up to a moment.
    pub fn run_to(&mut self, time: f64) {
        self.at(time, What::Pump);
        self.run(time + 1.0, |world| world.now >= time);
    }

    /// What reaches the engine is news.
    fn happen(&mut self, what: What) -> bool {
        match what {
            What::Handshake(id) => self.hear(Input::Expected(PeerId(id))),
            What::Online(id) => self.come_online(id),
            What::Offline(id) => {
                self.end(id);
            }
            What::Choke(id, choking) => {
                let Some(line) = self.lines.get_mut(&id) else { return false };
                line.choking = choking;
                let refused = if choking { std::mem::take(&mut line.queue) } else { VecDeque::new() };
                let (answers_all, cycle) = (line.answers_all, line.choke_cycle);
                self.hear(if choking { Input::Choked(PeerId(id)) } else { Input::Unchoked(PeerId(id)) });
                for (piece, block) in refused.into_iter().filter(|_| answers_all) {
                    self.at(self.now, What::Reject(id, piece, block));
                }
                if let Some(cycle) = cycle {
                    self.at(self.now + cycle, What::Choke(id, !choking));
                }
            }
            What::Crossed(id, choking) => {
                self.hear(if choking { Input::Choked(PeerId(id)) } else { Input::Unchoked(PeerId(id)) });
            }
            What::Have(id, piece) => {
                if self.lines.contains_key(&id) {
                    self.hear(Input::Has(PeerId(id), piece));
                }
            }
            What::Ask(id, piece, block) => {
                self.asked(id, piece, block);
                return false;
            }
            What::Cancel(id, piece, block) => {
                let Some(line) = self.lines.get_mut(&id) else { return false };
                let before = line.queue.len();
                line.queue.retain(|asked| *asked != (piece, block));
                // BEP 6: every request is answered, a recalled one with a REJECT.
                if line.queue.len() < before {
                    let half = line.rtt_at(self.now) / 2.0;
                    self.at(self.now + half, What::Reject(id, piece, block));
                }
                return false;
            }
            What::LineFree(id) => {
                if let Some(line) = self.lines.get_mut(&id) {
                    line.busy = false;
                }
                self.serve(id);
                return false;
            }
            What::Arrive(id, piece, block, wrong) => self.arrive(id, piece, block, wrong),
            What::Reject(peer, piece, block) => {
                self.hear(Input::Rejected { peer: PeerId(peer), piece, block })
            }
            What::Pump => {
                self.pumping = false;
                self.pump();
                return false;
            }
            What::Look => self.looking = false,
        }
        true
    }

    fn come_online(&mut self, id: u32) {
        let pieces = self.layout.pieces();
        let Some(line) = self.lines.get(&id) else { return };
        let (leech, cycle, answers_all) = (line.pieces, line.choke_cycle, line.answers_all);
        let (choke_at_first, line_rtt) = (line.choke_at_first, line.rtt);
        self.hear(Input::Connected(PeerId(id)));
        if answers_all {
            self.hear(Input::AnswersAll(PeerId(id)));
        }
        // What libtorrent's seeders say.
        self.hear(Input::Queue(PeerId(id), 2000));
        if let Some((percent, every)) = leech {
            let mut wire = vec![0u8; pieces.div_ceil(8) as usize];
            let mut next = self.now;
            for piece in 0..pieces {
                if self.dice.roll() * 100.0 < f64::from(percent) {
                    wire[(piece / 8) as usize] |= 0x80 >> (piece % 8);
                } else {
                    next += every;
                    self.at(next, What::Have(id, piece));
                }
            }
            self.hear(Input::HasBits(PeerId(id), wire));
        } else {
            self.hear(Input::HasAll(PeerId(id)));
        }
        self.hear(Input::Unchoked(PeerId(id)));
        // The choke crosses our INTERESTED, whose answer is another unchoke. Requests that arrive after that are served.
        if let Some(after) = choke_at_first {
            self.at(self.now + after, What::Crossed(id, true));
            self.at(self.now + line_rtt, What::Crossed(id, false));
        }
        if let Some(cycle) = cycle {
            self.at(self.now + cycle, What::Choke(id, true));
        }
    }

    fn asked(&mut self, id: u32, piece: u32, block: u32) {
        let now = self.now;
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.heard += 1;
        if line.choking {
            if line.answers_all {
                let half = line.rtt_at(now) / 2.0;
                self.at(now + half, What::Reject(id, piece, block));
            }
            return;
        }
        if line.reject > 0 && line.heard.is_multiple_of(u64::from(line.reject)) {
            let half = line.rtt_at(now) / 2.0;
            self.at(now + half, What::Reject(id, piece, block));
            return;
        }
        if line
            .skip
            .is_some_and(|(first, every)| line.heard >= first && (line.heard - first).is_multiple_of(every))
        {
            return;
        }
        line.queue.push_back((piece, block));
        self.serve(id);
    }

    fn arrive(&mut self, id: u32, piece: u32, block: u32, wrong: bool) {
        let len = self.layout.block_len(piece, block);
        self.received += u64::from(len);
        if !self.lines.contains_key(&id) {
            return;
        }
        self.hear(Input::Block { peer: PeerId(id), piece, block, len });
        if self.has(piece) {
            return;
        }
        let kept = self.keeping && !self.here.contains_key(&piece);
        if self.watched {
            let mut bytes = vec![0; len as usize];
            bytes[0] = if wrong { u8::try_from(id).expect("few peers") } else { 0 };
            self.evidence.add(&self.layout, piece, block, PeerId(id), bytes, kept);
        }
        if kept {
            return self.examine(piece);
        }
        let blocks = self.here.entry(piece).or_default();
        if let std::collections::btree_map::Entry::Vacant(slot) = blocks.entry(block) {
            slot.insert((id, wrong));
            self.kept += u64::from(len);
        }
        if blocks.len() as u32 != self.layout.blocks_of(piece) {
            return;
        }
        let liars: BTreeSet<u32> = blocks.values().filter(|(_, wrong)| *wrong).map(|(id, _)| *id).collect();
        if !liars.is_empty() {
            self.here.remove(&piece);
            self.kept -= u64::from(self.layout.len_of(piece));
            self.keeping = self.watched;
            if self.evidence.refuted(piece) {
                return self.examine(piece);
            }
            self.suspects.entry(piece).or_default().extend(liars);
            self.hear(Input::Failed(piece));
            return;
        }
        self.pass(piece);
    }

    fn examine(&mut self, piece: u32) {
        let now = self.clock();
        let (found, blocks) = self.chooser.examine(&mut self.evidence, piece, now);
        self.hashed += blocks * u64::from(BLOCK_LEN);
        if found {
            self.kept += u64::from(self.layout.len_of(piece));
            self.pass(piece);
        }
    }

    fn pass(&mut self, piece: u32) {
        self.here.remove(&piece);
        self.evidence.close(piece, None);
        self.passed_at.insert(piece, self.now);
        self.hear(Input::Passed(piece));
        // libtorrent compares with the failed try and bans those whose blocks were others.
        for liar in self.suspects.remove(&piece).unwrap_or_default() {
            self.end(liar);
        }
    }

    /// Plays from `position` for `seconds` of music at `rate`, telling the position every 100 ms and waiting where
    /// data is missing. `others` are wanted all the time. Answers how long playback stood still.
    pub fn play(
        &mut self,
        file: &Range<u64>,
        position: u64,
        seconds: f64,
        rate: u64,
        others: &[Demand],
    ) -> f64 {
        const STEP: f64 = 0.1;
        let (mut stalled, mut played) = (0.0, 0.0);
        while played < seconds {
            let at = (position + (played * rate as f64) as u64).min(file.end - 1);
            let piece = self.layout.piece_at(at);
            let waits = !self.has(piece);
            let main = Demand {
                rank: Rank::Main,
                file: file.clone(),
                position: at,
                now: if waits { vec![at..at + 1] } else { Vec::new() },
                byte_rate: Some(rate),
                ahead: Duration::ZERO,
            };
            let mut demands = vec![main];
            demands.extend_from_slice(others);
            self.want(demands);
            if waits {
                let from = self.now;
                stalled += self.run(from + 5000.0, |world| world.has(piece)) - from;
            }
            self.run_to(self.now + STEP);
            played += STEP;
        }
        stalled
    }
}

/// A stream that waits for `need` bytes from a position on.
pub fn main_stream(file: Range<u64>, position: u64, need: u64) -> Demand {
    let end = (position + need).min(file.end);
    Demand {
        rank: Rank::Main,
        position,
        now: vec![position..end],
        file,
        byte_rate: Some(MUSIC),
        ahead: Duration::ZERO,
    }
}
