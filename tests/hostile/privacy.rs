//! Who hears of a torrent. A private one (BEP 27) is nobody's business but its own trackers': a tracker of the public
//! list, a DHT node, the local network and a peer that gossips are there to be told, and hear nothing. What proves that
//! they could have: a torrent that is not private, opened after it in the same session.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use parking_lot::{Condvar, Mutex};
use vozduxan_swarm::bencode::Value;
use vozduxan_swarm::raw::{Identity, Message, RawPeer, Wire};
use vozduxan_swarm::torrent::hex;
use vozduxan_swarm::tracker::Tracker;

use super::host::{Host, Stream};
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

/// What a client in the local network hears: multicast announces (BEP 14), which on loopback reach this machine only.
/// Their port is the protocol's; many may listen, and others' torrents have other names.
struct Neighbour(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Neighbour {
    fn start() -> Self {
        use rustix::net::{AddressFamily, SocketAddrV4, SocketType, bind, socket, sockopt};
        let shared = socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
        sockopt::set_socket_reuseaddr(&shared, true).unwrap();
        bind(&shared, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 6771)).unwrap();
        let socket = UdpSocket::from(shared);
        socket.join_multicast_v4(&Ipv4Addr::new(239, 192, 152, 143), &Ipv4Addr::LOCALHOST).unwrap();
        let heard = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let notes = Arc::clone(&heard);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok((len, _)) = socket.recv_from(&mut bytes) {
                notes.0.lock().push(String::from_utf8_lossy(&bytes[..len]).to_lowercase());
                notes.1.notify_all();
            }
        });
        Self(heard)
    }

    fn knows(&self, hash: [u8; 20]) -> bool {
        self.0.0.lock().iter().any(|packet| packet.contains(&hex(&hash)))
    }

    #[track_caller]
    fn until_it_knows(&self, hash: [u8; 20]) {
        let mut heard = self.0.0.lock();
        while !heard.iter().any(|packet| packet.contains(&hex(&hash))) {
            assert!(!self.0.1.wait_for(&mut heard, PATIENCE).timed_out(), "the local network heard nothing");
        }
    }
}

/// Something that has happened, for all who wait for it.
#[derive(Clone, Default)]
struct Signal(Arc<(Mutex<bool>, Condvar)>);

impl Signal {
    fn give(&self) {
        *self.0.0.lock() = true;
        self.0.1.notify_all();
    }

    fn wait(&self) {
        let mut given = self.0.0.lock();
        while !*given {
            self.0.1.wait(&mut given);
        }
    }
}

/// A torrent whose one peer gossips: it names a bait as another peer to whoever offers PEX. It is honest but for
/// the last piece, which it keeps back until a signal: a client that has everything looks for nobody.
struct Rumour {
    made: Made,
    bait: RawPeer,
    /// The number for ut_pex that the client offered; 0: none.
    offered: Arc<AtomicU8>,
    _peer: RawPeer,
}

impl Rumour {
    fn start(made: Made, tracker: &Tracker, go_on: &Signal, bitten: &Signal) -> Self {
        let bitten = bitten.clone();
        let bait = RawPeer::start(move |_| {
            bitten.give();
            Ok(())
        })
        .unwrap();
        let size = i64::try_from(made.share.info.len()).ok();
        let identity = Identity { pex: true, metadata_size: size, ..Identity::new(made.info_hash()) };
        let offered = Arc::new(AtomicU8::new(0));
        let place = [&bait.address().ip().octets()[..], &bait.address().port().to_be_bytes()].concat();
        let list =
            Value::dict([("added", Value::Bytes(place)), ("added.f", Value::Bytes(vec![0x10]))]).encode();
        let (share, go_on, number) = (made.share.clone(), go_on.clone(), Arc::clone(&offered));
        let last = u32::try_from(LEN / PIECE as usize - 1).unwrap();
        let peer = RawPeer::start(move |stream| {
            let mut wire = Wire::accept(stream, &identity)?;
            wire.offer_everything()?;
            let mut told = false;
            loop {
                let message = wire.read()?;
                match &message {
                    Message::Extended(0, _) => number.store(wire.their_pex, Ordering::SeqCst),
                    // The metadata is known now. Who offers no PEX would take a list for a protocol error.
                    Message::Request(..) if !told && wire.their_pex != 0 => {
                        told = true;
                        wire.extended(wire.their_pex, &list)?;
                    }
                    _ => {}
                }
                if matches!(message, Message::Request(piece, ..) if piece == last) {
                    go_on.wait();
                }
                share.answer(&mut wire, &message)?;
            }
        })
        .unwrap();
        tracker.set_peers(made.info_hash(), vec![peer.address()]);
        Self { made, bait, offered, _peer: peer }
    }

    fn open(&self, host: &Host, tracker: &Tracker, by_magnet: bool) -> Stream {
        let torrent = if by_magnet { Vec::new() } else { self.made.bytes(Some(&tracker.url())) };
        let magnet = format!("magnet:?xt=urn:btih:{}&tr={}", hex(&self.made.info_hash()), tracker.url());
        host.prepare(by_magnet.then_some(&*magnet), &torrent, 0)
            .unwrap_or_else(|refused| panic!("{refused:?}\n{}", host.log()))
    }

    #[track_caller]
    fn play(&self, host: &Host, stream: &Stream) {
        assert!(host.get(stream, None).rest() == self.made.share.content[..]);
    }
}

const LEN: usize = 2 << 20;
const PIECE: u32 = 16 * 1024;

fn private(name: &[u8]) -> Made {
    public(name).changed(|info| info.set("private", Value::int(1)))
}

fn public(name: &[u8]) -> Made {
    v1(name, &[File::new(&["a.mp3"], LEN)], PIECE)
}

fn settings(node: &Node, extra: &Tracker) -> String {
    format!(
        "[network]\nlisten_interfaces = \"127.0.0.1:0\"\nlsd = true\nupnp = false\npublic_trackers = false\n\
         dht = true\ndht_bootstrap_nodes = [\"127.0.0.1:{}\"]\nextra_trackers = [\"{}\"]\n",
        node.port,
        extra.url()
    )
}

#[test]
fn a_private_torrent_is_known_to_its_own_tracker_only() {
    let (node, extra, own) = (Node::start(), Tracker::start().unwrap(), Tracker::start().unwrap());
    let neighbour = Neighbour::start();
    let host = Host::start_with(&settings(&node, &extra));
    // The DHT runs before the torrent comes.
    node.until(|packets| !packets.is_empty());
    let (go_on, nobody) = (Signal::default(), Signal::default());
    let hidden = Rumour::start(private(b"hidden"), &own, &go_on, &nobody);
    let by_magnet = Rumour::start(private(b"hidden as well"), &own, &go_on, &nobody);
    let streams = [hidden.open(&host, &own, false), by_magnet.open(&host, &own, true)];
    // Nobody's secret: asked of all, and only now. That it is played to its end means that the bait was taken.
    let bitten = Signal::default();
    let open = Rumour::start(public(b"open"), &own, &bitten, &bitten);
    let stream = open.open(&host, &own, false);
    open.play(&host, &stream);
    assert_ne!(open.offered.load(Ordering::SeqCst), 0);
    let open = open.made.info_hash();
    go_on.give();
    hidden.play(&host, &streams[0]);
    by_magnet.play(&host, &streams[1]);
    assert_eq!(hidden.offered.load(Ordering::SeqCst), 0, "gossip is offered for a private torrent");
    assert_eq!(hidden.bait.accepted(), 0, "gossip about a private torrent was followed");
    assert_eq!(by_magnet.bait.accepted(), 0, "gossip was followed though the metadata says private");
    let asked = extra.wait_for(PATIENCE, |announces| announces.iter().any(|it| it.info_hash == open));
    assert!(asked, "the extra tracker was not asked for the public torrent");
    node.until(|packets| packets.iter().any(|packet| packet.windows(20).any(|part| part == open)));
    neighbour.until_it_knows(open);
    host.destroy();
    for rumour in [&hidden, &by_magnet] {
        let hash = rumour.made.info_hash();
        assert!(extra.announces().iter().all(|it| it.info_hash != hash), "the extra tracker heard of it");
        assert!(own.announces().iter().any(|it| it.info_hash == hash));
    }
    assert!(!node.knows(hidden.made.info_hash()), "the DHT heard of it");
    assert!(!neighbour.knows(hidden.made.info_hash()), "the local network heard of it");
}
