//! The one thread that runs all proxies of a [`super::Proxies`].
//!
//! It sleeps until a socket is ready, a command comes, or the earliest thing is due. mio's own timeout counts
//! milliseconds; a timerfd among the sockets is finer.

use super::{
    Command,
    peer::Peer,
    tokens::{Place, Tokens},
};
use mio::{Events, Interest, Poll, Token, Waker, unix::SourceFd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::{
    collections::HashMap,
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

const WAKER: Token = Token(0);
const TIMER: Token = Token(1);
const FIRST_SOCKET: usize = 2;

/// Timed work closer together than this is done at once: at most this late, and never more than 4000 timed wake-ups a
/// second however many peers there are.
const TICK: Duration = Duration::from_micros(250);

pub(super) struct EventLoop {
    poll: Poll,
    timer: OwnedFd,
    commands: mpsc::Receiver<Command>,
    places: HashMap<Token, (usize, Place)>,
    next_token: usize,
    /// When the timer rings, or rang.
    alarm: Option<Instant>,
    /// A peer, whether it needs attention now, and when it needs it next.
    peers: Vec<(Peer, bool, Option<Instant>)>,
}

impl EventLoop {
    /// The loop and the waker that makes it look at its commands.
    pub(super) fn new(commands: mpsc::Receiver<Command>) -> io::Result<(Self, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        let (places, peers) = (HashMap::new(), Vec::new());
        Ok((Self { poll, timer, commands, places, next_token: FIRST_SOCKET, alarm: None, peers }, waker))
    }

    /// Runs until [`Command::Stop`] comes or every handle is gone.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                let Some(&(index, place)) = self.places.get(&event.token()) else { continue };
                let readable = event.is_readable() || event.is_read_closed() || event.is_error();
                let writable = event.is_writable() || event.is_write_closed() || event.is_error();
                self.with_peer(index, |peer, _| peer.ready(place, readable, writable));
            }
            loop {
                match self.commands.try_recv() {
                    Ok(Command::Stop) | Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
                    Ok(Command::Open(net, counters, reply)) => {
                        let index = self.peers.len();
                        let mut tokens = self.tokens(index);
                        let opened = Peer::open(net, counters, &mut tokens);
                        // A caller that went away does not want its answer.
                        let _ = reply.send(opened.map(|peer| {
                            let address = peer.address();
                            self.peers.push((peer, true, None));
                            (index, address)
                        }));
                    }
                    Ok(Command::Change(index, change)) => self.with_peer(index, change),
                    Err(mpsc::TryRecvError::Empty) => break,
                }
            }
            self.pump()?;
        }
    }

    /// Lets peers do what is due and sets the timer for the next of them.
    fn pump(&mut self) -> io::Result<()> {
        let now = Instant::now();
        for (index, (peer, attention, wake)) in self.peers.iter_mut().enumerate() {
            if *attention || wake.is_some_and(|at| at <= now) {
                *attention = false;
                let mut tokens = Tokens {
                    registry: self.poll.registry(),
                    places: &mut self.places,
                    next: &mut self.next_token,
                    peer: index,
                };
                *wake = peer.pump(now, &mut tokens);
            }
        }
        let next = self.peers.iter().filter_map(|(_, _, wake)| *wake).min();
        let Some(next) = next else { return Ok(()) };
        let now = Instant::now();
        let alarm = next.max(now + TICK);
        // Setting a timer is dear, above all on a virtual machine, and one that rings early does no harm.
        if self.alarm.is_some_and(|set| set > now && set <= alarm) {
            return Ok(());
        }
        self.alarm = Some(alarm);
        let sleep = alarm - now;
        let value =
            Timespec::try_from(sleep).map_err(|_| io::Error::other("a timer beyond the year 292 billion"))?;
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(
            &self.timer,
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: zero, it_value: value },
        )?;
        Ok(())
    }

    fn tokens(&mut self, peer: usize) -> Tokens<'_> {
        Tokens { registry: self.poll.registry(), places: &mut self.places, next: &mut self.next_token, peer }
    }

    fn with_peer(&mut self, index: usize, change: impl FnOnce(&mut Peer, &mut Tokens<'_>)) {
        let Some((peer, attention, _)) = self.peers.get_mut(index) else { return };
        *attention = true;
        let mut tokens = Tokens {
            registry: self.poll.registry(),
            places: &mut self.places,
            next: &mut self.next_token,
            peer: index,
        };
        change(peer, &mut tokens);
    }
}
