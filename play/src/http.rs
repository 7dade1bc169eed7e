//! An HTTP/1.1 client for one thing: GET on loopback, with a Range, the body read as it comes.
//!
//! Its own code and not a library, so that what the check says about the server does not depend on how forgiving a
//! library is: a status, a length or a range that is not what RFC 9110 says is an error here.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Longest response head that is accepted, in bytes.
const HEAD_MAX: usize = 16 * 1024;
/// How often a read that has nothing to give returns to its caller.
pub const PULSE: Duration = Duration::from_millis(100);

/// What a response's head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Status code.
    pub status: u16,
    /// Content-Length.
    pub body_len: Option<u64>,
    /// Content-Range `bytes first-last/total`, as `first..last + 1` and the total.
    pub range: Option<(std::ops::Range<u64>, u64)>,
    /// Content-Type, empty when there is none.
    pub mime: String,
}

/// A response whose head was read.
pub struct Response {
    /// The head.
    pub head: Head,
    socket: TcpStream,
    /// Body bytes that came with the head.
    early: Vec<u8>,
}

/// Splits `http://HOST:PORT/PATH` into `HOST:PORT` and `/PATH`.
pub fn split_url(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let slash = rest.find('/')?;
    rest.contains(':').then(|| rest.split_at(slash))
}

/// Sends a GET for the bytes from `first` on (`None`: without a Range) and reads the head of the answer.
///
/// # Errors
/// When nobody answers within `patience`, or not in HTTP.
pub fn get(url: &str, first: Option<u64>, patience: Duration) -> io::Result<Response> {
    let (address, path) = split_url(url).ok_or_else(|| invalid(format!("not an http URL: {url}")))?;
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(patience))?;
    let range = first.map(|first| format!("Range: bytes={first}-\r\n")).unwrap_or_default();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{range}Connection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;

    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let start = Instant::now();
    let head_len = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if bytes.len() > HEAD_MAX || start.elapsed() > patience {
            return Err(invalid("the head of the response does not end".into()));
        }
        match socket.read(&mut buffer)? {
            0 => return Err(invalid("the connection was closed before the head ended".into())),
            len => bytes.extend_from_slice(&buffer[..len]),
        }
    };
    let head = parse(&bytes[..head_len]).map_err(invalid)?;
    socket.set_read_timeout(Some(PULSE))?;
    Ok(Response { head, socket, early: bytes.split_off(head_len) })
}

impl Read for Response {
    /// The next bytes of the body; `WouldBlock` when none came within [`PULSE`].
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.early.is_empty() {
            return self.socket.read(buffer);
        }
        let len = buffer.len().min(self.early.len());
        buffer[..len].copy_from_slice(&self.early[..len]);
        self.early.drain(..len);
        Ok(len)
    }
}

/// Reads a head: everything up to and with the empty line.
fn parse(head: &[u8]) -> Result<Head, String> {
    let text = std::str::from_utf8(head).map_err(|_| "the head is not text".to_owned())?;
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.ok_or_else(|| format!("not a status line: {line}"))?;
    let mut head = Head { status, body_len: None, range: None, mime: String::new() };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("not a header: {line}"))?;
        let value = value.trim();
        let wrong = || format!("{name}: {value} cannot be read");
        match name.to_ascii_lowercase().as_str() {
            "content-length" => head.body_len = Some(value.parse().map_err(|_| wrong())?),
            "content-type" => value.clone_into(&mut head.mime),
            // `bytes */N` belongs to 416 and names no range.
            "content-range" if !value.contains('*') => {
                head.range = Some(content_range(value).ok_or_else(wrong)?);
            }
            _ => {}
        }
    }
    Ok(head)
}

/// `bytes first-last/total` (RFC 9110, 14.4).
fn content_range(value: &str) -> Option<(std::ops::Range<u64>, u64)> {
    let (range, total) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let total = total.parse().ok()?;
    (first <= last && last < total).then(|| (first..last + 1, total))
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let head = b"HTTP/1.1 206 Partial Content\r\ncontent-LENGTH: 5\r\nContent-Range: bytes 5-9/10\r\n\
            Content-Type: audio/wav\r\n\r\n";
        let expected =
            Head { status: 206, body_len: Some(5), range: Some((5..10, 10)), mime: "audio/wav".into() };
        assert_eq!(parse(head), Ok(expected));
        assert_eq!(parse(b"HTTP/1.1 416 X\r\nContent-Range: bytes */7\r\n\r\n").unwrap().range, None);
    }

    #[test]
    fn what_is_no_head_is_refused() {
        for head in [
            "",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 20\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 206 P\r\nContent-Range: bytes 5-4/10\r\n\r\n",
            "HTTP/1.1 206 P\r\nContent-Range: bytes 5-10/10\r\n\r\n",
            "HTTP/1.1 206 P\r\nContent-Range: 0-9/10\r\n\r\n",
        ] {
            assert!(parse(head.as_bytes()).is_err(), "{head}");
        }
    }

    #[test]
    fn urls_are_split() {
        assert_eq!(split_url("http://127.0.0.1:80/stream/x"), Some(("127.0.0.1:80", "/stream/x")));
        for url in ["", "https://127.0.0.1:80/", "http://127.0.0.1:80", "http://127.0.0.1/x"] {
            assert_eq!(split_url(url), None, "{url}");
        }
    }
}
