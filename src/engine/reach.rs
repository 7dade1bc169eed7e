//! How the engine reaches peers: carries libtorrent's news about connections to the rule in `dial`, and its commands
//! out.
//!
//! A probe is the packet that opens a uTP connection (BEP 29, ST_SYN). Who speaks uTP answers with ST_STATE, and is told
//! at once with ST_RESET that there will be no connection. The engine's thread sends; a task of the runtime receives and
//! pushes what is right into the `Inbox`. An answer is right when it carries the connection id that only this session
//! can derive from the address, so nothing has to be remembered and nobody else can give it.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::runtime::Handle;

use crate::bridge::{Event as Happened, EventKind};

use super::dial::{Command, Dialer, Event, Means, Transport};
use super::event_loop::Engine;
use super::inbox::{self, Inbox};

/// Which way to peers the settings leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ways {
    /// How uTP may be tried.
    pub means: Means,
    /// Addresses of this machine that probes are sent from; at most one of each family is used.
    pub from: Vec<IpAddr>,
}

/// See the module.
pub struct Reach {
    dialer: Dialer,
    prober: Option<Prober>,
    out: Vec<Command>,
}

impl Reach {
    /// Binds what is needed. Without a socket uTP is tried without asking.
    pub fn start(ways: &Ways, runtime: &Handle, inbox: &Arc<Inbox>) -> Self {
        let prober =
            (ways.means == Means::Probe).then(|| Prober::start(&ways.from, runtime, inbox)).flatten();
        let means = if ways.means == Means::Probe && prober.is_none() { Means::Try } else { ways.means };
        Self { dialer: Dialer::new(means), prober, out: Vec::new() }
    }

    /// When something is due although nothing happens.
    pub fn next_look(&self) -> Option<Duration> {
        self.dialer.next_look()
    }

    /// An address has answered a probe.
    pub fn answered(&mut self, address: SocketAddr, now: Duration) {
        self.dialer.on(Event::Answered(address), now, &mut self.out);
    }

    fn note(&mut self, happened: &Happened, now: Duration) {
        /// How `PeerNew` says which connection it is.
        const BY_TCP: u32 = 1;
        const BY_UTP: u32 = 3;
        let peer = happened.peer;
        let event = match happened.kind {
            EventKind::PeerNew => {
                let Ok(address) = happened.text.parse() else { return };
                let transport = match happened.offset {
                    BY_TCP => Transport::Tcp,
                    BY_UTP => Transport::Utp,
                    _ => return,
                };
                Event::Began { torrent: happened.torrent, peer, address, transport }
            }
            EventKind::PeerConnected => Event::Connected(peer),
            EventKind::PeerReady => Event::Ready(peer),
            EventKind::PeerGone => Event::Ended(peer),
            _ => return,
        };
        self.dialer.on(event, now, &mut self.out);
    }
}

impl Engine {
    /// Something happened to a connection, perhaps.
    pub(super) fn note_connection(&mut self, happened: &Happened, now: Duration) {
        self.reach.note(happened, now);
    }

    /// Does what the rule demands.
    pub(super) fn reach_out(&mut self, now: Duration) {
        self.reach.dialer.pump(now, &mut self.reach.out);
        for command in std::mem::take(&mut self.reach.out) {
            match command {
                Command::Probe(address) => {
                    if let Some(prober) = &self.reach.prober {
                        prober.probe(address);
                    }
                }
                Command::Dial { torrent, peer, address, transport } => {
                    if self.torrents.contains_key(&torrent) {
                        self.bridge.dial(torrent, peer, address, transport == Transport::Utp);
                    }
                }
            }
        }
    }
}

/// The sockets that ask.
struct Prober {
    sockets: Vec<(bool, Arc<UdpSocket>)>,
    ids: Arc<RandomState>,
}

impl Prober {
    /// One socket per family. `None` when the system gives none.
    fn start(from: &[IpAddr], runtime: &Handle, inbox: &Arc<Inbox>) -> Option<Self> {
        let ids = Arc::new(RandomState::new());
        let mut sockets: Vec<(bool, Arc<UdpSocket>)> = Vec::new();
        for address in from {
            if sockets.iter().any(|(v6, _)| *v6 == address.is_ipv6()) {
                continue;
            }
            let Some(socket) = bind(*address, runtime) else { continue };
            let socket = Arc::new(socket);
            runtime.spawn(listen(Arc::clone(&socket), Arc::clone(&ids), Arc::clone(inbox)));
            sockets.push((address.is_ipv6(), socket));
        }
        (!sockets.is_empty()).then_some(Self { sockets, ids })
    }

    /// Asks. What does not leave is lost like any packet.
    fn probe(&self, address: SocketAddr) {
        let Some((_, socket)) = self.sockets.iter().find(|(v6, _)| *v6 == address.is_ipv6()) else { return };
        let packet = packet(SYN, id_for(&self.ids, address), FIRST, 0);
        let _ = socket.try_send_to(&packet, address);
    }
}

fn bind(address: IpAddr, runtime: &Handle) -> Option<UdpSocket> {
    let socket = std::net::UdpSocket::bind((address, 0)).ok()?;
    socket.set_nonblocking(true).ok()?;
    let _inside = runtime.enter();
    UdpSocket::from_std(socket).ok()
}

/// Takes answers until the runtime ends.
async fn listen(socket: Arc<UdpSocket>, ids: Arc<RandomState>, inbox: Arc<Inbox>) {
    let mut buffer = [0; 64];
    loop {
        let Ok((len, from)) = socket.recv_from(&mut buffer).await else {
            // A socket without a connection hears of no peer's error: this one is of no more use.
            return;
        };
        let id = id_for(&ids, from);
        let Some(seq) = answer(&buffer[..len], id) else { continue };
        // Who answered holds a connection open for us on the next id.
        let _ = socket.try_send_to(&packet(RESET, id.wrapping_add(1), FIRST + 1, seq.wrapping_sub(1)), from);
        inbox.push(inbox::Command::SpeaksUtp(from));
    }
}

/// ST_STATE, ST_RESET and ST_SYN of BEP 29.
const STATE: u8 = 2;
const RESET: u8 = 3;
const SYN: u8 = 4;
/// The sequence number a connection begins with.
const FIRST: u16 = 1;
const HEADER: usize = 20;

fn id_for(ids: &RandomState, address: SocketAddr) -> u16 {
    let [low, high, ..] = ids.hash_one((address.ip(), address.port())).to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// A uTP packet without extensions, times and data.
fn packet(kind: u8, id: u16, seq: u16, ack: u16) -> [u8; HEADER] {
    /// What a receiver would take, in bytes.
    const WINDOW: u32 = 1 << 20;
    let mut bytes = [0; HEADER];
    bytes[0] = kind << 4 | 1;
    bytes[2..4].copy_from_slice(&id.to_be_bytes());
    bytes[12..16].copy_from_slice(&WINDOW.to_be_bytes());
    bytes[16..18].copy_from_slice(&seq.to_be_bytes());
    bytes[18..20].copy_from_slice(&ack.to_be_bytes());
    bytes
}

/// The sequence number of a right answer.
fn answer(bytes: &[u8], id: u16) -> Option<u16> {
    let header: &[u8; HEADER] = bytes.first_chunk()?;
    let right = header[0] == STATE << 4 | 1
        && header[2..4] == id.to_be_bytes()
        && header[18..20] == FIRST.to_be_bytes();
    right.then(|| u16::from_be_bytes([header[16], header[17]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_a_utp_syn() {
        let syn = packet(SYN, 0x1234, FIRST, 0);
        assert_eq!(syn, [0x41, 0, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn only_the_answer_to_our_own_packet_counts() {
        let right = packet(STATE, 7, 0x0102, FIRST);
        assert_eq!(answer(&right, 7), Some(0x0102));
        assert_eq!(answer(&right, 8), None);
        assert_eq!(answer(&right[..19], 7), None);
        assert_eq!(answer(&packet(RESET, 7, 0x0102, FIRST), 7), None);
        assert_eq!(answer(&packet(STATE, 7, 0x0102, 2), 7), None);
        assert_eq!(answer(b"", 7), None);
    }

    #[test]
    fn every_address_has_its_own_id() {
        let ids = RandomState::new();
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(id_for(&ids, address(1)), id_for(&ids, address(1)));
        assert!((1..100).any(|port| id_for(&ids, address(port)) != id_for(&ids, address(port + 1))));
    }
}
