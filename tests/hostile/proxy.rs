//! With a proxy configured, nothing goes past it: peers, trackers and the DHT are there to be reached directly, and are
//! not.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use vozduxan_swarm::bencode::Value;
use vozduxan_swarm::tracker::Tracker;

use super::host::Host;
use super::http_proxy::{HttpProxy, Method};
use super::make::{File, Made, v1};
use super::privacy::Node;
use super::socks::{Socks, Target};
use super::support::PATIENCE;

fn album() -> Made {
    v1(b"album", &[File::new(&["a.mp3"], 300_000)], 16 * 1024)
}

/// A UDP port that counts what comes and says nothing: a tracker (BEP 15), or a peer that speaks uTP (BEP 29).
struct Ear {
    address: SocketAddrV4,
    heard: Arc<(Mutex<usize>, Condvar)>,
}

impl Ear {
    fn start() -> Self {
        Self::at(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
    }

    fn at(address: SocketAddrV4) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        let SocketAddr::V4(address) = socket.local_addr().unwrap() else { unreachable!() };
        let heard = Arc::new((Mutex::new(0), Condvar::new()));
        let notes = Arc::clone(&heard);
        thread::spawn(move || {
            while socket.recv_from(&mut [0; 4096]).is_ok() {
                *notes.0.lock() += 1;
                notes.1.notify_all();
            }
        });
        Self { address, heard }
    }

    fn packets(&self) -> usize {
        *self.heard.0.lock()
    }

    #[track_caller]
    fn until_it_hears(&self) {
        let mut heard = self.heard.0.lock();
        while *heard == 0 {
            assert!(!self.heard.1.wait_for(&mut heard, PATIENCE).timed_out(), "no datagram came");
        }
    }
}

/// The .torrent with both a tracker for HTTP and one for UDP.
fn with_udp_tracker(made: &Made, tracker: &str, udp: &Ear) -> Vec<u8> {
    let udp = format!("udp://{}/announce", udp.address);
    let tiers = Value::List(vec![Value::path(&[tracker]), Value::path(&[&udp])]);
    Value::dict([("announce-list", tiers), ("info", made.info.clone())]).encode()
}

fn settings(node: &Node) -> String {
    format!(
        "[network]\nlisten_interfaces = \"127.0.0.1:0\"\npublic_trackers = false\ndht = true\n\
         dht_bootstrap_nodes = [\"127.0.0.1:{}\"]\nlsd = true\nupnp = true\n",
        node.port
    )
}

fn address(tracker: &Tracker) -> SocketAddr {
    tracker.url().trim_start_matches("http://").trim_end_matches("/announce").parse().unwrap()
}

#[test]
fn peers_and_trackers_are_reached_through_it_only() {
    let (socks, node, made) = (Socks::start(), Node::start(), album());
    let (peer, tracker) = made.swarm();
    let host = Host::start_with(&(settings(&node) + &socks.settings()));
    // By name: the proxy looks it up, not we.
    let torrent = made.bytes(Some(&tracker.url().replace("127.0.0.1", "localhost")));
    let stream =
        host.prepare(None, &torrent, 0).unwrap_or_else(|refused| panic!("{refused:?}\n{}", host.log()));
    assert!(host.get(&stream, None).rest() == made.share.content[..]);
    assert!(tracker.wait_for(PATIENCE, |announces| !announces.is_empty()));
    host.destroy();
    let port = address(&tracker).port();
    assert!(socks.connects().contains(&Target::Name("localhost".into(), port)), "{:?}", socks.connects());
    assert_eq!(
        peer.accepted(),
        socks.connects_to(peer.address().into()),
        "a peer was reached past the proxy"
    );
    let announced = tracker.announces().len() as u64;
    assert!(announced <= socks.connects_to(address(&tracker)), "the tracker was reached past the proxy");
    // The proxy was asked to carry the DHT's datagrams and refused: then they are not sent at all.
    assert!(socks.refused() > 0, "the proxy was not asked for UDP");
    assert_eq!(node.packets(), 0, "datagrams went past the proxy");
}

/// A proxy that can carry datagrams gets those of the DHT, of UDP trackers and of uTP.
#[test]
fn datagrams_go_through_it_if_it_carries_them() {
    let (socks, node, made) = (Socks::that_carries_datagrams(), Node::start(), album());
    let (udp_tracker, utp_peer) = (Ear::start(), Ear::start());
    let (peer, tracker) = made.swarm();
    // Its only peer answers no TCP.
    let other = v1(b"other", &[File::new(&["b.mp3"], 300_000)], 16 * 1024);
    tracker.set_peers(other.info_hash(), vec![utp_peer.address]);
    let host = Host::start_with(&(settings(&node) + &socks.settings()));
    let stream = host.prepare(None, &with_udp_tracker(&made, &tracker.url(), &udp_tracker), 0).unwrap();
    assert!(host.get(&stream, None).rest() == made.share.content[..]);
    node.until(|packets| !packets.is_empty());
    udp_tracker.until_it_hears();
    thread::scope(|scope| {
        scope.spawn(|| host.prepare_as(None, &other.bytes(Some(&tracker.url())), 0, false));
        utp_peer.until_it_hears();
        host.destroy();
    });
    assert_eq!(
        node.packets(),
        socks.carried_to(SocketAddrV4::new(Ipv4Addr::LOCALHOST, node.port)),
        "the DHT was reached past the proxy"
    );
    assert_eq!(udp_tracker.packets(), socks.carried_to(udp_tracker.address), "a tracker was reached past it");
    assert_eq!(utp_peer.packets(), socks.carried_to(utp_peer.address), "a peer was reached past it");
    assert_eq!(peer.accepted(), socks.connects_to(peer.address().into()), "a peer was reached past it");
}

/// HTTP proxies carry connections only: then there are no datagrams at all.
#[test]
fn an_http_proxy_gets_all_and_no_datagram_is_sent() {
    let (proxy, node, made, udp_tracker) = (HttpProxy::start(), Node::start(), album(), Ear::start());
    let (peer, tracker) = made.swarm();
    // Where uTP to the peer would arrive.
    let utp = Ear::at(peer.address());
    let host = Host::start_with(&(settings(&node) + &proxy.settings()));
    let torrent = with_udp_tracker(&made, &tracker.url().replace("127.0.0.1", "localhost"), &udp_tracker);
    let stream =
        host.prepare(None, &torrent, 0).unwrap_or_else(|refused| panic!("{refused:?}\n{}", host.log()));
    assert!(host.get(&stream, None).rest() == made.share.content[..]);
    host.destroy();
    let connects = proxy.asked(Method::Connect, &peer.address().to_string());
    assert_eq!(peer.accepted(), connects, "a peer was reached past the proxy");
    let gets = proxy.asked(Method::Get, &format!("localhost:{}", address(&tracker).port()));
    assert_eq!(tracker.announces().len() as u64, gets, "the tracker was reached past the proxy");
    assert!(connects > 0 && gets > 0);
    assert_eq!((node.packets(), udp_tracker.packets(), utp.packets()), (0, 0, 0), "datagrams were sent");
}

/// A proxy that is not there is no reason to go without.
#[test]
fn without_the_proxy_nothing_goes_anywhere() {
    let (node, made) = (Node::start(), album());
    let (peer, tracker) = made.swarm();
    let gone = Socks::start().settings().replace("port = ", "port = 1 # ");
    let host = Host::start_with(&(settings(&node) + &gone));
    let torrent = made.bytes(Some(&tracker.url()));
    // A background prepare answers after eight seconds, whatever is there.
    let opened = host.prepare_as(None, &torrent, 0, false);
    assert!(opened.is_ok(), "{opened:?}");
    host.destroy();
    assert_eq!((peer.accepted(), tracker.announces().len(), node.packets()), (0, 0, 0));
}

/// What those above would have seen.
#[test]
fn without_a_proxy_all_of_them_are_reached_directly() {
    let (node, made, udp_tracker) = (Node::start(), album(), Ear::start());
    let (peer, tracker) = made.swarm();
    let utp = Ear::at(peer.address());
    let direct = settings(&node).replace("lsd = true\nupnp = true", "lsd = false\nupnp = false");
    let host = Host::start_with(&direct);
    let stream = host.prepare(None, &with_udp_tracker(&made, &tracker.url(), &udp_tracker), 0).unwrap();
    assert!(host.get(&stream, None).rest() == made.share.content[..]);
    node.until(|packets| !packets.is_empty());
    udp_tracker.until_it_hears();
    utp.until_it_hears();
    assert!(peer.accepted() > 0 && !tracker.announces().is_empty());
}
