//! Tokens: which peer's which socket an event belongs to.

use mio::{Interest, Registry, Token};
use std::{collections::HashMap, io, net::SocketAddr};

/// What a token of the event loop stands for, within a peer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Door,
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
    /// Makes the event loop listen to `source` for `place`.
    pub(super) fn register(
        &mut self,
        source: &mut impl mio::event::Source,
        place: Place,
    ) -> io::Result<Token> {
        let token = Token(*self.next);
        *self.next += 1;
        let interest = match place {
            Place::Client(_) | Place::Server(_) => Interest::READABLE | Interest::WRITABLE,
            // A UDP socket becomes writable anew with every packet that leaves it: a wake-up each for nothing.
            Place::Door | Place::Datagrams | Place::Flow(_) => Interest::READABLE,
        };
        // Edge-triggered: a socket says once that it may have something, and is asked until it would block.
        self.registry.register(source, token, interest)?;
        self.places.insert(token, (self.peer, place));
        Ok(token)
    }

    /// The sockets of `tokens` are being closed.
    pub(super) fn forget(&mut self, tokens: [Token; 2]) {
        for token in tokens {
            self.places.remove(&token);
        }
    }
}
