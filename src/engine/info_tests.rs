//! Metadata from peers of every kind, on a clock of its own.

use super::*;
use crate::engine::collected::{BLOCK, COPIES};
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// What a peer says about metadata.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Word {
    Truth,
    /// The truth, but not in its handshake.
    LateTruth,
    /// The right size, and in each block a wrong byte.
    WrongBytes,
    /// So many bytes too many, or too few, and wrong ones.
    WrongSize(i32),
    /// The right size, and refuses.
    No,
}

/// How a peer answers: after a round trip, blocks one after the other at its rate; `None`: never.
#[derive(Clone, Copy, Debug)]
struct Kind {
    trip: u32,
    block_ms: Option<u32>,
    word: Word,
}

const FAST: Kind = Kind { trip: 40, block_ms: Some(4), word: Word::Truth };
const SLOW: Kind = Kind { block_ms: Some(800), ..FAST };
const SILENT: Kind = Kind { block_ms: None, ..FAST };
const LIAR: Kind = Kind { word: Word::WrongBytes, ..FAST };
/// Keeps its place as long as it can.
const DRAGGING: Kind = Kind { block_ms: Some(900), ..LIAR };

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// Milliseconds until the right metadata is there, and blocks that came.
fn fetch(kinds: &[Kind], size: usize) -> Option<(u128, usize)> {
    let truth = content(size);
    let said = |kind: &Kind| match kind.word {
        Word::WrongSize(more) => size.saturating_add_signed(more as isize).max(1),
        _ => size,
    };
    let mut info = Info::default();
    let mut agenda: BTreeMap<(Duration, usize), (PeerId, u32)> = BTreeMap::new();
    let mut free_at = vec![Duration::ZERO; kinds.len()];
    let (mut serial, mut came) = (0, 0);
    let mut now = Duration::ZERO;
    for (at, kind) in kinds.iter().enumerate() {
        let size = if kind.word == Word::LateTruth { 0 } else { said(kind) };
        info.has(PeerId(at as u32), size as u32);
    }
    loop {
        let mut out = Vec::new();
        info.pump(now, &mut out);
        for (peer, block) in out {
            let at = peer.0 as usize;
            let Some(block_ms) = kinds[at].block_ms else { continue };
            free_at[at] = free_at[at].max(now + kinds[at].trip * MS) + block_ms * MS;
            serial += 1;
            agenda.insert((free_at[at], serial), (peer, block));
        }
        let due = agenda.first_key_value().map(|((at, _), _)| *at);
        now = due.into_iter().chain(info.next_look(now)).min()?;
        if now > 90_000 * MS {
            return None;
        }
        while let Some(entry) = agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            let (peer, block) = entry.remove();
            let kind = &kinds[peer.0 as usize];
            if kind.word == Word::No {
                info.refused(peer, now);
                continue;
            }
            came += 1;
            let at = block as usize * BLOCK;
            let len = (said(kind) - at).min(BLOCK);
            let mut data = match kind.word {
                Word::WrongSize(_) => vec![7; len],
                _ => truth[at..at + len].to_vec(),
            };
            if kind.word == Word::WrongBytes {
                data[0] ^= 1;
            }
            if let Some(whole) = info.block(peer, block, said(kind) as u32, &data, now) {
                let right = whole == truth;
                info.tried(peer, right);
                if right {
                    return Some((now.as_millis(), came));
                }
            }
        }
    }
}

#[test]
fn small_metadata_of_one_peer_is_asked_for_once() {
    assert_eq!(fetch(&[FAST], 2_300), Some((44, 1)));
}

#[test]
fn many_blocks_do_not_cost_a_round_trip_each() {
    let (took, came) = fetch(&[FAST], 40_000).expect("fetched");
    assert!(took <= 40 + 3 * 4 && came == 3, "{took} ms, {came} blocks");
    // 64 blocks at 4 ms each, and a few round trips until the window is open.
    let (took, _) = fetch(&[FAST], 1 << 20).expect("fetched");
    assert!(took <= 64 * 8 + 100, "{took} ms");
}

#[test]
fn neither_silence_nor_slowness_of_who_is_first_delays_it() {
    for size in [2_300, 40_000, 300_000, 1 << 20] {
        let (alone, _) = fetch(&[FAST], size).expect("fetched");
        let (took, came) = fetch(&[SILENT, SLOW, FAST], size).expect("fetched");
        assert!(took <= alone + 120, "{size}: {took} ms beside {alone}");
        assert!(came <= 2 * size.div_ceil(BLOCK) + 2, "{size}: {came} blocks");
    }
}

#[test]
fn many_peers_do_not_all_send_the_same() {
    let (_, came) = fetch(&[FAST; 50], 2_300).expect("fetched");
    assert!(came <= COPIES, "{came} copies");
}

#[test]
fn a_liar_delays_it_and_no_more() {
    let (took, _) = fetch(&[LIAR, FAST], 40_000).expect("fetched");
    assert!(took < 1000, "{took} ms");
    assert_eq!(fetch(&[LIAR], 40_000), None);
}

/// Each crowd is connected before the honest peer is.
#[test]
fn one_honest_peer_is_heard_in_a_crowd_of_liars() {
    let wrong_size = |more| Kind { word: Word::WrongSize(more), ..LIAR };
    let crowds: [(&str, Vec<Kind>); 8] = [
        ("wrong bytes", vec![LIAR; 200]),
        ("one wrong size", vec![wrong_size(20_000); 200]),
        ("sizes of their own", (1..=200).map(wrong_size).collect()),
        ("smaller sizes of their own", (1..=200).map(|n| wrong_size(-3 * n)).collect()),
        ("10 MB each, of the same size", vec![wrong_size(9_000_000); 200]),
        ("10 MB each", (1..=200).map(|n| wrong_size(9_000_000 + n)).collect()),
        ("silence", (1..=200).map(|n| Kind { block_ms: None, ..wrong_size(9_000_000 + n) }).collect()),
        ("wrong bytes, slowly", vec![DRAGGING; 200]),
    ];
    for (name, crowd) in crowds {
        for size in [2_300, 60_000, 500_000] {
            let (alone, _) = fetch(&[FAST], size).expect("fetched");
            let (took, came) = fetch(&[&crowd[..], &[FAST]].concat(), size).expect(name);
            println!("{name}, {size} bytes: {took} ms, alone {alone} ms; {came} blocks came");
            assert!(took < 5 * alone + 15_000, "{name}, {size}: {took} ms");
        }
    }
}

#[test]
fn a_peer_that_does_not_say_its_size_is_asked_for_it() {
    assert_eq!(fetch(&[Kind { word: Word::LateTruth, ..FAST }], 2_300), Some((44, 1)));
    let (took, _) = fetch(&[Kind { word: Word::LateTruth, ..FAST }], 40_000).expect("fetched");
    assert!(took < 120, "{took} ms");
    // One that says nothing at all is asked once in a while.
    let mut info = Info::default();
    info.has(PeerId(1), 0);
    let mut asked = Vec::new();
    for ms in 0..25_000 {
        info.pump(ms * MS, &mut asked);
        if ms % 50 == 0 {
            info.block(PeerId(1), 0, 0, b"", ms * MS);
        }
    }
    assert_eq!(asked.len(), 3);
}

#[test]
fn who_refuses_is_asked_again_later() {
    let mut info = Info::default();
    info.has(PeerId(1), 5);
    let mut asked = Vec::new();
    info.pump(MS, &mut asked);
    info.refused(PeerId(1), MS);
    info.pump(2 * MS, &mut asked);
    assert_eq!(asked.len(), 1);
    let again = info.next_look(2 * MS).expect("a time");
    info.pump(again, &mut asked);
    assert_eq!((again, asked.len()), (MS + AGAIN, 2));
}

#[test]
fn what_cannot_be_is_ignored() {
    let mut info = Info::default();
    let put = |info: &mut Info, peer, block, data: &[u8]| {
        info.pump(MS, &mut Vec::new());
        info.block(PeerId(peer), block, 0, data, MS)
    };
    info.has(PeerId(1), 0);
    assert_eq!(put(&mut info, 1, 0, b""), None);
    info.has(PeerId(1), 20_000);
    assert_eq!(put(&mut info, 1, 0, b"short"), None);
    assert_eq!(put(&mut info, 1, 2, &[0; BLOCK]), None);
    assert_eq!(put(&mut info, 1, u32::MAX, &[0; BLOCK]), None);
    assert_eq!(put(&mut info, 9, 0, &[0; BLOCK]), None);
    assert_eq!(put(&mut info, 1, 0, &[0; BLOCK]), None);
    assert!(put(&mut info, 1, 1, &[0; 20_000 - BLOCK]).is_some());
}

fn any_kind() -> impl Strategy<Value = Kind> {
    let word = prop_oneof![
        4 => Just(Word::Truth),
        1 => Just(Word::LateTruth),
        3 => Just(Word::WrongBytes),
        3 => (-50_000_i32..50_000).prop_map(Word::WrongSize),
        1 => (1_i32..9_000_000).prop_map(Word::WrongSize),
        1 => Just(Word::No),
    ];
    (1_u32..300, proptest::option::weighted(0.8, 1_u32..500), word).prop_map(|(trip, block_ms, word)| Kind {
        trip,
        block_ms,
        word,
    })
}

proptest! {
    #[test]
    fn one_honest_peer_is_enough(kinds in proptest::collection::vec(any_kind(), 0..30), at in 0_usize..30, size in 1_usize..200_000) {
        let mut kinds = kinds;
        kinds.insert(at.min(kinds.len()), FAST);
        let took = fetch(&kinds, size).map(|(took, _)| took);
        prop_assert!(took.is_some_and(|took| took < 15_000), "{:?}", took);
    }
}

/// 200 peers that each claim as much as may be claimed: neither memory nor work grows with the claims.
#[test]
fn claims_are_cheap() {
    let mut info = Info::default();
    let mut now = Duration::ZERO;
    let mut asked = Vec::new();
    for at in 0..200u32 {
        info.has(PeerId(at), 10_000_000 - at);
        info.block(PeerId(at), 1, 0, &[0; BLOCK], now);
        if at % 2 == 0 {
            info.gone(PeerId(at));
        }
        now += 20 * MS;
        asked.clear();
        info.pump(now, &mut asked);
        let seated = info.wholes.iter().filter(|(_, whole)| whole.collected.is_some());
        let claimed: usize = seated.map(|(key, _)| key.size()).sum();
        assert!(claimed <= MOST_CLAIMED, "{claimed}");
    }
    (0..200).for_each(|at| info.gone(PeerId(at)));
    assert!(info.wholes.is_empty());
}
