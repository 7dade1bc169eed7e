//! Peers that libtorrent would never be: a listener, and connections that speak just enough of BEP 3, 6, 9 and 10 to say
//! anything, right or wrong.
//!
//! A test gives a [`RawPeer`] what each connection does, as a function that runs in the connection's own thread. The
//! [`Wire`] does the handshake, reads messages and sends whatever it is told. [`Share::serve`] is the honest conduct, for
//! peers that lie about one thing only. Nothing here is fast or fair.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use crate::bencode::Value;
use crate::proxy::fresh_address;

/// The unit in which libtorrent sends metadata (BEP 9).
pub const METADATA_PIECE: usize = 16 * 1024;
/// Longest message that is read; a client's longest is a bitfield or an extension's dictionary.
const MESSAGE_MAX: u32 = 4 << 20;
/// The number under which we take ut_metadata messages, and the one for ut_pex.
pub const OUR_METADATA: u8 = 3;
/// See [`OUR_METADATA`].
pub const OUR_PEX: u8 = 4;

/// What a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Nothing, to show that it lives.
    KeepAlive,
    /// REQUEST: piece, first byte in it, length.
    Request(u32, u32, u32),
    /// CANCEL: the same.
    Cancel(u32, u32, u32),
    /// The extension protocol (BEP 10): number and payload.
    Extended(u8, Vec<u8>),
    /// Any other: its id and payload.
    Other(u8, Vec<u8>),
}

/// One connection to a client.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    /// The client's numbers for ut_metadata and ut_pex, once it said them; 0: not offered.
    pub their_metadata: u8,
    /// See `their_metadata`.
    pub their_pex: u8,
}

/// What a peer says of itself in the handshakes.
#[derive(Debug, Clone)]
pub struct Identity {
    /// v1, or the first 20 bytes of v2.
    pub info_hash: [u8; 20],
    /// `metadata_size` of BEP 9, any number; `None`: not said.
    pub metadata_size: Option<i64>,
    /// Whether ut_pex is offered.
    pub pex: bool,
}

impl Identity {
    /// One that says nothing of metadata and offers no PEX.
    pub fn new(info_hash: [u8; 20]) -> Self {
        Self { info_hash, metadata_size: None, pex: false }
    }
}

impl Wire {
    /// Answers the handshake of a client that connected, and says hello by BEP 10.
    ///
    /// # Errors
    /// When the client is gone or speaks something else.
    pub fn accept(stream: TcpStream, identity: &Identity) -> io::Result<Self> {
        let mut hello = [0; 68];
        (&stream).read_exact(&mut hello)?;
        if hello[0] != 19 || &hello[1..20] != b"BitTorrent protocol" {
            return Err(io::Error::other("the client speaks no plain BitTorrent"));
        }
        Self::greet(stream, identity)
    }

    fn greet(stream: TcpStream, identity: &Identity) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let mut wire = Self { stream, their_metadata: 0, their_pex: 0 };
        let mut hello = b"\x13BitTorrent protocol".to_vec();
        // BEP 10 and BEP 6.
        hello.extend_from_slice(&[0, 0, 0, 0, 0, 0x10, 0, 0x04]);
        hello.extend_from_slice(&identity.info_hash);
        hello.extend_from_slice(b"-RW0001-");
        hello.extend_from_slice(&crate::audio::Noise::new(next_id()).word(0).to_be_bytes());
        hello.extend_from_slice(b"vozd");
        wire.raw(&hello)?;
        let mut numbers = Value::dict([("ut_metadata", Value::int(OUR_METADATA))]);
        if identity.pex {
            numbers.set("ut_pex", Value::int(OUR_PEX));
        }
        let mut about = Value::dict([("m", numbers)]);
        if let Some(size) = identity.metadata_size {
            about.set("metadata_size", Value::int(size));
        }
        about.set("reqq", Value::int(500));
        wire.extended(0, &about.encode())?;
        Ok(wire)
    }

    /// A second handle to the same connection, to send beside the reading.
    ///
    /// # Errors
    /// When the system refuses a descriptor.
    pub fn twin(&self) -> io::Result<Self> {
        let stream = self.stream.try_clone()?;
        Ok(Self { stream, their_metadata: self.their_metadata, their_pex: self.their_pex })
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// When the connection ends, or the message is longer than anybody's.
    pub fn read(&mut self) -> io::Result<Message> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        let len = u32::from_be_bytes(len);
        if len == 0 {
            return Ok(Message::KeepAlive);
        }
        if len > MESSAGE_MAX {
            return Err(io::Error::other(format!("a message of {len} bytes")));
        }
        let mut body = vec![0; len as usize];
        self.stream.read_exact(&mut body)?;
        let (id, payload) = (body[0], body.split_off(1));
        let word = |at: usize| {
            payload.get(at..at + 4).map(|four| u32::from_be_bytes(four.try_into().expect("four")))
        };
        let block = || Some((word(0)?, word(4)?, word(8)?));
        Ok(match (id, block(), payload.split_first()) {
            (6, Some((piece, begin, len)), _) => Message::Request(piece, begin, len),
            (8, Some((piece, begin, len)), _) => Message::Cancel(piece, begin, len),
            (20, _, Some((number, rest))) => {
                let rest = rest.to_vec();
                if *number == 0 {
                    self.hear(&rest);
                }
                Message::Extended(*number, rest)
            }
            _ => Message::Other(id, payload),
        })
    }

    /// The client's BEP 10 handshake.
    fn hear(&mut self, payload: &[u8]) {
        let Some((about, _)) = Value::decode(payload) else { return };
        let number = |name: &str| about.get("m")?.get(name)?.as_int()?.try_into().ok();
        self.their_metadata = number("ut_metadata").unwrap_or(0);
        self.their_pex = number("ut_pex").unwrap_or(0);
    }

    /// Any bytes.
    ///
    /// # Errors
    /// When the connection is gone; so for all that send.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// A message of BEP 3 or 6.
    ///
    /// # Errors
    /// As [`Wire::raw`].
    pub fn send(&mut self, id: u8, payload: &[u8]) -> io::Result<()> {
        self.raw(&message(id, payload))
    }

    /// HAVE ALL and UNCHOKE.
    ///
    /// # Errors
    /// As [`Wire::raw`].
    pub fn offer_everything(&mut self) -> io::Result<()> {
        self.send(14, &[])?;
        self.send(1, &[])
    }

    /// PIECE.
    ///
    /// # Errors
    /// As [`Wire::raw`].
    pub fn piece(&mut self, piece: u32, begin: u32, bytes: &[u8]) -> io::Result<()> {
        self.send(7, &[&piece.to_be_bytes(), &begin.to_be_bytes(), bytes].concat())
    }

    /// REJECT (BEP 6).
    ///
    /// # Errors
    /// As [`Wire::raw`].
    pub fn reject(&mut self, piece: u32, begin: u32, len: u32) -> io::Result<()> {
        self.send(16, &[piece.to_be_bytes(), begin.to_be_bytes(), len.to_be_bytes()].concat())
    }

    /// A message of the extension protocol.
    ///
    /// # Errors
    /// As [`Wire::raw`].
    pub fn extended(&mut self, number: u8, payload: &[u8]) -> io::Result<()> {
        self.send(20, &[&[number], payload].concat())
    }

    /// Ends the connection; a reading twin notices.
    pub fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// A message's bytes.
pub fn message(id: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len() + 1).expect("messages are short");
    [&len.to_be_bytes(), &[id][..], payload].concat()
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed) | u64::from(std::process::id()) << 32
}

/// A torrent's bytes, to be served from memory whatever the torrent's file names are.
#[derive(Debug, Clone)]
pub struct Share {
    /// All bytes of the torrent, one file behind the other.
    pub content: Arc<Vec<u8>>,
    /// Bytes of a piece.
    pub piece_len: u32,
    /// The info dictionary (BEP 9).
    pub info: Arc<Vec<u8>>,
}

impl Share {
    /// The honest conduct: offers all and answers every request, for blocks and for metadata, until the client goes.
    ///
    /// # Errors
    /// When the client is gone.
    pub fn serve(&self, wire: &mut Wire) -> io::Result<()> {
        wire.offer_everything()?;
        loop {
            let message = wire.read()?;
            self.answer(wire, &message)?;
        }
    }

    /// Answers one message honestly.
    ///
    /// # Errors
    /// When the client is gone.
    pub fn answer(&self, wire: &mut Wire, message: &Message) -> io::Result<()> {
        match message {
            Message::Request(piece, begin, len) => match self.block(*piece, *begin, *len) {
                Some(bytes) => wire.piece(*piece, *begin, bytes),
                None => wire.reject(*piece, *begin, *len),
            },
            Message::Extended(OUR_METADATA, payload) => self.answer_metadata(wire, payload),
            _ => Ok(()),
        }
    }

    /// The bytes of a block, if the torrent has it.
    pub fn block(&self, piece: u32, begin: u32, len: u32) -> Option<&[u8]> {
        let at = piece as usize * self.piece_len as usize + begin as usize;
        self.content.get(at..at + len as usize)
    }

    fn answer_metadata(&self, wire: &mut Wire, payload: &[u8]) -> io::Result<()> {
        let Some((asked, _)) = Value::decode(payload) else { return Ok(()) };
        let number = |key: &str| asked.get(key).and_then(Value::as_int);
        if number("msg_type") != Some(0) {
            return Ok(());
        }
        let piece = usize::try_from(number("piece").unwrap_or(0)).unwrap_or(0);
        let at = (piece * METADATA_PIECE).min(self.info.len());
        let bytes = &self.info[at..self.info.len().min(at + METADATA_PIECE)];
        let head = Value::dict([
            ("msg_type", Value::int(1)),
            ("piece", Value::int(piece)),
            ("total_size", Value::int(self.info.len())),
        ]);
        wire.extended(wire.their_metadata, &[&head.encode(), bytes].concat())
    }
}

/// A listening peer on a loopback address of its own. Dropping it ends its connections.
pub struct RawPeer {
    address: SocketAddrV4,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    accepted: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl RawPeer {
    /// Listens; `conduct` runs once for each connection, in a thread of its own, until it returns. What goes wrong there
    /// ends that connection.
    ///
    /// # Errors
    /// When the system refuses the port or the thread.
    pub fn start(conduct: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> io::Result<Self> {
        let listener = TcpListener::bind((fresh_address(), 0))?;
        let std::net::SocketAddr::V4(address) = listener.local_addr()? else {
            return Err(io::Error::other("bound to IPv4"));
        };
        let shared = Arc::new(Shared::default());
        let (conduct, for_thread) = (Arc::new(conduct), Arc::clone(&shared));
        let thread = thread::Builder::new().name("raw-peer".into()).spawn(move || {
            for stream in listener.incoming() {
                if for_thread.stop.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                for_thread.accepted.fetch_add(1, Ordering::Relaxed);
                // A client that says nothing must not hold a thread for ever.
                let _ = stream.set_write_timeout(Some(Duration::from_secs(30)));
                if let Ok(twin) = stream.try_clone() {
                    for_thread.open.lock().push(twin);
                }
                let conduct = Arc::clone(&conduct);
                let spawned = thread::Builder::new().name("raw-connection".into()).spawn(move || {
                    let handle = stream.try_clone();
                    let _ = conduct(stream);
                    // The twin kept for the end would hold the connection open.
                    let _ = handle.map(|stream| stream.shutdown(Shutdown::Both));
                });
                drop(spawned);
            }
        })?;
        Ok(Self { address, shared, thread: Some(thread) })
    }

    /// An honest seeder of `share`.
    ///
    /// # Errors
    /// As [`RawPeer::start`].
    pub fn honest(info_hash: [u8; 20], share: Share) -> io::Result<Self> {
        let size = i64::try_from(share.info.len()).ok();
        let identity = Identity { metadata_size: size, ..Identity::new(info_hash) };
        Self::start(move |stream| share.serve(&mut Wire::accept(stream, &identity)?))
    }

    /// Where it listens, TCP.
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Connections so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for RawPeer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        // Wakes the accept.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for stream in self.shared.open.lock().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
