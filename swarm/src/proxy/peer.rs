//! One peer's proxy: its sockets, its two lines, and what it does when something is due.

use super::{
    Counters, PeerNet, TcpMode,
    datagrams::Datagrams,
    line::Line,
    pipe::{Ended, Pipe},
};
use mio::{
    Interest, Registry, Token,
    net::{TcpListener, TcpStream, UdpSocket},
};
use socket2::{Domain, SockRef, Socket, Type};
use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    net::{SocketAddr, SocketAddrV4},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// What a token of the event loop stands for, within a peer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Listener,
    Datagrams,
    /// The client's end of a connection.
    Client(u64),
    /// The seeder's end.
    Server(u64),
    Flow(SocketAddr),
}

/// Gives out tokens for one peer's sockets.
pub(super) struct Tokens<'a> {
    pub(super) registry: &'a Registry,
    pub(super) places: &'a mut HashMap<Token, (usize, Place)>,
    pub(super) next: &'a mut usize,
    pub(super) peer: usize,
}

impl Tokens<'_> {
    fn register(&mut self, source: &mut impl mio::event::Source, place: Place) -> io::Result<()> {
        let token = Token(*self.next);
        *self.next += 1;
        // Edge-triggered: a socket says once that it may have something, and is asked until it would block.
        self.registry.register(source, token, Interest::READABLE | Interest::WRITABLE)?;
        self.places.insert(token, (self.peer, place));
        Ok(())
    }
}

/// One TCP connection: the client's end, the seeder's end, a pipe each way.
struct Link {
    client: TcpStream,
    server: TcpStream,
    up: Pipe,
    down: Pipe,
}

/// See the module's story.
pub(super) struct Peer {
    net: PeerNet,
    address: SocketAddrV4,
    counters: Arc<Counters>,
    listener: Listener,
    datagrams: Datagrams,
    links: HashMap<u64, Link>,
    next_link: u64,
    up: Line,
    down: Line,
    /// Since when nothing moves.
    frozen: Option<Instant>,
    /// Buffers to use again.
    spare: Vec<Vec<u8>>,
}

/// The TCP half's door.
enum Listener {
    Open(TcpListener),
    /// Bound and not listening: connects are refused, and the port stays ours.
    Refusing {
        _bound: Socket,
    },
    /// Its queue is full with one connection of ours, so the kernel drops every further SYN.
    Swallowing {
        _full: Socket,
        _filler: Socket,
    },
}

impl Peer {
    /// Opens the sockets on a fresh loopback address.
    pub(super) fn open(net: PeerNet, counters: Arc<Counters>, tokens: &mut Tokens<'_>) -> io::Result<Self> {
        let now = Instant::now();
        let (tcp, udp) = bind_pair(super::address::fresh())?;
        let address = local_v4(&udp)?;
        let mut datagrams = UdpSocket::from_std(udp.into());
        tokens.register(&mut datagrams, Place::Datagrams)?;
        let listener = Listener::new(tcp, net.tcp, tokens)?;
        let (up, down) = (Line::new(net.up_rate, now), Line::new(net.rate, now));
        let datagrams = Datagrams::new(datagrams, net.seeder.into());
        let (links, spare) = (HashMap::new(), Vec::new());
        Ok(Self {
            net,
            address,
            counters,
            listener,
            datagrams,
            links,
            next_link: 0,
            up,
            down,
            frozen: None,
            spare,
        })
    }

    pub(super) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Notes what a socket reported.
    pub(super) fn ready(&mut self, place: Place, readable: bool, writable: bool, tokens: &mut Tokens<'_>) {
        match place {
            Place::Listener => self.accept(tokens),
            Place::Datagrams => self.datagrams.readable |= readable,
            Place::Flow(client) => {
                if let Some(flow) = self.datagrams.flows.get_mut(&client) {
                    flow.readable |= readable;
                }
            }
            Place::Client(id) => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.up.readable |= readable;
                    link.down.writable |= writable;
                }
            }
            Place::Server(id) => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.down.readable |= readable;
                    link.up.writable |= writable;
                }
            }
        }
    }

    /// Does everything that can be done by `now`, and answers when there is more to do, events aside.
    pub(super) fn pump(&mut self, now: Instant, tokens: &mut Tokens<'_>) -> Option<Instant> {
        if self.frozen.is_some() {
            return None;
        }
        let delay = self.net.rtt / 2;
        let Self { links, datagrams, up, down, spare, counters, .. } = self;
        // One chunk for each connection in turn, until the lines are full or nobody has any more.
        loop {
            let mut took = false;
            for link in links.values_mut() {
                took |= link.up.take(&mut link.client, up, delay, spare, now);
                took |= link.down.take(&mut link.server, down, delay, spare, now);
            }
            if !took {
                break;
            }
        }
        let registered = datagrams.take_up(up, self.net.utp, counters, now, |client, socket| {
            tokens.register(socket, Place::Flow(client))
        });
        if registered.is_err() {
            // No more sockets: this client's packet is lost, which uTP is made for.
            counters.udp_dropped.fetch_add(1, Ordering::Relaxed);
        }
        datagrams.take_down(down, counters, now);
        datagrams.give(delay, counters, now);

        let mut wake = datagrams.wake(delay);
        links.retain(|_, link| {
            let (up_before, down_before) = (link.up.passed, link.down.passed);
            link.up.give(&mut link.server, delay, spare, now);
            link.down.give(&mut link.client, delay, spare, now);
            counters.up_bytes.fetch_add(link.up.passed - up_before, Ordering::Relaxed);
            counters.down_bytes.fetch_add(link.down.passed - down_before, Ordering::Relaxed);
            let keep = match (link.up.ended, link.down.ended) {
                (Ended::Broken, _) | (_, Ended::Broken) => {
                    reset(link);
                    false
                }
                (Ended::Yes, Ended::Yes) => false,
                _ => true,
            };
            if keep {
                let next = link.up.wake(up, delay, now).into_iter().chain(link.down.wake(down, delay, now));
                wake = wake.into_iter().chain(next).min();
            }
            keep
        });
        counters.open.store(links.len() as u64, Ordering::Relaxed);
        wake
    }

    fn accept(&mut self, tokens: &mut Tokens<'_>) {
        let Listener::Open(listener) = &self.listener else { return };
        loop {
            match listener.accept() {
                Ok((client, _)) => {
                    self.counters.connections.fetch_add(1, Ordering::Relaxed);
                    // A connection that cannot be relayed is dropped: to the client, a peer that hung up.
                    if let Ok(link) = Link::open(client, &self.net, self.next_link, tokens) {
                        self.links.insert(self.next_link, link);
                    }
                    self.next_link += 1;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// See [`super::Proxy::freeze`].
    pub(super) fn freeze(&mut self, now: Instant) {
        self.frozen.get_or_insert(now);
    }

    /// See [`super::Proxy::unfreeze`].
    pub(super) fn unfreeze(&mut self, now: Instant) {
        let Some(since) = self.frozen.take() else { return };
        let by = now - since;
        self.up.delay(by);
        self.down.delay(by);
        self.datagrams.delay(by);
        for link in self.links.values_mut() {
            link.up.delay(by);
            link.down.delay(by);
        }
    }

    /// See [`super::Proxy::set_rate`].
    pub(super) fn set_rate(&mut self, rate: Option<u64>, now: Instant) {
        self.net.rate = rate;
        // While frozen, the clock of this peer stands still.
        let now = self.frozen.unwrap_or(now);
        let up_rate = self.net.up_rate;
        self.down.restart(rate, now);
        self.up.restart(up_rate, now);
        for link in self.links.values_mut() {
            link.up.reschedule(&mut self.up, now);
            link.down.reschedule(&mut self.down, now);
        }
        self.datagrams.reschedule(&mut self.up, &mut self.down, now);
    }

    /// See [`super::Proxy::drop_connections`].
    pub(super) fn drop_connections(&mut self) {
        self.links.drain().for_each(|(_, link)| reset(&link));
        self.datagrams.clear();
        self.counters.open.store(0, Ordering::Relaxed);
    }

    /// See [`super::Proxy::set_answering`].
    pub(super) fn set_answering(
        &mut self,
        tcp: TcpMode,
        utp: bool,
        tokens: &mut Tokens<'_>,
    ) -> io::Result<()> {
        self.net.utp = utp;
        if tcp == self.net.tcp {
            return Ok(());
        }
        // The old door has to be gone before the port can be taken again.
        let placeholder = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        self.listener = Listener::Refusing { _bound: placeholder };
        self.net.tcp = tcp;
        self.listener = Listener::new(bind(Type::STREAM, self.address)?, tcp, tokens)?;
        Ok(())
    }
}

impl Listener {
    /// Makes `bound` answer as `mode` says.
    fn new(bound: Socket, mode: TcpMode, tokens: &mut Tokens<'_>) -> io::Result<Self> {
        match mode {
            TcpMode::Accept => {
                bound.listen(128)?;
                let mut listener = TcpListener::from_std(bound.into());
                tokens.register(&mut listener, Place::Listener)?;
                Ok(Self::Open(listener))
            }
            TcpMode::Refuse => Ok(Self::Refusing { _bound: bound }),
            TcpMode::Swallow => {
                // A queue of length zero holds one connection (tcp(7), listen(2)).
                bound.listen(0)?;
                let filler = Socket::new(Domain::IPV4, Type::STREAM, None)?;
                filler.connect_timeout(&bound.local_addr()?, Duration::from_secs(10))?;
                Ok(Self::Swallowing { _full: bound, _filler: filler })
            }
        }
    }
}

impl Link {
    fn open(mut client: TcpStream, net: &PeerNet, id: u64, tokens: &mut Tokens<'_>) -> io::Result<Self> {
        let now = Instant::now();
        client.set_nodelay(true)?;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        // Before the connect, so that the window is small from the start: what has been sent by the seeder and not
        // been read by us is a queue that nobody asked for. The segment size keeps such a small window usable on
        // loopback, where it would be 64 KiB.
        socket.set_recv_buffer_size(net.socket_buffer())?;
        socket.set_tcp_mss(4096)?;
        match socket.connect(&SocketAddr::from(net.seeder).into()) {
            Ok(()) => {}
            // EINPROGRESS
            Err(error) if error.raw_os_error() == Some(115) || error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let mut server = TcpStream::from_std(socket.into());
        tokens.register(&mut client, Place::Client(id))?;
        tokens.register(&mut server, Place::Server(id))?;
        // The kernel completed the client's connect at once. Over the imitated line SYN and SYN-ACK take a round
        // trip before the client may send, and the ACK half of another before the seeder may.
        let up = Pipe::new(now + net.rtt);
        let down = Pipe::new(now + net.rtt + net.rtt / 2);
        Ok(Self { client, server, up, down })
    }
}

/// Ends both connections of a link with a reset, as a broken path does.
fn reset(link: &Link) {
    for stream in [&link.client, &link.server] {
        // Without it, closing sends a FIN instead; no reason to fail.
        let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
    }
}

fn bind(kind: Type, address: SocketAddrV4) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, kind, None)?;
    if kind == Type::STREAM {
        // Connections of an earlier listener may still be in TIME_WAIT on this port.
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A TCP and a UDP socket on the same free port of `ip`.
fn bind_pair(ip: std::net::Ipv4Addr) -> io::Result<(Socket, Socket)> {
    let mut last = None;
    for _ in 0..20 {
        let udp = bind(Type::DGRAM, SocketAddrV4::new(ip, 0))?;
        match bind(Type::STREAM, local_v4(&udp)?) {
            Ok(tcp) => return Ok((tcp, udp)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no free port")))
}

fn local_v4(socket: &Socket) -> io::Result<SocketAddrV4> {
    socket
        .local_addr()?
        .as_socket_ipv4()
        .ok_or_else(|| io::Error::other("an IPv4 socket has an IPv4 address"))
}
