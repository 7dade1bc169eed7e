//! The swarms, and the thread that troubles them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use fastrand::Rng;
use tempfile::TempDir;
use vozduxan_swarm::{Album, Kind, PeerSpec, Swarm, TorrentSpec};

/// Swarms whose torrents and sources lie in one folder, as `N.torrent`, `N.magnet` and `N.files`.
pub struct Stage {
    folder: TempDir,
    swarms: Vec<Swarm>,
    _sources: Vec<TempDir>,
}

/// Torrents of different shapes: kind, piece length, tracks, bytes of a track.
const SHAPES: [(Kind, u32, usize, usize); 6] = [
    (Kind::V1, 16 * 1024, 4, 700_000),
    (Kind::V1, 256 * 1024, 3, 3_000_000),
    (Kind::V2, 64 * 1024, 4, 1_500_000),
    (Kind::Hybrid, 128 * 1024, 3, 2_000_000),
    (Kind::V1, 1024 * 1024, 3, 4_000_000),
    (Kind::V1, 64 * 1024, 12, 400_000),
];

impl Stage {
    /// Starts everything.
    ///
    /// # Errors
    /// When files, sockets or libtorrent refuse.
    pub fn build(seed: u64) -> io::Result<Self> {
        let mut dice = Rng::with_seed(seed);
        let folder = tempfile::tempdir()?;
        let (mut swarms, mut sources) = (Vec::new(), Vec::new());
        for (number, (kind, piece_len, tracks, track_len)) in SHAPES.into_iter().enumerate() {
            let source = tempfile::tempdir()?;
            let spec = TorrentSpec { kind, piece_len, ..TorrentSpec::default() };
            let mut builder = Swarm::builder(source.path())
                .album(Album::flac(tracks, track_len))
                .torrent(spec)
                .seed(seed.wrapping_add(number as u64));
            for _ in 0..3 {
                let rate = dice.u64(300_000..3_000_000);
                builder = builder.peer(PeerSpec::new(rate, Duration::from_millis(dice.u64(5..80))));
            }
            let swarm = builder.start()?;
            let at = |ending: &str| folder.path().join(format!("{number}.{ending}"));
            std::fs::write(at("torrent"), &swarm.torrent().bytes)?;
            std::fs::write(at("magnet"), swarm.magnet())?;
            let files: Vec<String> = swarm
                .files()
                .iter()
                .map(|file| format!("{}\t{}", file.index, file.disk_path.display()))
                .collect();
            std::fs::write(at("files"), files.join("\n"))?;
            swarms.push(swarm);
            sources.push(source);
        }
        Ok(Self { folder, swarms, _sources: sources })
    }

    /// Where the torrents lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Troubles the peers until it is stopped.
    pub fn churn(self, seed: u64) -> Churn {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || trouble(&self, Rng::with_seed(seed ^ 0x5eed), &stopped));
        Churn { stop, thread }
    }
}

/// The thread that troubles the peers.
pub struct Churn {
    stop: Sender<()>,
    thread: JoinHandle<BTreeMap<&'static str, u32>>,
}

impl Churn {
    /// Ends it, and the swarms; what it did.
    pub fn stop(self) -> String {
        drop(self.stop);
        let done = self.thread.join().unwrap_or_default();
        done.iter().map(|(what, times)| format!("{what} {times}")).collect::<Vec<_>>().join(", ")
    }
}

/// The first peer of each swarm stays: it is only slowed down and cut off for a moment, so that everything asked for
/// can be had.
fn trouble(stage: &Stage, mut dice: Rng, stopped: &Receiver<()>) -> BTreeMap<&'static str, u32> {
    let mut done = BTreeMap::new();
    loop {
        match stopped.recv_timeout(Duration::from_millis(dice.u64(50..700))) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return done,
        }
        let swarm = &stage.swarms[dice.usize(..stage.swarms.len())];
        let number = dice.usize(..swarm.peers().len());
        let proxy = &swarm.peers()[number].proxy;
        let kind = dice.u32(if number == 0 { 0..3 } else { 0..8 });
        let (what, result) = match kind {
            0 => ("dropped", proxy.drop_connections()),
            1 | 2 => ("rate changed", proxy.set_rate(Some(dice.u64(200_000..4_000_000)))),
            3 => ("frozen", proxy.freeze()),
            4 => ("thawed", proxy.unfreeze()),
            5 => ("gone", proxy.go_away()),
            _ => ("back", proxy.come_back()),
        };
        let what = if result.is_ok() { what } else { "refused" };
        *done.entry(what).or_default() += 1;
    }
}

/// One file of a torrent and what is in it.
pub struct Source {
    /// Its number in the torrent.
    pub index: i32,
    /// Its bytes.
    pub path: PathBuf,
}

/// A torrent as the host knows it.
pub struct Offer {
    /// The .torrent.
    pub torrent: Vec<u8>,
    /// The magnet link.
    pub magnet: String,
    /// Its audio files.
    pub files: Vec<Source>,
}

/// What lies in a stage's folder.
///
/// # Errors
/// When it cannot be read.
pub fn offers(folder: &Path) -> io::Result<Vec<Offer>> {
    (0..SHAPES.len())
        .map(|number| {
            let at = |ending: &str| folder.join(format!("{number}.{ending}"));
            let files = std::fs::read_to_string(at("files"))?
                .lines()
                .filter_map(|line| line.split_once('\t'))
                .filter_map(|(index, path)| Some(Source { index: index.parse().ok()?, path: path.into() }))
                .collect();
            Ok(Offer {
                torrent: std::fs::read(at("torrent"))?,
                magnet: std::fs::read_to_string(at("magnet"))?,
                files,
            })
        })
        .collect()
}
