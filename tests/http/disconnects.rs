//! Clients that leave: nothing of them stays behind.

use std::time::Duration;

use super::Bench;
use super::client::{Client, End};

/// How long the reader of a client that left may live.
const PROMPT: Duration = Duration::from_secs(1);

#[track_caller]
fn leaves(prepare: impl Fn(&mut Client), leave: impl Fn(Client)) {
    let bench = Bench::new();
    let file = bench.file("t", 100_000);
    file.arrive(0..10);
    let mut client = bench.connect();
    client.ask("GET /stream/t", &[]);
    file.ledger.until(|counts| counts.waiting == 1);
    prepare(&mut client);
    leave(client);
    let took = file.ledger.until(|counts| counts.live == 0);
    assert!(took < PROMPT, "{took:?}");
}

#[test]
fn closed_while_the_body_waits() {
    leaves(|client| assert_eq!(client.body(10).len(), 10), drop);
}

#[test]
fn reset_while_the_body_waits() {
    leaves(|_| {}, Client::reset);
}

#[test]
fn half_closed_while_the_body_waits() {
    leaves(
        |_| {},
        |client| {
            client.half_close();
            // Kept open, so that only the closed half can be noticed.
            std::mem::forget(client);
        },
    );
}

/// hyper holds the second request and reads no further: it cannot see the end behind it.
#[test]
fn closed_with_a_request_in_the_pipe() {
    let pipeline = |client: &mut Client| {
        client.body(10);
        let text = client.request("GET /stream/t", &[]);
        client.send(&text);
    };
    leaves(pipeline, drop);
    leaves(pipeline, Client::reset);
    // More than hyper buffers: some of it stays in the socket.
    let flood = |client: &mut Client| {
        client.body(10);
        let text = client.request("GET /stream/t", &[&format!("X: {}", "y".repeat(4000))]);
        for _ in 0..20 {
            client.send(&text);
        }
    };
    leaves(flood, drop);
    leaves(flood, Client::reset);
}

#[test]
fn closed_while_the_socket_is_full() {
    let bench = Bench::new();
    let file = bench.whole("t", 64 << 20);
    for leave in [drop, Client::reset] {
        let mut client = bench.connect();
        client.ask("GET /stream/t", &[]);
        client.body(1 << 20);
        leave(client);
        let took = file.ledger.until(|counts| counts.live == 0);
        assert!(took < PROMPT, "{took:?}");
    }
}

/// `printf … | nc -N`: asks, closes its half, and listens.
#[test]
fn half_closed_and_listening() {
    let bench = Bench::new();
    let file = bench.whole("t", 32 << 20);
    for _ in 0..10 {
        let mut client = bench.connect();
        let text =
            client.request("GET /stream/t", &["Range: bytes=0-9"]) + &client.request("GET /stream/t", &[]);
        client.send(&text);
        client.half_close();
        assert_eq!(client.head().status, 206);
        assert_eq!(client.body(10), file.slice(0..10));
        assert_eq!(client.head().status, 200);
        assert!(client.body(32 << 20) == file.bytes);
        assert_eq!(client.rest(), (Vec::new(), End::Closed));
    }
}
