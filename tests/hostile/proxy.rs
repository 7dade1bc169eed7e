//! With a proxy configured, nothing goes past it: peers, trackers and the DHT are there to be reached directly, and are
//! not.

use std::net::SocketAddr;

use vozduxan_swarm::tracker::Tracker;

use super::host::Host;
use super::make::{File, Made, v1};
use super::privacy::Node;
use super::socks::{Socks, Target};
use super::support::PATIENCE;

fn album() -> Made {
    v1(b"album", &[File::new(&["a.mp3"], 300_000)], 16 * 1024)
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

/// What the two above would have seen.
#[test]
fn without_a_proxy_all_of_them_are_reached_directly() {
    let (node, made) = (Node::start(), album());
    let (peer, tracker) = made.swarm();
    let direct = settings(&node).replace("lsd = true\nupnp = true", "lsd = false\nupnp = false");
    let host = Host::start_with(&direct);
    let stream = host.prepare(None, &made.bytes(Some(&tracker.url())), 0).unwrap();
    assert!(host.get(&stream, None).rest() == made.share.content[..]);
    node.until(|packets| !packets.is_empty());
    assert!(peer.accepted() > 0 && !tracker.announces().is_empty());
}
