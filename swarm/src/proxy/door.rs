//! The door: where a peer's new TCP connections come in, or do not.

use super::{
    TcpMode,
    tokens::{Place, Tokens},
};
use mio::net::TcpListener;
use socket2::{Domain, Socket, Type};
use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

/// See the module's story.
pub(super) enum Door {
    Open(TcpListener),
    /// Being changed, or the port is lost.
    Closed,
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

impl Door {
    /// Makes `bound` answer as `mode` says.
    pub(super) fn new(bound: Socket, mode: TcpMode, tokens: &mut Tokens<'_>) -> io::Result<Self> {
        match mode {
            TcpMode::Accept | TcpMode::Hold => {
                bound.listen(128)?;
                let mut listener = TcpListener::from_std(bound.into());
                tokens.register(&mut listener, Place::Door)?;
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

/// A socket bound to `address` that does not block.
pub(super) fn bind(kind: Type, address: SocketAddrV4) -> io::Result<Socket> {
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
pub(super) fn bind_pair(ip: Ipv4Addr) -> io::Result<(Socket, Socket)> {
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

pub(super) fn local_v4(socket: &Socket) -> io::Result<SocketAddrV4> {
    socket
        .local_addr()?
        .as_socket_ipv4()
        .ok_or_else(|| io::Error::other("an IPv4 socket has an IPv4 address"))
}
