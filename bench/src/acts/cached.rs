//! A large file at hand: what serving it costs, beside nginx on the same file in the same run.
//!
//! The file is made once for all runs. The engine and the naive loop get it as data that is already in their storage
//! folder under the torrent's name, as a hard link; they check it once.

use super::{Act, Figure, Sample, Unit};
use crate::{
    host::{Host, Input},
    http,
    nginx::Nginx,
    proc::Facts,
    rows::{Candidate, Row},
    stage::{Hosts, Places, Truth},
    stats,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use vozduxan_swarm::{Album, TorrentSpec, audio::Noise, torrent::Torrent};

/// Requests of the row with small ranges, and their length.
const REQUESTS: u64 = 500;
const RANGE: u64 = 16 * 1024;
/// Requests for one byte.
const SINGLES: u64 = 200;
/// How long a reader that never reads is there.
const HELD_FOR: Duration = Duration::from_secs(2);
/// The client's buffer for the whole file.
const BUFFER: usize = 1 << 20;

/// Which figures are wanted.
#[derive(Clone, Copy)]
enum Wanted {
    Cpu,
    Ranges,
    Throughput,
}

struct Cached {
    hosts: Hosts,
    wanted: Wanted,
    folder: PathBuf,
    torrent: PathBuf,
    file: PathBuf,
    index: usize,
    len: u64,
}

/// Processor time for each GB.
pub fn open_cpu(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    open(places, row, Wanted::Cpu)
}

/// Small random ranges.
pub fn open_ranges(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    open(places, row, Wanted::Ranges)
}

/// Throughput, single bytes, and a reader that never reads.
pub fn open_throughput(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    open(places, row, Wanted::Throughput)
}

fn open(places: &Places, row: &Row, wanted: Wanted) -> io::Result<Box<dyn Act>> {
    let hosts = Hosts::new(places, row)?;
    let made = places.out.join("made").join(format!("cached-{}", row.track_kb));
    let album = Album { name: "Large".into(), ..Album::flac(1, row.track_len()) };
    let folder = made.join(&album.name);
    if !folder.exists() {
        let unfinished = hosts.scratch().join("unfinished");
        album.write(&unfinished)?;
        fs::create_dir_all(&made)?;
        fs::rename(unfinished.join(&album.name), &folder)?;
    }
    let spec =
        TorrentSpec { kind: row.kind.into(), piece_len: row.piece_kib * 1024, ..TorrentSpec::default() };
    let torrent = made.join(format!("{:?}-{}.torrent", row.kind, row.piece_kib));
    let facts = if torrent.exists() {
        Torrent::read(fs::read(&torrent)?)?
    } else {
        let facts = Torrent::make(&folder, &spec)?;
        let unfinished = hosts.scratch().join("unfinished.torrent");
        fs::write(&unfinished, &facts.bytes)?;
        fs::rename(unfinished, &torrent)?;
        facts
    };
    let index = facts.files.iter().position(|file| !file.pad).expect("an album has a track");
    let file = folder.join(album.track_path(0));
    let len = fs::metadata(&file)?.len();
    Ok(Box::new(Cached { hosts, wanted, folder, torrent, file, index, len }))
}

/// Somebody who serves the file.
enum Server {
    Host(Box<Host>, String),
    Nginx(Nginx),
}

impl Server {
    fn url(&self) -> &str {
        match self {
            Self::Host(_, url) => url,
            Self::Nginx(nginx) => nginx.url(),
        }
    }

    fn facts(&self) -> io::Result<Facts> {
        match self {
            Self::Host(host, _) => host.facts(),
            Self::Nginx(nginx) => nginx.facts(),
        }
    }

    /// Processor seconds so far.
    fn cpu(&self) -> io::Result<f64> {
        match self {
            Self::Host(host, _) => host.cpu(),
            // One thread that never ends.
            Self::Nginx(nginx) => Ok(nginx.facts()?.cpu_nanos as f64 / 1e9),
        }
    }
}

impl Cached {
    fn serve(&self, candidate: Candidate, repeat: usize) -> io::Result<Server> {
        if candidate == Candidate::Nginx {
            return Ok(Server::Nginx(Nginx::start(&self.file, &self.hosts.storage(candidate))?));
        }
        let data = self.hosts.storage(candidate).join("Large");
        if !data.exists() {
            link(&self.folder, &data)?;
        }
        let host = self.hosts.again(candidate, repeat)?;
        let stream = host.prepare(&Input::Torrent(self.torrent.clone()), self.index, true)?;
        // Also the naive loop has checked everything when the last byte comes.
        http::get(&stream.url, self.len - 1..self.len)?.exact(&mut [0])?;
        Ok(Server::Host(Box::new(host), stream.url))
    }

    /// Reads the whole file; how long that took.
    fn whole(&self, url: &str) -> io::Result<f64> {
        let mut buffer = vec![0; BUFFER];
        let begin = Instant::now();
        let mut body = http::get(url, 0..u64::MAX)?;
        if body.left() != self.len {
            return Err(io::Error::other(format!("{} bytes are announced of {}", body.left(), self.len)));
        }
        while body.some(&mut buffer)? > 0 {}
        Ok(begin.elapsed().as_secs_f64())
    }

    /// First bytes of `count` random ranges of `len` bytes, in seconds; `kept`: on one connection, else a new one each.
    fn ranges(&self, url: &str, count: u64, len: u64, seed: u64, kept: bool) -> io::Result<Vec<f64>> {
        let connection = kept.then(|| http::Kept::open(url)).transpose()?;
        let (truth, noise) = (Truth::open(&self.file)?, Noise::new(seed));
        let mut buffer = vec![0; len as usize];
        let one = |number: u64| -> io::Result<f64> {
            let from = noise.word(number) % (self.len - len);
            let begin = Instant::now();
            let mut body = match &connection {
                Some(connection) => connection.get(from..from + len)?,
                None => http::get(url, from..from + len)?,
            };
            body.exact(&mut buffer[..1])?;
            let time = begin.elapsed().as_secs_f64();
            body.exact(&mut buffer[1..])?;
            truth.check(from, &buffer)?;
            Ok(time)
        };
        (0..count).map(one).collect()
    }
}

impl Act for Cached {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let server = self.serve(candidate, repeat)?;
        let url = server.url();
        let median = |times: &[f64]| stats::percentile(times, 50.0).unwrap_or(0.0);
        match self.wanted {
            Wanted::Cpu => {
                let before = server.cpu()?;
                self.whole(url)?;
                let cpu = (server.cpu()? - before) / (self.len as f64 / 1e9);
                Ok(vec![Figure::seconds("cpu_per_gb", cpu)].into())
            }
            Wanted::Ranges => {
                let times = self.ranges(url, REQUESTS, RANGE, repeat as u64, false)?;
                let p99 = stats::percentile(&times, 99.0).unwrap_or(0.0);
                Ok(vec![Figure::seconds("first", median(&times)), Figure::seconds("p99", p99)].into())
            }
            Wanted::Throughput => {
                let rate = self.len as f64 / 1e9 / self.whole(url)?;
                let singles = self.ranges(url, SINGLES, 1, repeat as u64, false)?;
                let kept = self.ranges(url, SINGLES, 1, repeat as u64, true)?;
                let before = server.facts()?.anonymous as f64;
                let reader = http::get(url, 0..u64::MAX)?;
                thread::sleep(HELD_FOR);
                let after = server.facts()?.anonymous as f64;
                drop(reader);
                Ok(vec![
                    Figure::new("throughput", Unit::GigabytesPerSecond, rate),
                    Figure::seconds("one_byte", median(&kept)),
                    Figure::seconds("one_byte_new", median(&singles)),
                    Figure::new("anonymous", Unit::Megabytes, after / 1e6),
                    Figure::new("held", Unit::Megabytes, (after - before) / 1e6),
                ]
                .into())
            }
        }
    }
}

/// The folder `from` again as `to`, its files as hard links.
pub fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            link(&entry.path(), &target)?;
        } else {
            fs::hard_link(entry.path(), target)?;
        }
    }
    Ok(())
}
