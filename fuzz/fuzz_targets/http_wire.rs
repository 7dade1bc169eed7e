//! The whole server on a real socket: any bytes in, and only whole, plain HTTP/1 answers come out, until the end.
#![no_main]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use vozduxan::http::{BoxFuture, Cut, Limits, Media, ReadKind, Reader, Server, Source};
use vozduxan::log::Logger;

const LEN: u64 = 1000;
const STATUSES: [u16; 12] = [200, 204, 206, 304, 400, 404, 405, 412, 414, 416, 421, 431];

struct One;
struct File;
struct Span(Range<u64>);

impl Source for One {
    fn open(&self, token: &str) -> Option<Arc<dyn Media>> {
        (token == "t").then(|| Arc::new(File) as Arc<dyn Media>)
    }
}

impl Media for File {
    fn len(&self) -> u64 {
        LEN
    }
    fn mime(&self) -> &str {
        "audio/flac"
    }
    fn etag(&self) -> &str {
        "\"e\""
    }
    fn reader(&self, span: Range<u64>, _: ReadKind) -> Box<dyn Reader> {
        assert!(span.start < span.end && span.end <= LEN);
        Box::new(Span(span))
    }
}

impl Reader for Span {
    fn next(mut self: Box<Self>) -> BoxFuture<(Box<dyn Reader>, Result<Bytes, Cut>)> {
        let bytes: Vec<u8> = self.0.clone().take(300).map(|at| at as u8).collect();
        self.0.start += bytes.len() as u64;
        Box::pin(std::future::ready((self as Box<dyn Reader>, Ok(bytes.into()))))
    }
    fn cancelled(&self) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }
}

fn port() -> u16 {
    static SERVER: OnceLock<(tokio::runtime::Runtime, Server)> = OnceLock::new();
    let (_, server) = SERVER.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let log = Logger::start(Arc::new(Box::new(|_: &str| {}))).expect("log");
        let limits = Limits {
            head: Duration::from_millis(200),
            idle: Duration::from_millis(200),
            ..Limits::default()
        };
        let server = Server::bind(runtime.handle(), Arc::new(One), log, limits).expect("server");
        (runtime, server)
    });
    server.port()
}

/// Replaces `@` by this server's name, so that a corpus fits every port.
fn filled(data: &[u8], port: u16) -> Vec<u8> {
    let name = format!("127.0.0.1:{port}");
    data.iter().flat_map(|byte| if *byte == b'@' { name.clone().into_bytes() } else { vec![*byte] }).collect()
}

/// Every answer in `text`, one behind the other, whole. A HEAD's answer has a length and no body, so where the text
/// goes on with a new status line instead of a body, that is accepted.
fn check(mut text: &[u8]) {
    while !text.is_empty() {
        let end = text.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head") + 4;
        let head = std::str::from_utf8(&text[..end]).expect("ASCII");
        assert!(head.starts_with("HTTP/1.1 ") || head.starts_with("HTTP/1.0 "), "{head}");
        let status: u16 = head[9..12].parse().expect("a status");
        assert!(STATUSES.contains(&status), "{head}");
        let lower = head.to_ascii_lowercase();
        assert!(!lower.contains("transfer-encoding"), "{head}");
        text = &text[end..];
        let len = lower.split("content-length: ").nth(1).map_or(0, |rest| {
            rest.split("\r\n").next().and_then(|len| len.parse::<usize>().ok()).expect("a length")
        });
        if len > 0 && !text.is_empty() && !text.starts_with(b"HTTP/1.") {
            assert!(text.len() >= len, "cut in mid-body without a reason: {head}");
            text = &text[len..];
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let port = port();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    // The server may close before it has read all.
    let _ = stream.write_all(&filled(data, port));
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => check(&answer),
        // It closed with bytes of ours unread: the rest of the answer may be lost with them.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection did not end: {error}"),
    }
});
