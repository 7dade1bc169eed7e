//! TCP or uTP: by which transport a peer's address is connected to.
//!
//! Nobody knows in advance which of the two a peer answers. libtorrent tries one after the other, seconds apart, and
//! keeps one connection per address, so the two cannot simply be raced. What can be raced is the question:
//!
//! 1. libtorrent connects by TCP, as most peers answer it. At the same moment one small packet asks the address whether
//!    it speaks uTP ([`Command::Probe`]; `reach` sends it).
//! 2. Its answer gives the round trip. TCP that has not come as far by then as it could is given up for uTP
//!    ([`Command::Dial`]). Without an answer nothing is given up: an address where nobody is costs three packets of 20
//!    bytes and no second attempt. Only TCP that is refused before there can be an answer is followed by uTP at once, for
//!    a few addresses at a time.
//! 3. What a handshake came by is remembered and taken first the next time.
//!
//! Where no packet of ours may be sent (a proxy stands between) uTP is tried only after TCP has failed.
//!
//! Pure: events and times in, commands out.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

/// How bytes travel to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// BEP 3.
    Tcp,
    /// BEP 29.
    Utp,
}

/// How it may be found out whether a peer speaks uTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// uTP is not used.
    TcpOnly,
    /// By trying, after TCP has failed.
    Try,
    /// By asking.
    Probe,
}

/// What happened to a connection that libtorrent opens, or came in answer to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It begins to connect.
    Began {
        /// The torrent's number.
        torrent: u32,
        /// The connection's number.
        peer: u32,
        /// Where to.
        address: SocketAddr,
        /// By what.
        transport: Transport,
    },
    /// The transport is established.
    Connected(u32),
    /// The BitTorrent handshake is done.
    Ready(u32),
    /// It ended.
    Ended(u32),
    /// The address has answered a probe.
    Answered(SocketAddr),
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Ask the address whether it speaks uTP.
    Probe(SocketAddr),
    /// End the connection, if it is still there, and connect anew.
    Dial {
        /// The torrent's number.
        torrent: u32,
        /// The connection's number; 0: it has ended.
        peer: u32,
        /// Where to.
        address: SocketAddr,
        /// By what.
        transport: Transport,
    },
}

/// When a question without an answer is repeated, after the last time it was asked.
const REPEAT: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(1000)];
/// How long the last repetition is waited for.
const LAST_ANSWER: Duration = Duration::from_secs(2);
/// An address that did not answer is not asked again before.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// Changes of transport without a handshake between them; then the address is left to libtorrent for `BARRED`.
const CHANGES: u8 = 2;
const BARRED: Duration = Duration::from_secs(60);
/// Addresses at a time that are tried by uTP without an answer from them.
const TRIES: usize = 8;
/// Addresses remembered.
const MEMORY: usize = 4096;

/// A connection without a handshake yet.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    torrent: u32,
    address: SocketAddr,
    transport: Transport,
    began: Duration,
    connected: Option<Duration>,
}

/// What is known of an address.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    /// What the last handshake came by.
    good: Option<Transport>,
    /// It has answered a probe after this long.
    utp: Option<Duration>,
    /// When it was asked last, and how often since it last answered or was left alone.
    asked: Option<(Duration, usize)>,
    /// TCP has failed: this torrent waits for the answer.
    waits: Option<u32>,
    /// When TCP failed last, since a handshake.
    tcp_failed: Option<Duration>,
    changes: u8,
    barred_until: Duration,
    used: Duration,
}

impl Way {
    /// When the question is to be repeated; `None`: it is answered, not asked, or given up.
    fn repeat_at(&self) -> Option<Duration> {
        let (at, times) = self.asked.filter(|_| self.utp.is_none())?;
        Some(at + *REPEAT.get(times - 1)?)
    }

    /// Until when an answer may come.
    fn answer_until(&self) -> Option<Duration> {
        let (at, times) = self.asked.filter(|_| self.utp.is_none())?;
        Some(at + REPEAT.get(times - 1).copied().unwrap_or(LAST_ANSWER))
    }
}

/// See the module.
pub struct Dialer {
    means: Means,
    attempts: BTreeMap<u32, Attempt>,
    ways: HashMap<SocketAddr, Way>,
    /// Addresses whose way has a question open.
    open: Vec<SocketAddr>,
}

impl Dialer {
    /// Knows nothing of any address.
    pub fn new(means: Means) -> Self {
        Self { means, attempts: BTreeMap::new(), ways: HashMap::new(), open: Vec::new() }
    }

    /// Takes in what happened.
    pub fn on(&mut self, event: Event, now: Duration, out: &mut Vec<Command>) {
        if self.means == Means::TcpOnly {
            return;
        }
        match event {
            Event::Began { torrent, peer, address, transport } => {
                self.make_room(now);
                let attempt = Attempt { torrent, address, transport, began: now, connected: None };
                self.attempts.insert(peer, attempt);
                let way = self.ways.entry(address).or_default();
                way.used = now;
                way.waits = None;
                if transport == Transport::Tcp {
                    match way.good {
                        Some(Transport::Utp) => self.change(peer, &attempt, now, out),
                        Some(Transport::Tcp) => {}
                        None => self.ask(address, now, out),
                    }
                }
            }
            Event::Connected(peer) => {
                if let Some(attempt) = self.attempts.get_mut(&peer) {
                    attempt.connected = Some(now);
                }
            }
            Event::Ready(peer) => {
                let Some(attempt) = self.attempts.remove(&peer) else { return };
                let way = self.ways.entry(attempt.address).or_default();
                *way = Way { good: Some(attempt.transport), utp: way.utp, used: now, ..Way::default() };
            }
            Event::Ended(peer) => self.ended(peer, now, out),
            Event::Answered(address) => self.answered(address, now, out),
        }
    }

    /// Does what the time demands.
    pub fn pump(&mut self, now: Duration, out: &mut Vec<Command>) {
        let late: Vec<(u32, Attempt)> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| self.patience(attempt).is_some_and(|until| until <= now))
            .map(|(peer, attempt)| (*peer, *attempt))
            .collect();
        for (peer, attempt) in late {
            self.change(peer, &attempt, now, out);
        }
        let attempts = &self.attempts;
        let ways = &mut self.ways;
        self.open.retain(|address| {
            let Some(way) = ways.get_mut(address) else { return false };
            // Nobody waits for the answer any more, or it is not coming.
            let wanted = way.waits.is_some() || attempts.values().any(|a| a.address == *address);
            if !wanted
                || way.utp.is_some()
                || way.answer_until().is_none_or(|until| until <= now && way.repeat_at().is_none())
            {
                way.waits = None;
                return false;
            }
            if way.repeat_at().is_some_and(|at| at <= now) {
                let times = way.asked.map_or(0, |(_, times)| times);
                way.asked = Some((now, times + 1));
                out.push(Command::Probe(*address));
            }
            true
        });
    }

    /// When `pump` has to be called although nothing happens.
    pub fn next_look(&self) -> Option<Duration> {
        let patience = self.attempts.values().filter_map(|attempt| self.patience(attempt)).min();
        let answer = self.open.iter().filter_map(|a| self.ways.get(a)?.answer_until()).min();
        patience.into_iter().chain(answer).min()
    }

    /// Until when a connection may be without a handshake before the other transport is tried; `None`: libtorrent's
    /// own timeouts count.
    fn patience(&self, attempt: &Attempt) -> Option<Duration> {
        /// A peer's own slowness, and ours.
        const SLACK: Duration = Duration::from_millis(15);
        const SLOW_HANDSHAKE: Duration = Duration::from_millis(50);
        const UTP_SLACK: Duration = Duration::from_millis(300);
        const UNKNOWN: Duration = Duration::from_millis(1500);
        let way = self.ways.get(&attempt.address)?;
        let until = match (attempt.transport, attempt.connected, way.utp) {
            (Transport::Tcp, _, None) => return None,
            (Transport::Tcp, None, Some(trip)) => attempt.began + trip + (trip / 4).max(SLACK),
            (Transport::Tcp, Some(connected), Some(trip)) => {
                let trip = trip.max(connected.saturating_sub(attempt.began));
                connected + 2 * trip + (trip / 2).max(SLOW_HANDSHAKE)
            }
            // There is nothing better to go back to.
            (Transport::Utp, ..) if way.tcp_failed.is_some_and(|at| at + BARRED > attempt.began) => {
                return None;
            }
            (Transport::Utp, _, Some(trip)) => attempt.began + 4 * trip + UTP_SLACK,
            (Transport::Utp, _, None) => attempt.began + UNKNOWN,
        };
        Some(until.max(way.barred_until))
    }

    fn ask(&mut self, address: SocketAddr, now: Duration, out: &mut Vec<Command>) {
        let Some(way) = self.ways.get_mut(&address) else { return };
        let recent = way.asked.is_some_and(|(at, _)| now.saturating_sub(at) < ASK_AGAIN);
        if self.means != Means::Probe || way.utp.is_some() || recent {
            return;
        }
        way.asked = Some((now, 1));
        self.open.push(address);
        out.push(Command::Probe(address));
    }

    fn answered(&mut self, address: SocketAddr, now: Duration, out: &mut Vec<Command>) {
        let Some(way) = self.ways.get_mut(&address) else { return };
        let Some((asked, _)) = way.asked else { return };
        // An answer to an earlier packet makes this too short, which costs TCP some patience and no more.
        way.utp = Some(now.saturating_sub(asked));
        if let Some(torrent) = way.waits.take() {
            let attempt =
                Attempt { torrent, address, transport: Transport::Tcp, began: now, connected: None };
            self.change(0, &attempt, now, out);
        }
    }

    /// A connection has ended; one without a handshake did not get through.
    fn ended(&mut self, peer: u32, now: Duration, out: &mut Vec<Command>) {
        let Some(attempt) = self.attempts.remove(&peer) else { return };
        let tries = self.attempts.values().filter(|a| a.transport == Transport::Utp).count();
        let asking = self.open.contains(&attempt.address);
        let Some(way) = self.ways.get_mut(&attempt.address) else { return };
        way.good = way.good.filter(|good| *good != attempt.transport);
        if attempt.transport == Transport::Utp {
            way.utp = None;
            if way.tcp_failed.is_none_or(|at| at + BARRED <= now) {
                self.change(0, &attempt, now, out);
            }
            return;
        }
        way.tcp_failed = Some(now);
        let may_try = tries < TRIES && (asking || self.means == Means::Try);
        if way.utp.is_some() || may_try {
            self.change(0, &attempt, now, out);
        } else {
            self.ask(attempt.address, now, out);
            if let Some(way) = self.ways.get_mut(&attempt.address) {
                way.waits = Some(attempt.torrent);
            }
        }
    }

    /// Gives `attempt` up for the other transport.
    fn change(&mut self, peer: u32, attempt: &Attempt, now: Duration, out: &mut Vec<Command>) {
        let Some(way) = self.ways.get_mut(&attempt.address) else { return };
        if now < way.barred_until {
            return;
        }
        way.changes += 1;
        if way.changes >= CHANGES {
            way.changes = 0;
            way.barred_until = now + BARRED;
        }
        self.attempts.remove(&peer);
        let transport = match attempt.transport {
            Transport::Tcp => Transport::Utp,
            Transport::Utp => Transport::Tcp,
        };
        out.push(Command::Dial { torrent: attempt.torrent, peer, address: attempt.address, transport });
    }

    /// Forgets what was used least recently when there is too much.
    fn make_room(&mut self, now: Duration) {
        if self.ways.len() < MEMORY {
            return;
        }
        let mut ages: Vec<Duration> = self.ways.values().map(|way| way.used).collect();
        let half = ages.len() / 2;
        let (_, median, _) = ages.select_nth_unstable(half);
        let oldest_kept = (*median).min(now);
        let attempts = &self.attempts;
        self.ways.retain(|address, way| {
            way.used > oldest_kept || attempts.values().any(|attempt| attempt.address == *address)
        });
        self.open.retain(|address| self.ways.contains_key(address));
    }
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
