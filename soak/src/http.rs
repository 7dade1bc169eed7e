//! A small HTTP client that takes what comes and says how it ended.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// A read that gets nothing for this long has failed: every swarm has a peer that serves.
const PATIENCE: Duration = Duration::from_secs(90);

/// How an answer ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// As many bytes as were wanted, or the whole body.
    Complete,
    /// The server cut the connection: a seek, a release, an eviction or the end of the session.
    Cut,
    /// Nobody listens.
    Unreachable,
    /// Not served: the status.
    Refused(u16),
}

/// GETs `range` of a stream, hands pieces of the body to `check` and stops after `wanted` bytes.
///
/// # Errors
/// When nothing comes for too long, or the answer is not HTTP.
pub fn get(
    port: u16,
    path: &str,
    range: &str,
    wanted: u64,
    mut check: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<Ending, String> {
    let Ok(mut socket) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return Ok(Ending::Unreachable);
    };
    let text = |error: io::Error| error.to_string();
    socket.set_read_timeout(Some(PATIENCE)).map_err(text)?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nRange: {range}\r\nConnection: close\r\n\r\n"
    );
    if socket.write_all(head.as_bytes()).is_err() {
        return Ok(Ending::Cut);
    }
    let mut reader = BufReader::with_capacity(64 * 1024, socket);
    let mut line = String::new();
    if matches!(ended(reader.read_line(&mut line))?, None | Some(0)) {
        return Ok(Ending::Cut);
    }
    let status: u16 = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("no status line")?;
    let mut left = 0;
    loop {
        let mut line = String::new();
        if matches!(ended(reader.read_line(&mut line))?, None | Some(0)) {
            return Ok(Ending::Cut);
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            left = value.trim().parse().map_err(|_| format!("Content-Length {value}"))?;
        }
    }
    if status != 206 && status != 200 {
        return Ok(Ending::Refused(status));
    }
    let mut left: u64 = wanted.min(left);
    let mut buffer = vec![0; 32 * 1024];
    while left > 0 {
        let room = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match ended(reader.read(&mut buffer[..room]))? {
            None | Some(0) => return Ok(Ending::Cut),
            Some(len) => {
                check(&buffer[..len])?;
                left -= len as u64;
            }
        }
    }
    Ok(Ending::Complete)
}

/// `None`: the connection was cut.
fn ended(result: io::Result<usize>) -> Result<Option<usize>, String> {
    match result {
        Ok(len) => Ok(Some(len)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Err(format!("nothing came for {} s", PATIENCE.as_secs()))
        }
        Err(_) => Ok(None),
    }
}
