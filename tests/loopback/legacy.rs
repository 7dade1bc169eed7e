//! Folders that the older engine left: data beside ours, and libtorrent's hidden part file, where it kept what it
//! fetched of files that it did not want just then.
//!
//! The folders are made by plain libtorrent with file priorities, which is what the older engine was.

use std::path::{Path, PathBuf};

use vozduxan_swarm::Swarm;
use vozduxan_swarm::client::{Client, Transports, Wanted};
use vozduxan_swarm::torrent::{MagnetSpec, hex};

use super::*;

/// More than the few blocks that a check and an announce may cost.
const NEARLY_NOTHING: u64 = 300_000;

/// Downloads all of the swarm's torrent into `folder`, what belongs to the files `parted` into the part file, and
/// answers with the part file's path.
fn leave(swarm: &Swarm, folder: &Path, parted: &[usize]) -> PathBuf {
    let parted: Vec<u32> = parted.iter().map(|file| u32::try_from(*file).expect("small")).collect();
    let transports = Transports { tcp: true, utp: false };
    let wanted = Wanted::Torrent(&swarm.torrent().bytes);
    let client =
        Client::start_parted(wanted, folder, &swarm.addresses(), transports, &parted).expect("client");
    let progress = client.wait(host::PATIENCE).expect("download");
    assert!(progress.finished, "{progress:?}");
    drop(client);
    // libtorrent names it after the second hash where there are two (torrent.cpp, init of the storage).
    let torrent = swarm.torrent();
    let hash = torrent.v2.map_or_else(|| torrent.v1.expect("one of two").to_vec(), |v2| v2[..20].to_vec());
    let parts = folder.join(format!(".{}.parts", hex(&hash)));
    assert!(parts.exists(), "libtorrent made no part file");
    parts
}

fn received(swarm: &Swarm) -> u64 {
    swarm.peers().iter().map(|peer| peer.proxy.counts().down_bytes).sum()
}

/// Plays all audio files, compares every byte, and answers what that cost in received bytes.
fn play_all(swarm: &Swarm, host: &Host, by_magnet: bool) -> u64 {
    let before = received(swarm);
    let magnet = swarm.magnet();
    for file in swarm.files() {
        let input = match by_magnet {
            true => Input { magnet: Some(&magnet), torrent: None },
            false => Input { magnet: None, torrent: Some(&swarm.torrent().bytes) },
        };
        if file.torrent_path.extension().is_none_or(|extension| extension != "flac") {
            continue;
        }
        let stream = host.prepare(input, file.index, Role::Main);
        let stream = stream.unwrap_or_else(|error| panic!("{error}\n{}", host.log.lock().join("\n")));
        let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
        same_as_source(swarm, file.index, 0, &bytes);
    }
    received(swarm) - before
}

fn tracks(swarm: &Swarm) -> Vec<usize> {
    (0..swarm.torrent().files.len()).collect()
}

#[test]
fn what_lies_in_the_part_file_is_used() {
    for (kind, by_magnet) in [(Kind::V1, false), (Kind::V1, true), (Kind::Hybrid, false)] {
        for only_second in [false, true] {
            let folder = Folder::new();
            let swarm = swarm(&folder, kind, 64, Album::flac(2, 1_500_000), &[peer(20_000_000, 5)]);
            let storage = Folder::new();
            let parted = if only_second { vec![swarm.files()[1].index] } else { tracks(&swarm) };
            let parts = leave(&swarm, &storage.0, &parted);
            let host = Host::start(&storage);
            let cost = play_all(&swarm, &host, by_magnet);
            let log = host.log.lock().join("\n");
            assert!(cost < NEARLY_NOTHING, "{cost} bytes again: {kind:?}, {by_magnet}, {only_second}\n{log}");
            // What was in it is in the files now: it must not count twice.
            assert!(!parts.exists(), "{log}");
        }
    }
}

#[test]
fn peers_that_only_a_magnet_names_are_kept_when_its_data_lies_elsewhere() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(2, 1_000_000), &[peer(20_000_000, 5)]);
    let storage = Folder::new();
    super::restart::copy(swarm.source(), &storage.0);
    let missing = &swarm.files()[1];
    std::fs::remove_file(storage.0.join(&missing.torrent_path)).expect("a track");
    let host = Host::start(&storage);
    let peers = swarm.addresses().into_iter().map(Into::into).collect();
    let magnet = swarm.torrent().magnet(&MagnetSpec { peers, ..MagnetSpec::default() });
    let stream = host.prepare(Input { magnet: Some(&magnet), torrent: None }, missing.index, Role::Main);
    let bytes = get(host.session.http_port(), &host.path(&stream.expect("prepare")), None).rest();
    same_as_source(&swarm, missing.index, 0, &bytes);
    assert!(received(&swarm) < 1_000_000 + NEARLY_NOTHING, "what was there was fetched again");
}

#[test]
fn a_part_file_that_lies_costs_time_and_no_byte() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(2, 1_000_000), &[peer(20_000_000, 5)]);
    let damages: [fn(&mut Vec<u8>); 4] = [
        // Every piece has a wrong byte.
        |bytes| bytes.iter_mut().skip(1024).step_by(10_000).for_each(|byte| *byte ^= 1),
        // Two pieces have changed places.
        |bytes| {
            for at in 8..12 {
                bytes.swap(at, at + 4);
            }
        },
        // Slots far outside, and a header that is cut.
        |bytes| bytes[8..64].fill(0x7f),
        |bytes| bytes.truncate(100),
    ];
    for damage in damages {
        let storage = Folder::new();
        let parts = leave(&swarm, &storage.0, &tracks(&swarm));
        let mut bytes = std::fs::read(&parts).expect("part file");
        damage(&mut bytes);
        std::fs::write(&parts, &bytes).expect("part file");
        let host = Host::start(&storage);
        play_all(&swarm, &host, false);
    }
}

#[test]
fn a_part_file_never_overwrites_what_is_in_the_files() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(2, 1_000_000), &[peer(20_000_000, 5)]);
    let storage = Folder::new();
    // The files from one run, a damaged part file from another.
    let other = Folder::new();
    let parts = leave(&swarm, &other.0, &tracks(&swarm));
    let mut bytes = std::fs::read(&parts).expect("part file");
    bytes.iter_mut().skip(1024).for_each(|byte| *byte = !*byte);
    std::fs::write(storage.0.join(parts.file_name().expect("a file")), bytes).expect("part file");
    super::restart::copy(swarm.source(), &storage.0);
    let host = Host::start(&storage);
    let cost = play_all(&swarm, &host, false);
    assert!(cost < NEARLY_NOTHING, "{cost} bytes again");
}

#[test]
fn callers_that_come_together_all_get_it_and_one_alone_moves_the_data() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(2, 3_000_000), &[peer(20_000_000, 5)]);
    let storage = Folder::new();
    leave(&swarm, &storage.0, &tracks(&swarm));
    let host = Host::start(&storage);
    let before = received(&swarm);
    let (magnet, files) = (swarm.magnet(), swarm.files());
    let tracks: Vec<usize> =
        files.iter().filter(|file| file.len > 1_000_000).map(|file| file.index).collect();
    std::thread::scope(|scope| {
        for n in 0..6 {
            let (host, swarm, magnet) = (&host, &swarm, &magnet);
            let file = tracks[n % 2];
            scope.spawn(move || {
                let input = match n % 3 {
                    0 => Input { magnet: Some(magnet), torrent: None },
                    _ => Input { magnet: None, torrent: Some(&swarm.torrent().bytes) },
                };
                let stream = host.prepare(input, file, Role::Background).expect("prepare");
                let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
                same_as_source(swarm, file, 0, &bytes);
            });
        }
    });
    assert!(received(&swarm) - before < NEARLY_NOTHING);
    let log = host.log.lock();
    let moved = log.iter().filter(|line| line.contains("part file")).count();
    assert_eq!(moved, 1, "{}", log.join("\n"));
}

#[test]
fn an_end_in_the_middle_answers_everybody_and_the_next_start_goes_on() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(2, 6_000_000), &[peer(40_000_000, 5)]);
    let storage = Folder::new();
    leave(&swarm, &storage.0, &tracks(&swarm));
    let input = Input { magnet: None, torrent: Some(&swarm.torrent().bytes) };
    let file = swarm.files()[0].index;
    for _ in 0..3 {
        let host = Host::start(&storage);
        std::thread::scope(|scope| {
            let calls = [0, 1].map(|_| scope.spawn(|| host.prepare(input, file, Role::Background)));
            host.session.stop();
            for call in calls {
                let answer = call.join().expect("no panic");
                assert!(matches!(answer, Ok(_) | Err(Error::ShuttingDown)), "{answer:?}");
            }
        });
    }
    let host = Host::start(&storage);
    let cost = play_all(&swarm, &host, false);
    assert!(cost < NEARLY_NOTHING, "{cost} bytes again\n{}", host.log.lock().join("\n"));
}

/// The older engine wrote it by libtorrent's `save_state`, whose words libtorrent's newer functions still read.
#[test]
fn dht_nodes_that_the_older_engine_knew_are_asked() {
    let node = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    node.set_read_timeout(Some(host::PATIENCE)).expect("timeout");
    let port = node.local_addr().expect("bound").port().to_be_bytes();
    let mut state = b"d9:dht stated7:node-idl24:".to_vec();
    state.extend([7; 20]);
    state.extend([127, 0, 0, 1]);
    state.extend(b"e5:nodesl6:");
    state.extend([127, 0, 0, 1, port[0], port[1]]);
    state.extend(b"eee");
    let storage = Folder::new();
    std::fs::write(storage.0.join("dht_state.dat"), state).expect("state");
    // No other way to learn of a node.
    let settings = "[network]\nlisten_interfaces = \"127.0.0.1:0\"\ndht = true\ndht_bootstrap_nodes = []\n\
                    lsd = false\nupnp = false\npublic_trackers = false\n";
    let host = Host::start_with_settings(&storage, settings);
    let mut packet = [0; 1500];
    let (len, _) = node.recv_from(&mut packet).unwrap_or_else(|error| {
        panic!("nobody asked the node: {error}\n{}", host.log.lock().join("\n"));
    });
    let query = String::from_utf8_lossy(&packet[..len]);
    assert!(query.starts_with("d1:a") && query.contains("1:y1:q"), "no DHT query: {query}");
}
