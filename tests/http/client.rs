//! A blocking HTTP client that sends exactly the text it is given.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpStream};
use std::time::Duration;

use super::source::PATIENCE;

pub struct Client {
    stream: TcpStream,
    port: u16,
    /// Read and not yet looked at.
    ahead: Vec<u8>,
}

/// A response head.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub version: String,
    pub status: u16,
    /// Names in lower case; a name that comes twice fails the test.
    pub fields: BTreeMap<String, String>,
}

impl Head {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    pub fn content_len(&self) -> usize {
        self.field("content-length").expect("a Content-Length").parse().unwrap()
    }
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Closed,
    Reset,
}

impl Client {
    pub fn connect(port: u16) -> Self {
        Self::over(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap(), port)
    }

    /// A client that takes in so few bytes unread: what it makes the system carry is little.
    pub fn connect_narrow(port: u16, room: usize) -> Self {
        use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        // Before the connection, which says how much fits.
        sockopt::set_socket_recv_buffer_size(&socket, room).unwrap();
        connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).unwrap();
        Self::over(socket.into(), port)
    }

    fn over(stream: TcpStream, port: u16) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, port, ahead: Vec::new() }
    }

    pub fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// Like `send`, for a server that may close before it has read all.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// A head for this server: request line, Host, the given lines.
    pub fn request(&self, line: &str, fields: &[&str]) -> String {
        let mut text = format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", self.port);
        for field in fields {
            text.push_str(field);
            text.push_str("\r\n");
        }
        text + "\r\n"
    }

    /// Sends a request of that head and reads the answer's head.
    pub fn ask(&mut self, line: &str, fields: &[&str]) -> Head {
        let text = self.request(line, fields);
        self.send(&text);
        self.head()
    }

    /// Sends a GET and reads the whole answer.
    pub fn get(&mut self, token: &str, fields: &[&str]) -> (Head, Vec<u8>) {
        let head = self.ask(&format!("GET /stream/{token}"), fields);
        let len = if matches!(head.status, 204 | 304) { 0 } else { head.content_len() };
        let body = self.body(len);
        (head, body)
    }

    pub fn head(&mut self) -> Head {
        let end = loop {
            if let Some(end) = self.ahead.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            assert!(
                self.more().expect("a head") > 0,
                "ended in a head: {:?}",
                String::from_utf8_lossy(&self.ahead)
            );
        };
        let text = String::from_utf8(self.ahead.drain(..end + 4).collect()).unwrap();
        let mut lines = text.trim_end().split("\r\n");
        let (version, rest) = lines.next().unwrap().split_once(' ').unwrap();
        let mut fields = BTreeMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            let before = fields.insert(name.to_ascii_lowercase(), value.to_owned());
            assert_eq!(before, None, "{name} comes twice");
        }
        Head { version: version.to_owned(), status: rest[..3].parse().unwrap(), fields }
    }

    pub fn body(&mut self, len: usize) -> Vec<u8> {
        while self.ahead.len() < len {
            assert!(self.more().expect("a body") > 0, "ended at {} of {len} bytes", self.ahead.len());
        }
        self.ahead.drain(..len).collect()
    }

    /// Everything until the connection ends.
    pub fn rest(&mut self) -> (Vec<u8>, End) {
        loop {
            match self.more() {
                Ok(0) => return (std::mem::take(&mut self.ahead), End::Closed),
                Ok(_) => {}
                Err(ErrorKind::ConnectionReset) => return (std::mem::take(&mut self.ahead), End::Reset),
                Err(kind) => panic!("the connection did not end: {kind:?}"),
            }
        }
    }

    fn more(&mut self) -> Result<usize, ErrorKind> {
        let mut bytes = [0; 64 * 1024];
        let len = self.stream.read(&mut bytes).map_err(|error| error.kind())?;
        self.ahead.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    /// Nothing has come that was not asked for.
    pub fn is_quiet(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let nothing = self.ahead.is_empty() && self.more() == Err(ErrorKind::WouldBlock);
        self.stream.set_nonblocking(false).unwrap();
        nothing
    }

    /// How many of `bytes`, sent over and over, the server's side takes before it wants no more for `patience`. `most`
    /// ends it in any case.
    pub fn send_until_stuck(&mut self, bytes: &[u8], patience: Duration, most: usize) -> usize {
        self.stream.set_write_timeout(Some(patience)).unwrap();
        let (mut sent, mut at) = (0, 0);
        while sent < most {
            match self.stream.write(&bytes[at..]) {
                Ok(len) => (sent, at) = (sent + len, (at + len) % bytes.len()),
                Err(_) => break,
            }
        }
        sent
    }

    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends with a reset, as a player does that closes with bytes unread.
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }
}
