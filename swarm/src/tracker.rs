//! An HTTP tracker (BEP 3, compact answers of BEP 23) on 127.0.0.1 that knows the swarm's proxies and nobody else.
//!
//! The path is `/announce`: libtorrent refuses any other on loopback (its protection against forged requests).
//! Clients are counted and remembered, never handed out: only the proxies are peers.

use parking_lot::{Condvar, Mutex};
use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Longest request that is read; announces have some 400 bytes.
const REQUEST_MAX: usize = 16 * 1024;
/// How long a client may take to send its request, or to take the answer.
const IO_LIMIT: Duration = Duration::from_secs(10);

/// What announces are answered with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reply {
    /// The proxies' addresses.
    #[default]
    Peers,
    /// No peers.
    Nothing,
    /// `failure reason` with this text.
    Failure(String),
    /// An HTTP error with this status and no body.
    Status(u16),
    /// The connection is closed without an answer.
    HangUp,
}

/// One announce, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    /// Which torrent; for v2 the first 20 bytes of its hash.
    pub info_hash: [u8; 20],
    /// `started`, `completed`, `stopped`, or empty for a regular one.
    pub event: String,
    /// Bytes the client says it lacks, if it says so.
    pub left: Option<u64>,
    /// Where the client says it listens.
    pub port: Option<u16>,
    /// When it came.
    pub at: Instant,
}

#[derive(Debug, Default)]
struct State {
    peers: HashMap<[u8; 20], Vec<SocketAddrV4>>,
    reply: Reply,
    delay: Duration,
    announces: Vec<Announce>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Told of every announce, and of the end.
    changed: Condvar,
    stop: AtomicBool,
}

/// A running tracker. Dropping it closes its port; answers under way are abandoned.
#[derive(Debug)]
pub struct Tracker {
    shared: Arc<Shared>,
    address: SocketAddrV4,
    thread: Option<thread::JoinHandle<()>>,
}

impl Tracker {
    /// Starts on a free port, without any torrents.
    ///
    /// # Errors
    /// When the operating system refuses the port or the thread.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr()?.port());
        let shared = Arc::new(Shared::default());
        let for_thread = shared.clone();
        let thread = thread::Builder::new()
            .name("swarm-tracker".into())
            .spawn(move || serve(&listener, &for_thread))?;
        Ok(Self { shared, address, thread: Some(thread) })
    }

    /// The announce URL.
    pub fn url(&self) -> String {
        format!("http://{}/announce", self.address)
    }

    /// Says who has the torrent `info_hash` from now on. Others are answered with a failure.
    pub fn set_peers(&self, info_hash: [u8; 20], peers: Vec<SocketAddrV4>) {
        self.shared.state.lock().peers.insert(info_hash, peers);
    }

    /// Changes what announces are answered with.
    pub fn set_reply(&self, reply: Reply) {
        self.shared.state.lock().reply = reply;
    }

    /// Changes how long answers take.
    pub fn set_delay(&self, delay: Duration) {
        self.shared.state.lock().delay = delay;
    }

    /// All announces so far, oldest first.
    pub fn announces(&self) -> Vec<Announce> {
        self.shared.state.lock().announces.clone()
    }

    /// Waits until `enough` is true of the announces, at most for `limit`. Answers whether it is.
    pub fn wait_for(&self, limit: Duration, mut enough: impl FnMut(&[Announce]) -> bool) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.state.lock();
        while !enough(&state.announces) {
            if self.shared.changed.wait_until(&mut state, deadline).timed_out() {
                return enough(&state.announces);
            }
        }
        true
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        {
            let _state = self.shared.state.lock();
            self.shared.stop.store(true, Ordering::Release);
        }
        self.shared.changed.notify_all();
        // Wakes the accept; when it fails, the listener is gone already.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = shared.clone();
        // A thread each: a slow answer must not hold up the next client's. Announces are rare.
        let spawned = thread::Builder::new().name("swarm-announce".into()).spawn(move || {
            // What goes wrong with one client is that client's affair.
            let _ = answer(stream, &shared);
        });
        drop(spawned);
    }
}

fn answer(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(IO_LIMIT))?;
    stream.set_write_timeout(Some(IO_LIMIT))?;
    let request = read_head(&mut stream)?;
    let Some(announce) = parse(&request) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    let (reply, peers) = {
        let mut state = shared.state.lock();
        let peers = state.peers.get(&announce.info_hash).cloned();
        state.announces.push(announce);
        shared.changed.notify_all();
        let deadline = Instant::now() + state.delay;
        while Instant::now() < deadline && !shared.stop.load(Ordering::Acquire) {
            shared.changed.wait_until(&mut state, deadline);
        }
        (state.reply.clone(), peers)
    };
    let body = match reply {
        Reply::Peers => match peers {
            Some(peers) => peers_body(&peers),
            None => failure_body("this tracker does not know the torrent"),
        },
        Reply::Nothing => peers_body(&[]),
        Reply::Failure(text) => failure_body(&text),
        Reply::HangUp => return Ok(()),
        Reply::Status(status) => {
            let head = format!("HTTP/1.1 {status} Told To\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return stream.write_all(head.as_bytes());
        }
    };
    let mut out = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    out.extend_from_slice(&body);
    stream.write_all(&out)
}

/// Bencoded answer with six bytes for each peer.
fn peers_body(peers: &[SocketAddrV4]) -> Vec<u8> {
    let count = peers.len();
    let mut out =
        format!("d8:completei{count}e10:incompletei0e8:intervali1800e5:peers{}:", 6 * count).into_bytes();
    for peer in peers {
        out.extend_from_slice(&peer.ip().octets());
        out.extend_from_slice(&peer.port().to_be_bytes());
    }
    out.push(b'e');
    out
}

fn failure_body(text: &str) -> Vec<u8> {
    format!("d14:failure reason{}:{text}e", text.len()).into_bytes()
}

/// Reads up to the empty line that ends an HTTP head.
fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            len => head.extend_from_slice(&buffer[..len]),
        }
        if head.len() > REQUEST_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(head)
}

/// The announce in an HTTP head, or `None` if it is something else.
fn parse(head: &[u8]) -> Option<Announce> {
    let line = head.split(|&byte| byte == b'\r').next()?;
    let target = line.strip_prefix(b"GET /announce?")?.split(|&byte| byte == b' ').next()?;
    let field = |name: &[u8]| {
        let of_name = |pair: &&[u8]| pair.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&b'='));
        target.split(|&byte| byte == b'&').find(of_name).map(|pair| unescape(&pair[name.len() + 1..]))
    };
    let text = |name: &[u8]| field(name).and_then(|bytes| String::from_utf8(bytes).ok());
    Some(Announce {
        info_hash: field(b"info_hash")?.try_into().ok()?,
        event: text(b"event").unwrap_or_default(),
        left: text(b"left").and_then(|digits| digits.parse().ok()),
        port: text(b"port").and_then(|digits| digits.parse().ok()),
        at: Instant::now(),
    })
}

/// Replaces `%xx` by the byte it stands for; anything else stays.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|_| *first == b'%');
        let byte = digits.and_then(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(tracker: &Tracker, target: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(tracker.address).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    const HASH: [u8; 20] = *b"abcdefghij%&= \x00\xff1234";
    const TARGET: &str =
        "/announce?info_hash=abcdefghij%25%26%3D%20%00%FF1234&left=17&port=6881&event=started&compact=1";

    #[test]
    fn announces_are_remembered_and_answered_with_the_proxies() {
        let tracker = Tracker::start().unwrap();
        tracker.set_peers(HASH, vec![SocketAddrV4::new(Ipv4Addr::new(127, 9, 8, 7), 0x1234)]);
        let answer = get(&tracker, TARGET);
        assert!(answer.ends_with(b"5:peers6:\x7f\x09\x08\x07\x12\x34e"));
        let announces = tracker.announces();
        assert_eq!((announces[0].info_hash, announces[0].left), (HASH, Some(17)));
        assert_eq!((&*announces[0].event, announces[0].port), ("started", Some(6881)));
        assert!(tracker.wait_for(Duration::ZERO, |all| all.len() == 1));
        assert!(!tracker.wait_for(Duration::ZERO, |all| all.len() == 2));
    }

    #[test]
    fn it_fails_as_told() {
        let tracker = Tracker::start().unwrap();
        let unknown = get(&tracker, TARGET);
        assert!(unknown.ends_with(b"d14:failure reason38:this tracker does not know the torrente"));
        tracker.set_peers(HASH, vec![SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1)]);
        tracker.set_reply(Reply::Nothing);
        assert!(get(&tracker, TARGET).ends_with(b"5:peers0:e"));
        tracker.set_reply(Reply::Failure("no".into()));
        assert!(get(&tracker, TARGET).ends_with(b"d14:failure reason2:noe"));
        tracker.set_reply(Reply::Status(503));
        assert!(get(&tracker, TARGET).starts_with(b"HTTP/1.1 503 "));
        tracker.set_reply(Reply::HangUp);
        assert!(get(&tracker, TARGET).is_empty());
        assert!(get(&tracker, "/scrape").starts_with(b"HTTP/1.1 404 "));
    }

    #[test]
    fn slow_answers_are_slow_and_do_not_hold_up_the_end() {
        let tracker = Tracker::start().unwrap();
        tracker.set_delay(Duration::from_millis(30));
        let start = Instant::now();
        get(&tracker, TARGET);
        assert!(start.elapsed() >= Duration::from_millis(30));
        tracker.set_delay(Duration::from_secs(3600));
        let mut waiting = TcpStream::connect(tracker.address).unwrap();
        write!(waiting, "GET {TARGET} HTTP/1.1\r\n\r\n").unwrap();
        assert!(tracker.wait_for(Duration::from_secs(30), |all| all.len() == 2));
        drop(tracker);
        // The answer is cut short: the reader below ends.
        waiting.read_to_end(&mut Vec::new()).unwrap();
    }
}
