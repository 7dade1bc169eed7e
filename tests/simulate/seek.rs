//! Jumps and track changes on live connections: one round trip, the needed pieces, and what cannot be recalled.

use super::line::Line;
use super::world::{MB, MUSIC, World, main_stream};

/// Seconds from a jump after five seconds of playback to the piece jumped to, and the limit.
fn seek(lines: &[Line], piece_len: u32, handling: f64) -> (f64, f64) {
    let file = 0..80 * MB;
    let mut world = World::new(piece_len, 80 * MB, lines.to_vec());
    world.handling = handling;
    world.play(&file, 0, 3.0, MUSIC, &[]);
    let sought = world.now;
    let target = 75 * MB;
    let piece = world.layout.piece_at(target);
    assert!(!world.has(piece), "the swarm is too fast for this test");
    world.want(vec![main_stream(file, target, 1)]);
    let took = world.run(600.0, |w| w.has(piece)) - sought;
    let rate: f64 = lines.iter().map(|line| line.rate).sum();
    let rtt = lines.iter().map(|line| line.rtt).fold(f64::MAX, f64::min);
    (took, rtt + f64::from(piece_len) / rate)
}

#[test]
fn a_seek_waits_for_no_more_than_what_is_on_the_line() {
    for (rate, rtt, piece_len, factor) in [
        (4e6, 0.04, 256 << 10, 1.25),
        (1e6, 0.05, 1 << 20, 1.1),
        (20e6, 0.03, 512 << 10, 1.4),
        (10e6, 0.2, 256 << 10, 1.4),
        (500e3, 0.1, 256 << 10, 1.2),
    ] {
        for handling in [0.0, 0.005] {
            let (took, limit) = seek(&[Line::new(rate, rtt)], piece_len, handling);
            let ratio = (took - handling) / limit;
            assert!(ratio <= factor, "{rate} {rtt} {piece_len} {handling}: took {took:.3}, limit {limit:.3}");
        }
    }
}

#[test]
fn a_seek_among_many_peers_uses_all_of_them() {
    let (took, limit) = seek(&vec![Line::new(250e3, 0.05); 8], 1 << 20, 0.003);
    assert!(took <= limit * 1.3, "took {took:.3}, limit {limit:.3}");
    let uneven = [1e6, 500e3, 250e3, 100e3].map(|rate| Line::new(rate, 0.06));
    let (took, limit) = seek(&uneven, 1 << 20, 0.003);
    assert!(took <= limit * 1.35, "took {took:.3}, limit {limit:.3}");
}

#[test]
fn another_track_of_the_torrent_starts_like_a_seek() {
    // Twelve tracks of 25 MB, three peers: play, open another as main, five times.
    let mut world = World::new(256 * 1024, 300 * MB, vec![Line::new(1e6, 0.06); 3]);
    world.handling = 0.003;
    let track = |n: u64| n * 25 * MB..(n + 1) * 25 * MB;
    let mut times = Vec::new();
    world.want(vec![main_stream(track(0), 0, 32 * 1024)]);
    world.run(60.0, |w| w.has(0));
    for n in [5, 2, 9, 11, 7] {
        let before = track(n - 1);
        world.play(&before, before.start, 3.0, MUSIC, &[]);
        let (opened, file) = (world.now, track(n));
        world.want(vec![main_stream(file.clone(), file.start, 32 * 1024)]);
        let need = world.layout.pieces_of(&(file.start..file.start + 32 * 1024));
        let need: Vec<u32> = need.filter(|piece| !world.has(*piece)).collect();
        let bytes: u32 = need.iter().map(|piece| world.layout.len_of(*piece)).sum();
        let took = world.run(600.0, |w| need.iter().all(|piece| w.has(*piece))) - opened;
        if !need.is_empty() {
            times.push(took / (0.06 + f64::from(bytes) / 3e6));
        }
    }
    assert!(times.len() >= 3, "the tracks came before they were opened");
    assert!(times.iter().all(|ratio| *ratio < 1.21), "ratios to the limit: {times:.2?}");
}

#[test]
fn ten_quick_jumps_leave_no_backlog() {
    let mut world = World::new(256 * 1024, 300 * MB, vec![Line::new(2e6, 0.05); 2]);
    let file = 0..300 * MB;
    world.play(&file, 0, 3.0, MUSIC, &[]);
    for jump in 1..10 {
        world.want(vec![main_stream(file.clone(), jump * 20 * MB, 1)]);
        world.run_to(world.now + 0.02);
    }
    let sought = world.now;
    let piece = world.layout.piece_at(280 * MB);
    world.want(vec![main_stream(file, 280 * MB, 1)]);
    let took = world.run(600.0, |w| w.has(piece)) - sought;
    let limit = 0.05 + 262_144.0 / 4e6;
    // What the jumps before put on the line comes first: nine times a round trip's worth at most is not allowed.
    assert!(took < limit * 2.2, "took {took:.3}, limit {limit:.3}");
}
