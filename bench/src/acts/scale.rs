//! Large numbers: a thousand torrents that do nothing, and positions in a torrent of very many pieces.

use super::{Act, Figure, Sample, Unit, cached};
use crate::{
    host::Input,
    rows::{Candidate, Row},
    stage::{Hosts, Places, Stage},
};
use std::{
    fs, io,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};
use vozduxan_swarm::{Album, TorrentSpec, torrent::Torrent};

/// How long the session may settle after its last torrent.
const SETTLING: Duration = Duration::from_secs(5);
/// Positions told in one measurement.
const POSITIONS: u32 = 500;

struct IdleTorrents {
    hosts: Hosts,
    row: Row,
    /// Folder with all data, one folder for each torrent.
    data: PathBuf,
    torrents: Vec<PathBuf>,
}

struct Positions(Stage);

/// Many torrents whose data is on disk and that nobody uses.
pub fn open_idle(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    let hosts = Hosts::new(places, row)?;
    let (data, folder) = (hosts.scratch().join("data"), hosts.scratch().join("torrents"));
    fs::create_dir_all(&folder)?;
    let spec =
        TorrentSpec { kind: row.kind.into(), piece_len: row.piece_kib * 1024, ..TorrentSpec::default() };
    let torrent = |number: usize| {
        let name = format!("Idle {number}");
        let album = Album { name, seed: number as u64, ..Album::flac(row.tracks, row.track_len()) };
        album.write(&data)?;
        let path = folder.join(format!("{number}.torrent"));
        fs::write(&path, Torrent::make(&data.join(&album.name), &spec)?.bytes)?;
        Ok(path)
    };
    let torrents = (0..row.torrents).map(torrent).collect::<io::Result<_>>()?;
    Ok(Box::new(IdleTorrents { hosts, row: row.clone(), data, torrents }))
}

/// Positions in a torrent of many pieces.
pub fn open_positions(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    Ok(Box::new(Positions(Stage::open(places, row)?)))
}

impl Act for IdleTorrents {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let storage = self.hosts.storage(candidate);
        if storage.exists() {
            fs::remove_dir_all(&storage)?;
        }
        cached::link(&self.data, &storage)?;
        let host = self.hosts.again(candidate, repeat)?;
        let begin = Instant::now();
        for torrent in &self.torrents {
            let stream = host.prepare(&Input::Torrent(torrent.clone()), 0, true)?;
            host.release(&stream)?;
        }
        let each = begin.elapsed().as_secs_f64() / self.torrents.len() as f64;
        thread::sleep(SETTLING);
        let (cpu, facts) = (host.cpu()?, host.facts()?);
        thread::sleep(self.row.duration());
        let (cpu, later) = (host.cpu()? - cpu, host.facts()?);
        let wakeups = later.wakeups.saturating_sub(facts.wakeups) as f64 / self.row.duration().as_secs_f64();
        Ok(vec![
            Figure::seconds("cpu", cpu),
            Figure::plain("wakeups", wakeups),
            Figure::new("anonymous", Unit::Megabytes, later.anonymous as f64 / 1e6),
            Figure::plain("threads", later.threads as f64),
            Figure::plain("descriptors", later.descriptors as f64),
            Figure::seconds("prepare", each),
        ]
        .into())
    }
}

impl Act for Positions {
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample> {
        let stage = &self.0;
        let host = stage.fresh(candidate, repeat)?;
        let stream = host.prepare(&stage.input(), stage.file(0), true)?;
        // What it costs to be fetching, without positions, for as long as these will take.
        let told = |count: u32| -> io::Result<(f64, f64, f64)> {
            let (cpu, begin) = (host.cpu()?, Instant::now());
            let call = host.positions(&stream, count)?;
            Ok((call.as_secs_f64(), host.cpu()? - cpu, begin.elapsed().as_secs_f64()))
        };
        let (call, busy, time) = told(POSITIONS)?;
        let before = host.cpu()?;
        thread::sleep(Duration::from_secs_f64(time));
        let quiet = host.cpu()? - before;
        let update = (busy - quiet).max(0.0) / f64::from(POSITIONS);
        Ok(vec![
            Figure::seconds("update", update),
            Figure::seconds("call", call),
            Figure::plain(
                "pieces",
                stage.swarm.torrent().total_len.div_ceil(u64::from(stage.row.piece_kib) * 1024) as f64,
            ),
        ]
        .into())
    }
}
