//! Metadata from the swarm: large, from peers of every kind, and given on to others.

use super::*;
use vozduxan_swarm::client::{Client, Transports, Wanted};
use vozduxan_swarm::torrent::MagnetSpec;

/// A folder with a track and so many small files that the metadata has `kib` KiB or a little more.
fn many_files(kib: usize) -> Folder {
    let folder = Folder::new();
    let album = folder.0.join("Album");
    let (track, notes) = (album.join("01.flac"), album.join("notes"));
    std::fs::create_dir_all(&notes).expect("folder");
    Album::flac(1, 300_000).write(&folder.0.join("made")).expect("album");
    let made = walk(&folder.0.join("made"));
    std::fs::copy(made, track).expect("track");
    std::fs::remove_dir_all(folder.0.join("made")).expect("cleared");
    for n in 0..kib * 1024 / 150 {
        std::fs::write(notes.join(format!("{n:06}-{}", "n".repeat(110))), [n as u8]).expect("note");
    }
    folder
}

/// The first FLAC file below a folder.
fn walk(folder: &std::path::Path) -> std::path::PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "flac") {
                return path;
            }
        }
    }
    panic!("no FLAC file below {}", folder.display());
}

fn shared(content: &Folder, peers: &[PeerSpec]) -> vozduxan_swarm::Swarm {
    let spec = vozduxan_swarm::TorrentSpec { kind: Kind::V1, piece_len: 64 * 1024, ..Default::default() };
    let builder = vozduxan_swarm::Swarm::builder(&content.0).folder(content.0.join("Album")).torrent(spec);
    peers.iter().fold(builder, |builder, peer| builder.peer(peer.clone())).start().expect("swarm")
}

/// Milliseconds until the files can be listed.
fn list(swarm: &vozduxan_swarm::Swarm) -> u128 {
    let storage = Folder::new();
    let host = Host::start(&storage);
    let magnet = swarm.magnet();
    let t = Instant::now();
    let files = host.session.list_files(Input { magnet: Some(&magnet), torrent: None }).expect("list");
    let took = ms(t);
    assert_eq!(files.len(), swarm.torrent().files.len());
    took
}

#[test]
fn large_metadata_comes_from_fast_slow_and_silent_peers() {
    for kib in [40, 300, 1000] {
        let content = many_files(kib);
        let fast = peer(4_000_000, 40);
        let alone = list(&shared(&content, std::slice::from_ref(&fast)));
        let silent = PeerSpec { mute: true, ..fast.clone() };
        let all = list(&shared(&content, &[silent, peer(20_000, 40), fast]));
        println!("metadata of {kib} KiB: {alone} ms from one peer, {all} ms beside a silent and a slow one");
    }
}

#[test]
fn metadata_from_a_torrent_file_is_given_on() {
    let content = many_files(100);
    let swarm = shared(&content, &[PeerSpec { mute: true, ..peer(4_000_000, 20) }]);
    let storage = Folder::new();
    let host = Host::start_with(&storage, "[log]\nlevel = \"verbose\"");
    let magnet = swarm.magnet();
    let file = swarm.files().iter().find(|f| f.torrent_path.ends_with("01.flac")).expect("track").index;
    let stream = std::thread::scope(|scope| {
        let by_magnet =
            scope.spawn(|| host.session.list_files(Input { magnet: Some(&magnet), torrent: None }));
        // The peer has said how large its metadata is, and gives none of it.
        let deadline = Instant::now() + host::PATIENCE;
        while !host.log.lock().iter().any(|line| line.contains("serves us")) {
            assert!(Instant::now() < deadline, "the peer does not serve us");
            std::thread::yield_now();
        }
        let by_file = scope.spawn(|| host.prepare_torrent(&swarm, file));
        by_magnet.join().expect("listing").expect("the file ends the wait");
        swarm.peers()[0].set_mute(false);
        swarm.peers()[0].proxy.drop_connections().expect("drop");
        by_file.join().expect("preparing")
    });
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    same_as_source(&swarm, file, 0, &bytes);
    // A client that knows nobody but the engine, which says to trackers where it listens.
    let port = swarm.tracker().announces()[0].port.expect("a port");
    let folder = Folder::new();
    let address = std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, port);
    let link = swarm.torrent().magnet(&MagnetSpec::default());
    let client =
        Client::start(Wanted::Magnet(&link), &folder.0, &[address], Transports { tcp: true, utp: false })
            .expect("client");
    let deadline = Instant::now() + host::PATIENCE;
    while client.wait(Duration::from_millis(100)).expect("client").payload_down == 0 {
        assert!(Instant::now() < deadline, "no block came: the client never got the metadata");
    }
}

/// libtorrent stops both when it finds out, and nothing starts them again.
#[test]
fn two_magnets_that_turn_out_to_be_one_torrent_fail_once_and_play_when_asked_again() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::Hybrid, 64, Album::flac(1, 1_000_000), &[peer(20_000_000, 5)]);
    let file = swarm.files()[0].index;
    let torrent = swarm.torrent();
    let peers: Vec<std::net::SocketAddr> = swarm.addresses().into_iter().map(Into::into).collect();
    let by_v1 = torrent.magnet(&MagnetSpec { without_v2: true, ..MagnetSpec::default() });
    let by_v2 = torrent.magnet(&MagnetSpec { without_v1: true, ..MagnetSpec::default() });
    let storage = Folder::new();
    let host = Host::start(&storage);
    let ask =
        |magnet: &str| host.prepare(Input { magnet: Some(magnet), torrent: None }, file, Role::Background);
    let waiting = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let calls = [&by_v1, &by_v2].map(|magnet| {
            let (host, waiting) = (&host, &waiting);
            scope.spawn(move || {
                let mut told = false;
                let input = Input { magnet: Some(magnet), torrent: None };
                host.session.prepare(input, file as i32, Role::Background, &mut |_, _| {
                    if !std::mem::replace(&mut told, true) {
                        waiting.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
                    }
                })
            })
        });
        while waiting.load(std::sync::atomic::Ordering::Acquire) < 2 {
            std::thread::yield_now();
        }
        // Both are in the session: now somebody is there to give the metadata.
        let found = ask(&torrent.magnet(&MagnetSpec {
            without_v2: true,
            peers: peers.clone(),
            ..MagnetSpec::default()
        }));
        for call in calls.map(|call| call.join().expect("a call")).into_iter().chain([found]) {
            assert!(matches!(call, Err(Error::Internal(_))), "{call:?}");
        }
    });
    let stream = ask(&torrent.magnet(&MagnetSpec { peers, ..MagnetSpec::default() })).expect("added anew");
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    same_as_source(&swarm, file, 0, &bytes);
}
