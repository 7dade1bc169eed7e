//! Where players play: a swarm of one peer that has the whole shelf, and a session that streams from it.

use std::time::Duration;

use vozduxan::engine::Prepared;
use vozduxan_swarm::{Kind, PeerSpec, Swarm, TorrentSpec};

use crate::host::{Folder, Host};
use crate::shelf::{self, Track};

/// Round-trip time of the peer.
const RTT: Duration = Duration::from_millis(30);
/// Length of a piece in bytes; no track is a multiple of it, so neighbours share pieces.
const PIECE_LEN: u32 = 64 * 1024;

/// A session and its swarm. Fields are dropped in this order: who reads, who gives, where it lies.
pub struct Stage {
    pub host: Host,
    pub swarm: Swarm,
    _storage: Folder,
    _folder: Folder,
}

impl Stage {
    /// A swarm that gives `rate` bytes per second. Only what is asked for is fetched, no next track.
    pub fn new(rate: u64) -> Self {
        let (folder, storage) = (Folder::new(), Folder::new());
        let spec = TorrentSpec { kind: Kind::V1, piece_len: PIECE_LEN, ..TorrentSpec::default() };
        let builder = Swarm::builder(&folder.0).folder(shelf::folder()).torrent(spec);
        let swarm = builder.peer(PeerSpec::new(rate, RTT)).start().expect("swarm");
        let host = Host::start_with(&storage, "[stream]\nnext_track_warmup = false");
        Self { host, swarm, _storage: storage, _folder: folder }
    }

    /// A stream of `track`.
    pub fn prepare(&self, track: Track) -> Prepared {
        let files = self.swarm.files();
        let name = track.file_name();
        let file = files.iter().find(|file| file.torrent_path.ends_with(&name)).expect("on the shelf");
        self.host.prepare_torrent(&self.swarm, file.index)
    }

    /// Bytes that the swarm has sent so far.
    pub fn sent(&self) -> u64 {
        self.swarm.peers().iter().map(|peer| peer.proxy.counts().down_bytes).sum()
    }

    /// The engine's log, for the text of a failure.
    pub fn log(&self) -> String {
        self.host.log.lock().join("\n")
    }
}
