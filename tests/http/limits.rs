//! What clients may not take.

use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use vozduxan::http::Limits;

use super::Bench;
use super::client::{Client, End};

#[test]
fn an_endless_head() {
    let bench = Bench::new();
    let mut client = bench.connect();
    client.send("GET /stream/t HTTP/1.1\r\n");
    let line = format!("X-Filler: {}\r\n", "y".repeat(1000));
    // The server stops reading at its limit; without one this would go on for a gigabyte.
    let sent = (0..1_000_000).take_while(|_| client.try_send(line.as_bytes())).count();
    assert!(sent < 10_000, "{sent} lines were taken");
    let (answer, _) = client.rest();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "));
}

#[test]
fn a_large_head_is_refused_and_a_fair_one_is_not() {
    let bench = Bench::new();
    bench.whole("t", 10);
    let filler = |len: usize| format!("Cookie: {}", "y".repeat(len));
    assert_eq!(bench.connect().get("t", &[&filler(14_000)]).0.status, 200);
    assert_eq!(bench.connect().ask("GET /stream/t", &[&filler(17_000)]).status, 431);
    assert_eq!(bench.connect().ask("GET /stream/t", &["A: b"; 150]).status, 431);
    assert_eq!(bench.connect().ask(&format!("GET /stream/{}", "t".repeat(12_000)), &[]).status, 404);
}

#[test]
fn a_slow_head_is_cut() {
    let head = Duration::from_millis(80);
    let bench = Bench::with(Limits { head, ..Limits::default() });
    let mut client = bench.connect();
    let start = Instant::now();
    client.send("GET /stream/t HTT");
    let (answer, _) = client.rest();
    assert!(answer.is_empty());
    assert!(start.elapsed() >= head, "the limit is given");
}

#[test]
fn an_idle_connection_is_closed_and_a_waiting_one_is_not() {
    let idle = Duration::from_millis(80);
    let bench = Bench::with(Limits { idle, ..Limits::default() });
    let file = bench.file("t", 1000);
    let (mut waiting, mut used, mut fresh) = (bench.connect(), bench.connect(), bench.connect());
    waiting.ask("GET /stream/t", &[]);
    let start = Instant::now();
    used.ask("HEAD /stream/t", &[]);
    assert_eq!(fresh.rest(), (Vec::new(), End::Closed));
    assert_eq!(used.rest(), (Vec::new(), End::Closed));
    assert!(start.elapsed() >= idle, "the limit is given");
    // Several limits later (each of these connections lives for one) the waiting one is still there.
    for _ in 0..3 {
        bench.connect().rest();
    }
    file.arrive(0..1000);
    assert_eq!(waiting.body(1000), file.bytes);
    assert_eq!(waiting.rest(), (Vec::new(), End::Closed), "and idle from its answer on");
}

#[test]
fn a_paused_player_is_not_idle() {
    let idle = Duration::from_millis(80);
    let bench = Bench::with(Limits { idle, ..Limits::default() });
    let file = bench.whole("t", 64 << 20);
    let mut paused = bench.connect();
    paused.ask("GET /stream/t", &[]);
    for _ in 0..3 {
        bench.connect().rest();
    }
    assert!(paused.body(64 << 20) == file.bytes);
}

#[test]
fn the_longest_idle_makes_room() {
    let bench = Bench::with(Limits { connections: 3, ..Limits::default() });
    let file = bench.file("t", 1000);
    let (mut playing, mut older, mut newer) = (bench.connect(), bench.connect(), bench.connect());
    playing.ask("GET /stream/t", &[]);
    older.ask("HEAD /stream/t", &[]);
    // `newer` is idle since later: a millisecond has passed when the clock says so.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(5) {
        newer.ask("HEAD /stream/t", &[]);
    }
    let mut fourth = bench.connect();
    assert_eq!(fourth.ask("HEAD /stream/t", &[]).status, 200);
    assert_eq!(older.rest(), (Vec::new(), End::Closed));
    assert_eq!(newer.ask("GET /stream/t", &[]).status, 200);
    assert_eq!(fourth.ask("GET /stream/t", &[]).status, 200);
    // All three play now: the next one is turned away and nobody is hurt.
    let mut fifth = bench.connect();
    assert!(fifth.rest().0.is_empty());
    file.arrive(0..1000);
    for client in [&mut playing, &mut newer, &mut fourth] {
        assert_eq!(client.body(1000), file.bytes);
    }
}

#[test]
fn idle_connections_do_no_harm() {
    let allowed = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, ..allowed }).unwrap();
    let bench = Bench::new();
    let file = bench.file("t", 10_000);
    let mut playing = bench.connect();
    playing.ask("GET /stream/t", &[]);
    let mut idle: Vec<Client> = (0..1500).map(|_| bench.connect()).collect();
    for at in 0..100 {
        file.arrive(at * 100..(at + 1) * 100);
        assert_eq!(playing.body(100), file.slice(at * 100..(at + 1) * 100));
    }
    for client in &mut idle {
        assert_eq!(client.ask("HEAD /stream/t", &[]).status, 200);
    }
    assert!(bench.server.stop());
}
