//! What is on disk is used: restarts, two sessions on one folder, damage.

use super::*;

fn whole(host: &Host, swarm: &vozduxan_swarm::Swarm, file: usize) -> vozduxan::engine::Prepared {
    let stream = host.prepare_torrent(swarm, file);
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    same_as_source(swarm, file, 0, &bytes);
    stream
}

fn go_away(swarm: &vozduxan_swarm::Swarm) {
    swarm.peers().iter().for_each(|peer| peer.proxy.go_away().expect("go away"));
}

#[test]
fn a_second_start_needs_no_network() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 256, Album::flac(2, 3_000_000), &[peer(20_000_000, 5)]);
    let file = swarm.files()[0].index;
    let storage = Folder::new();
    let host = Host::start(&storage);
    whole(&host, &swarm, file);
    drop(host);
    go_away(&swarm);
    let host = Host::start(&storage);
    // By magnet: the metadata is in storage too.
    let magnet = swarm.magnet();
    let t = Instant::now();
    let stream =
        host.prepare(Input { magnet: Some(&magnet), torrent: None }, file, Role::Main).expect("cached");
    println!("cached prepare {} us", t.elapsed().as_micros());
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    same_as_source(&swarm, file, 0, &bytes);
    let t = Instant::now();
    let list = host.session.list_files(Input { magnet: Some(&magnet), torrent: None }).expect("list");
    println!("cached list {} us", t.elapsed().as_micros());
    assert_eq!(list.len(), swarm.torrent().files.len());
}

#[test]
fn two_sessions_on_one_folder_both_work() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 256, Album::flac(1, 3_000_000), &[peer(20_000_000, 5)]);
    let file = swarm.files()[0].index;
    let storage = Folder::new();
    let first = Host::start(&storage);
    let second = Host::start(&storage);
    whole(&first, &swarm, file);
    whole(&second, &swarm, file);
}

#[test]
fn a_file_cut_short_between_two_runs_is_fetched_again() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(1, 3_000_000), &[peer(20_000_000, 5)]);
    let file = swarm.files()[0].index;
    let storage = Folder::new();
    let host = Host::start(&storage);
    whole(&host, &swarm, file);
    drop(host);
    let data = find(&storage.0, "flac").expect("the track on disk");
    std::fs::OpenOptions::new().write(true).open(data).and_then(|f| f.set_len(1_000_000)).expect("cut");
    let host = Host::start(&storage);
    let stream = host.prepare_torrent(&swarm, file);
    // The first read that meets the damage may be cut; no wrong byte comes, and the player's retry gets the rest.
    let deadline = Instant::now() + host::PATIENCE;
    let mut at = 0;
    while at < stream.file_len {
        assert!(Instant::now() < deadline, "no progress at {at}\n{}", host.log.lock().join("\n"));
        let bytes = get(host.session.http_port(), &host.path(&stream), Some(&format!("bytes={at}-")))
            .until_cut_bytes();
        same_as_source(&swarm, file, at, &bytes);
        at += bytes.len() as u64;
    }
}

fn find(folder: &std::path::Path, extension: &str) -> Option<std::path::PathBuf> {
    std::fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            find(&path, extension)
        } else {
            path.extension().is_some_and(|e| e == extension).then_some(path)
        }
    })
}

/// Copies a torrent's folder, as the older engine would have left it.
pub fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("source").flatten() {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() { copy(&from, &to) } else { std::fs::copy(&from, &to).map(|_| ()).expect("file") }
    }
}

#[test]
fn data_of_the_older_engine_is_used_in_place_by_torrent_and_by_magnet() {
    for by_magnet in [false, true] {
        let folder = Folder::new();
        let swarm = swarm(&folder, Kind::V1, 64, Album::flac(1, 3_000_000), &[peer(20_000_000, 5)]);
        let storage = Folder::new();
        copy(swarm.source(), &storage.0);
        let host = Host::start(&storage);
        let magnet = swarm.magnet();
        let file = swarm.files()[0].index;
        let stream = if by_magnet {
            host.prepare(Input { magnet: Some(&magnet), torrent: None }, file, Role::Main).expect("prepare")
        } else {
            host.prepare_torrent(&swarm, file)
        };
        let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
        same_as_source(&swarm, file, 0, &bytes);
        let received: u64 = swarm.peers().iter().map(|peer| peer.proxy.counts().down_bytes).sum();
        assert!(received < 300_000, "{received} bytes were fetched again, by magnet: {by_magnet}");
    }
}

#[test]
fn an_empty_file_of_the_same_name_is_no_data() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(1, 3_000_000), &[peer(20_000_000, 5)]);
    let file = &swarm.files()[0];
    let storage = Folder::new();
    // A sparse file of the right length: nothing in it is the track's.
    let fake = storage.0.join(&file.torrent_path);
    std::fs::create_dir_all(fake.parent().expect("a folder")).expect("folder");
    std::fs::File::create(&fake).and_then(|f| f.set_len(file.len)).expect("fake");
    let host = Host::start(&storage);
    let magnet = swarm.magnet();
    let stream = host
        .prepare(Input { magnet: Some(&magnet), torrent: None }, file.index, Role::Main)
        .expect("prepare");
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    same_as_source(&swarm, file.index, 0, &bytes);
}

#[test]
fn both_magnets_of_a_hybrid_torrent_are_one_torrent() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::Hybrid, 64, Album::flac(1, 1_000_000), &[peer(20_000_000, 5)]);
    let file = swarm.files()[0].index;
    let storage = Folder::new();
    let host = Host::start(&storage);
    let torrent = swarm.torrent();
    let trackers = vec![swarm.tracker().url().to_string()];
    let spec = |without_v1, without_v2| vozduxan_swarm::torrent::MagnetSpec {
        without_v1,
        without_v2,
        trackers: trackers.clone(),
        ..Default::default()
    };
    for magnet in [torrent.magnet(&spec(false, true)), torrent.magnet(&spec(true, false))] {
        let stream =
            host.prepare(Input { magnet: Some(&magnet), torrent: None }, file, Role::Main).expect("prepare");
        let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
        same_as_source(&swarm, file, 0, &bytes);
    }
}
