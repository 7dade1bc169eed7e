//! The whole engine on a real swarm on loopback.

mod albums;
mod children;
mod dht;
#[path = "../support/host.rs"]
mod host;
mod legacy;
mod magnets;
mod reach;
mod restart;
mod seeks;
mod sources;

use std::time::{Duration, Instant};

use host::{Folder, Host, get, ms, same_as_source, swarm};
use vozduxan::engine::{Error, Input, Role};
use vozduxan_swarm::{Album, Kind, PeerSpec};

fn peer(rate: u64, rtt_ms: u64) -> PeerSpec {
    PeerSpec::new(rate, Duration::from_millis(rtt_ms))
}

/// Allocated bytes beneath a folder.
fn allocated(folder: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry"));
    entries
        .map(|entry| match entry.metadata().expect("metadata") {
            of if of.is_dir() => allocated(&entry.path()),
            of => of.blocks() * 512,
        })
        .sum()
}

#[test]
fn a_track_starts_plays_and_seeks() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 256, Album::flac(1, 30_000_000), &[peer(4_000_000, 40)]);
    let storage = Folder::new();
    let host = Host::start(&storage);
    let file = swarm.files()[0].index;
    let t = Instant::now();
    let stream = host.prepare_torrent(&swarm, file);
    println!("prepare {} ms", ms(t));
    let port = host.session.http_port();
    let mut answer = get(port, &host.path(&stream), Some("bytes=0-"));
    assert_eq!(answer.status, 206);
    let head = answer.take(32 * 1024);
    println!("first 32 KiB {} ms", ms(t));
    same_as_source(&swarm, file, 0, &head);
    // Play a little, then jump.
    let more = answer.take(1_000_000);
    same_as_source(&swarm, file, 32 * 1024, &more);
    let t = Instant::now();
    drop(answer);
    let at = stream.file_len * 7 / 10;
    let mut answer = get(port, &host.path(&stream), Some(&format!("bytes={at}-")));
    assert_eq!(
        answer.header("content-range"),
        Some(&*format!("bytes {at}-{}/{}", stream.file_len - 1, stream.file_len))
    );
    let jumped = answer.take(32 * 1024);
    println!("seek {} ms", ms(t));
    same_as_source(&swarm, file, at, &jumped);
    let rest = answer.rest();
    same_as_source(&swarm, file, at + 32 * 1024, &rest);
    host.session.release(&stream.token);
    assert_eq!(get(port, &host.path(&stream), None).status, 404);
    println!("{}", host.log.lock().join("\n"));
}

#[test]
fn a_magnet_brings_its_metadata_from_the_swarm() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 256, Album::flac(1, 30_000_000), &[peer(4_000_000, 40)]);
    let storage = Folder::new();
    let host = Host::start(&storage);
    let file = swarm.files()[0].index;
    let magnet = swarm.magnet();
    let t = Instant::now();
    let stream =
        host.prepare(Input { magnet: Some(&magnet), torrent: None }, file, Role::Main).expect("prepare");
    println!("prepare {} ms", ms(t));
    let head = get(host.session.http_port(), &host.path(&stream), None).take(32 * 1024);
    same_as_source(&swarm, file, 0, &head);
}

#[test]
fn errors_say_what_was_wrong() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::awkward(2, 300_000), &[]);
    let storage = Folder::new();
    let host = Host::start(&storage);
    let input = Input { magnet: None, torrent: Some(&swarm.torrent().bytes) };
    let count = swarm.torrent().files.len();
    match host.prepare(input, count, Role::Main) {
        Err(Error::InvalidFile(text)) => {
            assert!(text.contains("out of range") && text.contains(&count.to_string()), "{text}")
        }
        other => panic!("{other:?}"),
    }
    let cover = swarm.torrent().files.iter().position(|f| f.path.ends_with("cover.jpg")).expect("a cover");
    match host.prepare(input, cover, Role::Main) {
        Err(Error::InvalidFile(text)) => assert!(text.contains("cover.jpg"), "{text}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn libtorrents_own_deadlines_play_and_seek_too() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(2, 6_000_000), &[peer(4_000_000, 20)]);
    let storage = Folder::new();
    let host = Host::start_with(&storage, "[stream]\nscheduler = \"deadlines\"\nnext_track_warmup = false");
    let t = Instant::now();
    let stream = host.prepare_torrent(&swarm, swarm.files()[0].index);
    println!("prepare {} ms", ms(t));
    let (port, path) = (host.session.http_port(), host.path(&stream));
    let mut answer = get(port, &path, Some("bytes=0-"));
    same_as_source(&swarm, 0, 0, &answer.take(200_000));
    let at = stream.file_len * 8 / 10;
    host.session.notify_position(&stream.token, i64::try_from(at).expect("small"));
    let t = Instant::now();
    let mut jumped = get(port, &path, Some(&format!("bytes={at}-")));
    same_as_source(&swarm, 0, at, &jumped.take(100_000));
    println!("seek {} ms", ms(t));
    same_as_source(&swarm, 0, 0, &get(port, &path, None).rest());
    // Nobody asked for the other file: it stays unwanted.
    let on_disk = allocated(&storage.0);
    assert!(on_disk < stream.file_len + 500_000, "{on_disk} bytes on disk for a file of {}", stream.file_len);
}

#[test]
fn a_quiet_log_keeps_to_warnings_and_a_verbose_one_names_peers() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(1, 300_000), &[peer(20_000_000, 5)]);
    let lines = |level: &str| {
        let storage = Folder::new();
        let host = Host::start_with(&storage, &format!("[log]\nlevel = \"{level}\""));
        let stream = host.prepare_torrent(&swarm, swarm.files()[0].index);
        get(host.session.http_port(), &host.path(&stream), None).rest();
        let log = std::sync::Arc::clone(&host.log);
        drop(host);
        log.lock().join("\n")
    };
    assert_eq!(lines("quiet"), "");
    assert!(lines("normal").contains("stream ready"));
    let verbose = lines("verbose");
    assert!(verbose.contains("serves us") && verbose.contains("piece 0: right"), "{verbose}");
}
