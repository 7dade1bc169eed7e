//! Many clients that mean harm at once, while one plays: its bytes stay right, and what they take is bounded.
//!
//! `make attack` gives each of these a minute, by VOZDUXAN_ATTACK_SECONDS; by itself a round is short.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Bench;
use super::client::{Client, End};
use super::descriptors::{alone, descriptors};
use super::source::{File, PATIENCE};

/// Seconds of an attack.
fn seconds() -> Duration {
    let asked = std::env::var("VOZDUXAN_ATTACK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(2))
}

/// What the player beside an attack may have to wait: told always, and demanded when a minute was asked for by hand. A
/// round of `make test` shares the machine with everything else.
fn undisturbed(slowest: Duration) {
    if seconds() >= Duration::from_secs(30) {
        assert!(slowest < Duration::from_secs(1), "the player waited {slowest:?}");
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Plays a file over and over while `attack` runs, and says how long the slowest of its reads of 64 KiB took. It reads as
/// a player with much to fill does, and leaves the processor to others meanwhile.
fn playing<T>(bench: &Bench, file: &Arc<File>, attack: impl FnOnce() -> T) -> (Duration, T) {
    let over = AtomicBool::new(false);
    let rounds = AtomicU64::new(0);
    thread::scope(|scope| {
        let player = scope.spawn(|| {
            let mut slowest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) || rounds.load(Ordering::Relaxed) == 0 {
                let mut client = bench.connect();
                let len = client.ask("GET /stream/t", &[]).content_len();
                for at in (0..len).step_by(65_536) {
                    thread::sleep(Duration::from_millis(2));
                    let begun = Instant::now();
                    let part = client.body(65_536.min(len - at));
                    slowest = slowest.max(begun.elapsed());
                    assert!(part == file.bytes[at..at + part.len()], "wrong bytes at {at}");
                }
                rounds.fetch_add(1, Ordering::Relaxed);
            }
            slowest
        });
        let result = attack();
        over.store(true, Ordering::Relaxed);
        (player.join().unwrap(), result)
    })
}

/// What an aborted transfer had come to.
#[derive(Clone, Copy)]
enum Aborted {
    Connected,
    HalfAHead,
    Asked,
    /// The first bytes of a long answer are in the client's buffer, more on their way.
    WithinTheBody,
    /// A short answer is, all of it.
    AfterTheBody,
}

/// Connections that one attacker keeps before it aborts the oldest: meanwhile the server answers them. Nothing is waited
/// for, which is what makes it fast.
const IN_FLIGHT: usize = 48;

/// Aborts transfers until then, and says how many.
fn abort(bench: &Bench, until: Instant, salt: u64) -> u64 {
    use Aborted::{AfterTheBody, Asked, Connected, HalfAHead, WithinTheBody};
    let end = |client: Client, count: u64| {
        // Closed, a connection ends with a reset only if something came that was not read.
        if count.is_multiple_of(5) { drop(client) } else { client.reset() }
    };
    let mut count = salt;
    let mut open = VecDeque::new();
    while Instant::now() < until {
        let kind = [Connected, HalfAHead, Asked, WithinTheBody, AfterTheBody][(count % 5) as usize];
        let mut client = Client::connect_narrow(bench.server.port(), 16 * 1024);
        let at = count * 997 % (4 << 20);
        let last = if matches!(kind, AfterTheBody) { at.to_string() } else { String::new() };
        let text = client.request("GET /stream/t", &[&format!("Range: bytes={at}-{last}")]);
        match kind {
            Connected => {}
            HalfAHead => drop(client.try_send(&text.as_bytes()[..text.len() / 2])),
            _ => drop(client.try_send(text.as_bytes())),
        }
        match kind {
            WithinTheBody | AfterTheBody => open.push_back(client),
            _ => end(client, count / 5),
        }
        if open.len() > IN_FLIGHT
            && let Some(oldest) = open.pop_front()
        {
            end(oldest, count / 5);
        }
        count += 1;
    }
    count - salt
}

/// Some 500 a second and more: connections that ask and are cut at once, in mid-head, before, within and after a body.
#[test]
fn aborted_transfers() {
    alone("attack::aborted_transfers", || {
        let bench = Bench::new();
        let file = bench.whole("t", 4 << 20);
        let (before, tasks) = (descriptors(), bench.runtime.metrics().num_alive_tasks());
        let memory = resident();
        let (slowest, aborted) = playing(&bench, &file, || {
            let until = Instant::now() + seconds();
            thread::scope(|scope| {
                let both = [0, 1_000_002].map(|salt| {
                    scope.spawn({
                        let bench = &bench;
                        move || abort(bench, until, salt)
                    })
                });
                both.into_iter().map(|it| it.join().unwrap()).sum::<u64>()
            })
        });
        let grown = resident().saturating_sub(memory);
        println!(
            "aborted transfers: {aborted} in {:?}, {} a second, {} MB, slowest 64 KiB of the player {slowest:?}",
            seconds(),
            aborted / seconds().as_secs().max(1),
            grown >> 20
        );
        undisturbed(slowest);
        assert!(aborted > 500 * seconds().as_secs(), "no attack: {aborted} in {:?}", seconds());
        // Some hundred connections at a time, each with a frame and hyper's buffer.
        assert!(grown < 100 << 20, "{} MB", grown >> 20);
        file.ledger.until(|counts| counts.live == 0);
        let deadline = Instant::now() + PATIENCE;
        while bench.runtime.metrics().num_alive_tasks() > tasks {
            let left = bench.runtime.metrics().num_alive_tasks();
            assert!(Instant::now() < deadline, "{left} tasks are left, {tasks} were there before");
            thread::yield_now();
        }
        assert!(bench.server.stop());
        assert!(descriptors() <= before, "{} descriptors, {before} before", descriptors());
    });
}

/// Ask for everything and take nothing: the bytes wait in the file, not in memory.
#[test]
fn clients_that_never_read() {
    alone("attack::clients_that_never_read", || {
        let bench = Bench::new();
        let file = bench.whole("t", 4 << 20);
        let huge = bench.whole("huge", 64 << 20);
        let before = resident();
        let (slowest, clients) = playing(&bench, &file, || {
            let mut clients: Vec<Client> = (0..300).map(|_| bench.connect()).collect();
            for client in &mut clients {
                let text = client.request("GET /stream/huge", &[]);
                client.send(&text);
            }
            huge.ledger.until(|counts| counts.open_ended == 300);
            clients
        });
        let grown = resident().saturating_sub(before);
        println!("300 that never read: {} MB, slowest 64 KiB of the player {slowest:?}", grown >> 20);
        undisturbed(slowest);
        // A frame and hyper's buffer each; 300 bodies would be 19 GB.
        assert!(grown < 100 << 20, "{} MB", grown >> 20);
        drop(clients);
        huge.ledger.until(|counts| counts.live == 0);
    });
}

/// Requests without end, and no answer is ever read: the server stops reading, not remembering.
#[test]
fn pipelines_that_are_never_read() {
    let bench = Bench::new();
    bench.whole("t", 1000);
    for line in ["HEAD /stream/t", "GET /stream/t", "GET /nothing", "OPTIONS /stream/t"] {
        let mut client = bench.connect();
        let text = client.request(line, &[]).repeat(1000);
        let most = 512 << 20;
        let sent = client.send_until_stuck(text.as_bytes(), Duration::from_millis(300), most);
        // The systems' own buffers, both ways, a few megabytes each.
        assert!(sent < 64 << 20, "{line}: {} MB were taken", sent >> 20);
    }
}

#[test]
fn ranges_by_the_thousand() {
    let bench = Bench::new();
    let file = bench.whole("t", 100_000);
    let list = |count: usize| {
        let ranges: Vec<String> = (0..count).map(|at| format!("{at}-{at}")).collect();
        format!("Range: bytes={}", ranges.join(","))
    };
    // As many as a head holds: one answer, the whole file, once.
    let (head, body) = bench.connect().get("t", &[&list(1300)]);
    assert_eq!((head.status, head.field("content-range")), (200, None));
    assert!(body == file.bytes);
    let (head, _) = bench.connect().get("t", &[&format!("Range: bytes={}", ",".repeat(14_000))]);
    assert_eq!(head.status, 200);
    let (head, body) = bench.connect().get("t", &[&format!("Range: bytes={}-1", "0".repeat(14_000))]);
    assert_eq!((head.status, body.len()), (206, 2));
    // A million: refused before they are read.
    let mut client = bench.connect();
    let text = client.request("GET /stream/t", &[&list(1_000_000)]);
    client.try_send(text.as_bytes());
    let (answer, _) = client.rest();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{}", answer.escape_ascii());
    assert_eq!(file.ledger.now().live, 0);
}

/// Line ends, NULs and spaces where no proper client puts them, so that two programs may see two different requests.
#[test]
fn heads_that_two_programs_read_differently() {
    let bench = Bench::new();
    let bait = bench.whole("bait", 10);
    bench.whole("t", 10);
    let port = bench.server.port();
    let own = format!("Host: 127.0.0.1:{port}");
    for (name, text) in [
        ("a NUL in the target", format!("GET /stream/t\0 HTTP/1.1\r\n{own}\r\n\r\n")),
        ("a NUL in a name", format!("GET /stream/t HTTP/1.1\r\n{own}\r\nX\0: a\r\n\r\n")),
        ("a NUL in a value", format!("GET /stream/t HTTP/1.1\r\n{own}\r\nX: a\0b\r\n\r\n")),
        (
            "a bare CR in a value",
            format!("GET /stream/t HTTP/1.1\r\n{own}\r\nX: a\rHost: evil.example\r\n\r\n"),
        ),
        (
            "a Host behind a bare LF",
            format!("GET /stream/t HTTP/1.1\r\n{own}\r\nX: a\nHost: evil.example\r\n\r\n"),
        ),
        ("a folded Host", format!("GET /stream/t HTTP/1.1\r\nHost:\r\n 127.0.0.1:{port}\r\n\r\n")),
        ("a folded second line", format!("GET /stream/t HTTP/1.1\r\n{own}\r\n evil.example\r\n\r\n")),
        (
            "a Host with a space before the colon",
            format!("GET /stream/t HTTP/1.1\r\nHost : 127.0.0.1:{port}\r\n\r\n"),
        ),
        ("two Hosts in one", format!("GET /stream/t HTTP/1.1\r\n{own}, evil.example\r\n\r\n")),
        (
            "two Hosts in two cases",
            format!("GET /stream/t HTTP/1.1\r\n{own}\r\nhOST: 127.0.0.1:{port}\r\n\r\n"),
        ),
        (
            "an authority with a user",
            format!("GET http://127.0.0.1:{port}@evil.example/stream/t HTTP/1.1\r\n{own}\r\n\r\n"),
        ),
        (
            "an authority behind a backslash",
            format!("GET \\\\127.0.0.1:{port}/stream/t HTTP/1.1\r\n{own}\r\n\r\n"),
        ),
        ("a request in the target", format!("GET /stream/t HTTP/1.1 HTTP/1.1\r\n{own}\r\n\r\n")),
        ("tabs in the request line", format!("GET\t/stream/t\tHTTP/1.1\r\n{own}\r\n\r\n")),
        ("no name", format!("GET /stream/t HTTP/1.1\r\n{own}\r\n: a\r\n\r\n")),
        ("a version of two digits", format!("GET /stream/t HTTP/1.10\r\n{own}\r\n\r\n")),
        ("a fragment", format!("GET /stream/bait\0#t HTTP/1.1\r\n{own}\r\n\r\n")),
    ] {
        let mut client = bench.connect();
        client.send(&text);
        client.half_close();
        let (answer, _) = client.rest();
        let answer = String::from_utf8_lossy(&answer);
        let refused =
            ["HTTP/1.1 400 ", "HTTP/1.1 421 ", "HTTP/1.0 400 "].iter().any(|line| answer.starts_with(line));
        assert!(answer.is_empty() || refused, "{name}: {answer}");
        assert!(answer.matches("HTTP/1.").count() <= 1, "{name}: {answer}");
        assert_eq!(bait.ledger.now(), Default::default(), "{name}");
    }
}

/// Programs that speak something else: an end, and no answer that helps them.
#[test]
fn other_protocols() {
    let bench = Bench::new();
    bench.whole("t", 10);
    let tls = [&b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03"[..], &[7; 240]].concat();
    for (name, bytes) in [
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64".to_vec()),
        ("TLS", tls),
        ("BitTorrent", [&b"\x13BitTorrent protocol"[..], &[0; 48]].concat()),
        ("SOCKS5", b"\x05\x01\x00".to_vec()),
        ("SMTP", b"EHLO x\r\nMAIL FROM:<a@b>\r\n".to_vec()),
        ("Redis", b"*1\r\n$4\r\nINFO\r\n".to_vec()),
        ("HTTP/0.9", b"GET /stream/t\r\n".to_vec()),
    ] {
        let mut client = bench.connect();
        client.try_send(&bytes);
        client.half_close();
        let (answer, end) = client.rest();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "),
            "{name}: {}",
            answer.escape_ascii()
        );
        assert!(matches!(end, End::Closed | End::Reset));
    }
    let upgrade = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"];
    let mut client = bench.connect();
    assert_eq!(
        client.ask("GET /stream/t", &upgrade).status,
        200,
        "an upgrade is an offer that need not be taken"
    );
    assert_eq!(client.body(10).len(), 10);
    let websocket =
        ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13"];
    assert_eq!(bench.connect().ask("GET /stream/t", &websocket).status, 200);
}

/// Idle connections and half heads by the thousand, and one that plays.
#[test]
fn two_thousand_that_wait() {
    alone("attack::two_thousand_that_wait", || {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let allowed = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: allowed.maximum, ..allowed }).unwrap();
        let bench = Bench::new();
        let file = bench.whole("t", 4 << 20);
        let before = resident();
        let (slowest, waiting) = playing(&bench, &file, || {
            let mut waiting: Vec<Client> = (0..2000).map(|_| bench.connect()).collect();
            waiting.iter_mut().step_by(2).for_each(|client| client.send("GET /stream/t HT"));
            waiting
        });
        let grown = resident().saturating_sub(before);
        println!("2,000 that wait: {} MB, slowest 64 KiB of the player {slowest:?}", grown >> 20);
        undisturbed(slowest);
        assert!(grown < 100 << 20, "{} MB", grown >> 20);
        assert_eq!(bench.connect().ask("HEAD /stream/t", &[]).status, 200);
        drop(waiting);
    });
}
