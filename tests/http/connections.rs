//! How long a connection lasts, and in which order it is answered.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use super::Bench;
use super::client::End;

#[test]
fn many_requests_on_one_connection() {
    let bench = Bench::new();
    let file = bench.whole("t", 100_000);
    let mut client = bench.connect();
    for at in 0..200_u64 {
        let (head, body) = client.get("t", &[&format!("Range: bytes={at}-{}", at + 99)]);
        assert_eq!((head.status, head.field("connection")), (206, None));
        assert_eq!(body, file.slice(at..at + 100));
    }
    file.ledger.until(|counts| counts.live == 0);
}

#[test]
fn close_when_asked() {
    let bench = Bench::new();
    let file = bench.whole("t", 100_000);
    let mut client = bench.connect();
    let head = client.ask("GET /stream/t", &["Connection: close"]);
    assert_eq!(head.field("connection"), Some("close"));
    let (body, end) = client.rest();
    assert!(body == file.bytes && end == End::Closed);
}

#[test]
fn http_1_0() {
    let bench = Bench::new();
    let file = bench.whole("t", 1000);
    let mut once = bench.connect();
    once.send("GET /stream/t HTTP/1.0\r\n\r\n");
    let head = once.head();
    assert_eq!((head.version.as_str(), head.status, head.content_len()), ("HTTP/1.0", 200, 1000));
    assert_eq!(once.rest(), (file.bytes.to_vec(), End::Closed));
    let mut kept = bench.connect();
    for _ in 0..2 {
        kept.send("GET /stream/t HTTP/1.0\r\nConnection: keep-alive\r\nRange: bytes=1-2\r\n\r\n");
        let head = kept.head();
        assert_eq!((head.status, head.field("connection")), (206, Some("keep-alive")));
        assert_eq!(kept.body(2), file.slice(1..3));
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let bench = Bench::new();
    let file = bench.file("t", 1000);
    file.arrive(500..1000);
    let mut client = bench.connect();
    let first = client.request("GET /stream/t", &["Range: bytes=0-99"]);
    let second = client.request("GET /stream/t", &["Range: bytes=500-599"]);
    let third = client.request("HEAD /stream/t", &[]);
    client.send(&(first + &second + &third));
    assert_eq!(client.head().field("content-range"), Some("bytes 0-99/1000"));
    file.ledger.until(|counts| counts.waiting == 1);
    assert!(client.is_quiet(), "the second waits for the first");
    file.arrive(0..100);
    assert_eq!(client.body(100), file.slice(0..100));
    assert_eq!(client.head().field("content-range"), Some("bytes 500-599/1000"));
    assert_eq!(client.body(100), file.slice(500..600));
    assert_eq!(client.head().content_len(), 1000);
    assert!(client.is_quiet());
}

#[test]
fn a_request_in_pieces() {
    let bench = Bench::new();
    let file = bench.whole("t", 1000);
    let mut client = bench.connect();
    let text = client.request("GET /stream/t", &["Range: bytes=3-4"]);
    for at in 0..text.len() {
        client.send(&text[at..=at]);
    }
    assert_eq!(client.head().status, 206);
    assert_eq!(client.body(2), file.slice(3..5));
}

/// While the server's threads have something else to do, connections wait in the system. Those that do not fit there are
/// not refused: they are tried again after a second, which is what a player's seek would take then.
#[test]
fn a_crowd_that_connects_at_once_needs_no_second_try() {
    let bench = Bench::new();
    let (held, released) = (Arc::new(Barrier::new(3)), Arc::new(Barrier::new(3)));
    for _ in 0..2 {
        let (held, released) = (Arc::clone(&held), Arc::clone(&released));
        bench.runtime.spawn(async move {
            held.wait();
            released.wait();
        });
    }
    held.wait();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, bench.server.port()));
    let before_a_second_try = Duration::from_millis(900);
    let crowd: Vec<_> = (0..400).map(|_| TcpStream::connect_timeout(&address, before_a_second_try)).collect();
    released.wait();
    let late = crowd.iter().filter(|connection| connection.is_err()).count();
    assert_eq!(late, 0, "so many of {} did not get in", crowd.len());
}
