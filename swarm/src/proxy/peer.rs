//! One peer's proxy: its sockets, its two lines, and what it does when something is due.

use super::{
    Counters, PeerNet, TcpMode,
    datagrams::Datagrams,
    door::{Door, bind, bind_pair, local_v4},
    line::Line,
    link::Link,
    pipe::Ended,
    tokens::{Place, Tokens},
};
use mio::net::{TcpStream, UdpSocket};
use socket2::Type;
use std::{
    io::{self, ErrorKind},
    net::SocketAddrV4,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

/// See the module's story.
pub(super) struct Peer {
    net: PeerNet,
    address: SocketAddrV4,
    counters: Arc<Counters>,
    door: Door,
    /// Clients may be waiting at the door.
    knocking: bool,
    datagrams: Datagrams,
    links: Vec<Link>,
    /// Connections that are held and not relayed.
    held: Vec<TcpStream>,
    next_link: u64,
    /// Which link may use the line next.
    turn: usize,
    up: Line,
    down: Line,
    /// Since when nothing moves.
    frozen: Option<Instant>,
    /// Buffers to use again.
    spare: Vec<Vec<u8>>,
}

impl Peer {
    /// Opens the sockets on a fresh loopback address.
    pub(super) fn open(net: PeerNet, counters: Arc<Counters>, tokens: &mut Tokens<'_>) -> io::Result<Self> {
        let now = Instant::now();
        let (tcp, udp) = bind_pair(super::address::fresh())?;
        let address = local_v4(&udp)?;
        let mut datagrams = UdpSocket::from_std(udp.into());
        tokens.register(&mut datagrams, Place::Datagrams)?;
        let door = Door::new(tcp, net.tcp, tokens)?;
        let (up, down) = (Line::new(net.up_rate, now), Line::new(net.rate, now));
        let datagrams = Datagrams::new(datagrams, net.seeder.into());
        Ok(Self {
            net,
            address,
            counters,
            door,
            knocking: false,
            datagrams,
            links: Vec::new(),
            held: Vec::new(),
            next_link: 0,
            turn: 0,
            up,
            down,
            frozen: None,
            spare: Vec::new(),
        })
    }

    pub(super) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Notes what a socket reported.
    pub(super) fn ready(&mut self, place: Place, readable: bool, writable: bool) {
        match place {
            Place::Door => self.knocking = true,
            Place::Datagrams => self.datagrams.readable |= readable,
            Place::Flow(client) => {
                if let Some(flow) = self.datagrams.flows.get_mut(&client) {
                    flow.readable |= readable;
                }
            }
            Place::Client(id) => {
                if let Some(link) = self.links.iter_mut().find(|link| link.id == id) {
                    link.up.readable |= readable;
                    link.down.writable |= writable;
                }
            }
            Place::Server(id) => {
                if let Some(link) = self.links.iter_mut().find(|link| link.id == id) {
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
        if self.knocking {
            self.knocking = false;
            self.accept(tokens);
        }
        let delay = self.net.rtt / 2;
        let Self { links, turn, datagrams, up, down, spare, counters, .. } = self;
        // One chunk for each connection in turn, until the lines are full or nobody has any more.
        let mut idle = 0;
        while idle < links.len() {
            *turn %= links.len();
            let link = &mut links[*turn];
            let took_up = link.up.take(&mut link.client, up, delay, spare, now);
            let took_down = link.down.take(&mut link.server, down, delay, spare, now);
            idle = if took_up || took_down { 0 } else { idle + 1 };
            *turn += 1;
        }
        let registered = datagrams.take_up(up, self.net.utp, counters, now, |client, socket| {
            tokens.register(socket, Place::Flow(client)).map(drop)
        });
        if registered.is_err() {
            // No more sockets: this client's packet is lost, which uTP is made for.
            counters.udp_dropped.fetch_add(1, Ordering::Relaxed);
        }
        datagrams.take_down(down, self.net.utp, counters, now);
        datagrams.give(delay, counters, now);

        let mut wake = datagrams.wake(delay);
        links.retain_mut(|link| {
            link.up.give(&mut link.server, delay, &counters.up_bytes, spare, now);
            link.down.give(&mut link.client, delay, &counters.down_bytes, spare, now);
            let keep = match (link.up.ended, link.down.ended) {
                (Ended::Broken, _) | (_, Ended::Broken) => {
                    link.reset();
                    false
                }
                (Ended::Yes, Ended::Yes) => false,
                _ => true,
            };
            if keep {
                let next = link.up.wake(up, delay, now).into_iter().chain(link.down.wake(down, delay, now));
                wake = wake.into_iter().chain(next).min();
            } else {
                tokens.forget(link.tokens);
            }
            keep
        });
        counters.open.store(links.len() as u64, Ordering::Relaxed);
        *counters.free_at.lock() = Some(down.free_at());
        wake
    }

    fn accept(&mut self, tokens: &mut Tokens<'_>) {
        let Door::Open(listener) = &self.door else { return };
        loop {
            match listener.accept() {
                Ok((client, _)) => {
                    self.counters.connections.fetch_add(1, Ordering::Relaxed);
                    if self.net.tcp == TcpMode::Hold {
                        self.held.push(client);
                        continue;
                    }
                    // A connection that cannot be relayed is dropped: to the client, a peer that hung up.
                    if let Ok(link) = Link::open(client, &self.net, self.next_link, tokens) {
                        self.links.push(link);
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
        for link in &mut self.links {
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
        for link in &mut self.links {
            link.up.reschedule(&mut self.up, now);
            link.down.reschedule(&mut self.down, now);
        }
        self.datagrams.reschedule(&mut self.up, &mut self.down, now);
    }

    /// See [`super::Proxy::drop_connections`].
    pub(super) fn drop_connections(&mut self, tokens: &mut Tokens<'_>) {
        for link in self.links.drain(..) {
            tokens.forget(link.tokens);
            link.reset();
        }
        self.held.clear();
        self.datagrams.reset();
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
        self.door = Door::Closed;
        self.door = Door::new(bind(Type::STREAM, self.address)?, tcp, tokens)?;
        self.net.tcp = tcp;
        Ok(())
    }
}
