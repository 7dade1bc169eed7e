//! A plain libtorrent client, to try a swarm with: default picker, default timing, nothing clever.

use crate::bridge::ffi;
use std::{io, net::SocketAddrV4, path::Path, time::Duration};

/// What a client is to fetch.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// The bytes of a .torrent file.
    Torrent(&'a [u8]),
    /// A magnet link.
    Magnet(&'a str),
}

/// Which transports a client uses, both ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transports {
    /// TCP connections.
    pub tcp: bool,
    /// uTP connections.
    pub utp: bool,
}

/// How a download stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Everything is there and checked.
    pub finished: bool,
    /// Bytes of pieces received.
    pub payload_down: u64,
    /// Bytes thrown away because a hash was wrong.
    pub failed: u64,
    /// Pieces whose hash was wrong.
    pub hash_failures: u32,
    /// Connected peers.
    pub peers: u32,
    /// Connected peers that speak uTP.
    pub utp_peers: u32,
}

/// A running download. Dropping it ends its session.
pub struct Client {
    session: cxx::UniquePtr<ffi::Client>,
}

impl Client {
    /// Begins to download into `folder`, with `peers` to begin with; more come from the torrent's trackers.
    ///
    /// # Errors
    /// When libtorrent does not take the torrent or the magnet link.
    pub fn start(
        wanted: Wanted<'_>,
        folder: &Path,
        peers: &[SocketAddrV4],
        transports: Transports,
    ) -> io::Result<Self> {
        Self::start_parted(wanted, folder, peers, transports, &[])
    }

    /// The same, but what belongs to the files `parted` (by their place in the torrent) is kept in libtorrent's hidden
    /// part file, as libtorrent does for files that nobody wants. Needs the torrent: a magnet link's files are not known.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_parted(
        wanted: Wanted<'_>,
        folder: &Path,
        peers: &[SocketAddrV4],
        transports: Transports,
        parted: &[u32],
    ) -> io::Result<Self> {
        let (torrent, magnet) = match wanted {
            Wanted::Torrent(bytes) => (bytes.to_vec(), String::new()),
            Wanted::Magnet(link) => (Vec::new(), link.to_owned()),
        };
        let spec = ffi::ClientSpec {
            torrent,
            magnet,
            save_path: folder.to_str().ok_or_else(|| io::Error::other("the path is not UTF-8"))?.to_owned(),
            peers: peers.iter().map(ToString::to_string).collect(),
            tcp: transports.tcp,
            utp: transports.utp,
            parted: parted.to_vec(),
        };
        let session = ffi::start_client(&spec)
            .map_err(|error| io::Error::other(format!("starting a client: {error}")))?;
        Ok(Self { session })
    }

    /// Waits until everything is there, at most for `limit`, and says how it stands.
    ///
    /// # Errors
    /// When libtorrent reported an error for the torrent or its files.
    pub fn wait(&self, limit: Duration) -> io::Result<Progress> {
        let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        let stats = self.session.wait(milliseconds).map_err(|error| io::Error::other(error.to_string()))?;
        if !stats.error.is_empty() {
            return Err(io::Error::other(stats.error));
        }
        Ok(Progress {
            finished: stats.finished,
            payload_down: stats.payload_down,
            failed: stats.failed,
            hash_failures: stats.hash_failures,
            peers: stats.peers,
            utp_peers: stats.utp_peers,
        })
    }
}
