//! One peer: its depth, its silence, what it has.

use super::*;
use std::collections::VecDeque;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A line of `rate` bytes/s and a round trip that changes from the first to the second value half way; keeps the
/// pipeline as full as `depth` says. Returns the median depth of the last quarter.
fn run(rate: f64, rtt: (f64, f64), blocks: u32) -> usize {
    let mut peer = Peer::new(ms(0));
    let mut on_the_line: VecDeque<(f64, u32)> = VecDeque::new();
    let (mut now, mut free_at, mut next) = (0.0f64, 0.0f64, 0);
    let mut depths = Vec::new();
    for i in 0..blocks {
        let rtt = if i < blocks / 2 { rtt.0 } else { rtt.1 };
        while peer.asks().len() < peer.depth(1) {
            peer.asked(Ask::new(0, next, Duration::from_secs_f64(now)));
            free_at = free_at.max(now + rtt / 2.0) + f64::from(BLOCK_LEN) / rate;
            on_the_line.push_back((free_at + rtt / 2.0, next));
            next += 1;
        }
        let (at, block) = on_the_line.pop_front().expect("something is asked");
        now = now.max(at);
        assert!(peer.arrived(0, block, BLOCK_LEN, Duration::from_secs_f64(now)));
        depths.push(peer.depth(1));
    }
    let mut last = depths.split_off(depths.len() * 3 / 4);
    last.sort_unstable();
    last[last.len() / 2]
}

#[test]
fn depth_settles_just_above_what_fills_the_line() {
    for (rate, rtt) in [(4e6, 0.04), (1e6, 0.06), (150e3, 0.08), (20e6, 0.1), (4e6, 0.2), (20e3, 0.3)] {
        let ideal = rate * rtt / f64::from(BLOCK_LEN);
        let depth = run(rate, (rtt, rtt), 8000) as f64;
        let most = 1.4 * rate * (rtt + 0.01) / f64::from(BLOCK_LEN) + 3.0;
        assert!(depth >= ideal && depth <= most, "rate {rate} rtt {rtt}: {depth} for {ideal}");
    }
}

#[test]
fn depth_follows_a_delay_that_changes() {
    for (rate, before, after) in [(4e6, 0.03, 0.12), (4e6, 0.12, 0.03), (1e6, 0.3, 0.05)] {
        let ideal = rate * after / f64::from(BLOCK_LEN);
        let depth = run(rate, (before, after), 16000) as f64;
        assert!(
            depth >= ideal * 0.95 && depth <= 1.6 * ideal + 6.0,
            "{before} to {after}: {depth} for {ideal}"
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
    peer.asked(Ask::new(0, 0, ms(0)));
    assert!(peer.rate(ms(50)) > 200_000.0);
    assert!(peer.rate(ms(4000)) < 5000.0);
    assert!(peer.expected(0, ms(4000)) > 3.0, "what is overdue stays overdue");
}

#[test]
fn a_slow_peer_is_known_after_its_second_block() {
    let mut peer = Peer::new(ms(0));
    for block in 0..4 {
        peer.asked(Ask::new(0, block, ms(0)));
    }
    peer.arrived(0, 0, BLOCK_LEN, ms(5500));
    assert!(peer.rate(ms(5500)) < 7000.0, "one late block must not be praised");
    peer.arrived(0, 1, BLOCK_LEN, ms(11_000));
    assert!((2500.0..3500.0).contains(&peer.rate(ms(11_000))));
    assert!(!peer.is_stalled(ms(16_000)), "it is slow, not silent");
}

#[test]
fn a_block_cancelled_and_asked_again_says_nothing_about_the_delay() {
    let mut peer = Peer::new(ms(0));
    for block in 0..3 {
        peer.asked(Ask::new(0, block, ms(0)));
        peer.arrived(0, block, BLOCK_LEN, ms(60 + 10 * u64::from(block)));
    }
    let trip = peer.round_trip();
    peer.asked(Ask::new(0, 3, ms(100)));
    assert!(peer.recall(0, 3, ms(150)));
    peer.asked(Ask::new(0, 3, ms(155)));
    // The cancel came too late: this answers the first request.
    assert!(peer.arrived(0, 3, BLOCK_LEN, ms(160)));
    assert!(peer.round_trip() >= trip * 0.9, "{} after {trip}", peer.round_trip());
    // And the other way round: a REJECT of what was cancelled takes nothing back.
    peer.asked(Ask::new(0, 4, ms(200)));
    peer.recall(0, 4, ms(210));
    peer.asked(Ask::new(0, 4, ms(220)));
    assert!(!peer.forget(0, 4) && peer.asks().len() == 1);
    assert!(peer.forget(0, 4) && peer.asks().is_empty());
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

#[test]
fn who_chokes_is_not_late() {
    for answers_all in [false, true] {
        let mut peer = Peer::new(ms(0));
        (peer.choked, peer.answers_all) = (false, answers_all);
        peer.asked(Ask::new(0, 0, ms(0)));
        assert!(peer.recall(0, 0, ms(3000)) && peer.is_owing());
        assert!(peer.choke().is_empty());
        assert_eq!(peer.silence(ms(60_000)), ms(0), "it would be dropped for choking");
    }
}
