//! A whole swarm: content, torrent, tracker, and for every peer a seeder behind a proxy.

use crate::{
    album::Album,
    proxy::{PeerNet, Proxies, Proxy, TcpMode, socket_buffer},
    seeder::{self, Seeder, SeederStats},
    torrent::{MagnetSpec, Torrent, TorrentSpec},
    tracker::Tracker,
};
use std::{
    fs, io,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// One peer of a swarm.
#[derive(Debug, Clone)]
pub struct PeerSpec {
    /// Bytes per second towards clients; `None` is unlimited.
    pub rate: Option<u64>,
    /// Bytes per second from clients; `None` is unlimited.
    pub up_rate: Option<u64>,
    /// Round-trip time.
    pub rtt: Duration,
    /// How TCP is answered.
    pub tcp: TcpMode,
    /// Whether uTP is answered.
    pub utp: bool,
    /// Which part of its 16 KiB blocks is damaged, from 0 (none) to 1.
    pub corrupt: f64,
    /// It says it has everything, takes requests for blocks and for metadata, and never answers them.
    pub mute: bool,
}

impl Default for PeerSpec {
    /// An honest peer without limits that answers TCP and uTP.
    fn default() -> Self {
        let (rate, up_rate, rtt) = (None, None, Duration::ZERO);
        Self { rate, up_rate, rtt, tcp: TcpMode::Accept, utp: true, corrupt: 0.0, mute: false }
    }
}

impl PeerSpec {
    /// An honest peer of `rate` bytes per second at a distance of `rtt`.
    pub fn new(rate: u64, rtt: Duration) -> Self {
        Self { rate: Some(rate), rtt, ..Self::default() }
    }
}

/// A file of the torrent and where its true bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// libtorrent's file index, pad files counted.
    pub index: usize,
    /// Path inside the torrent, beginning with the torrent's name.
    pub torrent_path: PathBuf,
    /// The file on disk.
    pub disk_path: PathBuf,
    /// Length in bytes.
    pub len: u64,
}

/// What is to be shared.
enum Content {
    Album(Album),
    Folder(PathBuf),
}

/// Describes a swarm; [`Builder::start`] starts it.
pub struct Builder {
    dir: PathBuf,
    content: Content,
    torrent: TorrentSpec,
    peers: Vec<PeerSpec>,
    proxies: Option<Arc<Proxies>>,
    seed: u64,
}

/// A running peer.
pub struct Peer {
    /// Its network: address, counters, faults.
    pub proxy: Proxy,
    seeder: Seeder,
    damaged_blocks: u64,
}

impl Peer {
    /// What its seeder has done so far.
    ///
    /// # Errors
    /// When the seeder is broken.
    pub fn stats(&self) -> io::Result<SeederStats> {
        self.seeder.stats()
    }

    /// Makes the peer a liar, or honest again: it takes requests and does not answer them.
    pub fn set_mute(&self, mute: bool) {
        self.seeder.set_mute(mute);
    }

    /// How many of the torrent's blocks it has wrong.
    pub fn damaged_blocks(&self) -> u64 {
        self.damaged_blocks
    }
}

/// A running swarm. Dropping it ends all its threads and removes its files.
pub struct Swarm {
    torrent: Torrent,
    tracker: Tracker,
    peers: Vec<Peer>,
    /// Folder that holds the torrent's root.
    source: PathBuf,
    // After the peers: their proxies run in it.
    _proxies: Arc<Proxies>,
    // Last: everything above may still have files open.
    _dir: tempfile::TempDir,
}

impl Swarm {
    /// Describes a swarm that keeps its files in a fresh folder below `dir`: a small FLAC album in a hybrid torrent,
    /// no peers yet.
    pub fn builder(dir: impl AsRef<Path>) -> Builder {
        Builder {
            dir: dir.as_ref().to_owned(),
            content: Content::Album(Album::flac(1, 4 << 20)),
            torrent: TorrentSpec::default(),
            peers: Vec::new(),
            proxies: None,
            seed: 1,
        }
    }

    /// The torrent, with the swarm's tracker in it.
    pub fn torrent(&self) -> &Torrent {
        &self.torrent
    }

    /// A magnet link with all hashes and the tracker, and nothing else: peers come from the tracker.
    pub fn magnet(&self) -> String {
        self.torrent.magnet(&MagnetSpec { trackers: vec![self.tracker.url()], ..MagnetSpec::default() })
    }

    /// The tracker, to ask and to disturb.
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// The peers, in the order they were described.
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The proxies' addresses: all that clients ever learn.
    pub fn addresses(&self) -> Vec<SocketAddrV4> {
        self.peers.iter().map(|peer| peer.proxy.address()).collect()
    }

    /// Folder that holds the true files under their torrent paths.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// The torrent's files without pad files, in the torrent's order.
    pub fn files(&self) -> Vec<SourceFile> {
        let real = self.torrent.files.iter().enumerate().filter(|(_, file)| !file.pad);
        let file = |(index, file): (usize, &crate::torrent::TorrentFile)| SourceFile {
            index,
            torrent_path: file.path.clone(),
            disk_path: self.source.join(&file.path),
            len: file.len,
        };
        real.map(file).collect()
    }

    /// A `vozduxan.toml` that keeps an engine on loopback.
    pub fn settings_toml() -> &'static str {
        "[network]\nlisten_interfaces = \"127.0.0.1:0\"\ndht = false\nlsd = false\nupnp = false\npublic_trackers = false\n"
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        for peer in &self.peers {
            // Proxies that other swarms share outlive this one. Fails only if they have been stopped already.
            let _ = peer.proxy.go_away();
        }
        // All sessions end at the same time; each is waited for when its peer is dropped.
        self.peers.iter_mut().for_each(|peer| peer.seeder.begin_stop());
    }
}

impl Builder {
    /// Shares a generated album.
    #[must_use]
    pub fn album(mut self, album: Album) -> Self {
        self.content = Content::Album(album);
        self
    }

    /// Shares an existing folder or file, which is read and not changed.
    #[must_use]
    pub fn folder(mut self, root: impl Into<PathBuf>) -> Self {
        self.content = Content::Folder(root.into());
        self
    }

    /// How the torrent is made. The swarm's tracker is put before its trackers.
    #[must_use]
    pub fn torrent(mut self, spec: TorrentSpec) -> Self {
        self.torrent = spec;
        self
    }

    /// Adds a peer.
    #[must_use]
    pub fn peer(mut self, spec: PeerSpec) -> Self {
        self.peers.push(spec);
        self
    }

    /// Runs the proxies in a thread shared with other swarms. When the swarm ends, its addresses refuse connections;
    /// their ports are free when the shared [`Proxies`] end.
    #[must_use]
    pub fn proxies(mut self, proxies: Arc<Proxies>) -> Self {
        self.proxies = Some(proxies);
        self
    }

    /// Decides which blocks of corrupt peers are damaged; each peer has its own.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Makes the content and starts everything; when it returns, every peer answers.
    ///
    /// # Errors
    /// When files cannot be written, the torrent cannot be made, or a seeder does not start.
    pub fn start(self) -> io::Result<Swarm> {
        fs::create_dir_all(&self.dir)?;
        let dir = tempfile::Builder::new().prefix("swarm-").tempdir_in(&self.dir)?;
        let root = match self.content {
            Content::Folder(root) => root.canonicalize()?,
            Content::Album(album) => {
                let source = dir.path().join("source");
                album.write(&source)?;
                source.join(&album.name)
            }
        };
        let parent =
            root.parent().ok_or_else(|| io::Error::other("the root folder cannot be shared"))?.to_owned();

        let tracker = Tracker::start()?;
        let mut spec = self.torrent;
        spec.trackers.insert(0, tracker.url());
        let torrent = Torrent::make(&root, &spec)?;
        // A v2 torrent of a folder with one file cannot be told from one of that file alone (BEP 52), and libtorrent
        // takes it for the latter.
        let whole = torrent.files.iter().all(|file| file.pad || parent.join(&file.path).exists());
        let source = if whole { parent } else { root };

        let proxies = self.proxies.map_or_else(|| Proxies::start().map(Arc::new), Ok)?;
        let mut peers = Vec::new();
        for (number, spec) in self.peers.iter().enumerate() {
            let mut folder = source.clone();
            let mut damaged_blocks = 0;
            if spec.corrupt > 0.0 {
                folder = dir.path().join(format!("damaged-{number}"));
                let seed = self.seed.wrapping_mul(0x1_0000).wrapping_add(number as u64);
                damaged_blocks = seeder::damaged_copy(&torrent, &source, &folder, spec.corrupt, seed)?;
            }
            let seeder = Seeder::start(&torrent, &folder, socket_buffer(spec.rate))?;
            seeder.set_mute(spec.mute);
            let proxy = proxies.open(PeerNet {
                seeder: seeder.address(),
                rate: spec.rate,
                up_rate: spec.up_rate,
                rtt: spec.rtt,
                tcp: spec.tcp,
                utp: spec.utp,
            })?;
            peers.push(Peer { proxy, seeder, damaged_blocks });
        }
        let addresses: Vec<SocketAddrV4> = peers.iter().map(|peer: &Peer| peer.proxy.address()).collect();
        for hash in torrent.announced_hashes() {
            tracker.set_peers(hash, addresses.clone());
        }
        Ok(Swarm { torrent, tracker, peers, source, _proxies: proxies, _dir: dir })
    }
}
