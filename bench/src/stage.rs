//! Where a row plays: its swarm, which is used for all of its measurements, and fresh hosts.
//!
//! The swarm runs in this process and the hosts in others, so that the proxies' work is not counted as the engine's.

use crate::{
    host::{Host, Input},
    limits,
    rows::{Candidate, Row},
};
use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use vozduxan_swarm::{Album, PeerSpec, Swarm, TcpMode, TorrentSpec, builder::Builder, proxy::Proxies};

/// How long a swarm has to carry nothing to count as silent.
const SILENCE: Duration = Duration::from_millis(700);
/// What open connections without requests carry in that time at most: keep-alives.
const SILENCE_BYTES: u64 = 2_000;

/// How the names of folders begin that go away with a row; the number of their process follows.
const SCRATCH: &str = "scratch-";

/// Where everything of one run is.
#[derive(Debug, Clone)]
pub struct Places {
    /// The programs that are measured.
    pub programs: PathBuf,
    /// Results, logs, large files that are made once.
    pub out: PathBuf,
}

impl Places {
    /// Removes what runs that were killed have left.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.out)? {
            let entry = entry?;
            let name = entry.file_name();
            let process = name.to_str().and_then(|name| name.strip_prefix(SCRATCH)?.split('-').next());
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

/// The true bytes of a file.
#[derive(Debug)]
pub struct Truth {
    file: File,
    name: PathBuf,
}

impl Truth {
    /// Opens the original.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, name: path.to_owned() })
    }

    /// Whether the original has `bytes` at `offset`.
    ///
    /// # Errors
    /// When it has others: what no engine may ever serve.
    pub fn check(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut original = vec![0; bytes.len()];
        self.file.read_exact_at(&mut original, offset)?;
        if original == bytes {
            return Ok(());
        }
        Err(io::Error::other(format!("WRONG BYTES from {offset} on in {}", self.name.display())))
    }
}

/// The file that the log of `candidate`'s measurement number `repeat` of a row goes to.
pub fn log_path(places: &Places, row: &Row, candidate: Candidate, repeat: usize) -> PathBuf {
    places.out.join("logs").join(format!("{}-{}-{repeat}.log", row.name, candidate.name()))
}

/// Starts hosts for one row.
pub struct Hosts {
    places: Places,
    row: Row,
    /// Storage folders; large, so not in /tmp, which may be memory.
    scratch: tempfile::TempDir,
}

impl Hosts {
    /// For the row `row`.
    ///
    /// # Errors
    /// When folders cannot be made.
    pub fn new(places: &Places, row: &Row) -> io::Result<Self> {
        fs::create_dir_all(places.out.join("logs"))?;
        let prefix = format!("{SCRATCH}{}-", std::process::id());
        let scratch = tempfile::Builder::new().prefix(&prefix).tempdir_in(&places.out)?;
        Ok(Self { places: places.clone(), row: row.clone(), scratch })
    }

    /// A folder for the row's own files.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// A host with an empty storage folder.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn fresh(&self, candidate: Candidate, repeat: usize) -> io::Result<Host> {
        let storage = self.storage(candidate);
        // What the measurement before left.
        let _ = fs::remove_dir_all(&storage);
        self.again(candidate, repeat)
    }

    /// A host with the storage folder that the last one of this candidate left.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn again(&self, candidate: Candidate, repeat: usize) -> io::Result<Host> {
        let log = log_path(&self.places, &self.row, candidate, repeat);
        Host::start(&self.places.programs, candidate, &self.storage(candidate), &log)
    }

    /// The storage folder of a candidate.
    pub fn storage(&self, candidate: Candidate) -> PathBuf {
        self.scratch.path().join(candidate.name())
    }
}

/// A row's swarm and hosts.
pub struct Stage {
    /// The row, as the command line left it.
    pub row: Row,
    /// Its swarm.
    pub swarm: Swarm,
    /// Its hosts.
    pub hosts: Hosts,
    torrent: PathBuf,
}

impl Stage {
    /// A swarm with an album of plain FLAC tracks and equal peers.
    ///
    /// # Errors
    /// When the swarm does not start.
    pub fn open(places: &Places, row: &Row) -> io::Result<Self> {
        let album = Album::flac(row.tracks, row.track_len());
        Self::build(places, row, |builder| peers(builder.album(album), row))
    }

    /// A swarm as `build` describes it; the torrent's kind and piece length are the row's.
    ///
    /// # Errors
    /// When the swarm does not start.
    pub fn build(places: &Places, row: &Row, build: impl FnOnce(Builder) -> Builder) -> io::Result<Self> {
        let hosts = Hosts::new(places, row)?;
        let spec =
            TorrentSpec { kind: row.kind.into(), piece_len: row.piece_kib * 1024, ..TorrentSpec::default() };
        let swarm = build(Swarm::builder(hosts.scratch()).torrent(spec)).start()?;
        let torrent = hosts.scratch().join("row.torrent");
        fs::write(&torrent, &swarm.torrent().bytes)?;
        Ok(Self { row: row.clone(), swarm, hosts, torrent })
    }

    /// The .torrent, to prepare from.
    pub fn input(&self) -> Input {
        Input::Torrent(self.torrent.clone())
    }

    /// A fresh host, once nobody of the measurement before is connected any more.
    ///
    /// # Errors
    /// As [`Host::start`].
    pub fn fresh(&self, candidate: Candidate, repeat: usize) -> io::Result<Host> {
        let begin = Instant::now();
        while self.swarm.peers().iter().any(|peer| peer.proxy.counts().open > 0) {
            if begin.elapsed() > Duration::from_secs(10) {
                for peer in self.swarm.peers() {
                    peer.proxy.drop_connections()?;
                }
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        // What the last measurement had put on a slow line would delay this one's handshakes.
        let free_at = self.swarm.peers().iter().filter_map(|peer| peer.proxy.free_at()).max();
        thread::sleep(free_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now())));
        self.hosts.fresh(candidate, repeat)
    }

    /// libtorrent's index of track number `track`.
    pub fn file(&self, track: usize) -> usize {
        self.swarm.files()[track].index
    }

    /// Length of a track.
    pub fn len(&self, track: usize) -> u64 {
        self.swarm.files()[track].len
    }

    /// The true bytes of a track.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn truth(&self, track: usize) -> io::Result<Truth> {
        Truth::open(&self.swarm.files()[track].disk_path)
    }

    /// Bytes of whole pieces that a reader of `range` of a track needs.
    pub fn needed(&self, track: usize, range: Range<u64>) -> u64 {
        limits::needed(self.swarm.torrent(), self.file(track), range)
    }

    /// Where a FLAC track's music begins (RFC 9639, 8: blocks with a header of four bytes behind `fLaC`); 0 for others.
    ///
    /// # Errors
    /// When the track cannot be read.
    pub fn music(&self, track: usize) -> io::Result<u64> {
        let file = File::open(&self.swarm.files()[track].disk_path)?;
        let mut word = [0; 4];
        file.read_exact_at(&mut word, 0)?;
        if &word != b"fLaC" {
            return Ok(0);
        }
        let mut at = 4;
        loop {
            file.read_exact_at(&mut word, at)?;
            let is_last = word[0] & 0x80 != 0;
            word[0] = 0;
            at += 4 + u64::from(u32::from_be_bytes(word));
            if is_last {
                return Ok(at);
            }
        }
    }

    /// The limit in seconds from nothing to `range` of a track.
    pub fn cold(&self, track: usize, range: Range<u64>) -> f64 {
        limits::cold(self.row.rtt(), self.row.rate_total(), self.needed(track, range), 0)
    }

    /// The limit in seconds to `range` of a track with peers connected.
    pub fn live(&self, track: usize, range: Range<u64>) -> f64 {
        limits::live(self.row.rtt(), self.row.rate_total(), self.needed(track, range))
    }

    /// Bytes that the peers have sent to clients so far.
    pub fn sent(&self) -> u64 {
        self.swarm.peers().iter().map(|peer| peer.proxy.counts().down_bytes).sum()
    }

    /// Waits until the swarm carries nothing any more, at most for `patience`; whether it came to that.
    pub fn silence(&self, patience: Duration) -> bool {
        let begin = Instant::now();
        loop {
            let before = self.sent();
            thread::sleep(SILENCE);
            if self.sent() - before <= SILENCE_BYTES {
                return true;
            }
            if begin.elapsed() > patience {
                return false;
            }
        }
    }
}

/// The row's peers, all alike.
pub fn peers(builder: Builder, row: &Row) -> Builder {
    (0..row.peers).fold(builder, |builder, _| builder.peer(peer(row)))
}

/// A peer as the row describes them.
pub fn peer(row: &Row) -> PeerSpec {
    PeerSpec {
        rate: (row.rate > 0).then_some(row.rate),
        rtt: row.rtt(),
        // "Does not answer": a refusal would tell the client at once to try something else.
        tcp: if row.tcp { TcpMode::Accept } else { TcpMode::Swallow },
        utp: row.utp,
        ..PeerSpec::default()
    }
}

/// `count` stages of one row that share one thread of proxies.
///
/// # Errors
/// When a swarm does not start.
pub fn crowd(places: &Places, row: &Row, count: usize) -> io::Result<Vec<Stage>> {
    let proxies = Arc::new(Proxies::start()?);
    let stage = |number: usize| {
        let album = Album {
            name: format!("Album {number}"),
            seed: number as u64,
            ..Album::flac(row.tracks, row.track_len())
        };
        Stage::build(places, row, |builder| peers(builder.album(album), row).proxies(proxies.clone()))
    };
    (0..count).map(stage).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ended_runs_have_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mine = format!("{SCRATCH}{}-a", std::process::id());
        let dead = format!("{SCRATCH}999999999-a");
        for name in [&mine, &dead, "made"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let places = Places { programs: PathBuf::new(), out: dir.path().to_owned() };
        places.sweep().unwrap();
        let left = |name: &str| dir.path().join(name).exists();
        assert_eq!((left(&mine), left(&dead), left("made")), (true, false, true));
    }

    #[test]
    fn a_wrong_byte_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, b"0123456789").unwrap();
        let truth = Truth::open(&path).unwrap();
        truth.check(3, b"345").unwrap();
        assert!(truth.check(3, b"346").unwrap_err().to_string().contains("WRONG BYTES from 3"));
        assert!(truth.check(8, b"89a").is_err());
    }
}
