//! The engine's one error type. The C codes are chosen in `abi`, in one exhaustive match.

use std::fmt;

/// Why a call failed. The text is shown to users by known hosts: it says what was wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// What the caller passed cannot be used: no input, a malformed magnet or torrent.
    BadInput(String),
    /// The file index is out of range, or the file is not audio.
    InvalidFile(String),
    /// No metadata (the info dictionary, BEP 9) came in time.
    MetadataTimeout(String),
    /// A newer main prepare on the same torrent took over.
    Superseded,
    /// The session is being destroyed.
    ShuttingDown,
    /// Nothing arrived from the swarm for too long.
    NoData(String),
    /// Storage failed: disk full, read-only, vanished.
    Storage(String),
    /// A defect or an error of libtorrent that fits nothing above.
    Internal(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadInput(text)
            | Self::InvalidFile(text)
            | Self::MetadataTimeout(text)
            | Self::NoData(text)
            | Self::Storage(text)
            | Self::Internal(text) => f.write_str(text),
            Self::Superseded => f.write_str("Cancelled: superseded by newer prepare"),
            Self::ShuttingDown => f.write_str("Cancelled: session shutting down"),
        }
    }
}

impl std::error::Error for Error {}
