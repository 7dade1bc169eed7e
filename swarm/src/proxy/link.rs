//! One TCP connection through a proxy: the client's end, the seeder's end, and a pipe each way.

use super::{
    PeerNet,
    pipe::Pipe,
    tokens::{Place, Tokens},
};
use mio::{Token, net::TcpStream};
use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, Type};
use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

/// See the module's story.
pub(super) struct Link {
    pub(super) id: u64,
    pub(super) client: TcpStream,
    pub(super) server: TcpStream,
    pub(super) tokens: [Token; 2],
    pub(super) up: Pipe,
    pub(super) down: Pipe,
}

impl Link {
    /// Takes over `client` and connects to the seeder.
    pub(super) fn open(
        mut client: TcpStream,
        net: &PeerNet,
        id: u64,
        tokens: &mut Tokens<'_>,
    ) -> io::Result<Self> {
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
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        let mut server = TcpStream::from_std(socket.into());
        let tokens = [
            tokens.register(&mut client, Place::Client(id))?,
            tokens.register(&mut server, Place::Server(id))?,
        ];
        // The kernel completed the client's connect at once. Over the imitated line SYN and SYN-ACK take a round
        // trip before the client may send, and the ACK half of another before the seeder may.
        let up = Pipe::new(now + net.rtt);
        let down = Pipe::new(now + net.rtt + net.rtt / 2);
        Ok(Self { id, client, server, tokens, up, down })
    }

    /// Ends both connections with a reset, as a broken path does.
    pub(super) fn reset(&self) {
        for stream in [&self.client, &self.server] {
            // Without it, closing sends a FIN instead; no reason to fail.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }
}
