//! What happens when things break: processes, files, disks, networks, clocks. `docs/faults.md` is the table of it.
//!
//! Where a process must die, hang or be lied to by the system it is a child (`child`, `shim`). Tests marked as ignored
//! take long or need rights that a user has not; `make kill` and `make faults` run them.

mod bans;
mod child;
mod damage;
mod disks;
mod flood;
#[allow(dead_code)]
#[path = "../support/host.rs"]
mod host;
mod kill;
mod network;
mod processes;
mod quota;
mod removal;
mod shim;
mod state;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use child::Child;
use host::{Folder, Host, PATIENCE, get, same_as_source, swarm};
use vozduxan::engine::{Error, Input, Prepared, Role};
use vozduxan_swarm::{Album, Kind, PeerSpec, Swarm, TcpMode, TorrentSpec};

fn peer(rate: u64) -> PeerSpec {
    PeerSpec::new(rate, Duration::from_millis(5))
}

/// A swarm with one peer and an album of FLAC tracks in pieces of 64 KiB.
fn small_swarm(folder: &Folder, tracks: usize, track_len: usize, rate: u64) -> Swarm {
    swarm(folder, Kind::V1, 64, Album::flac(tracks, track_len), &[peer(rate)])
}

fn go_away(swarm: &Swarm) {
    swarm.peers().iter().for_each(|peer| peer.proxy.go_away().expect("go away"));
}

fn come_back(swarm: &Swarm) {
    swarm.peers().iter().for_each(|peer| peer.proxy.set_answering(TcpMode::Accept, true).expect("come back"));
}

/// Bytes that the peers have sent.
fn sent(swarm: &Swarm) -> u64 {
    swarm.peers().iter().map(|peer| peer.proxy.counts().down_bytes).sum()
}

/// The swarm's .torrent file, beside its source.
fn torrent_file(swarm: &Swarm) -> String {
    let path = swarm.source().join("swarm.torrent");
    std::fs::write(&path, &swarm.torrent().bytes).expect("torrent");
    path.to_str().expect("UTF-8").to_owned()
}

/// Plays a file to its end as players do, who ask again where they were cut; every byte is compared.
fn play(port: u16, path: &str, swarm: &Swarm, file: usize, from: u64) {
    let len = swarm.files().iter().find(|f| f.index == file).expect("a file").len;
    let deadline = Instant::now() + PATIENCE;
    let mut at = from;
    while at < len {
        assert!(Instant::now() < deadline, "stuck at byte {at} of {len}");
        let bytes = get(port, path, Some(&format!("bytes={at}-"))).until_cut_bytes();
        same_as_source(swarm, file, at, &bytes);
        at += bytes.len() as u64;
    }
}

/// Prepares and plays a whole file.
fn whole(host: &Host, swarm: &Swarm, file: usize) -> Prepared {
    let stream = host.prepare_torrent(swarm, file);
    play(host.session.http_port(), &host.path(&stream), swarm, file, 0);
    stream
}

/// Where a file of the swarm is below a storage folder.
fn on_disk(storage: &Folder, swarm: &Swarm, file: usize) -> PathBuf {
    let path = swarm.files().into_iter().find(|f| f.index == file).expect("a file").torrent_path;
    storage.0.join(key(swarm)).join(path)
}

/// The torrent's name in storage.
fn key(swarm: &Swarm) -> String {
    swarm.torrent().announced_hashes()[0].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn state(storage: &Folder, swarm: &Swarm, extension: &str) -> PathBuf {
    storage.0.join(".vozduxan").join(format!("{}.{extension}", key(swarm)))
}

fn logged(host: &Host, words: &str) -> usize {
    host.log.lock().iter().filter(|line| line.contains(words)).count()
}

fn until_logged(host: &Host, words: &str) {
    until(words, || logged(host, words) > 0);
}

/// Waits for what must come to pass.
#[track_caller]
fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Bytes in allocated blocks below a folder.
fn allocated(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(found) = std::fs::symlink_metadata(folder) else { return 0 };
    let below = |entries: std::fs::ReadDir| entries.flatten().map(|entry| allocated(&entry.path())).sum();
    found.blocks() * 512 + if found.is_dir() { std::fs::read_dir(folder).map_or(0, below) } else { 0 }
}
