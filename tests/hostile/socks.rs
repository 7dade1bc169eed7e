//! A SOCKS5 server (RFC 1928) that connects, notes where to, and refuses everything else.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
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
    /// UDP ASSOCIATE and BIND, refused.
    others: AtomicU64,
}

impl Socks {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let notes = Arc::new(Notes::default());
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

fn serve(mut client: TcpStream, notes: &Notes) -> io::Result<()> {
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
