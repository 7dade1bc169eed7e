//! An HTTP/1.1 client for GET on loopback: as little between the clock and the server as possible.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    ops::Range,
    time::Duration,
};

/// The longest wait for a byte.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest head of an answer that is accepted.
const HEAD_MAX: usize = 16 * 1024;

/// An answer whose body is still to be read.
pub struct Body {
    socket: TcpStream,
    /// Bytes of the body that came with the head.
    early: Vec<u8>,
    /// Bytes of the body that have not been read.
    left: u64,
}

/// Asks for `range` of the resource, an open one ("from here on") when its end is `u64::MAX`.
///
/// # Errors
/// When the server does not answer with that range.
pub fn get(url: &str, range: Range<u64>) -> io::Result<Body> {
    Kept::open(url)?.ask(range, "close")
}

/// A connection that is used for one request after the other, as players do.
pub struct Kept {
    socket: TcpStream,
    address: String,
    path: String,
}

impl Kept {
    /// Connects to the server of `url`.
    ///
    /// # Errors
    /// When it does not listen.
    pub fn open(url: &str) -> io::Result<Self> {
        let (address, path) = split(url).ok_or_else(|| wrong(format!("not an http URL: {url}")))?;
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, address: address.to_owned(), path: path.to_owned() })
    }

    /// Asks as [`get`] does; the last body has to be read to its end before.
    ///
    /// # Errors
    /// As those of [`get`].
    pub fn get(&self, range: Range<u64>) -> io::Result<Body> {
        self.ask(range, "keep-alive")
    }

    fn ask(&self, range: Range<u64>, then: &str) -> io::Result<Body> {
        let Self { address, path, .. } = self;
        let mut socket = self.socket.try_clone()?;
        let last = if range.end == u64::MAX { String::new() } else { (range.end - 1).to_string() };
        let first = range.start;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nRange: bytes={first}-{last}\r\nConnection: {then}\r\n\r\n"
        );
        socket.write_all(request.as_bytes())?;
        answer(socket, first)
    }
}

fn answer(mut socket: TcpStream, first: u64) -> io::Result<Body> {
    let mut bytes = Vec::with_capacity(HEAD_MAX);
    let mut buffer = [0; HEAD_MAX];
    let head_len = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        match socket.read(&mut buffer).map_err(waited)? {
            0 => return Err(wrong("the connection was closed before the head ended".into())),
            _ if bytes.len() > HEAD_MAX => return Err(wrong("the head does not end".into())),
            len => bytes.extend_from_slice(&buffer[..len]),
        }
    };
    let early = bytes.split_off(head_len);
    let left = parse(&bytes, first).map_err(wrong)?;
    Ok(Body { socket, early, left })
}

impl Body {
    /// Bytes that have not been read.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Waits for some bytes and reads them, as many as there are; 0 only at the end of the body.
    ///
    /// # Errors
    /// When the server ends the connection before.
    pub fn some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let len = if self.early.is_empty() {
            self.socket.read(buffer).map_err(waited)?
        } else {
            let len = buffer.len().min(self.early.len());
            buffer[..len].copy_from_slice(&self.early[..len]);
            self.early.drain(..len);
            len
        };
        if len == 0 {
            return Err(wrong(format!("the body was cut with {} bytes missing", self.left)));
        }
        self.left = self.left.saturating_sub(len as u64);
        Ok(len)
    }

    /// Reads until the buffer is full.
    ///
    /// # Errors
    /// When the body ends before.
    pub fn exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.some(&mut buffer[filled..])? {
                0 => return Err(wrong("the body is shorter than asked for".into())),
                len => filled += len,
            }
        }
        Ok(())
    }
}

/// Splits `http://HOST:PORT/PATH` into `HOST:PORT` and `/PATH`.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    rest.find('/').map(|slash| rest.split_at(slash))
}

/// The length of the body that a head announces, when it is 206 from `first` on.
fn parse(head: &[u8], first: u64) -> Result<u64, String> {
    let head = String::from_utf8_lossy(head);
    let field = |name: &str| {
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let status = head.lines().next().unwrap_or_default();
    let range = field("content-range").unwrap_or_default();
    if status.split(' ').nth(1) != Some("206") || !range.starts_with(&format!("bytes {first}-")) {
        return Err(format!("bytes={first}- was answered with `{status}`, Content-Range `{range}`"));
    }
    let len = field("content-length").and_then(|value| value.parse().ok());
    len.ok_or_else(|| format!("no Content-Length in the answer `{status}`"))
}

/// A read that ran into [`PATIENCE`] says so; the system only says "try again".
fn waited(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            io::Error::new(io::ErrorKind::TimedOut, format!("no byte came for {} s", PATIENCE.as_secs()))
        }
        _ => error,
    }
}

fn wrong(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let head =
            b"HTTP/1.1 206 Partial Content\r\ncontent-LENGTH: 5\r\nContent-Range: bytes 5-9/10\r\n\r\n";
        assert_eq!(parse(head, 5), Ok(5));
        assert!(parse(head, 6).unwrap_err().contains("5-9"));
        assert!(
            parse(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0).unwrap_err().contains("404")
        );
    }

    #[test]
    fn urls_are_split() {
        assert_eq!(split("http://127.0.0.1:80/stream/x"), Some(("127.0.0.1:80", "/stream/x")));
        assert_eq!(split("https://127.0.0.1:80/"), None);
    }

    #[test]
    fn a_body_is_read_and_a_cut_one_is_an_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let len = client.read(&mut request).unwrap();
            let answer = "HTTP/1.1 206 P\r\nContent-Length: 6\r\nContent-Range: bytes 2-7/9\r\n\r\nabcd";
            client.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..len]).into_owned()
        });
        let mut body = get(&url, 2..u64::MAX).unwrap();
        let mut bytes = [0; 4];
        body.exact(&mut bytes).unwrap();
        assert_eq!((&bytes, body.left()), (b"abcd", 2));
        assert!(body.some(&mut bytes).unwrap_err().to_string().contains("2 bytes missing"));
        assert!(server.join().unwrap().contains("Range: bytes=2-\r\n"));
    }
}
