//! Playback over a minute and more: nothing may stand still that need not.

use std::time::Duration;

use super::line::Line;
use super::start::start;
use super::world::{MB, MUSIC, World};
use vozduxan::schedule::plan::{Demand, Rank};

fn background(file: std::ops::Range<u64>) -> Demand {
    let now = vec![file.start..file.start + 32 * 1024];
    Demand {
        rank: Rank::Background,
        position: file.start,
        now,
        file,
        byte_rate: Some(MUSIC),
        ahead: Duration::ZERO,
    }
}

#[test]
fn the_fastest_of_four_uneven_peers_may_freeze_for_ten_seconds() {
    let swarm = 1.3 * MUSIC as f64;
    for frozen in [12.0, 20.0, 33.3] {
        let mut lines = [0.4, 0.3, 0.2, 0.1].map(|part| Line::new(part * swarm, 0.06)).to_vec();
        lines[0].frozen = Some((frozen, frozen + 10.0));
        let mut world = World::new(256 * 1024, 40 * MB, lines);
        world.handling = 0.003;
        let (took, limit) = start(&mut world);
        assert!(took <= limit * 1.2, "start took {took:.2}, limit {limit:.2}");
        let stalled = world.play(&(0..40 * MB), 0, 60.0, MUSIC, &[]);
        assert!(stalled == 0.0, "stalled for {stalled:.2} s, frozen at {frozen}");
        assert!(world.waste() < 1.05, "waste {:.3}", world.waste());
    }
}

#[test]
fn a_prefetch_costs_the_main_stream_nothing() {
    let swarm = 1.5 * MUSIC as f64;
    let mut world = World::new(256 * 1024, 60 * MB, vec![Line::new(swarm / 2.0, 0.06); 2]);
    let (took, limit) = start(&mut world);
    assert!(took <= limit * 1.1, "start took {took:.2}, limit {limit:.2}");
    let file = 0..10 * MB;
    let next = background(30 * MB..60 * MB);
    let stalled = world.play(&file, 0, 85.0, MUSIC, std::slice::from_ref(&next));
    assert!(stalled == 0.0, "stalled for {stalled:.2} s");
    // The first track's 10 MB need 60 s of this swarm: the next one was begun well before it ended.
    assert!(world.has(world.layout.piece_at(next.position)), "the next track was not warmed");
}

#[test]
fn the_background_stream_takes_only_what_the_main_one_leaves() {
    let mut world = World::new(256 * 1024, 40 * MB, vec![Line::new(1e6, 0.05)]);
    let next = background(30 * MB..40 * MB);
    let main = super::world::main_stream(0..30 * MB, 0, 32 * 1024);
    world.want(vec![main, next]);
    let warmed = world.layout.piece_at(30 * MB);
    let warm = world.run(120.0, |w| w.has(warmed));
    assert!((0..60).all(|piece| world.has(piece)), "the next track came before the main stream's window");
    // The window is 15.7 MB: the background starts right after it, long before the main file's 30 MB.
    assert!(warm < 17.0, "{warm}");
}

#[test]
fn a_background_start_does_not_push_the_main_stream_aside() {
    // The main stream plays from its buffer and waits for nothing; the background waits for its first piece.
    let mut world = World::new(256 * 1024, 60 * MB, vec![Line::new(300e3, 0.05)]);
    world.play(&(0..30 * MB), 0, 5.0, MUSIC, &[]);
    let before = world.passed_at.len();
    let requests = world.requests;
    world.play(&(0..30 * MB), 560_000, 5.0, MUSIC, &[background(30 * MB..60 * MB)]);
    assert!(!world.has(world.layout.piece_at(30 * MB)), "it came before the main stream's window");
    let blocks = (world.passed_at.len() - before) as u64 * 16;
    assert!(world.requests - requests <= blocks + 20, "requests were cancelled and sent again");
}

#[test]
fn a_swarm_barely_faster_than_the_music_does_not_stall() {
    for (factor, peers) in [(1.15, 5.0), (1.3, 12.0)] {
        let rate = factor * MUSIC as f64 / peers;
        let mut world = World::new(512 * 1024, 40 * MB, vec![Line::new(rate, 0.1); peers as usize]);
        start(&mut world);
        let stalled = world.play(&(0..40 * MB), 0, 120.0, MUSIC, &[]);
        // The second piece must be whole when the first has been played: 4.7 s of music, 4.1 s of swarm.
        assert!(stalled < 0.2, "stalled for {stalled:.2} s at {factor}");
    }
}

#[test]
fn nothing_is_asked_twice_without_need() {
    for piece_len in [16 << 10, 256 << 10, 4 << 20] {
        let mut world = World::new(piece_len, 20 * MB, vec![Line::new(1e6, 0.05); 4]);
        start(&mut world);
        world.run(60.0, World::is_whole);
        assert!(world.waste() < 1.03, "waste {:.3} with pieces of {piece_len}", world.waste());
        let now = std::time::Duration::from_secs_f64(world.now);
        assert_eq!(world.chooser.next_look(now), None, "nothing is left to look after");
        let limit = 0.15 + 20.0 / 4.0;
        assert!(world.now < limit * 1.05, "the whole took {:.2}, limit {limit:.2}", world.now);
    }
}

/// What a peer's sockets hold of a piece that others brought sooner is sent all the same, before anything else.
#[test]
fn full_send_buffers_delay_neither_the_first_piece_nor_the_second() {
    const RATE: u64 = 176_400;
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let mut lines = [0.4, 0.3, 0.2, 0.1].map(|part| Line::new(part * 1.3 * RATE as f64, 0.06)).to_vec();
        for (at, line) in order.iter().zip(&mut lines) {
            line.online.0 = f64::from(*at) * 0.003;
            line.sockets = 112e3;
        }
        let mut world = World::new(256 * 1024, 15 * MB, lines);
        world.handling = 0.001;
        let (took, limit) = start(&mut world);
        assert!(took <= limit * 1.05, "start took {took:.2}, limit {limit:.2}");
        let stalled = world.play(&(0..15 * MB), 0, 20.0, RATE, &[]);
        assert!(stalled == 0.0, "stalled for {stalled:.2} s");
        assert!(world.waste() < 1.03, "waste {:.3}", world.waste());
    }
}
