//! Who hears of a torrent. A private one (BEP 27) is nobody's business but its own trackers': a tracker of the public
//! list, a DHT node, the local network and a peer that gossips are there to be told, and hear nothing. What proves that
//! they could have: a torrent that is not private, opened after it in the same session.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;

use parking_lot::{Condvar, Mutex};
use vozduxan_swarm::bencode::Value;
use vozduxan_swarm::raw::{Identity, Message, RawPeer, Wire};
use vozduxan_swarm::torrent::hex;
use vozduxan_swarm::tracker::Tracker;

use super::host::Host;
use super::make::{File, Made, v1};
use super::support::PATIENCE;

/// A DHT node (BEP 5) that answers every query with nothing, and keeps what it was sent.
pub struct Node {
    pub port: u16,
    heard: Arc<(Mutex<Vec<Vec<u8>>>, Condvar)>,
}

impl Node {
    pub fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        let heard = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let notes = Arc::clone(&heard);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok((len, from)) = socket.recv_from(&mut bytes) {
                notes.0.lock().push(bytes[..len].to_vec());
                notes.1.notify_all();
                let Some((query, _)) = Value::decode(&bytes[..len]) else { continue };
                let Some(transaction) = query.get("t").cloned() else { continue };
                let result = Value::dict([
                    ("id", Value::Bytes(vec![0x42; 20])),
                    ("nodes", Value::bytes("")),
                    ("token", Value::bytes("tk")),
                ]);
                let reply = Value::dict([("r", result), ("t", transaction), ("y", Value::bytes("r"))]);
                let _ = socket.send_to(&reply.encode(), from);
            }
        });
        Self { port, heard }
    }

    pub fn packets(&self) -> usize {
        self.heard.0.lock().len()
    }

    fn knows(&self, hash: [u8; 20]) -> bool {
        self.heard.0.lock().iter().any(|packet| packet.windows(20).any(|part| part == hash))
    }

    #[track_caller]
    pub fn until(&self, right: impl Fn(&[Vec<u8>]) -> bool) {
        let mut heard = self.heard.0.lock();
        while !right(&heard) {
            assert!(!self.heard.1.wait_for(&mut heard, PATIENCE).timed_out(), "the DHT was not asked");
        }
    }
}

/// An honest peer that gossips: it offers ut_pex, and names `bait` as a peer to whoever comes.
fn gossip(made: &Made, bait: &RawPeer, offered: &Arc<AtomicU8>, told: &Arc<AtomicBool>) -> RawPeer {
    let size = i64::try_from(made.share.info.len()).ok();
    let identity = Identity { pex: true, metadata_size: size, ..Identity::new(made.info_hash()) };
    let (share, address) = (made.share.clone(), bait.address());
    let (offered, told) = (Arc::clone(offered), Arc::clone(told));
    RawPeer::start(move |stream| {
        let mut wire = Wire::accept(stream, &identity)?;
        wire.offer_everything()?;
        let place = [&address.ip().octets()[..], &address.port().to_be_bytes()].concat();
        let list =
            Value::dict([("added", Value::Bytes(place)), ("added.f", Value::Bytes(vec![0x10]))]).encode();
        loop {
            let message = wire.read()?;
            if let Message::Extended(0, _) = &message {
                offered.store(wire.their_pex, Ordering::SeqCst);
                // Whether it is wanted or not: libtorrent takes lists under the number 1.
                wire.extended(1, &list)?;
                told.store(true, Ordering::SeqCst);
            }
            share.answer(&mut wire, &message)?;
        }
    })
    .unwrap()
}

/// Plays a torrent to its end, and answers whether its peer was offered ut_pex, and whether the bait was taken.
fn play(host: &Host, made: &Made, by_magnet: bool, tracker: &Tracker, wait_for_bait: bool) -> (bool, bool) {
    let (offered, told) = (Arc::new(AtomicU8::new(0)), Arc::new(AtomicBool::new(false)));
    let taken = Arc::new((Mutex::new(false), Condvar::new()));
    let notes = Arc::clone(&taken);
    let bait = RawPeer::start(move |_| {
        *notes.0.lock() = true;
        notes.1.notify_all();
        Ok(())
    })
    .unwrap();
    let peer = gossip(made, &bait, &offered, &told);
    tracker.set_peers(made.info_hash(), vec![peer.address()]);
    let torrent = if by_magnet { Vec::new() } else { made.bytes(Some(&tracker.url())) };
    let magnet = format!("magnet:?xt=urn:btih:{}&tr={}", hex(&made.info_hash()), tracker.url());
    let stream = host
        .prepare(by_magnet.then_some(&*magnet), &torrent, 0)
        .unwrap_or_else(|refused| panic!("{refused:?}\n{}", host.log()));
    assert!(host.get(&stream, None).rest() == made.share.content[..]);
    assert!(told.load(Ordering::SeqCst), "the peer said nothing");
    let mut bitten = taken.0.lock();
    while wait_for_bait && !*bitten {
        assert!(!taken.1.wait_for(&mut bitten, PATIENCE).timed_out(), "no gossip is heard at all");
    }
    (offered.load(Ordering::SeqCst) != 0, *bitten)
}

fn private(name: &[u8]) -> Made {
    public(name).changed(|info| info.set("private", Value::int(1)))
}

fn public(name: &[u8]) -> Made {
    v1(name, &[File::new(&["a.mp3"], 300_000)], 16 * 1024)
}

fn settings(node: &Node, extra: &Tracker) -> String {
    format!(
        "[network]\nlisten_interfaces = \"127.0.0.1:0\"\nlsd = false\nupnp = false\npublic_trackers = false\n\
         dht = true\ndht_bootstrap_nodes = [\"127.0.0.1:{}\"]\nextra_trackers = [\"{}\"]\n",
        node.port,
        extra.url()
    )
}

#[test]
fn a_private_torrent_is_known_to_its_own_tracker_only() {
    let (node, extra, own) = (Node::start(), Tracker::start().unwrap(), Tracker::start().unwrap());
    let host = Host::start_with(&settings(&node, &extra));
    // The DHT runs before the torrent comes.
    node.until(|packets| !packets.is_empty());
    let hidden = private(b"hidden");
    assert_eq!(play(&host, &hidden, false, &own, false), (false, false), "gossip");
    let by_magnet = private(b"hidden as well");
    let (_, bitten) = play(&host, &by_magnet, true, &own, false);
    assert!(!bitten, "gossip is followed though the metadata says private");
    // Nobody's secret: asked of all, and only now.
    let open = public(b"open");
    assert_eq!(play(&host, &open, false, &own, true), (true, true), "gossip of a public torrent");
    let asked =
        extra.wait_for(PATIENCE, |announces| announces.iter().any(|it| it.info_hash == open.info_hash()));
    assert!(asked, "the extra tracker was not asked for the public torrent");
    node.until(|packets| {
        packets.iter().any(|packet| packet.windows(20).any(|part| part == open.info_hash()))
    });
    host.destroy();
    for made in [&hidden, &by_magnet] {
        let hash = made.info_hash();
        assert!(extra.announces().iter().all(|it| it.info_hash != hash), "the extra tracker heard of it");
        assert!(own.announces().iter().any(|it| it.info_hash == hash));
    }
    assert!(!node.knows(hidden.info_hash()), "the DHT heard of it");
}
