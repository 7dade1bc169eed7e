//! A SOCKS5 server (RFC 1928) that connects, carries datagrams if it is told to, notes where to, and refuses everything
//! else.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

/// Where a client wanted to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Address(SocketAddr),
    /// By name: nobody looked it up here.
    Name(String, u16),
}

/// See the module. Ends with the process.
pub struct Socks {
    pub address: SocketAddr,
    notes: Arc<Notes>,
}

#[derive(Default)]
struct Notes {
    connects: Mutex<Vec<Target>>,
    /// One for each datagram.
    carried: Mutex<Vec<SocketAddr>>,
    carries: bool,
    /// UDP ASSOCIATE and BIND, refused.
    others: AtomicU64,
}

impl Socks {
    pub fn start() -> Self {
        Self::with(Notes::default())
    }

    pub fn that_carries_datagrams() -> Self {
        Self::with(Notes { carries: true, ..Notes::default() })
    }

    fn with(notes: Notes) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let notes = Arc::new(notes);
        let shared = Arc::clone(&notes);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let notes = Arc::clone(&shared);
                thread::spawn(move || drop(serve(stream, &notes)));
            }
        });
        Self { address, notes }
    }

    pub fn connects(&self) -> Vec<Target> {
        self.notes.connects.lock().clone()
    }

    /// How often it was asked for an address.
    pub fn connects_to(&self, address: SocketAddr) -> u64 {
        let same = |target: &&Target| match target {
            Target::Address(asked) => *asked == address,
            Target::Name(name, port) => name == "localhost" && *port == address.port(),
        };
        self.connects().iter().filter(same).count() as u64
    }

    /// How many datagrams it carried to an address.
    pub fn carried_to(&self, address: SocketAddrV4) -> usize {
        self.notes.carried.lock().iter().filter(|to| **to == address.into()).count()
    }

    /// How often it was asked to carry datagrams, which it does not.
    pub fn refused(&self) -> u64 {
        self.notes.others.load(Ordering::Relaxed)
    }

    /// The settings that send everything through it.
    pub fn settings(&self) -> String {
        let (host, port) = (self.address.ip(), self.address.port());
        format!("[network.proxy]\ntype = \"socks5\"\nhost = \"{host}\"\nport = {port}\n")
    }
}

fn serve(mut client: TcpStream, notes: &Arc<Notes>) -> io::Result<()> {
    let [_, methods] = take(&mut client)?;
    client.read_exact(&mut vec![0; methods.into()])?;
    client.write_all(&[5, 0])?;
    let [_, command, _, kind] = take(&mut client)?;
    let target = match kind {
        1 => {
            let ip: [u8; 4] = take(&mut client)?;
            Target::Address(SocketAddr::from((ip, u16::from_be_bytes(take(&mut client)?))))
        }
        3 => {
            let [len] = take(&mut client)?;
            let mut name = vec![0; len.into()];
            client.read_exact(&mut name)?;
            Target::Name(String::from_utf8_lossy(&name).into_owned(), u16::from_be_bytes(take(&mut client)?))
        }
        _ => {
            let ip: [u8; 16] = take(&mut client)?;
            Target::Address(SocketAddr::from((ip, u16::from_be_bytes(take(&mut client)?))))
        }
    };
    if command == 3 && notes.carries {
        return carry(client, notes);
    }
    if command != 1 {
        notes.others.fetch_add(1, Ordering::Relaxed);
        return client.write_all(&[5, 7, 0, 1, 0, 0, 0, 0, 0, 0]);
    }
    notes.connects.lock().push(target.clone());
    let server = match &target {
        Target::Address(address) => TcpStream::connect(address),
        Target::Name(_, port) => TcpStream::connect((Ipv4Addr::LOCALHOST, *port)),
    };
    let Ok(server) = server else { return client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]) };
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0])?;
    copy_both_ways(client, server)
}

/// UDP ASSOCIATE: datagrams go to and fro behind a header (section 7) until the client closes its connection.
fn carry(mut client: TcpStream, notes: &Arc<Notes>) -> io::Result<()> {
    let inside = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let outside = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = inside.local_addr()?.port();
    let (from_client, to_others) = (inside.try_clone()?, outside.try_clone()?);
    let notes = Arc::clone(notes);
    let theirs = Arc::new(Mutex::new(None));
    let back_to = Arc::clone(&theirs);
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok((len, from)) = from_client.recv_from(&mut bytes) {
            *theirs.lock() = Some(from);
            let Some((to, data)) = unwrapped(&bytes[..len]) else { continue };
            notes.carried.lock().push(to);
            let _ = to_others.send_to(data, to);
        }
    });
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok((len, from)) = outside.recv_from(&mut bytes) {
            let (Some(client), SocketAddr::V4(from)) = (*back_to.lock(), from) else { continue };
            let head = [&[0, 0, 0, 1], &from.ip().octets()[..], &from.port().to_be_bytes()].concat();
            let _ = inside.send_to(&[&head, &bytes[..len]].concat(), client);
        }
    });
    let [high, low] = port.to_be_bytes();
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, high, low])?;
    io::copy(&mut client, &mut io::sink()).map(drop)
}

fn unwrapped(datagram: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let (&[_, _, 0, kind], rest) = datagram.split_first_chunk()? else { return None };
    let (ip, rest) = match kind {
        1 => rest.split_first_chunk::<4>().map(|(ip, rest)| (Ipv4Addr::from(*ip), rest))?,
        // By name, which trackers' addresses are to libtorrent.
        3 => {
            let (name, rest) = rest[1..].split_at_checked((*rest.first()?).into())?;
            (std::str::from_utf8(name).ok()?.parse().ok()?, rest)
        }
        _ => return None,
    };
    let (port, data) = rest.split_first_chunk()?;
    Some((SocketAddr::from((ip, u16::from_be_bytes(*port))), data))
}

/// Until one of them ends.
pub fn copy_both_ways(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut from_server, mut to_client) = (server, client);
    let copied = io::copy(&mut from_server, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Both);
    copied.map(drop)
}

fn take<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
