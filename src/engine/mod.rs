//! The engine's public operations.

use std::path::PathBuf;
use std::sync::Arc;

mod error;

pub use error::Error;

use crate::log::Logger;

/// What the host chose at create; zeros already replaced by defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory for torrent data, metadata, resume data and DHT state. Created when missing.
    pub storage_path: PathBuf,
    /// Most bytes on disk, counted in allocated blocks.
    pub cache_max_bytes: u64,
    /// Seconds without a token after which `evict` drops a torrent from the libtorrent session.
    pub cache_ttl_secs: u32,
    /// BitTorrent port; `None`: the OS picks.
    pub listen_port: Option<u16>,
}

/// `cache_max_bytes` when the host passes 0: 50 GB.
pub const DEFAULT_CACHE_MAX_BYTES: u64 = 50 * 1000 * 1000 * 1000;
/// `cache_ttl_secs` when the host passes 0.
pub const DEFAULT_CACHE_TTL_SECS: u32 = 3600;

/// What to open. Torrent bytes win over the magnet when both are given.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// A magnet URI (BEP 9), if given.
    pub magnet: Option<&'a str>,
    /// The bytes of a .torrent file, if given.
    pub torrent: Option<&'a [u8]>,
}

/// Why a stream is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// For playing now.
    Main,
    /// To warm up; never slows the main stream.
    Background,
}

/// A stream that can be read over HTTP.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// `http://127.0.0.1:PORT/stream/TOKEN`
    pub url: String,
    /// The stream's capability; the URL's last segment.
    pub token: String,
    /// Length of the file in bytes.
    pub file_len: u64,
    /// Content type, as HTTP will say it.
    pub mime: &'static str,
}

/// One file of a torrent.
#[derive(Clone, Debug)]
pub struct FileEntry {
    /// Path inside the torrent with `/` between folders.
    pub name: String,
    /// Content type by name.
    pub mime: &'static str,
    /// Length in bytes.
    pub len: u64,
}

/// Live figures of a stream's torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Payload bytes per second from all peers.
    pub download_rate: u32,
    /// Connected peers.
    pub peers: u32,
}

/// A running engine. All methods may be called from any thread, any number at once.
pub struct Session {
    _private: (),
}

impl Session {
    /// Creates the storage directory, binds the HTTP port and starts the threads.
    ///
    /// # Errors
    /// `Storage` when the directory cannot be used; `Internal` when the system refuses a thread or a socket.
    pub fn start(_config: Config, _log: Logger) -> Result<Arc<Self>, Error> {
        Err(Error::Internal("the engine is not linked in".into()))
    }

    /// Blocks until the stream can be played. `progress` is called on this thread only, with 0..=1, never going back.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn prepare(
        &self,
        _input: Input<'_>,
        _file: i32,
        _role: Role,
        _progress: &mut dyn FnMut(f32, &str),
    ) -> Result<Prepared, Error> {
        Err(Error::Internal("the engine is not linked in".into()))
    }

    /// Every file of the torrent, in its own order.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn list_files(&self, _input: Input<'_>) -> Result<Vec<FileEntry>, Error> {
        Err(Error::Internal("the engine is not linked in".into()))
    }

    /// Tells where playback is, in bytes from the start of the file. Never blocks; any value is clamped.
    pub fn notify_position(&self, _token: &str, _position: i64) {}

    /// Ends a stream: its token is unknown and its transfers are cut when this returns.
    pub fn release(&self, _token: &str) {}

    /// Live figures; zeros for an unknown token.
    #[must_use]
    pub fn stats(&self, _token: &str) -> Stats {
        Stats::default()
    }

    /// Drops torrents idle longer than the TTL and brings the disk under its limit.
    pub fn evict(&self) {}

    /// The loopback port of the HTTP server.
    #[must_use]
    pub fn http_port(&self) -> u16 {
        0
    }

    /// Ends everything. Blocked calls return `ShuttingDown`; afterwards no thread of the session lives.
    pub fn stop(&self) {}
}
