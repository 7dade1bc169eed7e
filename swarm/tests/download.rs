//! A plain libtorrent client downloads whole torrents through the proxies and gets the right bytes.

#![allow(clippy::unwrap_used, reason = "a test stops where something fails")]

use std::{fs, time::Duration};
use vozduxan_swarm::{
    Album, Kind, PeerSpec, Swarm, TcpMode, TorrentSpec,
    client::{Client, Progress, Transports, Wanted},
};

const TCP: Transports = Transports { tcp: true, utp: false };
const UTP: Transports = Transports { tcp: false, utp: true };
/// Reached only when something is broken.
const LIMIT: Duration = Duration::from_secs(120);

/// A swarm of two peers that share an awkward album.
fn swarm(dir: &std::path::Path, kind: Kind, peer: PeerSpec) -> Swarm {
    let torrent = TorrentSpec { kind, piece_len: 64 * 1024, ..TorrentSpec::default() };
    Swarm::builder(dir)
        .album(Album::awkward(3, 700_000))
        .torrent(torrent)
        .peer(peer.clone())
        .peer(peer)
        .start()
        .unwrap()
}

/// Downloads everything and compares every byte.
fn download(swarm: &Swarm, wanted: Wanted<'_>, transports: Transports) -> Progress {
    let target = tempfile::tempdir().unwrap();
    let client = Client::start(wanted, target.path(), &[], transports).unwrap();
    let progress = client.wait(LIMIT).unwrap();
    assert!(progress.finished, "{progress:?}");
    for file in swarm.files() {
        let got = fs::read(target.path().join(&file.torrent_path)).unwrap_or_default();
        assert!(got == fs::read(&file.disk_path).unwrap(), "{} differs", file.torrent_path.display());
    }
    progress
}

fn every_kind(transports: Transports, peer: &PeerSpec) {
    for kind in [Kind::V1, Kind::V2, Kind::Hybrid] {
        let dir = tempfile::tempdir().unwrap();
        let swarm = swarm(dir.path(), kind, peer.clone());
        let progress = download(&swarm, Wanted::Torrent(&swarm.torrent().bytes), transports);
        assert_eq!(progress.hash_failures, 0);
        let counts: Vec<_> = swarm.peers().iter().map(|peer| peer.proxy.counts()).collect();
        let down: u64 = counts.iter().map(|counts| counts.down_bytes).sum();
        assert!(down >= progress.payload_down, "everything came through the proxies: {counts:?}");
        assert_eq!(counts.iter().any(|counts| counts.connections > 0), transports.tcp, "{counts:?}");
    }
}

#[test]
fn every_kind_over_tcp() {
    every_kind(TCP, &PeerSpec { utp: false, ..PeerSpec::new(8_000_000, Duration::from_millis(10)) });
}

#[test]
fn every_kind_over_utp() {
    every_kind(
        UTP,
        &PeerSpec { tcp: TcpMode::Refuse, ..PeerSpec::new(8_000_000, Duration::from_millis(10)) },
    );
}

#[test]
fn a_magnet_link_is_enough() {
    for kind in [Kind::V1, Kind::V2, Kind::Hybrid] {
        let dir = tempfile::tempdir().unwrap();
        let swarm = swarm(dir.path(), kind, PeerSpec::default());
        download(&swarm, Wanted::Magnet(&swarm.magnet()), TCP);
    }
}
