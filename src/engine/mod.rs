//! The engine: from a magnet or a torrent to streams that can be read over HTTP.
//!
//! One thread, `vz-engine` (`event_loop`), owns all torrent state. Callers talk to it through `inbox` and wait on a
//! `waiter`; HTTP transfers (`transfer`) see streams (`streams`) and verified pieces (`availability`) and never wait
//! for that thread. `reach` and `dial` connect to peers. `disk` is a thread of its own for everything that may wait for the disk.

mod adding;
mod availability;
mod calls;
mod collected;
mod config;
mod dial;
mod disk;
mod ending;
mod error;
mod event_loop;
mod frames;
mod hashes;
mod head;
mod inbox;
mod info;
// As `bridge` in lib.rs: open to `fuzz/` only.
#[cfg(not(fuzzing))]
mod input;
#[cfg(fuzzing)]
pub mod input;
mod jobs;
mod listener;
mod mailbox;
mod meter;
mod nudge;
mod prepare;
mod progress;
mod quota;
mod reach;
mod session;
mod stranded;
mod streams;
mod telling;
mod token;
mod torrent;
mod trackers;
mod transfer;
mod tuning;
mod unpacking;
mod verdicts;
mod waiter;
mod wire;

pub use config::{Config, DEFAULT_CACHE_MAX_BYTES, DEFAULT_CACHE_TTL_SECS};
pub use error::Error;
pub use input::Input;
pub use session::Session;

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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// All files, in the torrent's order, pad files included: the position in the list is the file's index.
fn file_entries(meta: &input::Meta) -> Vec<FileEntry> {
    let entry = |file: &crate::bridge::FileInfo| FileEntry {
        name: file.path.clone(),
        mime: crate::media::mime(&file.path),
        len: file.length,
    };
    meta.info.files.iter().map(entry).collect()
}
