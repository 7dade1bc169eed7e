//! libtorrent behind cxx: one safe handle, plain values in and out.
//!
//! C++ never calls Rust, but for the memory of vectors and strings. libtorrent's threads put events into a queue of the
//! C++ side; the engine's thread waits on that queue, takes them, and answers with commands that the C++ side carries to
//! libtorrent's network thread.

mod ffi;
#[cfg(test)]
mod tests;
mod tuning;

use std::net::SocketAddr;
use std::time::Duration;

use cxx::UniquePtr;

pub use ffi::raw::{
    AddOptions, Command, CommandKind, Event, EventKind, FileInfo, Metadata, PieceOrder, PieceRoot,
};
pub use tuning::{Network, Proxy};

use tuning::settings;

use ffi::raw;

/// What libtorrent answered when it refused, in its own words.
pub type Refusal = String;

/// A libtorrent session. Methods may be called from any thread.
pub struct Bridge {
    shim: UniquePtr<raw::Shim>,
}

// SAFETY: `Shim` says in cxx/shim.h that all its functions may be called from any thread; it holds no thread-local
// state, and libtorrent's session and handles may move between threads (libtorrent manual, "threads").
unsafe impl Send for Bridge {}
// SAFETY: as above: concurrent calls are synchronised by Shim's own mutexes and by libtorrent.
unsafe impl Sync for Bridge {}

impl Bridge {
    /// Starts libtorrent.
    ///
    /// # Errors
    /// When libtorrent refuses a setting or the system a thread.
    pub fn start(network: &Network, dht_state: Vec<u8>, own_picker: bool) -> Result<Self, Refusal> {
        let options = raw::SessionOptions { settings: settings(network), dht_state, own_picker };
        Ok(Self { shim: raw::new_shim(&options).map_err(|e| e.to_string())? })
    }

    /// Waits until events are there or [`Bridge::wake`] was called; false when `time` ran out. For the first `quiet` of
    /// it events only gather: fewer wake-ups on both sides, for those who can wait. Whole milliseconds.
    pub fn wait(&self, quiet: Duration, time: Duration) -> bool {
        let milliseconds = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        self.shim.wait(milliseconds(quiet), milliseconds(time))
    }

    /// Ends a wait early.
    pub fn wake(&self) {
        self.shim.wake();
    }

    /// Appends what has happened since the last call.
    pub fn take_events(&self, events: &mut Vec<Event>) -> Result<(), Refusal> {
        self.shim.take_events(events).map_err(|e| e.to_string())
    }

    /// Adds a torrent, paused, under the number `options.id`.
    pub fn add(&self, options: &AddOptions) -> Result<(), Refusal> {
        self.shim.add(options).map_err(|e| e.to_string())
    }

    /// Lets a torrent announce and connect, at once.
    pub fn start_torrent(&self, torrent: u32) {
        self.shim.start(torrent);
    }

    /// Keeps a torrent to its trackers: no DHT, no local discovery, no PEX. libtorrent does so by itself for one that it knows
    /// to be private when it is added; to one that was a magnet then, PEX would stay.
    pub fn stop_gossip(&self, torrent: u32) -> Result<(), Refusal> {
        self.shim.stop_gossip(torrent).map_err(|e| e.to_string())
    }

    /// Takes a torrent out of the session; its files stay.
    pub fn remove(&self, torrent: u32) {
        self.shim.remove(torrent);
    }

    /// The metadata of a torrent in the session.
    pub fn metadata(&self, torrent: u32) -> Result<Metadata, Refusal> {
        self.shim.metadata(torrent).map_err(|e| e.to_string())
    }

    /// Gives a torrent that was added by magnet its metadata; false when it does not belong to it.
    pub fn set_metadata(&self, torrent: u32, torrent_file: &[u8]) -> bool {
        self.shim.set_metadata(torrent, torrent_file)
    }

    /// Gives a torrent its info dictionary; false when its hash is another.
    pub fn set_info(&self, torrent: u32, info: &[u8]) -> bool {
        self.shim.set_info(torrent, info)
    }

    /// Takes a torrent out and adds it again under a new number with another save path; its files are checked there.
    pub fn move_torrent(&self, old: u32, new: u32, save_path: &str) -> Result<(), Refusal> {
        self.shim.move_torrent(old, new, save_path).map_err(|e| e.to_string())
    }

    /// Lets a torrent announce to more trackers.
    pub fn add_trackers(&self, torrent: u32, urls: &[String]) {
        self.shim.add_trackers(torrent, urls);
    }

    /// The announce URLs of a torrent.
    pub fn trackers(&self, torrent: u32) -> Result<Vec<String>, Refusal> {
        self.shim.trackers(torrent).map_err(|e| e.to_string())
    }

    /// Takes trackers away from a torrent; in order before a later [`Bridge::start_torrent`].
    pub fn remove_trackers(&self, torrent: u32, urls: &[String]) -> Result<(), Refusal> {
        self.shim.remove_trackers(torrent, urls).map_err(|e| e.to_string())
    }

    /// Hands libtorrent a piece that was put together of kept blocks. It is written and hashed as any other.
    pub fn add_piece(&self, torrent: u32, piece: u32, bytes: &[u8]) {
        self.shim.add_piece(torrent, piece, bytes);
    }

    /// SHA-1 of every piece, 20 bytes each; empty for a v2 torrent, whose pieces have none.
    pub fn piece_hashes(&self, torrent: u32) -> Vec<u8> {
        self.shim.piece_hashes(torrent).unwrap_or_default()
    }

    /// The roots of every piece of a v2 torrent; empty for others, and while one root is not known. Waits for
    /// libtorrent's network thread.
    pub fn piece_roots(&self, torrent: u32) -> Vec<PieceRoot> {
        self.shim.piece_roots(torrent).unwrap_or_default()
    }

    /// Sends requests and cancels, in this order.
    pub fn command(&self, torrent: u32, commands: &[Command]) {
        if !commands.is_empty() {
            self.shim.command(torrent, commands);
        }
    }

    /// Tells libtorrent's own picker, which fetches when the bridge was started without ours, about pieces.
    pub fn prioritize(&self, torrent: u32, orders: &[PieceOrder]) {
        if !orders.is_empty() {
            self.shim.prioritize(torrent, orders);
        }
    }

    /// Ends the connection `peer`, if it is still there, and connects to `address` at once, by uTP or TCP.
    pub fn dial(&self, torrent: u32, peer: u32, address: SocketAddr, utp: bool) {
        self.shim.dial(torrent, peer, &address.ip().to_string(), address.port(), utp);
    }

    /// Connects again to everybody who gave data and has no connection. By itself libtorrent gives a peer up when it
    /// failed three times, until a tracker names it again. If there is nobody of that kind, or with `pardon`, also to
    /// everybody whom libtorrent has banned, which it does for good.
    pub fn retry_givers(&self, torrent: u32, pardon: bool) {
        self.shim.retry_givers(torrent, pardon);
    }

    /// Asks for resume data; it comes as an event.
    pub fn request_resume(&self, torrent: u32) {
        self.shim.request_resume(torrent);
    }

    /// Hashes again what is on disk; `FilesChecked` tells the result.
    pub fn recheck(&self, torrent: u32) {
        self.shim.recheck(torrent);
    }

    /// Lets a torrent go on after a disk error.
    pub fn recover(&self, torrent: u32) {
        self.shim.recover(torrent);
    }

    /// Asks trackers and the DHT for peers now.
    pub fn announce(&self, torrent: u32) {
        self.shim.announce(torrent);
    }

    /// Asks the DHT for peers now.
    pub fn announce_to_dht(&self, torrent: u32) {
        self.shim.announce_to_dht(torrent);
    }

    /// The DHT's routing table, to be stored; empty when there is nothing in it.
    pub fn dht_state(&self) -> Result<Vec<u8>, Refusal> {
        self.shim.dht_state().map_err(|e| e.to_string())
    }

    /// Nodes in the DHT's routing table.
    pub fn dht_nodes(&self) -> u32 {
        self.shim.dht_nodes()
    }

    /// Ends libtorrent and joins its threads. Blocks up to about a second while trackers are told. The engine's
    /// thread must have ended: afterwards only [`Bridge::wake`] may be called.
    pub fn shut_down(&self) {
        self.shim.shut_down();
    }
}

/// SHA-1 by the library that libtorrent hashes with.
#[must_use]
pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    raw::sha1(bytes)
}

/// SHA-256 by the same.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    raw::sha256(bytes)
}

/// The metadata of .torrent bytes.
///
/// # Errors
/// libtorrent's reason when they are no torrent.
pub fn inspect_torrent(bytes: &[u8]) -> Result<Metadata, Refusal> {
    raw::inspect_torrent(bytes).map_err(|e| e.to_string())
}

/// The metadata inside resume data.
///
/// # Errors
/// When there is none or the data is damaged.
pub fn inspect_resume(bytes: &[u8]) -> Result<Metadata, Refusal> {
    raw::inspect_resume(bytes).map_err(|e| e.to_string())
}

/// What a magnet URI names.
pub struct Magnet {
    /// 20 bytes or empty.
    pub v1: Vec<u8>,
    /// 32 bytes or empty.
    pub v2: Vec<u8>,
    /// URLs of its trackers.
    pub trackers: Vec<String>,
    /// Peers it names.
    pub peers: Vec<SocketAddr>,
}

/// Reads a magnet URI (BEP 9, BEP 53).
///
/// # Errors
/// libtorrent's reason when it is none.
pub fn inspect_magnet(uri: &str) -> Result<Magnet, Refusal> {
    let magnet = raw::inspect_magnet(uri).map_err(|e| e.to_string())?;
    let peers = magnet.peers.iter().filter_map(|peer| peer.parse().ok()).collect();
    Ok(Magnet { v1: magnet.v1, v2: magnet.v2, trackers: magnet.trackers, peers })
}
