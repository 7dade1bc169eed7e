//! Cold starts: seconds until the first 32 KiB are verified, against the limit.

use super::line::{Line, limit};
use super::world::{Chooser, MB, World, main_stream};

pub const NEED: u64 = 32 * 1024;

/// Seconds until the first 32 KiB are verified, and the physical limit for them.
pub fn start<C: Chooser>(world: &mut World<C>) -> (f64, f64) {
    let lines: Vec<Line> = world.lines.values().cloned().collect();
    let total = world.layout.start_of(world.layout.pieces() - 1) + 1;
    let need = world.layout.pieces_of(&(0..NEED));
    let bytes = need.clone().map(|piece| u64::from(world.layout.len_of(piece))).sum();
    let limit = limit(&lines, bytes);
    world.want(vec![main_stream(0..total, 0, NEED)]);
    let took = world.run(5000.0, |w| need.clone().all(|piece| w.has(piece)));
    assert!(took >= limit * 0.999, "{took} beats the limit {limit}");
    (took, limit)
}

#[track_caller]
fn starts_within(factor: f64, piece_len: u32, lines: Vec<Line>) {
    for handling in [0.0, 0.005] {
        let mut world = World::new(piece_len, 30 * MB, lines.clone());
        world.handling = handling;
        let (took, limit) = start(&mut world);
        let ratio = (took - handling) / limit;
        assert!(
            ratio <= factor,
            "took {took:.3} s, limit {limit:.3} s, ratio {ratio:.3}, handling {handling}"
        );
    }
}

#[test]
fn one_fast_peer_starts_at_the_limit() {
    starts_within(1.02, 256 * 1024, vec![Line::new(4e6, 0.04)]);
    starts_within(1.02, 1024 * 1024, vec![Line::new(2e6, 0.04)]);
    starts_within(1.02, 1024 * 1024, vec![Line::new(8e6, 0.15)]);
}

#[test]
fn one_peer_of_any_rate_and_distance_starts_near_the_limit() {
    for rate in [20e3, 200e3, 2e6, 20e6] {
        for rtt in [0.01, 0.06, 0.3] {
            for piece_len in [16 << 10, 64 << 10, 1 << 20] {
                starts_within(1.06, piece_len, vec![Line::new(rate, rtt)]);
            }
        }
    }
    starts_within(1.1, 16 << 20, vec![Line::new(20e6, 0.3)]);
    starts_within(1.03, 16 << 20, vec![Line::new(2e6, 0.05); 3]);
}

#[test]
fn eight_equal_slow_peers_share_a_large_piece() {
    starts_within(1.06, 4 * 1024 * 1024, vec![Line::new(150e3, 0.08); 8]);
}

#[test]
fn a_choke_that_crosses_the_first_requests_costs_nothing() {
    for choked in [1, 4, 8] {
        let mut lines = vec![Line::new(150e3, 0.08); 8];
        lines.iter_mut().for_each(|line| line.sockets = 112e3);
        lines.iter_mut().take(choked).for_each(|line| line.choke_at_first = Some(0.05));
        let mut world = World::new(4 << 20, 30 * MB, lines);
        world.handling = 0.003;
        let (took, limit) = start(&mut world);
        assert!(took <= limit * 1.02, "took {took:.3} s, limit {limit:.3} s");
        // Each block was asked for once.
        assert!(world.requests < (4 << 20) / 16_384 + 80, "{} requests", world.requests);
    }
}

#[test]
fn one_very_slow_peer_among_fast_ones_does_not_hold_the_first_piece() {
    for slow in [1e3, 3e3, 10e3, 30e3] {
        let mut lines = vec![Line::new(250e3, 0.05); 7];
        lines.push(Line::new(slow, 0.05));
        starts_within(1.35, 1024 * 1024, lines);
    }
}

#[test]
fn uneven_peers_finish_the_first_piece_together() {
    let rates = [1000e3, 500e3, 250e3, 100e3, 50e3, 40e3, 30e3, 20e3];
    starts_within(1.35, 1024 * 1024, rates.map(|rate| Line::new(rate, 0.05)).to_vec());
}

#[test]
fn a_far_peer_does_not_hold_what_a_near_one_brings() {
    starts_within(1.2, 256 * 1024, vec![Line::new(2e6, 0.02), Line::new(2e6, 0.3)]);
}

#[test]
fn a_peer_that_never_answers_costs_little() {
    let mut lines = vec![Line::new(500e3, 0.05); 4];
    lines[1].frozen = Some((0.0, 1e4));
    let mut world = World::new(1 << 20, 30 * MB, lines);
    let file = 0..30 * MB;
    world.want(vec![main_stream(file, 0, NEED)]);
    let took = world.run(60.0, |w| w.has(0));
    let limit = limit(&vec![Line::new(500e3, 0.05); 3], 1 << 20);
    assert!(took < limit * 1.35, "took {took:.3}, limit {limit:.3}");
}

#[test]
fn head_and_tail_come_together() {
    // An M4A whose tables are at the end: the player reads the first bytes, then the tail.
    let mut world = World::new(256 * 1024, 8 * MB, vec![Line::new(1e6, 0.06)]);
    let mut main = main_stream(0..8 * MB, 0, NEED);
    main.now.push(8 * MB - 200_000..8 * MB);
    world.want(vec![main]);
    let tail = world.layout.pieces_of(&(8 * MB - 200_000..8 * MB));
    let bytes: u64 = tail.clone().chain([0]).map(|piece| u64::from(world.layout.len_of(piece))).sum();
    let limit = limit(&[Line::new(1e6, 0.06)], bytes);
    let took = world.run(60.0, |w| w.has(0) && tail.clone().all(|piece| w.has(piece)));
    assert!(took <= limit * 1.05, "took {took:.3}, limit {limit:.3}");
}
