//! The rule against a network of peers that answer one transport, both or none, on a clock of its own.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tcp {
    Works,
    Refuses,
    Swallows,
    /// Takes connections and says nothing.
    Holds,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    tcp: Tcp,
    utp: bool,
    trip: Duration,
}

const MS: Duration = Duration::from_millis(1);

/// libtorrent and the peers: connects to everybody at 0 by TCP, gives up after 7 s (uTP: 1 s), and tries again by TCP
/// 5 s after a failure.
struct World {
    peers: Vec<Peer>,
    dialer: Dialer,
    agenda: BTreeMap<(Duration, u64), Due>,
    serial: u64,
    connections: BTreeMap<u32, (usize, Transport)>,
    next_peer: u32,
    ready: Vec<Option<(Duration, Transport)>>,
    dials: Vec<usize>,
    probes: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Due {
    Begin(usize, Transport),
    Happens(u32, Event),
    Answer(usize),
}

impl World {
    fn new(peers: &[Peer], means: Means) -> Self {
        let mut world = Self {
            peers: peers.to_vec(),
            dialer: Dialer::new(means),
            agenda: BTreeMap::new(),
            serial: 0,
            connections: BTreeMap::new(),
            next_peer: 1,
            ready: vec![None; peers.len()],
            dials: vec![0; peers.len()],
            probes: vec![0; peers.len()],
        };
        (0..peers.len()).for_each(|at| world.plan(Duration::ZERO, Due::Begin(at, Transport::Tcp)));
        world
    }

    fn plan(&mut self, at: Duration, due: Due) {
        self.serial += 1;
        self.agenda.insert((at, self.serial), due);
    }

    fn address(at: usize) -> SocketAddr {
        SocketAddr::from(([10, 0, (at >> 8) as u8, at as u8], 6881))
    }

    fn index(address: SocketAddr) -> usize {
        let SocketAddr::V4(v4) = address else { panic!("{address}") };
        let [_, _, high, low] = v4.ip().octets();
        usize::from(high) << 8 | usize::from(low)
    }

    fn begin(&mut self, at: usize, transport: Transport, now: Duration, out: &mut Vec<Command>) {
        if self.ready[at].is_some() || self.connections.values().any(|(other, _)| *other == at) {
            return;
        }
        let peer = self.next_peer;
        self.next_peer += 1;
        self.connections.insert(peer, (at, transport));
        let address = Self::address(at);
        self.dialer.on(Event::Began { torrent: 1, peer, address, transport }, now, out);
        let Peer { tcp, utp, trip } = self.peers[at];
        let mut later = |after, event| self.plan(now + after, Due::Happens(peer, event));
        match (transport, tcp, utp) {
            (Transport::Tcp, Tcp::Works, _) | (Transport::Utp, _, true) => {
                later(trip, Event::Connected(peer));
                later(2 * trip, Event::Ready(peer));
            }
            (Transport::Tcp, Tcp::Refuses, _) => later(trip, Event::Ended(peer)),
            (Transport::Tcp, Tcp::Swallows, _) => later(7000 * MS, Event::Ended(peer)),
            (Transport::Tcp, Tcp::Holds, _) => {
                later(trip, Event::Connected(peer));
                later(7000 * MS, Event::Ended(peer));
            }
            (Transport::Utp, _, false) => later(1000 * MS, Event::Ended(peer)),
        }
    }

    fn run(&mut self, until: Duration) {
        let mut out = Vec::new();
        loop {
            let due = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let Some(now) = due.into_iter().chain(self.dialer.next_look()).min().filter(|at| *at <= until)
            else {
                return;
            };
            while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) {
                match entry.remove() {
                    Due::Begin(at, transport) => self.begin(at, transport, now, &mut out),
                    Due::Answer(at) => self.dialer.on(Event::Answered(Self::address(at)), now, &mut out),
                    Due::Happens(peer, event) => {
                        let Some((at, transport)) = self.connections.get(&peer).copied() else { continue };
                        if event == Event::Ended(peer) {
                            self.connections.remove(&peer);
                            self.plan(now + 5000 * MS, Due::Begin(at, Transport::Tcp));
                        }
                        if event == Event::Ready(peer) {
                            self.ready[at] = Some((now, transport));
                        }
                        self.dialer.on(event, now, &mut out);
                    }
                }
            }
            self.dialer.pump(now, &mut out);
            assert!(self.dialer.next_look().is_none_or(|at| at > now), "would look again at once at {now:?}");
            for command in std::mem::take(&mut out) {
                self.obey(command, now);
            }
        }
    }

    fn obey(&mut self, command: Command, now: Duration) {
        match command {
            Command::Probe(address) => {
                let at = Self::index(address);
                self.probes[at] += 1;
                if self.peers[at].utp {
                    self.plan(now + self.peers[at].trip, Due::Answer(at));
                }
            }
            Command::Dial { peer, address, transport, .. } => {
                let at = Self::index(address);
                self.dials[at] += 1;
                self.connections.remove(&peer);
                self.plan(now, Due::Begin(at, transport));
            }
        }
    }
}

/// Milliseconds to the handshake with one peer, and by what.
fn reached(tcp: Tcp, utp: bool, trip: u32, means: Means) -> Option<(u128, Transport)> {
    let mut world = World::new(&[Peer { tcp, utp, trip: trip * MS }], means);
    world.run(30_000 * MS);
    world.ready[0].map(|(at, by)| (at.as_millis(), by))
}

#[test]
fn whoever_answers_one_transport_is_reached_by_it_without_noticeable_delay() {
    // Two round trips are what any connection takes.
    for (tcp, trip, limit) in [
        (Tcp::Refuses, 40, 2 * 40 + 40),
        (Tcp::Refuses, 300, 2 * 300 + 300),
        (Tcp::Swallows, 5, 2 * 5 + 20),
        (Tcp::Swallows, 40, 2 * 40 + 55),
        (Tcp::Swallows, 300, 2 * 300 + 375),
        (Tcp::Holds, 40, 2 * 40 + 170),
        (Tcp::Holds, 300, 2 * 300 + 1050),
    ] {
        let (took, by) = reached(tcp, true, trip, Means::Probe).expect("reached");
        assert_eq!(by, Transport::Utp);
        assert!(took <= limit, "{tcp:?} at {trip} ms: {took} ms, not {limit}");
    }
}

#[test]
fn without_asking_utp_follows_a_tcp_that_failed() {
    assert_eq!(reached(Tcp::Refuses, true, 40, Means::Try), Some((120, Transport::Utp)));
    assert_eq!(reached(Tcp::Swallows, true, 40, Means::Try), Some((7080, Transport::Utp)));
}

#[test]
fn without_utp_nothing_is_done() {
    assert_eq!(reached(Tcp::Works, true, 40, Means::TcpOnly), Some((80, Transport::Tcp)));
    let mut world = World::new(&[Peer { tcp: Tcp::Refuses, utp: true, trip: MS }; 5], Means::TcpOnly);
    world.run(30_000 * MS);
    assert_eq!((world.dials.iter().sum::<usize>(), world.probes.iter().sum::<usize>()), (0, 0));
}

#[test]
fn a_hundred_dead_addresses_cost_little() {
    for (tcp, most_dials) in [(Tcp::Swallows, 0), (Tcp::Refuses, 2), (Tcp::Holds, 0)] {
        let mut world = World::new(&[Peer { tcp, utp: false, trip: 50 * MS }; 100], Means::Probe);
        world.run(50_000 * MS);
        assert!(world.dials.iter().all(|n| *n <= most_dials), "{tcp:?}: {:?}", world.dials);
        assert!(world.probes.iter().all(|n| *n <= 3), "{tcp:?}: {:?}", world.probes);
    }
}

#[test]
fn a_handshake_is_remembered() {
    let mut dialer = Dialer::new(Means::Probe);
    let mut out = Vec::new();
    let address = World::address(1);
    let began = |peer, transport| Event::Began { torrent: 1, peer, address, transport };
    dialer.on(began(1, Transport::Utp), MS, &mut out);
    dialer.on(Event::Ready(1), 80 * MS, &mut out);
    dialer.on(Event::Ended(1), 9000 * MS, &mut out);
    assert_eq!(out, []);
    // libtorrent connects by TCP again: not waited for.
    dialer.on(began(2, Transport::Tcp), 10_000 * MS, &mut out);
    assert_eq!(out, [Command::Dial { torrent: 1, peer: 2, address, transport: Transport::Utp }]);
    out.clear();
    // By now it speaks TCP only: so it goes back, and stays there.
    dialer.on(began(3, Transport::Utp), 10_000 * MS, &mut out);
    dialer.on(Event::Ended(3), 11_000 * MS, &mut out);
    assert_eq!(out, [Command::Dial { torrent: 1, peer: 0, address, transport: Transport::Tcp }]);
    out.clear();
    dialer.on(began(4, Transport::Tcp), 11_000 * MS, &mut out);
    dialer.on(Event::Ready(4), 11_080 * MS, &mut out);
    dialer.on(began(5, Transport::Tcp), 20_000 * MS, &mut out);
    dialer.pump(20_000 * MS, &mut out);
    assert!(!out.iter().any(|command| matches!(command, Command::Dial { .. })), "{out:?}");
}

#[test]
fn memory_is_bounded() {
    let mut dialer = Dialer::new(Means::Probe);
    let mut out = Vec::new();
    for at in 0..3 * MEMORY {
        let address = SocketAddr::from(([10, (at >> 16) as u8, (at >> 8) as u8, at as u8], 1));
        let peer = at as u32 + 1;
        let now = at as u32 * MS;
        dialer.on(Event::Began { torrent: 1, peer, address, transport: Transport::Tcp }, now, &mut out);
        dialer.on(Event::Ready(peer), now, &mut out);
        dialer.pump(now, &mut out);
    }
    assert!(dialer.ways.len() <= MEMORY && dialer.open.len() <= MEMORY && dialer.attempts.is_empty());
}

fn any_peer() -> impl Strategy<Value = Peer> {
    let tcp = prop_oneof![Just(Tcp::Works), Just(Tcp::Refuses), Just(Tcp::Swallows), Just(Tcp::Holds)];
    (tcp, any::<bool>(), 1_u32..400).prop_map(|(tcp, utp, trip)| Peer { tcp, utp, trip: trip * MS })
}

proptest! {
    #[test]
    fn everybody_who_answers_is_reached_and_nobody_is_pestered(
        peers in proptest::collection::vec(any_peer(), 1..60),
    ) {
        let mut world = World::new(&peers, Means::Probe);
        world.run(30_000 * MS);
        for (at, peer) in peers.iter().enumerate() {
            let reached = world.ready[at];
            match (peer.tcp, peer.utp) {
                // Whoever answers TCP is never given up for uTP, however far away.
                (Tcp::Works, _) => {
                    prop_assert_eq!(reached, Some((2 * peer.trip, Transport::Tcp)));
                    prop_assert_eq!(world.dials[at], 0);
                }
                (_, true) => {
                    let (took, by) = reached.expect("it answers uTP");
                    prop_assert_eq!(by, Transport::Utp);
                    prop_assert!(took <= 2 * peer.trip + 4 * peer.trip + 100 * MS, "{:?}: {:?}", peer, took);
                }
                (_, false) => prop_assert_eq!(reached, None),
            }
            prop_assert!(world.dials[at] <= 2 && world.probes[at] <= 3, "{:?}: {} {}", peer, world.dials[at], world.probes[at]);
        }
    }

    #[test]
    fn no_order_of_events_makes_it_dial_without_end(
        events in proptest::collection::vec((0_u8..5, 1_u32..6, 0_usize..3, any::<bool>(), 0_u32..500), 0..300),
    ) {
        let mut dialer = Dialer::new(Means::Probe);
        let mut out = Vec::new();
        let mut now = Duration::ZERO;
        let mut since_ready = [0_usize; 3];
        for (kind, peer, at, utp, wait) in events {
            now += wait * MS;
            let address = World::address(at);
            let transport = if utp { Transport::Utp } else { Transport::Tcp };
            let event = match kind {
                0 => Event::Began { torrent: 1, peer, address, transport },
                1 => Event::Connected(peer),
                2 => Event::Ready(peer),
                3 => Event::Ended(peer),
                _ => Event::Answered(address),
            };
            if let (Event::Ready(_), Some(attempt)) = (event, dialer.attempts.get(&peer)) {
                since_ready[World::index(attempt.address)] = 0;
            }
            dialer.on(event, now, &mut out);
            dialer.pump(now, &mut out);
            prop_assert!(dialer.next_look().is_none_or(|look| look > now));
            for command in out.drain(..) {
                if let Command::Dial { address, .. } = command {
                    let count = &mut since_ready[World::index(address)];
                    *count += 1;
                    let minutes = now.as_secs() as usize / 60 + 1;
                    prop_assert!(*count <= usize::from(CHANGES) * minutes, "{} changes in {:?}", count, now);
                }
            }
        }
    }
}
