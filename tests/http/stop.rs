//! The end of the server: prompt, complete, from any thread.

use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use super::Bench;

/// The bound of `Server::stop`.
const BOUND: Duration = Duration::from_millis(500);

#[test]
fn transfers_in_flight_are_cut() {
    let bench = Bench::new();
    let waiting = bench.file("waiting", 1000);
    let blocked = bench.whole("blocked", 64 << 20);
    let mut clients: Vec<_> = (0..40).map(|_| bench.connect()).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        match at % 3 {
            0 => drop(client.ask("GET /stream/waiting", &[])),
            1 => drop(client.ask("GET /stream/blocked", &[])),
            _ => client.send("GET /stream/wai"),
        }
    }
    let start = Instant::now();
    assert!(bench.server.stop());
    let took = start.elapsed();
    assert!(took < BOUND, "{took:?}");
    assert_eq!((waiting.ledger.now().live, blocked.ledger.now().live), (0, 0), "gone when stop returned");
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, bench.server.port())).is_err(), "the port is closed");
    for mut client in clients {
        client.rest();
    }
}

#[test]
fn any_number_of_threads_may_stop() {
    let bench = Bench::new();
    let file = bench.file("t", 1000);
    let mut client = bench.connect();
    client.ask("GET /stream/t", &[]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                assert!(bench.server.stop());
                assert_eq!(file.ledger.now().live, 0);
            });
        }
    });
    assert!(bench.server.stop(), "and again");
}

#[test]
fn a_dropped_server_ends() {
    let bench = Bench::new();
    let file = bench.file("t", 1000);
    let mut client = bench.connect();
    client.ask("GET /stream/t", &[]);
    drop(bench.server);
    client.rest();
    file.ledger.until(|counts| counts.live == 0);
    drop(bench.runtime);
}

#[test]
fn a_runtime_that_ends_first_leaves_nobody_waiting() {
    let bench = Bench::new();
    let file = bench.file("t", 1000);
    let mut client = bench.connect();
    client.ask("GET /stream/t", &[]);
    bench.runtime.shutdown_timeout(Duration::from_secs(10));
    let start = Instant::now();
    assert!(bench.server.stop());
    assert!(start.elapsed() < BOUND);
    assert_eq!(file.ledger.now().live, 0);
}
