//! The HTTP server on real sockets: a source in memory whose bytes arrive on command, and a client that speaks raw
//! text, because what must be tested is what no proper client would send.
//!
//! Nothing here sleeps to synchronise. Time limits appear as failure bounds only, or are the thing under test.
#![allow(clippy::unwrap_used)]

mod attack;
mod bodies;
mod client;
mod connections;
mod descriptors;
mod disconnects;
mod heads;
mod limits;
mod ranges;
mod source;
mod stop;

use std::sync::Arc;

use tokio::runtime::Runtime;
use vozduxan::http::{Limits, Server};
use vozduxan::log::{Logger, Sink};

use client::Client;
use source::{File, Memory};

/// A server over a memory source, on a runtime of its own.
struct Bench {
    source: Arc<Memory>,
    server: Server,
    runtime: Runtime,
}

impl Bench {
    fn new() -> Self {
        Self::with(Limits { connections: 4096, ..Limits::default() })
    }

    fn with(limits: Limits) -> Self {
        let sink: Sink = Box::new(|_| {});
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let source = Arc::new(Memory::default());
        let log = Logger::start(Arc::new(sink)).unwrap();
        let server = Server::bind(runtime.handle(), Arc::clone(&source) as _, log, limits).unwrap();
        Self { source, server, runtime }
    }

    /// A file of `len` bytes under `token`, none of which has arrived.
    fn file(&self, token: &str, len: u64) -> Arc<File> {
        self.source.add(token, len)
    }

    /// The same, with all bytes there.
    fn whole(&self, token: &str, len: u64) -> Arc<File> {
        let file = self.file(token, len);
        file.arrive(0..len);
        file
    }

    fn connect(&self) -> Client {
        Client::connect(self.server.port())
    }
}
