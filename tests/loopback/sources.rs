//! Trackers and peers that a later magnet or .torrent file names for a torrent that is known already.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};
use vozduxan_swarm::Swarm;
use vozduxan_swarm::torrent::MagnetSpec;

fn content() -> Album {
    Album::flac(1, 3_000_000)
}

/// The swarm's magnet with these peers and no tracker.
fn magnet_with(swarm: &Swarm, peers: bool) -> String {
    let addresses = swarm.addresses().into_iter().map(Into::into).collect();
    let peers = if peers { addresses } else { Vec::new() };
    swarm.torrent().magnet(&MagnetSpec { peers, ..MagnetSpec::default() })
}

/// While a prepare waits for a torrent of which nobody is known, `second` is prepared too; both must play.
fn second_source_ends_the_wait(swarm: &Swarm, second: Input<'_>) {
    let storage = Folder::new();
    let host = Host::start(&storage);
    let file = swarm.files()[0].index;
    let bare = magnet_with(swarm, false);
    let waits = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let input = Input { magnet: Some(&bare), torrent: None };
            host.session.prepare(input, file as i32, Role::Background, &mut |_, _| {
                waits.store(true, Ordering::Release);
            })
        });
        while !waits.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        let stream = host.prepare(second, file, Role::Background).expect("second");
        assert!(first.join().expect("first").is_ok());
        let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
        same_as_source(swarm, file, 0, &bytes);
    });
}

#[test]
fn peers_of_a_second_magnet_are_used_for_a_torrent_in_the_session() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, content(), &[peer(20_000_000, 5)]);
    let magnet = magnet_with(&swarm, true);
    second_source_ends_the_wait(&swarm, Input { magnet: Some(&magnet), torrent: None });
}

#[test]
fn trackers_of_a_second_magnet_are_used_for_a_torrent_in_the_session() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, content(), &[peer(20_000_000, 5)]);
    let magnet = swarm.magnet();
    second_source_ends_the_wait(&swarm, Input { magnet: Some(&magnet), torrent: None });
}

#[test]
fn trackers_of_a_torrent_file_are_used_for_its_magnet_in_the_session() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, content(), &[peer(20_000_000, 5)]);
    second_source_ends_the_wait(&swarm, Input { magnet: None, torrent: Some(&swarm.torrent().bytes) });
}

/// A first run stores the metadata and a piece or two; the swarm it knew is gone when the second run is given `by`.
fn later_source_is_used(by: impl Fn(&Swarm) -> String) {
    let folders = [Folder::new(), Folder::new(), Folder::new()];
    let old = swarm(&folders[0], Kind::V1, 64, content(), &[peer(1_000_000, 20)]);
    let file = old.files()[0].index;
    let host = Host::start(&folders[2]);
    host.prepare(Input { magnet: Some(&magnet_with(&old, true)), torrent: None }, file, Role::Main)
        .expect("first");
    drop(host);
    drop(old);
    let new = swarm(&folders[1], Kind::V1, 64, content(), &[peer(20_000_000, 5)]);
    let host = Host::start(&folders[2]);
    let magnet = by(&new);
    let stream =
        host.prepare(Input { magnet: Some(&magnet), torrent: None }, file, Role::Main).expect("second");
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    same_as_source(&new, file, 0, &bytes);
}

#[test]
fn peers_of_a_magnet_are_used_for_a_torrent_in_storage() {
    later_source_is_used(|swarm| magnet_with(swarm, true));
}

#[test]
fn trackers_of_a_magnet_are_used_for_a_torrent_in_storage() {
    later_source_is_used(Swarm::magnet);
}

#[test]
fn a_private_torrent_keeps_to_its_own_trackers() {
    let folders = [Folder::new(), Folder::new()];
    let spec = vozduxan_swarm::TorrentSpec { kind: Kind::V1, private: true, ..Default::default() };
    let swarm =
        Swarm::builder(&folders[0].0).album(content()).torrent(spec).peer(peer(20_000_000, 5)).start();
    let swarm = swarm.expect("swarm");
    let stranger = vozduxan_swarm::tracker::Tracker::start().expect("tracker");
    let host = Host::start(&folders[1]);
    let file = swarm.files()[0].index;
    host.prepare_torrent(&swarm, file);
    let magnet =
        swarm.torrent().magnet(&MagnetSpec { trackers: vec![stranger.url()], ..MagnetSpec::default() });
    let stream =
        host.prepare(Input { magnet: Some(&magnet), torrent: None }, file, Role::Main).expect("second");
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    same_as_source(&swarm, file, 0, &bytes);
    drop(host);
    // A session that ends says "stopped" to every tracker it knows.
    assert!(!swarm.tracker().announces().is_empty());
    assert!(stranger.announces().is_empty(), "{:?}", stranger.announces());
}
