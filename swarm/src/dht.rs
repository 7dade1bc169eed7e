//! A private DHT (BEP 5): some nodes on loopback that know each other, and that tell who has which torrent.
//!
//! Each node answers ping, find_node, get_peers and announce_peer as BEP 5 says, from a socket and a thread of its own,
//! and asks nobody anything: the nodes know each other from the start. Nothing is ever forgotten.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use crate::audio::Noise;
use crate::bencode::Value;
use crate::proxy::fresh_address;

/// A node's or a torrent's place: 160 bits, whose distance is their exclusive or.
type Id = [u8; 20];

/// Nodes that an answer names (BEP 5: K).
const NEAREST: usize = 8;

/// See the module. Dropping it ends its nodes.
pub struct Dht {
    nodes: Vec<Node>,
}

struct Node {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What a node is and knows.
struct Shared {
    id: Id,
    address: SocketAddrV4,
    socket: UdpSocket,
    others: Mutex<Vec<(Id, SocketAddrV4)>>,
    peers: Mutex<Vec<(Id, SocketAddrV4)>>,
    asked_for_peers: AtomicU64,
    stop: AtomicBool,
}

impl Dht {
    /// As many nodes, each on a loopback address of its own, with different first three bytes: clients take no more than
    /// one of each such network into a search, lest one owner of many addresses answers all.
    ///
    /// # Errors
    /// When the system refuses a socket or a thread.
    pub fn start(count: usize) -> io::Result<Self> {
        let mut nodes: Vec<Node> = Vec::new();
        for n in 0..count {
            let network = |address: Ipv4Addr| u32::from(address) >> 8;
            let is_new = |address: &Ipv4Addr| {
                nodes.iter().all(|node| network(*node.shared.address.ip()) != network(*address))
            };
            let own = std::iter::repeat_with(fresh_address).find(is_new).expect("without end");
            let socket = UdpSocket::bind((own, 0))?;
            let SocketAddr::V4(address) = socket.local_addr()? else {
                return Err(io::Error::other("bound to IPv4"));
            };
            let mut id = Id::default();
            id.copy_from_slice(&Noise::new(n as u64 + 1).bytes(20));
            let shared = Arc::new(Shared {
                id,
                address,
                socket,
                others: Mutex::default(),
                peers: Mutex::default(),
                asked_for_peers: AtomicU64::new(0),
                stop: AtomicBool::new(false),
            });
            let for_thread = Arc::clone(&shared);
            let thread = thread::Builder::new().name("dht-node".into()).spawn(move || for_thread.run())?;
            nodes.push(Node { shared, thread: Some(thread) });
        }
        let all: Vec<(Id, SocketAddrV4)> =
            nodes.iter().map(|node| (node.shared.id, node.shared.address)).collect();
        for node in &nodes {
            let others = all.iter().copied().filter(|(id, _)| *id != node.shared.id);
            node.shared.others.lock().extend(others);
        }
        Ok(Self { nodes })
    }

    /// Where the nodes listen, UDP.
    pub fn addresses(&self) -> Vec<SocketAddrV4> {
        self.nodes.iter().map(|node| node.shared.address).collect()
    }

    /// Every node has heard from these peers that they have the torrent.
    pub fn announced(&self, info_hash: Id, peers: &[SocketAddrV4]) {
        for node in &self.nodes {
            node.shared.peers.lock().extend(peers.iter().map(|peer| (info_hash, *peer)));
        }
    }

    /// Who has the torrent, by what announced itself to any node; each peer once.
    pub fn peers(&self, info_hash: Id) -> Vec<SocketAddrV4> {
        let mut peers: Vec<SocketAddrV4> =
            self.nodes.iter().flat_map(|node| node.shared.peers_of(&info_hash)).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }

    /// How often the node was asked for peers.
    pub fn asked_for_peers(&self, node: usize) -> u64 {
        self.nodes[node].shared.asked_for_peers.load(Ordering::Relaxed)
    }

    /// Ends one node; the others go on naming it.
    pub fn stop(&mut self, node: usize) {
        self.nodes[node].stop();
    }
}

impl Node {
    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        // Wakes it.
        let _ = self.shared.socket.send_to(&[], self.shared.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn run(&self) {
        let mut packet = [0; 2048];
        while let Ok((len, SocketAddr::V4(from))) = self.socket.recv_from(&mut packet) {
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            if let Some(answer) = self.answer(&packet[..len], from) {
                let _ = self.socket.send_to(&answer.encode(), from);
            }
        }
    }

    /// The answer to a packet; `None`: it is no question.
    fn answer(&self, packet: &[u8], from: SocketAddrV4) -> Option<Value> {
        let (message, _) = Value::decode(packet)?;
        if message.get("y")?.as_bytes()? != b"q" {
            return None;
        }
        let transaction = message.get("t")?.clone();
        let asked = message.get("a")?;
        let id = |key: &str| -> Option<Id> { asked.get(key)?.as_bytes()?.try_into().ok() };
        let mut answer = vec![(b"id".to_vec(), Value::bytes(self.id))];
        match message.get("q")?.as_bytes()? {
            b"ping" => {}
            b"find_node" => answer.push((b"nodes".to_vec(), self.nearest(&id("target")?))),
            b"get_peers" => {
                self.asked_for_peers.fetch_add(1, Ordering::Relaxed);
                let hash = id("info_hash")?;
                answer.push((b"nodes".to_vec(), self.nearest(&hash)));
                answer.push((b"token".to_vec(), Value::bytes(self.token(*from.ip()))));
                let peers = self.peers_of(&hash);
                if !peers.is_empty() {
                    let values = peers.iter().map(|peer| Value::bytes(compact(*peer))).collect();
                    answer.push((b"values".to_vec(), Value::List(values)));
                }
            }
            b"announce_peer" => {
                if asked.get("token")?.as_bytes()? != self.token(*from.ip()) {
                    return Some(refusal(transaction, 203, "a wrong token"));
                }
                let implied = asked.get("implied_port").and_then(Value::as_int) == Some(1);
                let port = asked.get("port").and_then(Value::as_int).and_then(|port| port.try_into().ok());
                let port = if implied { from.port() } else { port? };
                self.peers.lock().push((id("info_hash")?, SocketAddrV4::new(*from.ip(), port)));
            }
            _ => return Some(refusal(transaction, 204, "an unknown method")),
        }
        Some(Value::dict([("r", Value::Dict(answer)), ("t", transaction), ("y", Value::bytes(b"r"))]))
    }

    fn peers_of(&self, hash: &Id) -> Vec<SocketAddrV4> {
        self.peers.lock().iter().filter(|(of, _)| of == hash).map(|(_, peer)| *peer).collect()
    }

    /// The nodes nearest to a place, in the compact form.
    fn nearest(&self, place: &Id) -> Value {
        let mut others = self.others.lock().clone();
        others.sort_by_key(|(id, _)| {
            let mut distance = *id;
            distance.iter_mut().zip(place).for_each(|(byte, other)| *byte ^= other);
            distance
        });
        let near = others.iter().take(NEAREST);
        Value::bytes(
            near.flat_map(|(id, address)| [&id[..], &compact(*address)].concat()).collect::<Vec<u8>>(),
        )
    }

    /// What an address has to show to announce itself. Good enough where nobody guesses.
    fn token(&self, from: Ipv4Addr) -> [u8; 8] {
        let secret = u64::from_be_bytes(*self.id.first_chunk().expect("20 bytes"));
        Noise::new(secret ^ u64::from(u32::from(from))).word(0).to_be_bytes()
    }
}

fn refusal(transaction: Value, code: u32, why: &str) -> Value {
    let error = Value::List(vec![Value::int(code), Value::bytes(why)]);
    Value::dict([("e", error), ("t", transaction), ("y", Value::bytes(b"e"))])
}

/// Address and port in six bytes.
fn compact(address: SocketAddrV4) -> [u8; 6] {
    let ([a, b, c, d], [high, low]) = (address.ip().octets(), address.port().to_be_bytes());
    [a, b, c, d, high, low]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The answer to a question, by its words.
    fn ask(socket: &UdpSocket, node: SocketAddrV4, method: &str, arguments: Value) -> Value {
        let question = Value::dict([
            ("a", arguments),
            ("q", Value::bytes(method)),
            ("t", Value::bytes("x")),
            ("y", Value::bytes("q")),
        ]);
        socket.send_to(&question.encode(), node).expect("sent");
        let mut packet = [0; 2048];
        let len = socket.recv(&mut packet).expect("an answer");
        Value::decode(&packet[..len]).expect("bencoded").0
    }

    #[test]
    fn who_announces_with_the_token_is_named() {
        let dht = Dht::start(3).expect("nodes");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("socket");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
        let (node, hash) = (dht.addresses()[0], [5; 20]);
        let with = |more: &[(&str, Value)]| {
            let mut arguments =
                Value::dict([("id", Value::bytes([1; 20])), ("info_hash", Value::bytes(hash))]);
            more.iter().for_each(|(key, value)| arguments.set(key, value.clone()));
            arguments
        };
        let answer = ask(&socket, node, "get_peers", with(&[]));
        let said = answer.get("r").expect("an answer");
        assert_eq!(said.get("nodes").and_then(Value::as_bytes).map(<[u8]>::len), Some(2 * 26));
        assert!(said.get("values").is_none());
        let token = said.get("token").expect("a token").clone();
        let wrong = with(&[("port", Value::int(7)), ("token", Value::bytes("guess"))]);
        assert!(ask(&socket, node, "announce_peer", wrong).get("e").is_some());
        let right = with(&[("port", Value::int(7)), ("token", token)]);
        assert!(ask(&socket, node, "announce_peer", right).get("r").is_some());
        assert_eq!(dht.peers(hash), [SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7)]);
        let answer = ask(&socket, node, "get_peers", with(&[]));
        assert!(answer.get("r").and_then(|said| said.get("values")).is_some());
        assert!(ask(&socket, node, "vote", with(&[])).get("e").is_some());
        assert_eq!(dht.asked_for_peers(0), 2);
    }
}
