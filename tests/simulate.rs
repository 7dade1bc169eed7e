//! The block picker against virtual swarms: hours of network in milliseconds, the same every run.
//!
//! A peer is a line: requests arrive half a round trip after they were sent, are answered in order at the line's
//! rate, and arrive half a round trip later. A cancel removes a request that the line has not begun.

use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use vozduxan::schedule::bits::Bits;
use vozduxan::schedule::layout::{BLOCK_LEN, Layout};
use vozduxan::schedule::peer::PeerId;
use vozduxan::schedule::picker::{Command, Input, Picker};
use vozduxan::schedule::plan::{Demand, Rank, Windows};

#[derive(Clone)]
struct Line {
    rate: f64,
    rtt: f64,
    /// Silent from, until.
    frozen: Option<(f64, f64)>,
    /// Every n-th block is wrong; 0: none.
    corrupt: u32,
    queue: Vec<(u32, u32)>,
    busy: bool,
    sent: u64,
}

impl Line {
    fn new(rate: f64, rtt: f64) -> Self {
        Self { rate, rtt, frozen: None, corrupt: 0, queue: Vec::new(), busy: false, sent: 0 }
    }
}

#[derive(Debug, PartialEq)]
enum What {
    Unchoke(u32),
    Ask(u32, u32, u32),
    Cancel(u32, u32, u32),
    LineFree(u32),
    Arrive(u32, u32, u32, bool),
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

struct World {
    now: f64,
    serial: u64,
    events: BinaryHeap<Event>,
    lines: BTreeMap<u32, Line>,
    layout: Layout,
    picker: Picker,
    /// piece -> (blocks here, one of them wrong)
    here: BTreeMap<u32, BTreeMap<u32, bool>>,
    received: u64,
    passed_at: BTreeMap<u32, f64>,
    dropped: Vec<u32>,
    looking: bool,
}

impl World {
    fn new(piece_len: u32, total: u64, lines: Vec<Line>) -> Self {
        let layout = Layout::new(piece_len, total).expect("a torrent");
        let mut picker = Picker::new(Windows::default());
        picker.begin(layout.clone(), Bits::none(layout.pieces()));
        let mut world = Self {
            now: 0.0,
            serial: 0,
            events: BinaryHeap::new(),
            lines: BTreeMap::new(),
            layout,
            picker,
            here: BTreeMap::new(),
            received: 0,
            passed_at: BTreeMap::new(),
            dropped: Vec::new(),
            looking: false,
        };
        for (i, line) in (1u32..).zip(lines) {
            // Connect and handshake take a round trip each, as on a real swarm.
            let at = 2.0 * line.rtt;
            world.lines.insert(i, line);
            world.at(at, What::Unchoke(i));
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

    fn want(&mut self, demands: Vec<Demand>) {
        let now = self.clock();
        self.picker.set_demands(demands, now);
        self.pump();
    }

    fn pump(&mut self) {
        let mut commands = Vec::new();
        let now = self.clock();
        self.picker.pump(now, &mut commands);
        for command in commands {
            match command {
                Command::Request { peer, piece, block } => {
                    let half = self.lines[&peer.0].rtt / 2.0;
                    self.at(self.now + half, What::Ask(peer.0, piece, block));
                }
                Command::Cancel { peer, piece, block } => {
                    let half = self.lines[&peer.0].rtt / 2.0;
                    self.at(self.now + half, What::Cancel(peer.0, piece, block));
                }
                Command::Drop(peer) => {
                    self.dropped.push(peer.0);
                    self.lines.remove(&peer.0);
                    self.picker.on(Input::Gone(peer), now);
                }
            }
        }
        if !self.looking
            && let Some(at) = self.picker.next_look(now)
        {
            self.looking = true;
            self.at(at.as_secs_f64(), What::Look);
        }
    }

    fn serve(&mut self, id: u32) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        if line.busy || line.queue.is_empty() {
            return;
        }
        let mut start = self.now;
        if let Some((from, until)) = line.frozen
            && (from..until).contains(&start)
        {
            start = until;
        }
        let (piece, block) = line.queue.remove(0);
        line.busy = true;
        line.sent += 1;
        let wrong = line.corrupt > 0 && line.sent.is_multiple_of(u64::from(line.corrupt));
        let done = start + f64::from(self.layout.block_len(piece, block)) / line.rate;
        let half = line.rtt / 2.0;
        self.at(done, What::LineFree(id));
        self.at(done + half, What::Arrive(id, piece, block, wrong));
    }

    /// Runs until `done` says so; panics after `limit` seconds.
    fn run(&mut self, limit: f64, mut done: impl FnMut(&World) -> bool) -> f64 {
        while !done(self) {
            let Event(time, _, what) = self.events.pop().expect("nothing can happen any more");
            assert!(time < limit, "not done after {limit} s");
            self.now = time;
            let now = self.clock();
            match what {
                What::Unchoke(id) => {
                    self.picker.on(Input::Connected(PeerId(id)), now);
                    self.picker.on(Input::HasAll(PeerId(id)), now);
                    self.picker.on(Input::Unchoked(PeerId(id)), now);
                }
                What::Ask(id, piece, block) => {
                    if let Some(line) = self.lines.get_mut(&id) {
                        line.queue.push((piece, block));
                    }
                    self.serve(id);
                }
                What::Cancel(id, piece, block) => {
                    if let Some(line) = self.lines.get_mut(&id) {
                        line.queue.retain(|asked| *asked != (piece, block));
                    }
                }
                What::LineFree(id) => {
                    if let Some(line) = self.lines.get_mut(&id) {
                        line.busy = false;
                    }
                    self.serve(id);
                }
                What::Arrive(id, piece, block, wrong) => self.arrive(id, piece, block, wrong),
                What::Look => self.looking = false,
            }
            self.pump();
        }
        self.now
    }

    fn arrive(&mut self, id: u32, piece: u32, block: u32, wrong: bool) {
        let now = self.clock();
        let len = self.layout.block_len(piece, block);
        self.received += u64::from(len);
        self.picker.on(Input::Block { peer: PeerId(id), piece, block, len }, now);
        if self.passed_at.contains_key(&piece) {
            return;
        }
        let blocks = self.here.entry(piece).or_default();
        blocks.entry(block).or_insert(wrong);
        if blocks.len() as u32 == self.layout.blocks_of(piece) {
            if blocks.values().any(|wrong| *wrong) {
                blocks.clear();
                self.picker.on(Input::Failed(piece), now);
            } else {
                self.passed_at.insert(piece, self.now);
                self.picker.on(Input::Passed(piece), now);
            }
        }
    }
}

fn main_stream(file: std::ops::Range<u64>, position: u64, need: u64) -> Demand {
    let end = (position + need).min(file.end);
    Demand { rank: Rank::Main, position, now: vec![position..end], file, byte_rate: Some(112_000) }
}

const MB: u64 = 1_000_000;

/// Seconds until the first 32 KiB are verified, and the physical limit for them.
fn start(piece_len: u32, lines: Vec<Line>) -> (f64, f64) {
    let rate: f64 = lines.iter().map(|line| line.rate).sum();
    let rtt = lines.iter().map(|line| line.rtt).fold(0.0, f64::max);
    let limit = 3.0 * rtt + f64::from(piece_len.max(32 * 1024)) / rate;
    let mut world = World::new(piece_len, 30 * MB, lines);
    world.want(vec![main_stream(0..30 * MB, 0, 32 * 1024)]);
    let need = world.layout.pieces_of(&(0..32 * 1024));
    let took = world.run(120.0, |w| need.clone().all(|piece| w.passed_at.contains_key(&piece)));
    assert!(took >= limit * 0.999, "{took} beats the limit {limit}");
    (took, limit)
}

#[track_caller]
fn starts_within(factor: f64, piece_len: u32, lines: Vec<Line>) {
    let (took, limit) = start(piece_len, lines);
    assert!(took <= limit * factor, "took {took:.3} s, limit {limit:.3} s, ratio {:.2}", took / limit);
}

#[test]
fn one_fast_peer_starts_at_the_limit() {
    starts_within(1.05, 256 * 1024, vec![Line::new(4e6, 0.04)]);
    starts_within(1.05, 1024 * 1024, vec![Line::new(2e6, 0.04)]);
    starts_within(1.15, 1024 * 1024, vec![Line::new(8e6, 0.15)]);
}

#[test]
fn eight_equal_slow_peers_share_a_large_piece() {
    starts_within(1.06, 4 * 1024 * 1024, vec![Line::new(150e3, 0.08); 8]);
}

#[test]
fn one_very_slow_peer_among_fast_ones_does_not_hold_the_first_piece() {
    let mut lines = vec![Line::new(250e3, 0.05); 7];
    lines.push(Line::new(3e3, 0.05));
    starts_within(1.35, 1024 * 1024, lines);
}

#[test]
fn uneven_peers_finish_the_first_piece_together() {
    let rates = [1000e3, 500e3, 250e3, 100e3, 50e3, 40e3, 30e3, 20e3];
    starts_within(1.35, 1024 * 1024, rates.map(|rate| Line::new(rate, 0.05)).to_vec());
}

#[test]
fn a_seek_waits_for_no_more_than_what_is_on_the_line() {
    for (rate, rtt, piece_len) in
        [(4e6, 0.04, 256 * 1024), (1e6, 0.05, 1024 * 1024), (20e6, 0.03, 512 * 1024)]
    {
        let mut world = World::new(piece_len, 80 * MB, vec![Line::new(rate, rtt)]);
        world.want(vec![main_stream(0..80 * MB, 0, 32 * 1024)]);
        world.run(60.0, |w| w.passed_at.len() >= 8);
        let sought = world.now;
        world.want(vec![main_stream(0..80 * MB, 70 * MB, 1)]);
        let piece = world.layout.piece_at(70 * MB);
        let took = world.run(60.0, |w| w.passed_at.contains_key(&piece)) - sought;
        let limit = rtt + f64::from(piece_len) / rate;
        assert!(took <= limit * 1.4, "took {took:.3}, limit {limit:.3}");
    }
}

#[test]
fn a_peer_that_falls_silent_does_not_stall_playback() {
    let rates = [58e3, 44e3, 29e3, 15e3];
    let mut lines = rates.map(|rate| Line::new(rate, 0.06)).to_vec();
    lines[0].frozen = Some((20.0, 30.0));
    let music = 112_000.0;
    let mut world = World::new(256 * 1024, 40 * MB, lines);
    world.want(vec![main_stream(0..40 * MB, 0, 32 * 1024)]);
    let first = world.run(60.0, |w| w.passed_at.contains_key(&0));
    let _ = first;
    // Play for 60 s of music, each piece waited for when playback reaches it.
    let mut stalled = 0.0;
    let mut clock = world.now;
    for piece in 0..(60.0 * music / (256.0 * 1024.0)) as u32 {
        let position = u64::from(piece) * 256 * 1024;
        if !world.passed_at.contains_key(&piece) {
            world.now = world.now.max(clock);
            world.want(vec![main_stream(0..40 * MB, position, 1)]);
            let at = world.run(400.0, |w| w.passed_at.contains_key(&piece));
            stalled += (at - clock).max(0.0);
            clock = clock.max(at);
        } else {
            let mut demand = main_stream(0..40 * MB, position, 1);
            demand.now.clear();
            world.want(vec![demand]);
        }
        clock += 256.0 * 1024.0 / music;
        world.at(clock, What::Look);
        world.run(400.0, |w| w.now >= clock);
    }
    assert!(stalled < 0.5, "stalled for {stalled:.2} s");
}

#[test]
fn liars_are_found_and_the_file_still_comes_at_a_bearable_price() {
    let mut lines = vec![Line::new(1.2e6, 0.04); 4];
    lines[0].corrupt = 5;
    lines[1].corrupt = 5;
    let total = 16 * MB;
    let mut world = World::new(256 * 1024, total, lines);
    world.want(vec![main_stream(0..total, 0, 32 * 1024)]);
    let took = world.run(120.0, |w| w.passed_at.len() as u32 == w.layout.pieces());
    let waste = world.received as f64 / total as f64;
    assert!(waste < 2.0 && took < 15.0, "took {took:.1} s, waste {waste:.2}, dropped {:?}", world.dropped);
}

#[test]
fn the_background_stream_takes_only_what_the_main_one_leaves() {
    let mut world = World::new(256 * 1024, 40 * MB, vec![Line::new(1e6, 0.05)]);
    let background = Demand {
        rank: Rank::Background,
        position: 30 * MB,
        now: vec![30 * MB..30 * MB + 32 * 1024],
        file: 30 * MB..40 * MB,
        byte_rate: None,
    };
    world.want(vec![main_stream(0..30 * MB, 0, 32 * 1024), background]);
    let next = world.layout.piece_at(30 * MB);
    let warm = world.run(120.0, |w| w.passed_at.contains_key(&next));
    let window = (0..60).all(|piece| world.passed_at.contains_key(&piece));
    assert!(window, "the next track came before the main stream's window");
    // The window is 15 MB: the background starts right after it, long before the main file's 30 MB.
    assert!(warm < 19.0, "{warm}");
}

#[test]
fn nothing_is_asked_twice_without_need() {
    let mut world = World::new(256 * 1024, 10 * MB, vec![Line::new(1e6, 0.05); 4]);
    world.want(vec![main_stream(0..10 * MB, 0, 32 * 1024)]);
    world.run(60.0, |w| w.passed_at.len() as u32 == w.layout.pieces());
    let waste = world.received as f64 / (10 * MB) as f64;
    assert!(waste < 1.02, "waste {waste:.3}");
    assert_eq!(world.picker.next_look(world.clock()), None, "nothing is left to look after");
}

#[test]
fn blocks_are_full_size_but_the_last() {
    let layout = Layout::new(256 * 1024, 300_000).expect("a torrent");
    assert_eq!(layout.block_len(0, 0), BLOCK_LEN);
}
