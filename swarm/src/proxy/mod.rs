//! Proxies: what turns a seeder next door into a peer at the other end of a line.
//!
//! Every peer has a loopback address of its own (`address`), where a proxy answers TCP and uTP and relays to the
//! seeder. On the way bytes queue for the peer's line (`line`), of fixed rate and shared by all its connections, and
//! then travel for half a round trip. A new TCP connection's first bytes wait one round trip more, for the handshake
//! that loopback does not have. Queues are short: 20 ms or 32 KiB; TCP is held back (`pipe`), uTP packets are dropped
//! (`datagrams`).
//!
//! A line may be late by a timer's tick, never early: a client under test cannot be faster than the swarm it is
//! measured against. One thread (`event_loop`) serves all peers of a [`Proxies`], so that the swarm leaves the
//! machine to the program under test.

mod address;
pub(crate) use address::fresh as fresh_address;
mod datagrams;
mod door;
mod event_loop;
pub mod line;
mod link;
mod peer;
mod pipe;
mod tokens;

use event_loop::EventLoop;
use parking_lot::Mutex;
use peer::Peer;
use std::{
    io,
    net::SocketAddrV4,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use tokens::Tokens;

/// How a peer answers TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TcpMode {
    /// It accepts.
    #[default]
    Accept,
    /// It refuses connections at once.
    Refuse,
    /// It does not answer at all: connects time out.
    Swallow,
    /// It accepts, and never sends a byte or takes notice of any.
    Hold,
}

/// A peer's network: what is between a client and one seeder.
#[derive(Debug, Clone)]
pub struct PeerNet {
    /// The seeder behind the proxy.
    pub seeder: SocketAddrV4,
    /// Bytes per second from the peer to its clients, all together; `None` is unlimited.
    pub rate: Option<u64>,
    /// Bytes per second towards the peer; `None` is unlimited.
    pub up_rate: Option<u64>,
    /// Round-trip time; half of it is spent each way.
    pub rtt: Duration,
    /// How TCP is answered.
    pub tcp: TcpMode,
    /// Whether uTP is answered; swallowed otherwise.
    pub utp: bool,
}

impl PeerNet {
    /// Bytes that a socket between seeder and proxy may hold: 10 ms of the line, 16 to 256 KiB.
    pub(crate) fn socket_buffer(&self) -> usize {
        socket_buffer(self.rate)
    }
}

/// See [`PeerNet::socket_buffer`].
pub(crate) fn socket_buffer(rate: Option<u64>) -> usize {
    let wanted = rate.map_or(u64::MAX, |rate| rate / 100);
    usize::try_from(wanted.clamp(16 * 1024, 256 * 1024)).expect("at most 256 KiB")
}

/// What a proxy has counted.
#[derive(Debug, Default)]
pub struct Counters {
    down_bytes: AtomicU64,
    up_bytes: AtomicU64,
    connections: AtomicU64,
    open: AtomicU64,
    udp_flows: AtomicU64,
    udp_dropped: AtomicU64,
    free_at: Mutex<Option<Instant>>,
}

/// A reading of [`Counters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Bytes handed to clients: TCP's stream bytes and UDP's payload.
    pub down_bytes: u64,
    /// Bytes handed to the seeder.
    pub up_bytes: u64,
    /// TCP connections accepted so far.
    pub connections: u64,
    /// TCP connections relayed at the moment.
    pub open: u64,
    /// UDP clients (address and port) so far.
    pub udp_flows: u64,
    /// UDP packets dropped because a queue was full.
    pub udp_dropped: u64,
}

type Change = Box<dyn FnOnce(&mut Peer, &mut Tokens<'_>) + Send>;
type Opened = io::Result<(usize, SocketAddrV4)>;

enum Command {
    Open(PeerNet, Arc<Counters>, mpsc::Sender<Opened>),
    Change(usize, Change),
    Stop,
}

/// Sends commands and wakes the loop. Shared by all handles.
#[derive(Debug)]
struct Remote {
    commands: mpsc::Sender<Command>,
    waker: Arc<mio::Waker>,
}

impl Remote {
    fn send(&self, command: Command) -> io::Result<()> {
        self.commands.send(command).map_err(|_| stopped())?;
        self.waker.wake()
    }
}

fn stopped() -> io::Error {
    io::Error::other("the proxies have been stopped")
}

/// The thread that runs proxies. Dropping it closes them all and joins the thread.
#[derive(Debug)]
pub struct Proxies {
    remote: Arc<Remote>,
    thread: Option<thread::JoinHandle<io::Result<()>>>,
}

impl Proxies {
    /// Starts the thread, without any proxy yet.
    ///
    /// # Errors
    /// When the operating system refuses a thread or an epoll instance.
    pub fn start() -> io::Result<Self> {
        let (commands, receiver) = mpsc::channel();
        let (event_loop, waker) = EventLoop::new(receiver)?;
        let thread = thread::Builder::new().name("swarm-proxies".into()).spawn(move || event_loop.run())?;
        Ok(Self { remote: Arc::new(Remote { commands, waker }), thread: Some(thread) })
    }

    /// Opens a proxy on a fresh loopback address. It stays open until the [`Proxies`] are dropped.
    ///
    /// # Errors
    /// When its sockets cannot be made.
    pub fn open(&self, net: PeerNet) -> io::Result<Proxy> {
        let counters = Arc::new(Counters::default());
        let (reply, answer) = mpsc::channel();
        self.remote.send(Command::Open(net.clone(), counters.clone(), reply))?;
        let (index, address) = answer.recv().map_err(|_| stopped())??;
        Ok(Proxy { remote: self.remote.clone(), index, address, counters, net })
    }
}

impl Drop for Proxies {
    fn drop(&mut self) {
        // If the loop has ended by itself, there is nobody left to tell.
        let _ = self.remote.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A handle to one proxy: its address, its counters, and its faults. Every change has taken effect when the call
/// returns.
#[derive(Debug, Clone)]
pub struct Proxy {
    remote: Arc<Remote>,
    index: usize,
    address: SocketAddrV4,
    counters: Arc<Counters>,
    net: PeerNet,
}

impl Proxy {
    /// Where clients find the peer, TCP and uTP.
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// What it has counted so far.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            down_bytes: read(&self.counters.down_bytes),
            up_bytes: read(&self.counters.up_bytes),
            connections: read(&self.counters.connections),
            open: read(&self.counters.open),
            udp_flows: read(&self.counters.udp_flows),
            udp_dropped: read(&self.counters.udp_dropped),
        }
    }

    /// When the line to clients is free: what a connection that is gone had put on it is in its way until then.
    pub fn free_at(&self) -> Option<Instant> {
        *self.counters.free_at.lock()
    }

    /// Stops everything at once, in both directions, bytes under way included. Connections stay.
    ///
    /// # Errors
    /// When the proxies have been stopped; so for all changes.
    pub fn freeze(&self) -> io::Result<()> {
        self.change(|peer, _| peer.freeze(Instant::now()))
    }

    /// Goes on where [`Proxy::freeze`] stopped, without a burst.
    ///
    /// # Errors
    /// As [`Proxy::freeze`].
    pub fn unfreeze(&self) -> io::Result<()> {
        self.change(|peer, _| peer.unfreeze(Instant::now()))
    }

    /// Changes the rate towards clients, in bytes per second; `None` is unlimited. Counts for queued bytes too.
    ///
    /// # Errors
    /// As [`Proxy::freeze`].
    pub fn set_rate(&self, rate: Option<u64>) -> io::Result<()> {
        self.change(move |peer, _| peer.set_rate(rate, Instant::now()))
    }

    /// Resets all connections, TCP and uTP, and forgets what was under way.
    ///
    /// # Errors
    /// As [`Proxy::freeze`].
    pub fn drop_connections(&self) -> io::Result<()> {
        self.change(|peer, tokens| peer.drop_connections(tokens))
    }

    /// Changes how new connections are met. Existing TCP connections stay; uTP packets without `utp` are swallowed.
    ///
    /// # Errors
    /// As [`Proxy::freeze`], and when the port was taken by somebody else in between.
    pub fn set_answering(&self, tcp: TcpMode, utp: bool) -> io::Result<()> {
        let (reply, answer) = mpsc::channel();
        self.send(Box::new(move |peer, tokens| {
            let _ = reply.send(peer.set_answering(tcp, utp, tokens));
        }))?;
        answer.recv().map_err(|_| stopped())?
    }

    /// Leaves the swarm: drops all connections and answers no more.
    ///
    /// # Errors
    /// As [`Proxy::set_answering`].
    pub fn go_away(&self) -> io::Result<()> {
        self.set_answering(TcpMode::Refuse, false)?;
        self.drop_connections()
    }

    /// Undoes [`Proxy::go_away`]: answers at the same address as at the beginning.
    ///
    /// # Errors
    /// As [`Proxy::set_answering`].
    pub fn come_back(&self) -> io::Result<()> {
        self.set_answering(self.net.tcp, self.net.utp)
    }

    fn change(&self, change: impl FnOnce(&mut Peer, &mut Tokens<'_>) + Send + 'static) -> io::Result<()> {
        let (reply, answer) = mpsc::channel();
        self.send(Box::new(move |peer, tokens| {
            change(peer, tokens);
            let _ = reply.send(());
        }))?;
        answer.recv().map_err(|_| stopped())
    }

    fn send(&self, change: Change) -> io::Result<()> {
        self.remote.send(Command::Change(self.index, change))
    }
}
