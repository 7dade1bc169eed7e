//! The block picker under any sequence of events, against a naive account of what it may ask.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vozduxan::schedule::bits::Bits;
use vozduxan::schedule::layout::{BLOCK_LEN, Layout};
use vozduxan::schedule::peer::PeerId;
use vozduxan::schedule::picker::{Command, Input, Picker};
use vozduxan::schedule::plan::{Demand, Rank, Windows};

#[derive(Arbitrary, Debug)]
enum Op {
    Begin(Vec<u8>),
    Expected(u8),
    AnswersAll(u8),
    Connected(u8),
    Gone(u8),
    Queue(u8, u32),
    Choked(u8),
    Unchoked(u8),
    HasAll(u8),
    HasBits(u8, Vec<u8>),
    Has(u8, u32),
    /// What the peer was asked, the n-th of it.
    Answer(u8, u8),
    Refuse(u8, u8),
    /// Nobody asked for it.
    Unasked {
        peer: u8,
        piece: u32,
        block: u32,
        len: u32,
    },
    Rejected {
        peer: u8,
        piece: u32,
        block: u32,
    },
    Passed(u32),
    Failed(u32),
    Demand {
        main: bool,
        from: u32,
        len: u32,
        position: u32,
        now: Option<(u32, u16)>,
        rate: Option<u32>,
        ahead: u16,
    },
    Nothing,
    Essential(bool),
    Cautious,
    Wait(u16),
}

#[derive(Arbitrary, Debug)]
struct Story {
    piece_len: u16,
    total: u32,
    urgent: u8,
    ahead: u8,
    ops: Vec<Op>,
}

#[derive(Default)]
struct Twin {
    serves: bool,
    answers_all: bool,
    dropped: bool,
    has: BTreeSet<u32>,
    outstanding: BTreeSet<(u32, u32)>,
}

fuzz_target!(|story: Story| {
    let piece_len = u32::from(story.piece_len).max(1) * 64;
    let total = u64::from(story.total % (64 * piece_len)).max(1);
    let Some(layout) = Layout::new(piece_len, total) else { return };
    let pieces = layout.pieces();
    let windows = Windows {
        urgent_pieces: u32::from(story.urgent).max(1),
        ahead_pieces: u32::from(story.ahead).max(u32::from(story.urgent).max(1)),
        urgent_time: Duration::from_secs(30),
    };
    let mut picker = Picker::new(windows);
    let mut peers: BTreeMap<u32, Twin> = BTreeMap::new();
    let mut have: BTreeSet<u32> = BTreeSet::new();
    let mut begun = false;
    let (mut demands, mut now, mut out) = (Vec::new(), Duration::ZERO, Vec::new());
    for op in story.ops {
        let id = |peer: u8| PeerId(u32::from(peer % 6));
        let nth = |twins: &BTreeMap<u32, Twin>, peer: u8, n: u8| {
            let asked = &twins.get(&id(peer).0)?.outstanding;
            asked.iter().nth(usize::from(n) % asked.len().max(1)).copied()
        };
        let input = match op {
            Op::Begin(bits) => {
                let bits = Bits::from_wire(&bits, pieces);
                have = (0..pieces).filter(|piece| bits.contains(*piece)).collect();
                peers.values_mut().for_each(|twin| {
                    twin.outstanding.clear();
                    twin.has.retain(|piece| *piece < pieces);
                });
                picker.begin(layout.clone(), bits);
                begun = true;
                None
            }
            Op::Expected(peer) => Some(Input::Expected(id(peer))),
            Op::AnswersAll(peer) => {
                peers.get_mut(&id(peer).0).into_iter().for_each(|twin| twin.answers_all = true);
                Some(Input::AnswersAll(id(peer)))
            }
            Op::Connected(peer) => {
                peers.entry(id(peer).0).or_default();
                Some(Input::Connected(id(peer)))
            }
            Op::Gone(peer) => {
                peers.remove(&id(peer).0);
                Some(Input::Gone(id(peer)))
            }
            Op::Queue(peer, n) => Some(Input::Queue(id(peer), n)),
            Op::Choked(peer) => {
                if let Some(twin) = peers.get_mut(&id(peer).0) {
                    twin.serves = false;
                    if !twin.answers_all {
                        twin.outstanding.clear();
                    }
                }
                Some(Input::Choked(id(peer)))
            }
            Op::Unchoked(peer) => {
                peers.get_mut(&id(peer).0).into_iter().for_each(|twin| twin.serves = true);
                Some(Input::Unchoked(id(peer)))
            }
            Op::HasAll(peer) => {
                peers.get_mut(&id(peer).0).into_iter().for_each(|twin| twin.has = (0..pieces).collect());
                Some(Input::HasAll(id(peer)))
            }
            Op::HasBits(peer, bits) => {
                let set = Bits::from_wire(&bits, pieces);
                if let Some(twin) = peers.get_mut(&id(peer).0) {
                    twin.has = (0..pieces).filter(|piece| set.contains(*piece)).collect();
                }
                Some(Input::HasBits(id(peer), bits))
            }
            Op::Has(peer, piece) => {
                peers.get_mut(&id(peer).0).into_iter().for_each(|twin| {
                    twin.has.insert(piece);
                });
                Some(Input::Has(id(peer), piece))
            }
            Op::Answer(peer, n) => nth(&peers, peer, n).map(|(piece, block)| {
                peers.get_mut(&id(peer).0).into_iter().for_each(|twin| {
                    twin.outstanding.remove(&(piece, block));
                });
                Input::Block { peer: id(peer), piece, block, len: layout.block_len(piece, block) }
            }),
            Op::Refuse(peer, n) => nth(&peers, peer, n).map(|(piece, block)| {
                peers.get_mut(&id(peer).0).into_iter().for_each(|twin| {
                    twin.outstanding.remove(&(piece, block));
                });
                Input::Rejected { peer: id(peer), piece, block }
            }),
            Op::Unasked { peer, piece, block, len } => {
                // libtorrent lets only blocks of the torrent through, never longer than one block.
                let (piece, block) = (piece % (pieces + 1), block % (layout.blocks_of(0) + 1));
                peers.get_mut(&id(peer).0).into_iter().for_each(|twin| {
                    twin.outstanding.remove(&(piece, block));
                });
                Some(Input::Block { peer: id(peer), piece, block, len: len % (BLOCK_LEN + 1) })
            }
            Op::Rejected { peer, piece, block } => {
                peers.get_mut(&id(peer).0).into_iter().for_each(|twin| {
                    twin.outstanding.remove(&(piece, block));
                });
                Some(Input::Rejected { peer: id(peer), piece, block })
            }
            Op::Passed(piece) => {
                let piece = piece % pieces;
                if begun {
                    have.insert(piece);
                }
                Some(Input::Passed(piece))
            }
            Op::Failed(piece) => {
                have.remove(&piece);
                Some(Input::Failed(piece))
            }
            Op::Demand { main, from, len, position, now, rate, ahead } => {
                let from = u64::from(from) % total;
                let end = (from + u64::from(len)).min(total + 5000).max(from);
                let rank = if main { Rank::Main } else { Rank::Background };
                let waited = now.map(|(at, len)| u64::from(at)..u64::from(at) + u64::from(len));
                demands.push(Demand {
                    rank,
                    file: from..end,
                    position: u64::from(position),
                    now: waited.into_iter().collect(),
                    byte_rate: rate.map(u64::from),
                    ahead: Duration::from_millis(ahead.into()),
                });
                None
            }
            Op::Nothing => {
                demands.clear();
                None
            }
            Op::Essential(on) => {
                picker.set_essential_only(on);
                None
            }
            Op::Cautious => {
                picker.be_cautious();
                None
            }
            Op::Wait(ms) => {
                now += Duration::from_millis(ms.into());
                None
            }
        };
        if let Some(input) = input {
            picker.on(input, now);
        }
        picker.set_demands(demands.clone(), now);
        picker.pump(now, &mut out);
        for command in out.drain(..) {
            match command {
                Command::Request { peer, piece, block } => {
                    let twin = peers.get_mut(&peer.0).expect("asked of a peer that is not there");
                    assert!(begun && twin.serves && !twin.dropped, "asked of a peer that does not serve");
                    assert!(twin.has.contains(&piece), "asked for what the peer lacks");
                    assert!(!have.contains(&piece), "asked for what is at hand");
                    assert!(block < layout.blocks_of(piece), "asked for a block that is not there");
                    assert!(twin.outstanding.insert((piece, block)), "asked twice");
                    assert!(twin.outstanding.len() <= 2000, "no end of requests");
                }
                Command::Cancel { peer, piece, block } => {
                    peers.get_mut(&peer.0).into_iter().for_each(|twin| {
                        twin.outstanding.remove(&(piece, block));
                    });
                }
                Command::Drop(peer) => {
                    peers.get_mut(&peer.0).into_iter().for_each(|twin| {
                        assert!(!twin.dropped, "dropped twice");
                        twin.dropped = true;
                        twin.outstanding.clear();
                    });
                }
            }
        }
        if let Some(look) = picker.next_look(now) {
            assert!(look > now, "a look that is over already is a busy loop");
        }
    }
});
