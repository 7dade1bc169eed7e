//! An HTTP proxy (RFC 9110 section 9.3.6 for CONNECT, RFC 9112 section 3.2.2 for the absolute form of GET) that notes where
//! its clients wanted to go.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

use super::socks::copy_both_ways;

/// See the module. Ends with the process.
pub struct HttpProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(Method, String)>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Connect,
    Get,
}

impl HttpProxy {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let asked = Arc::clone(&shared);
                thread::spawn(move || drop(serve(stream, &asked)));
            }
        });
        Self { address, asked }
    }

    /// How often it was asked for a `host:port` in this way.
    pub fn asked(&self, method: Method, place: &str) -> u64 {
        self.asked.lock().iter().filter(|asked| asked.0 == method && asked.1 == place).count() as u64
    }

    /// The settings that send everything through it.
    pub fn settings(&self) -> String {
        let (host, port) = (self.address.ip(), self.address.port());
        format!("[network.proxy]\ntype = \"http\"\nhost = \"{host}\"\nport = {port}\n")
    }
}

fn serve(client: TcpStream, asked: &Mutex<Vec<(Method, String)>>) -> io::Result<()> {
    let mut head = String::new();
    let mut lines = BufReader::new(client.try_clone()?);
    while !head.ends_with("\r\n\r\n") {
        if lines.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    // A client waits for the answer before it sends more.
    assert!(lines.buffer().is_empty(), "{head}");
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut client = client;
    if method == "CONNECT" {
        asked.lock().push((Method::Connect, target.to_owned()));
        let server = TcpStream::connect(target)?;
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        return copy_both_ways(client, server);
    }
    let Some((place, _)) = target.strip_prefix("http://").and_then(|rest| rest.split_once('/')) else {
        return client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    };
    asked.lock().push((Method::Get, place.to_owned()));
    let mut server = TcpStream::connect(place)?;
    let path = target.replacen(&format!("http://{place}"), "", 1);
    server.write_all(head.replacen(target, &path, 1).as_bytes())?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    client.write_all(&answer)
}
