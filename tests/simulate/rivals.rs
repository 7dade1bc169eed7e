//! Two simpler ways to choose, to compare with: strictly in order, and the fixed windows that are handed to
//! libtorrent as deadlines, where the twenty urgent pieces are picked in random order. Both keep a fixed time's worth
//! of requests outstanding and give up on a peer's requests after some seconds, as usual clients do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use vozduxan::schedule::layout::Layout;
use vozduxan::schedule::peer::PeerId;
use vozduxan::schedule::picker::{Command, Input};
use vozduxan::schedule::plan::Demand;

use super::world::{Chooser, Dice};

const TIMEOUT: f64 = 8.0;
const DEPTH_MIN: usize = 4;
const DEPTH_MAX: usize = 64;

#[derive(Default)]
struct Peer {
    unchoked: bool,
    /// When each outstanding block was asked for.
    asks: BTreeMap<(u32, u32), f64>,
    bytes: f64,
    since: f64,
}

pub struct Rival {
    /// Pieces from the position on that are picked in random order.
    random: u32,
    layout: Layout,
    have: BTreeSet<u32>,
    here: BTreeSet<(u32, u32)>,
    asked: BTreeSet<(u32, u32)>,
    peers: BTreeMap<u32, Peer>,
    order: Vec<u32>,
    position: u32,
    dice: Dice,
}

impl Rival {
    pub fn new(random: u32, seed: u64) -> Self {
        Self {
            random,
            layout: Layout::new(1, 0).expect("nothing"),
            have: BTreeSet::new(),
            here: BTreeSet::new(),
            asked: BTreeSet::new(),
            peers: BTreeMap::new(),
            order: Vec::new(),
            position: u32::MAX,
            dice: Dice(seed),
        }
    }

    fn forget(&mut self, id: u32) {
        if let Some(peer) = self.peers.get_mut(&id) {
            for (block, _) in std::mem::take(&mut peer.asks) {
                self.asked.remove(&block);
            }
        }
    }

    fn next(&self) -> Option<(u32, u32)> {
        self.order.iter().filter(|piece| !self.have.contains(piece)).find_map(|piece| {
            let free = |block: &u32| {
                !self.here.contains(&(*piece, *block)) && !self.asked.contains(&(*piece, *block))
            };
            (0..self.layout.blocks_of(*piece)).find(free).map(|block| (*piece, block))
        })
    }
}

impl Chooser for Rival {
    fn begin(&mut self, layout: Layout) {
        self.layout = layout;
    }

    fn on(&mut self, input: Input, now: Duration) {
        match input {
            Input::Connected(id) => {
                self.peers.insert(id.0, Peer { since: now.as_secs_f64(), ..Peer::default() });
            }
            Input::Gone(id) => {
                self.forget(id.0);
                self.peers.remove(&id.0);
            }
            Input::Unchoked(id) => self.peers.get_mut(&id.0).expect("known").unchoked = true,
            Input::Choked(id) => {
                self.peers.get_mut(&id.0).expect("known").unchoked = false;
                self.forget(id.0);
            }
            Input::Block { peer, piece, block, len } => {
                self.here.insert((piece, block));
                self.asked.remove(&(piece, block));
                if let Some(peer) = self.peers.get_mut(&peer.0) {
                    peer.asks.remove(&(piece, block));
                    peer.bytes += f64::from(len);
                }
            }
            Input::Passed(piece) => {
                self.have.insert(piece);
            }
            _ => {}
        }
    }

    fn set_demands(&mut self, demands: Vec<Demand>, _now: Duration) {
        let first = self.layout.piece_at(demands[0].position);
        if first == self.position {
            return;
        }
        self.position = first;
        let file = self.layout.pieces_of(&demands[0].file);
        let mut urgent: Vec<u32> = (first..file.end.min(first + self.random)).collect();
        for i in (1..urgent.len()).rev() {
            urgent.swap(i, (self.dice.roll() * (i + 1) as f64) as usize);
        }
        let after = first + urgent.len() as u32;
        self.order = urgent.into_iter().chain(after..file.end).chain(file.start..first).collect();
    }

    fn pump(&mut self, now: Duration, out: &mut Vec<Command>) {
        let now = now.as_secs_f64();
        let ids: Vec<u32> = self.peers.iter().filter(|(_, peer)| peer.unchoked).map(|(id, _)| *id).collect();
        for id in &ids {
            let peer = self.peers.get_mut(id).expect("known");
            let late: Vec<(u32, u32)> =
                peer.asks.iter().filter(|(_, at)| now - **at > TIMEOUT).map(|(block, _)| *block).collect();
            for block in late {
                peer.asks.remove(&block);
                self.asked.remove(&block);
                out.push(Command::Cancel { peer: PeerId(*id), piece: block.0, block: block.1 });
            }
        }
        loop {
            let mut sent = false;
            for id in &ids {
                let peer = &self.peers[id];
                // A second's worth.
                let rate = peer.bytes / (now - peer.since).max(0.1);
                let depth = ((rate / 16_384.0) as usize).clamp(DEPTH_MIN, DEPTH_MAX);
                if peer.asks.len() >= depth {
                    continue;
                }
                let Some((piece, block)) = self.next() else { return };
                self.asked.insert((piece, block));
                self.peers.get_mut(id).expect("known").asks.insert((piece, block), now);
                out.push(Command::Request { peer: PeerId(*id), piece, block });
                sent = true;
            }
            if !sent {
                return;
            }
        }
    }

    fn next_look(&self, now: Duration) -> Option<Duration> {
        Some(now + Duration::from_millis(500))
    }
}
