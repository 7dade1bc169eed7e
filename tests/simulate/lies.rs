//! Peers that send wrong data. A v1 piece has one hash, so a wrong block costs its whole piece.

use super::line::Line;
use super::start::start;
use super::world::{MB, World};

fn swarm(liars: usize, honest: usize, rate: f64) -> Vec<Line> {
    let mut lines = vec![Line::new(rate, 0.04); liars + honest];
    lines.iter_mut().take(liars).for_each(|line| line.corrupt = 5);
    lines
}

#[test]
fn liars_are_found_at_once_and_cost_little() {
    // Who corrupts a fifth of the blocks spoils 97 of 100 pieces of sixteen blocks: the fastest way is to find them
    // and go on with the honest ones, so the limit is that of the honest ones alone.
    let mut world = World::new(256 * 1024, 16 * MB, swarm(2, 2, 1.15e6));
    start(&mut world);
    let took = world.run(120.0, World::is_whole);
    let limit = 0.12 + 16.0 / 2.3;
    assert!(took < limit * 1.1, "took {took:.2} s, limit {limit:.2}");
    assert!(world.received as f64 / 16e6 < 1.3, "waste {:.2}", world.received as f64 / 16e6);
    assert_eq!(world.dropped.len(), 2, "{:?}", world.dropped);
    assert!(world.dropped.iter().all(|id| *id <= 2), "an honest peer was dropped: {:?}", world.dropped);
}

#[test]
fn one_liar_among_several_does_not_delay_the_start_much() {
    for piece_len in [256 << 10, 1 << 20] {
        let mut world = World::new(piece_len, 16 * MB, swarm(1, 3, 250e3));
        let (took, limit) = start(&mut world);
        // One try in vain, and one by half of the peers.
        assert!(took < limit * 3.6, "took {took:.2} s, limit {limit:.2}");
        world.run(120.0, World::is_whole);
        assert_eq!(world.dropped, vec![1]);
    }
}

#[test]
fn a_majority_of_liars_is_survived() {
    let mut world = World::new(256 * 1024, 8 * MB, swarm(5, 1, 500e3));
    start(&mut world);
    let took = world.run(300.0, World::is_whole);
    assert!(took < (8.0 / 0.5) * 1.6, "took {took:.2} s");
    assert!(!world.dropped.contains(&6), "the honest peer was dropped");
}

#[test]
fn a_rare_liar_is_found_as_well() {
    let mut lines = vec![Line::new(1e6, 0.04); 4];
    lines[2].corrupt = 100;
    let mut world = World::new(256 * 1024, 40 * MB, lines);
    start(&mut world);
    let took = world.run(300.0, World::is_whole);
    assert!(took < 40.0 / 3.0 * 1.15, "took {took:.2} s");
    assert!(world.received as f64 / 40e6 < 1.1, "waste {:.3}", world.received as f64 / 40e6);
    assert_eq!(world.dropped, vec![3]);
}
