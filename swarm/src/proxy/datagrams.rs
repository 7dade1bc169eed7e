//! The UDP half of a proxy: uTP packets, relayed one by one.
//!
//! Every client gets a socket of its own towards the seeder, so the seeder can tell clients apart. A packet that does
//! not fit in the line's queue is dropped, as a router would.

use super::{Counters, line::Line};
use mio::net::UdpSocket;
use std::{
    collections::{HashMap, VecDeque},
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// Larger than any packet on loopback.
const PACKET_MAX: usize = 65_536;

/// A packet under way.
struct Packet {
    bytes: Vec<u8>,
    client: SocketAddr,
    /// When it has left the line.
    left: Instant,
}

/// One client's socket towards the seeder.
pub(super) struct Flow {
    pub(super) socket: UdpSocket,
    /// It may have packets: set by the event loop, cleared when reading would block.
    pub(super) readable: bool,
    /// The last uTP header towards the seeder and towards the client.
    last_up: Option<UtpHeader>,
    last_down: Option<UtpHeader>,
}

/// The fixed part of a uTP packet (BEP 29): type and version, extension, connection id, times, window, numbers.
type UtpHeader = [u8; 20];

/// See the module's story.
pub(super) struct Datagrams {
    /// The socket that clients see.
    pub(super) socket: UdpSocket,
    pub(super) readable: bool,
    seeder: SocketAddr,
    pub(super) flows: HashMap<SocketAddr, Flow>,
    up: VecDeque<Packet>,
    down: VecDeque<Packet>,
    buffer: Vec<u8>,
}

impl Datagrams {
    pub(super) fn new(socket: UdpSocket, seeder: SocketAddr) -> Self {
        Self {
            socket,
            readable: false,
            seeder,
            flows: HashMap::new(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            buffer: vec![0; PACKET_MAX],
        }
    }

    /// Takes what clients sent. With `answer` false everything is swallowed. `new_flow` is told of every new client's
    /// socket so that the event loop hears of its packets.
    ///
    /// # Errors
    /// When a new client's socket cannot be made.
    pub(super) fn take_up(
        &mut self,
        line: &mut Line,
        answer: bool,
        counters: &Counters,
        now: Instant,
        mut new_flow: impl FnMut(SocketAddr, &mut UdpSocket) -> io::Result<()>,
    ) -> io::Result<()> {
        while self.readable {
            let (len, client) = match self.socket.recv_from(&mut self.buffer) {
                Ok(received) => received,
                Err(error) => {
                    self.readable = !matches!(error.kind(), ErrorKind::WouldBlock);
                    continue;
                }
            };
            if !answer {
                continue;
            }
            if !self.flows.contains_key(&client) {
                let mut socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
                socket.connect(self.seeder)?;
                new_flow(client, &mut socket)?;
                counters.udp_flows.fetch_add(1, Ordering::Relaxed);
                self.flows.insert(client, Flow { socket, readable: true, last_up: None, last_down: None });
            }
            enqueue(&mut self.up, &self.buffer[..len], client, line, counters, now);
        }
        Ok(())
    }

    /// Takes what the seeder sent. With `answer` false it is swallowed.
    pub(super) fn take_down(&mut self, line: &mut Line, answer: bool, counters: &Counters, now: Instant) {
        for (&client, flow) in &mut self.flows {
            while flow.readable {
                match flow.socket.recv(&mut self.buffer) {
                    Ok(_) if !answer => {}
                    Ok(len) => enqueue(&mut self.down, &self.buffer[..len], client, line, counters, now),
                    // Anything else is an ICMP answer to an earlier packet: the seeder is gone, packets get lost.
                    Err(error) => flow.readable = error.kind() != ErrorKind::WouldBlock,
                }
            }
        }
    }

    /// Sends what is due in both directions. A socket that takes no more loses the packet, as any network may.
    pub(super) fn give(&mut self, delay: Duration, counters: &Counters, now: Instant) {
        while let Some(packet) = pop_due(&mut self.up, delay, now) {
            if let Some(flow) = self.flows.get_mut(&packet.client)
                && flow.socket.send(&packet.bytes).is_ok()
            {
                flow.last_up = utp_header(&packet.bytes).or(flow.last_up);
                counters.up_bytes.fetch_add(packet.bytes.len() as u64, Ordering::Relaxed);
            }
        }
        while let Some(packet) = pop_due(&mut self.down, delay, now) {
            if self.socket.send_to(&packet.bytes, packet.client).is_ok() {
                if let Some(flow) = self.flows.get_mut(&packet.client) {
                    flow.last_down = utp_header(&packet.bytes).or(flow.last_down);
                }
                counters.down_bytes.fetch_add(packet.bytes.len() as u64, Ordering::Relaxed);
            }
        }
    }

    /// When the next packet is due.
    pub(super) fn wake(&self, delay: Duration) -> Option<Instant> {
        let front = |queue: &VecDeque<Packet>| queue.front().map(|packet| packet.left + delay);
        front(&self.up).into_iter().chain(front(&self.down)).min()
    }

    /// Moves everything under way `by` later.
    pub(super) fn delay(&mut self, by: Duration) {
        self.up.iter_mut().chain(&mut self.down).for_each(|packet| packet.left += by);
    }

    /// Puts what has not left its line by `now` on the line again: its rate has changed.
    pub(super) fn reschedule(&mut self, up: &mut Line, down: &mut Line, now: Instant) {
        for (queue, line) in [(&mut self.up, up), (&mut self.down, down)] {
            for packet in queue.iter_mut().filter(|packet| packet.left > now) {
                packet.left = line.send(packet.bytes.len(), now);
            }
        }
    }

    /// Resets the last uTP connection of every client, at both ends, and forgets everything under way. Without the
    /// resets both would believe in it for a minute.
    pub(super) fn reset(&mut self) {
        for (client, flow) in &self.flows {
            // A lost reset is as good as a lost packet.
            if let Some(header) = flow.last_down {
                let _ = self.socket.send_to(&reset_packet(header), *client);
            }
            if let Some(header) = flow.last_up {
                let _ = flow.socket.send(&reset_packet(header));
            }
        }
        self.up.clear();
        self.down.clear();
        self.flows.clear();
    }
}

/// The header of a packet, if it looks like uTP version 1.
fn utp_header(packet: &[u8]) -> Option<UtpHeader> {
    packet.first_chunk().copied().filter(|header: &UtpHeader| header[0] & 0x0f == 1 && header[0] >> 4 <= 4)
}

/// A reset (type 3) in the name of whoever sent `header`, without extensions.
fn reset_packet(mut header: UtpHeader) -> UtpHeader {
    header[0] = 0x31;
    header[1] = 0;
    header
}

fn enqueue(
    queue: &mut VecDeque<Packet>,
    bytes: &[u8],
    client: SocketAddr,
    line: &mut Line,
    counters: &Counters,
    now: Instant,
) {
    if line.room_at(bytes.len() as u64) > now {
        counters.udp_dropped.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let left = line.send(bytes.len(), now);
    queue.push_back(Packet { bytes: bytes.to_vec(), client, left });
}

fn pop_due(queue: &mut VecDeque<Packet>, delay: Duration, now: Instant) -> Option<Packet> {
    queue.front().filter(|packet| packet.left + delay <= now)?;
    queue.pop_front()
}
