//! Metadata from peers of every kind, on a clock of its own.

use super::*;
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// How a peer answers: after a round trip, blocks one after the other at its rate; `None`: never.
#[derive(Clone, Copy, Debug)]
struct Kind {
    trip: u32,
    block_ms: Option<u32>,
    lies: bool,
}

const FAST: Kind = Kind { trip: 40, block_ms: Some(4), lies: false };
const SLOW: Kind = Kind { trip: 40, block_ms: Some(800), lies: false };
const SILENT: Kind = Kind { trip: 40, block_ms: None, lies: false };
const LIAR: Kind = Kind { trip: 40, block_ms: Some(4), lies: true };

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// Milliseconds until the right metadata is there, and blocks that came.
fn fetch(kinds: &[Kind], size: usize) -> Option<(u128, usize)> {
    let truth = content(size);
    let mut info = Info::default();
    let mut agenda: BTreeMap<(Duration, usize), (PeerId, u32)> = BTreeMap::new();
    let mut free_at = vec![Duration::ZERO; kinds.len()];
    let (mut serial, mut came) = (0, 0);
    let mut now = Duration::ZERO;
    let send = |peer: PeerId,
                block: u32,
                now: Duration,
                agenda: &mut BTreeMap<_, _>,
                free: &mut Vec<Duration>,
                serial: &mut usize| {
        let at = peer.0 as usize;
        let Some(block_ms) = kinds[at].block_ms else { return };
        free[at] = free[at].max(now + kinds[at].trip * MS) + block_ms * MS;
        *serial += 1;
        agenda.insert((free[at], *serial), (peer, block));
    };
    for at in 0..kinds.len() {
        info.has(PeerId(at as u32), size as u32, now);
        if at == 0 {
            // libtorrent's own asking.
            send(PeerId(0), 0, now, &mut agenda, &mut free_at, &mut serial);
        }
    }
    loop {
        let mut out = Vec::new();
        info.pump(now, &mut out);
        for (peer, block) in out {
            send(peer, block, now, &mut agenda, &mut free_at, &mut serial);
        }
        let due = agenda.first_key_value().map(|((at, _), _)| *at);
        now = due.into_iter().chain(info.next_look(now)).min()?;
        if now > 60_000 * MS {
            return None;
        }
        while let Some(entry) = agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            let (peer, block) = entry.remove();
            came += 1;
            let at = block as usize * BLOCK;
            let mut data = truth[at..size.min(at + BLOCK)].to_vec();
            if kinds[peer.0 as usize].lies {
                data[0] ^= 1;
            }
            if let Some(whole) = info.block(peer, block, &data) {
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
    // It may also lie about the size.
    let mut info = Info::default();
    info.has(PeerId(1), 5, MS);
    info.has(PeerId(2), 6, MS);
    assert_eq!(info.block(PeerId(1), 0, b"wrong"), Some(b"wrong".to_vec()));
    info.tried(PeerId(1), false);
    assert_eq!(info.block(PeerId(2), 0, b"right!"), Some(b"right!".to_vec()));
}

#[test]
fn what_cannot_be_is_ignored() {
    let mut info = Info::default();
    info.has(PeerId(1), 0, MS);
    assert_eq!(info.block(PeerId(1), 0, b""), None);
    info.has(PeerId(1), 20_000, MS);
    assert_eq!(info.block(PeerId(1), 0, b"short"), None);
    assert_eq!(info.block(PeerId(1), 2, &[0; BLOCK]), None);
    assert_eq!(info.block(PeerId(1), u32::MAX, &[0; BLOCK]), None);
    assert_eq!(info.block(PeerId(9), 0, &[0; BLOCK]), None);
    assert_eq!(info.block(PeerId(1), 0, &[0; BLOCK]), None);
    assert!(info.block(PeerId(1), 1, &[0; 20_000 - BLOCK]).is_some());
}

fn any_kind() -> impl Strategy<Value = Kind> {
    (1_u32..300, proptest::option::weighted(0.8, 1_u32..500), proptest::bool::weighted(0.3))
        .prop_map(|(trip, block_ms, lies)| Kind { trip, block_ms, lies })
}

proptest! {
    #[test]
    fn one_honest_peer_is_enough(kinds in proptest::collection::vec(any_kind(), 0..6), at in 0_usize..6, size in 1_usize..200_000) {
        let mut kinds = kinds;
        kinds.insert(at.min(kinds.len()), FAST);
        prop_assert!(fetch(&kinds, size).is_some());
    }
}

#[test]
fn what_nobody_claims_any_more_is_not_kept_and_claims_have_an_end() {
    let mut info = Info::default();
    for at in 0..200u32 {
        let size = 10_000_000 - at;
        info.has(PeerId(at), size, Duration::ZERO);
        info.block(PeerId(at), 1, &[0; BLOCK]);
        if at % 2 == 0 {
            info.gone(PeerId(at));
        }
        let claimed: usize = info.wholes.values().map(|whole| whole.size).sum();
        assert!(claimed <= MOST_CLAIMED, "{claimed}");
    }
    (0..200).for_each(|at| info.gone(PeerId(at)));
    assert!(info.wholes.is_empty());
}
