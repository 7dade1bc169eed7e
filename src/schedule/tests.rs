//! The picker under any sequence of events, also those that no sane engine sends.

// One span that is waited for is the common case, not a slip.
#![allow(clippy::single_range_in_vec_init)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::bits::Bits;
use super::layout::{BLOCK_LEN, Layout};
use super::peer::PeerId;
use super::picker::{Command, Input, Picker};
use super::plan::{Demand, Rank, Windows};

const PIECES: u32 = 40;
const PIECE_LEN: u32 = 3 * BLOCK_LEN + 100;

fn layout() -> Layout {
    Layout::new(PIECE_LEN, u64::from(PIECE_LEN) * u64::from(PIECES) - 5000).expect("a torrent")
}

/// What a picker may rely on, kept naively beside it.
#[derive(Default)]
struct Twin {
    peers: BTreeMap<u32, TwinPeer>,
    have: BTreeSet<u32>,
    begun: bool,
}

#[derive(Default)]
struct TwinPeer {
    unchoked: bool,
    answers_all: bool,
    dropped: bool,
    pieces: BTreeSet<u32>,
    queue: usize,
    outstanding: BTreeSet<(u32, u32)>,
    /// Requests that were cancelled at some time.
    cancelled: BTreeSet<(u32, u32)>,
}

impl Twin {
    /// Whether this refuses a block that was cancelled and asked for again: which request it answers, the picker may guess.
    fn is_ambiguous(&self, input: &Input) -> bool {
        let Input::Rejected { peer, piece, block } = input else { return false };
        self.peers.get(&peer.0).is_some_and(|peer| peer.cancelled.contains(&(*piece, *block)))
    }

    fn hear(&mut self, input: &Input) {
        let with = |id: &PeerId, peers: &mut BTreeMap<u32, TwinPeer>, f: &dyn Fn(&mut TwinPeer)| {
            if let Some(peer) = peers.get_mut(&id.0) {
                f(peer);
            }
        };
        match input {
            Input::Expected(_) => {}
            Input::AnswersAll(id) => with(id, &mut self.peers, &|p| p.answers_all = true),
            Input::Connected(id) => {
                self.peers.entry(id.0).or_insert_with(|| TwinPeer { queue: 250, ..TwinPeer::default() });
            }
            Input::Gone(id) => {
                self.peers.remove(&id.0);
            }
            Input::Queue(id, n) => with(id, &mut self.peers, &|p| p.queue = (*n as usize).clamp(2, 2000)),
            Input::Choked(id) => with(id, &mut self.peers, &|p| {
                p.unchoked = false;
                if !p.answers_all {
                    p.outstanding.clear();
                }
            }),
            Input::Unchoked(id) => with(id, &mut self.peers, &|p| p.unchoked = true),
            Input::HasAll(id) => with(id, &mut self.peers, &|p| p.pieces = (0..PIECES).collect()),
            Input::HasBits(id, wire) => {
                let bits = Bits::from_wire(wire, PIECES);
                with(id, &mut self.peers, &|p| {
                    p.pieces = (0..PIECES).filter(|i| bits.contains(*i)).collect()
                });
            }
            Input::Has(id, piece) => with(id, &mut self.peers, &|p| {
                p.pieces.insert(*piece);
            }),
            Input::Block { peer, piece, block, .. } | Input::Rejected { peer, piece, block } => {
                with(peer, &mut self.peers, &|p| {
                    p.outstanding.remove(&(*piece, *block));
                });
            }
            Input::Passed(piece) => {
                if self.begun && *piece < PIECES {
                    self.have.insert(*piece);
                }
            }
            Input::Failed(piece) => {
                self.have.remove(piece);
            }
        }
    }

    fn obey(&mut self, command: &Command, layout: &Layout) -> Result<(), TestCaseError> {
        match command {
            Command::Request { peer, piece, block } => {
                let peer = self.peers.get_mut(&peer.0).expect("a request to a peer that is not there");
                prop_assert!(
                    self.begun && peer.unchoked && !peer.dropped,
                    "asked of a peer that does not serve"
                );
                prop_assert!(peer.pieces.contains(piece), "asked for what the peer lacks");
                prop_assert!(!self.have.contains(piece), "asked for what is at hand");
                prop_assert!(*block < layout.blocks_of(*piece));
                prop_assert!(peer.outstanding.insert((*piece, *block)), "asked twice");
                prop_assert!(peer.outstanding.len() <= peer.queue.max(2), "more than the peer queues");
            }
            Command::Cancel { peer, piece, block } => {
                // A cancel may cross the event that made it needless, but never names what was not asked for.
                if let Some(peer) = self.peers.get_mut(&peer.0) {
                    peer.outstanding.remove(&(*piece, *block));
                    peer.cancelled.insert((*piece, *block));
                }
            }
            Command::Drop(peer) => {
                if let Some(peer) = self.peers.get_mut(&peer.0) {
                    prop_assert!(!peer.dropped, "dropped twice");
                    peer.dropped = true;
                    peer.outstanding.clear();
                }
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Op {
    Event(Input),
    /// The n-th outstanding request is answered.
    Answer(usize),
    Begin(Vec<u32>),
    Demands(Vec<Demand>),
    Essential(bool),
    Wait(u64),
}

fn demand() -> impl Strategy<Value = Demand> {
    let total = u64::from(PIECE_LEN) * u64::from(PIECES) + 50_000;
    (
        any::<bool>(),
        0..total,
        0..total,
        0..total,
        prop::collection::vec((0..total, 0u64..200_000), 0..3),
        0u64..400_000,
    )
        .prop_map(|(main, a, b, position, now, rate)| Demand {
            rank: if main { Rank::Main } else { Rank::Background },
            file: a.min(b)..a.max(b),
            position,
            now: now.into_iter().map(|(at, len)| at..at + len).collect(),
            byte_rate: (rate > 0).then_some(rate),
            ahead: Duration::from_millis(rate % 20_000),
        })
}

fn op() -> impl Strategy<Value = Op> {
    let (peer, piece, block) = (0u32..7, 0u32..PIECES + 3, 0u32..6);
    let peer = move || peer.clone().prop_map(PeerId);
    let event = prop_oneof![
        1 => peer().prop_map(Input::Expected),
        1 => peer().prop_map(Input::AnswersAll),
        2 => peer().prop_map(Input::Connected),
        1 => peer().prop_map(Input::Gone),
        1 => (peer(), 0u32..5000).prop_map(|(p, n)| Input::Queue(p, n)),
        1 => peer().prop_map(Input::Choked),
        4 => peer().prop_map(Input::Unchoked),
        3 => peer().prop_map(Input::HasAll),
        2 => (peer(), prop::collection::vec(any::<u8>(), 0..8)).prop_map(|(p, w)| Input::HasBits(p, w)),
        2 => (peer(), piece.clone()).prop_map(|(p, i)| Input::Has(p, i)),
        2 => (peer(), piece.clone(), block.clone()).prop_map(|(peer, piece, block)| Input::Block { peer, piece, block, len: BLOCK_LEN }),
        1 => (peer(), any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(peer, piece, block, len)| Input::Block { peer, piece, block, len }),
        2 => (peer(), piece.clone(), block).prop_map(|(peer, piece, block)| Input::Rejected { peer, piece, block }),
        2 => piece.clone().prop_map(Input::Passed),
        2 => piece.prop_map(Input::Failed),
        1 => any::<u32>().prop_map(Input::Failed),
    ];
    prop_oneof![
        12 => event.prop_map(Op::Event),
        12 => any::<usize>().prop_map(Op::Answer),
        1 => prop::collection::vec(0..PIECES, 0..20).prop_map(Op::Begin),
        2 => prop::collection::vec(demand(), 0..3).prop_map(Op::Demands),
        1 => any::<bool>().prop_map(Op::Essential),
        4 => prop_oneof![0u64..50, 0u64..30_000].prop_map(Op::Wait),
    ]
}

fn pump(picker: &mut Picker, twin: &mut Twin, now: Duration) -> Result<usize, TestCaseError> {
    let mut out = Vec::new();
    picker.pump(now, &mut out);
    for command in &out {
        twin.obey(command, &layout())?;
    }
    let mut again = Vec::new();
    picker.pump(now, &mut again);
    prop_assert_eq!(again, vec![], "a second look at the same moment found something to send");
    let outstanding: usize = twin.peers.values().map(|peer| peer.outstanding.len()).sum();
    prop_assert_eq!(picker.outstanding(), outstanding);
    Ok(out.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_events_keep_the_rules_and_the_file_still_comes(ops in prop::collection::vec(op(), 0..150)) {
        let (mut picker, mut twin) = (Picker::new(Windows::default()), Twin::default());
        let mut now = Duration::ZERO;
        for op in ops {
            match op {
                Op::Event(input) if twin.is_ambiguous(&input) => {}
                Op::Event(input) => {
                    twin.hear(&input);
                    picker.on(input, now);
                }
                Op::Answer(n) => {
                    let all: Vec<(u32, u32, u32)> = twin.peers.iter().flat_map(|(id, p)| p.outstanding.iter().map(|(a, b)| (*id, *a, *b))).collect();
                    if let Some((peer, piece, block)) = (!all.is_empty()).then(|| all[n % all.len()]) {
                        let input = Input::Block { peer: PeerId(peer), piece, block, len: layout().block_len(piece, block) };
                        twin.hear(&input);
                        picker.on(input, now);
                    }
                }
                Op::Begin(have) => {
                    let mut bits = Bits::none(PIECES);
                    have.iter().for_each(|i| { bits.insert(*i); });
                    twin.have = have.into_iter().collect();
                    twin.begun = true;
                    twin.peers.values_mut().for_each(|p| p.outstanding.clear());
                    picker.begin(layout(), bits);
                }
                Op::Demands(demands) => picker.set_demands(demands, now),
                Op::Essential(on) => picker.set_essential_only(on),
                Op::Wait(ms) => now += Duration::from_millis(ms),
            }
            pump(&mut picker, &mut twin, now)?;
        }
        // Whatever happened before: with one honest peer that has all, the file comes, and at a bounded price.
        if !twin.begun {
            picker.begin(layout(), Bits::none(PIECES));
            twin.begun = true;
        }
        picker.set_essential_only(false);
        for id in 0..7 {
            twin.hear(&Input::Gone(PeerId(id)));
            picker.on(Input::Gone(PeerId(id)), now);
        }
        for input in [Input::Connected(PeerId(99)), Input::HasAll(PeerId(99)), Input::Unchoked(PeerId(99))] {
            twin.hear(&input);
            picker.on(input, now);
        }
        let file = 0..u64::from(PIECE_LEN) * u64::from(PIECES) - 5000;
        let main = Demand { rank: Rank::Main, position: 0, now: vec![0..1], file, byte_rate: None, ahead: Duration::ZERO };
        picker.set_demands(vec![main], now);
        let mut asks = 0;
        let mut here: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for _ in 0..2000 {
            asks += pump(&mut picker, &mut twin, now)?;
            now += Duration::from_millis(50);
            let next = twin.peers[&99].outstanding.iter().next().copied();
            if let Some((piece, block)) = next {
                let input = Input::Block { peer: PeerId(99), piece, block, len: layout().block_len(piece, block) };
                twin.hear(&input);
                picker.on(input, now);
                here.entry(piece).or_default().insert(block);
            }
            // The verdict on what was whole before comes as well.
            let whole: Vec<u32> = (0..PIECES).filter(|i| !twin.have.contains(i) && picker.is_whole(*i)).collect();
            for piece in whole {
                twin.hear(&Input::Passed(piece));
                picker.on(Input::Passed(piece), now);
            }
            if twin.have.len() == PIECES as usize {
                break;
            }
        }
        prop_assert_eq!(twin.have.len(), PIECES as usize, "not all of it came");
        prop_assert!(asks <= 2 * 4 * PIECES as usize + 50, "{} requests for {} blocks", asks, 4 * PIECES);
    }
}

#[test]
fn a_peer_that_refuses_everything_is_asked_at_a_bounded_rate() {
    let (mut picker, mut now, mut asks) = (Picker::new(Windows::default()), Duration::ZERO, 0);
    picker.begin(layout(), Bits::none(PIECES));
    for input in [Input::Connected(PeerId(1)), Input::HasAll(PeerId(1)), Input::Unchoked(PeerId(1))] {
        picker.on(input, now);
    }
    let main = Demand {
        rank: Rank::Main,
        position: 0,
        now: vec![0..1],
        file: 0..1_000_000,
        byte_rate: None,
        ahead: Duration::ZERO,
    };
    picker.set_demands(vec![main], now);
    let mut commands = Vec::new();
    for _ in 0..10_000 {
        picker.pump(now, &mut commands);
        now += Duration::from_millis(1);
        for command in commands.drain(..) {
            if let Command::Request { peer, piece, block } = command {
                asks += 1;
                picker.on(Input::Rejected { peer, piece, block }, now);
            }
        }
    }
    // 21 pieces, each refused at once and asked again every two seconds.
    assert!((21..=21 * 4 * 6).contains(&asks), "{asks} requests in 10 s");
    assert!(picker.next_look(now).is_some(), "the next try needs a look");
}

#[test]
fn when_space_is_short_nothing_beyond_the_window_is_asked() {
    let windows = Windows { urgent_pieces: 2, ahead_pieces: 4, ..Windows::default() };
    let (mut picker, now) = (Picker::new(windows), Duration::ZERO);
    let mut have = Bits::none(PIECES);
    (0..4).for_each(|piece| {
        have.insert(piece);
    });
    picker.begin(layout(), have);
    for input in [Input::Connected(PeerId(1)), Input::HasAll(PeerId(1)), Input::Unchoked(PeerId(1))] {
        picker.on(input, now);
    }
    picker.set_essential_only(true);
    let main = Demand {
        rank: Rank::Main,
        position: 0,
        now: vec![],
        file: 0..1_000_000,
        byte_rate: None,
        ahead: Duration::ZERO,
    };
    picker.set_demands(vec![main], now);
    let mut commands = Vec::new();
    picker.pump(now, &mut commands);
    assert_eq!(commands, vec![], "the window is at hand");
    picker.set_essential_only(false);
    picker.pump(now, &mut commands);
    assert!(matches!(commands.first(), Some(Command::Request { piece: 4, .. })), "{commands:?}");
}
