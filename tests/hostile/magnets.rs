//! Magnets and torrents as a way into other services: addresses on this machine and on the local network, where a request
//! from here means more than one from outside.
//!
//! A tracker that is asked is the proof that the others had their chance: libtorrent announces to all at once.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use vozduxan_swarm::bencode::Value;
use vozduxan_swarm::tracker::Tracker;

use super::host::Host;
use super::make::{File, v1};
use super::support::PATIENCE;

const HASH: [u8; 20] = [0xab; 20];

/// A service that notes the first line of whatever it is sent.
struct Service {
    address: SocketAddr,
    heard: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Service {
    /// `answer`: sent to everybody, as it is.
    fn start(answer: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let notes = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut bytes = [0; 2048];
                let len = stream.read(&mut bytes).unwrap_or(0);
                let first = bytes[..len].split(|byte| *byte == b'\r').next().unwrap_or_default();
                notes.0.lock().push(first.escape_ascii().to_string());
                notes.1.notify_all();
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, heard }
    }

    fn quiet() -> Self {
        Self::start("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nde".into())
    }

    fn heard(&self) -> Vec<String> {
        self.heard.0.lock().clone()
    }

    /// Different things that were asked for. Connections that the end cut before they said anything are empty.
    fn distinct(heard: &[String]) -> usize {
        heard.iter().filter(|line| !line.is_empty()).map(|line| path_of(line)).collect::<BTreeSet<_>>().len()
    }

    /// Until so many different things were asked for.
    #[track_caller]
    fn until_heard(&self, count: usize) {
        let mut heard = self.heard.0.lock();
        while Self::distinct(&heard) < count {
            let late = self.heard.1.wait_for(&mut heard, PATIENCE).timed_out();
            assert!(!late, "asked for {} things only", Self::distinct(&heard));
        }
    }

    fn port(&self) -> u16 {
        self.address.port()
    }
}

/// Of a request line, without its query.
fn path_of(line: &str) -> &str {
    line.split(['?', ' ']).nth(1).unwrap_or(line)
}

/// Opens a magnet with these parameters beside a tracker that may be asked; answers when that one was asked and the
/// session, which takes its announces with it, has ended.
fn open(parameters: &str) {
    let tracker = Tracker::start().unwrap();
    tracker.set_peers(HASH, Vec::new());
    let magnet = format!("magnet:?xt=urn:btih:{}{parameters}&tr={}", "ab".repeat(20), tracker.url());
    let host = Host::start();
    thread::scope(|scope| {
        scope.spawn(|| host.list_any(Some(&magnet), &[]));
        let asked = tracker.wait_for(PATIENCE, |announces| !announces.is_empty());
        assert!(asked, "the tracker that is allowed was not asked: {}", host.log());
        host.destroy();
    });
}

fn encoded(url: &str) -> String {
    url.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn trackers_on_this_machine_are_asked_for_announces_only() {
    for path in [
        "/",
        "/admin",
        "/json/list",
        "/announcex/../admin",
        "/api?x=/announce",
        "/ANNOUNCE",
        "/announce/../admin",
        "/announce%2f..%2fadmin",
        "/announce?event=x",
    ] {
        let service = Service::quiet();
        open(&format!("&tr={}", encoded(&format!("http://127.0.0.1:{}{path}", service.port()))));
        assert_eq!(service.heard(), Vec::<String>::new(), "{path}");
    }
    // The same service, asked for what a tracker is asked: the way in which the above would have been seen.
    let service = Service::quiet();
    open(&format!("&tr={}", encoded(&format!("http://127.0.0.1:{}/announce", service.port()))));
    service.until_heard(1);
}

/// Other ways to write this machine, and the network that it trusts.
#[test]
fn this_machine_by_other_names() {
    for host in [
        "localhost",
        "0.0.0.0",
        "0",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "127.0.0.1.",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "[::]",
    ] {
        let service = Service::quiet();
        open(&format!("&tr={}", encoded(&format!("http://{host}:{}/admin", service.port()))));
        assert_eq!(service.heard(), Vec::<String>::new(), "{host}");
    }
}

/// A tracker that is allowed sends us on to a place that is not.
#[test]
fn redirections_lead_nowhere_else() {
    let service = Service::quiet();
    let target = format!("http://127.0.0.1:{}/admin", service.port());
    let redirect =
        Service::start(format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"));
    open(&format!("&tr={}", encoded(&format!("http://127.0.0.1:{}/announce", redirect.port()))));
    redirect.until_heard(1);
    assert_eq!(service.heard(), Vec::<String>::new());
}

/// Web seeds are not used at all, wherever they are.
#[test]
fn web_seeds_are_ignored() {
    let service = Service::quiet();
    let url = encoded(&format!("http://127.0.0.1:{}/announce/a.mp3", service.port()));
    open(&format!("&ws={url}&as={url}&xs={url}"));
    assert_eq!(service.heard(), Vec::<String>::new());
    // In a .torrent, with a file to fetch.
    let made = v1(b"album", &[File::new(&["a.mp3"], 50_000)], 16 * 1024);
    let (_peer, tracker) = made.swarm();
    let mut torrent = made.bytes(Some(&tracker.url()));
    torrent.pop();
    let url = format!("http://127.0.0.1:{}/announce/", service.port());
    torrent.extend_from_slice(
        format!("8:url-listl{}:{url}e9:httpseedsl{}:{url}ee", url.len(), url.len()).as_bytes(),
    );
    let host = Host::start();
    let stream = host.prepare(None, &torrent, 0).unwrap();
    assert!(host.get(&stream, None).rest() == made.share.content[..]);
    host.destroy();
    assert_eq!(service.heard(), Vec::<String>::new());
}

/// A magnet may name any address as a peer (BEP 9), also one of this machine. What that one hears is BitTorrent's
/// handshake, which begins with a byte that no text protocol takes for a command.
#[test]
fn a_peer_that_is_no_peer_hears_a_handshake_and_no_more() {
    let service = Service::quiet();
    open(&format!("&x.pe=127.0.0.1:{}", service.port()));
    service.until_heard(1);
    for line in service.heard() {
        assert!(line.starts_with("\\x13BitTorrent protocol") || line.is_empty(), "{line}");
    }
}

#[test]
fn magnets_that_are_none_are_refused_with_a_reason() {
    let host = Host::start();
    for (case, magnet) in [
        ("no scheme", "xt=urn:btih:abababababababababababababababababababab"),
        ("no hash", "magnet:?dn=x"),
        ("a short hash", "magnet:?xt=urn:btih:abab"),
        ("a long hash", "magnet:?xt=urn:btih:ababababababababababababababababababababab"),
        ("no hexadecimal", "magnet:?xt=urn:btih:zzababababababababababababababababababab"),
        ("a short v2 hash", "magnet:?xt=urn:btmh:1220abab"),
        ("another multihash", "magnet:?xt=urn:btmh:1114abababababababababababababababababababab"),
        ("another urn", "magnet:?xt=urn:sha1:ABABABABABABABABABABABABABABABAB"),
        ("half an escape", "magnet:?xt=urn:btih:%6"),
        ("a megabyte of nothing", &"magnet:?".repeat(100_000)),
    ] {
        let refused = host.list_any(Some(magnet), &[]).expect_err(case);
        assert_eq!(refused.code, vozduxan::abi::VozduxanError::VOZDUXAN_ERR_BAD_INPUT, "{case}: {refused:?}");
        assert!(refused.message.len() > 20, "{case}: {refused:?}");
    }
}

/// A torrent that is in the session already takes up the trackers of a further link: not these.
#[test]
fn a_second_link_to_a_known_torrent_leads_no_further_than_the_first() {
    let (service, tracker) = (Service::quiet(), Tracker::start().unwrap());
    tracker.set_peers(HASH, Vec::new());
    let link = |trackers: &str| format!("magnet:?xt=urn:btih:{}{trackers}", "ab".repeat(20));
    let first = link(&format!("&tr={}", tracker.url()));
    let many: String =
        (0..5_000).map(|n| format!("&tr=http://127.0.0.1:{}/announce/{n}", service.port())).collect();
    let second = link(&format!("&tr=http://127.0.0.1:{}/admin{many}", service.port()));
    let host = Host::start();
    thread::scope(|scope| {
        scope.spawn(|| host.list_any(Some(&first), &[]));
        assert!(tracker.wait_for(PATIENCE, |announces| !announces.is_empty()), "{}", host.log());
        scope.spawn(|| host.list_any(Some(&second), &[]));
        service.until_heard(63);
        host.destroy();
    });
    let heard = service.heard();
    // Connections that the end cut before they said anything are empty.
    let wrong = heard.iter().find(|line| !line.is_empty() && !line.starts_with("GET /announce/"));
    assert_eq!(wrong, None);
    assert_eq!(Service::distinct(&heard), 63, "64 trackers with the first link's");
}

/// Thousands of trackers, all of one service: so many are not asked, neither by magnet nor by torrent, and putting the
/// list together holds nobody up.
#[test]
fn a_list_of_trackers_is_no_weapon() {
    let url = |port: u16, n: usize| format!("http://127.0.0.1:{port}/announce/{n}");
    let service = Service::quiet();
    let list: String = (0..20_000).map(|n| format!("&tr={}", url(service.port(), n))).collect();
    let magnet = format!("magnet:?xt=urn:btih:{}{list}", "ab".repeat(20));
    let host = Host::start();
    thread::scope(|scope| {
        scope.spawn(|| host.list_any(Some(&magnet), &[]));
        service.until_heard(64);
        host.destroy();
    });
    assert_eq!(Service::distinct(&service.heard()), 64);
    let service = Service::quiet();
    let tiers = (0..20_000).map(|n| Value::path(&[url(service.port(), n)])).collect();
    let made = v1(b"album", &[File::new(&["a.mp3"], 50_000)], 16 * 1024);
    let torrent = Value::dict([("announce-list", Value::List(tiers)), ("info", made.info.clone())]).encode();
    let host = Host::start();
    thread::scope(|scope| {
        scope.spawn(|| host.prepare(None, &torrent, 0));
        service.until_heard(64);
        host.destroy();
    });
    assert_eq!(Service::distinct(&service.heard()), 64);
}
