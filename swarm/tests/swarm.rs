//! A whole swarm: peers that lie, a tracker that knows the proxies only, and nothing left behind.

#![allow(clippy::unwrap_used, reason = "a test stops where something fails")]

use std::{
    fs,
    io::ErrorKind,
    net::{TcpListener, TcpStream},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use vozduxan_swarm::{
    Album, Kind, PeerSpec, Swarm, TcpMode, TorrentSpec, TrackFormat,
    client::{Client, Transports, Wanted},
    proxy::Proxies,
    tracker::Reply,
};

const BOTH: Transports = Transports { tcp: true, utp: true };
/// Reached only when something is broken.
const LIMIT: Duration = Duration::from_secs(120);

fn same_bytes(swarm: &Swarm, target: &Path) {
    for file in swarm.files() {
        let got = fs::read(target.join(&file.torrent_path)).unwrap_or_default();
        assert!(got == fs::read(&file.disk_path).unwrap(), "{} differs", file.torrent_path.display());
    }
}

#[test]
fn corrupt_peers_send_wrong_blocks_over_both_transports() {
    for (kind, tcp, utp) in [
        (Kind::V1, TcpMode::Accept, false),
        (Kind::Hybrid, TcpMode::Accept, false),
        (Kind::V2, TcpMode::Accept, false),
        (Kind::V1, TcpMode::Refuse, true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let liar = PeerSpec { corrupt: 0.2, tcp, utp, ..PeerSpec::default() };
        let swarm = Swarm::builder(dir.path())
            .album(Album::flac(1, 4 << 20))
            .torrent(TorrentSpec { kind, piece_len: 64 * 1024, ..TorrentSpec::default() })
            .peer(liar)
            // Four seconds for all of it: the liar, without a limit, gets its turn.
            .peer(PeerSpec { tcp, utp, ..PeerSpec::new(1_000_000, Duration::from_millis(50)) })
            .start()
            .unwrap();
        let damaged = swarm.peers()[0].damaged_blocks();
        assert!((20..90).contains(&damaged), "a fifth of 256 blocks: {damaged}");
        assert_eq!(swarm.peers()[1].damaged_blocks(), 0);

        let target = tempfile::tempdir().unwrap();
        let wanted = Wanted::Torrent(&swarm.torrent().bytes);
        let transports = Transports { tcp: !utp, utp };
        let client = Client::start(wanted, target.path(), &[], transports).unwrap();
        let progress = client.wait(LIMIT).unwrap();
        assert!(progress.finished, "{progress:?}");
        assert!(progress.hash_failures > 0 && progress.failed > 0, "{kind:?} {progress:?}");
        same_bytes(&swarm, target.path());
        // Nothing made the liar look at its files.
        assert!(swarm.peers()[0].stats().unwrap().seeding);
        assert!(swarm.peers()[0].stats().unwrap().payload_up > 0);
    }
}

#[test]
fn different_seeds_damage_different_blocks_and_the_same_seed_the_same() {
    let damaged =
        |seed| (0..10_000).filter(move |&block| vozduxan_swarm::seeder::is_damaged(block, 0.2, seed));
    assert!((1_800..2_200).contains(&damaged(1).count()));
    assert!(damaged(1).eq(damaged(1)));
    assert!(damaged(1).ne(damaged(2)));
    assert_eq!((0..1000).filter(|&block| vozduxan_swarm::seeder::is_damaged(block, 1.0, 3)).count(), 1000);
}

#[test]
fn a_mute_peer_takes_requests_and_gives_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let swarm =
        Swarm::builder(dir.path()).peer(PeerSpec { mute: true, ..PeerSpec::default() }).start().unwrap();
    let target = tempfile::tempdir().unwrap();
    let client = Client::start(Wanted::Torrent(&swarm.torrent().bytes), target.path(), &[], BOTH).unwrap();
    // It is connected and does not get on.
    let mut progress = client.wait(Duration::from_millis(100)).unwrap();
    let deadline = Instant::now() + LIMIT;
    while progress.peers == 0 && Instant::now() < deadline {
        progress = client.wait(Duration::from_millis(100)).unwrap();
    }
    let progress = client.wait(Duration::from_secs(1)).unwrap();
    assert_eq!((progress.finished, progress.payload_down), (false, 0), "{progress:?}");
    assert_eq!(swarm.peers()[0].stats().unwrap().payload_up, 0);

    swarm.peers()[0].set_mute(false);
    // What it swallowed stays unanswered; a new connection asks again.
    swarm.peers()[0].proxy.drop_connections().unwrap();
    assert!(client.wait(LIMIT).unwrap().finished);
    same_bytes(&swarm, target.path());
}

#[test]
fn the_tracker_hands_out_the_proxies_only() {
    let dir = tempfile::tempdir().unwrap();
    let swarm = Swarm::builder(dir.path())
        .album(Album { format: TrackFormat::Wav, ..Album::flac(2, 100_000) })
        .torrent(TorrentSpec { kind: Kind::V1, ..TorrentSpec::default() })
        .peer(PeerSpec::default())
        .peer(PeerSpec::default())
        .start()
        .unwrap();
    swarm.tracker().set_reply(Reply::Nothing);
    let target = tempfile::tempdir().unwrap();
    let client = Client::start(Wanted::Magnet(&swarm.magnet()), target.path(), &[], BOTH).unwrap();
    assert!(swarm.tracker().wait_for(LIMIT, |announces| !announces.is_empty()));
    let announce = swarm.tracker().announces().remove(0);
    assert_eq!((announce.event.as_str(), announce.info_hash), ("started", swarm.torrent().v1.unwrap()));
    drop(client);

    swarm.tracker().set_reply(Reply::Peers);
    let client = Client::start(Wanted::Magnet(&swarm.magnet()), target.path(), &[], BOTH).unwrap();
    assert!(client.wait(LIMIT).unwrap().finished);
    same_bytes(&swarm, target.path());
    assert!(
        swarm.tracker().wait_for(LIMIT, |announces| announces.iter().any(|one| one.event == "completed"))
    );
    // The first client's address was announced too, and only the proxies were ever answered with.
    for address in swarm.addresses() {
        assert!(address.ip().is_loopback() && address.ip().octets()[..3] != [127, 0, 0], "{address}");
    }
}

#[test]
fn dropping_a_swarm_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut builder = Swarm::builder(dir.path()).album(Album::awkward(2, 300_000));
    for _ in 0..6 {
        builder = builder.peer(PeerSpec { corrupt: 0.1, ..PeerSpec::new(50_000, Duration::from_millis(50)) });
    }
    let swarm = builder.start().unwrap();
    let target = tempfile::tempdir().unwrap();
    let client = Client::start(Wanted::Torrent(&swarm.torrent().bytes), target.path(), &[], BOTH).unwrap();
    // In the middle of a download.
    assert!(!client.wait(Duration::from_millis(300)).unwrap().finished);
    let addresses = swarm.addresses();
    let start = Instant::now();
    drop(swarm);
    println!("dropped in {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "files are left");
    for address in addresses {
        TcpListener::bind(address).expect("the port is free again");
    }
}

#[test]
fn swarms_can_share_the_proxies_thread() {
    let dir = tempfile::tempdir().unwrap();
    let proxies = Arc::new(Proxies::start().unwrap());
    let start = |seed| {
        let builder = Swarm::builder(dir.path()).album(Album { seed, ..Album::flac(2, 200_000) });
        builder.peer(PeerSpec::default()).proxies(proxies.clone()).start().unwrap()
    };
    let (first, second) = (start(1), start(2));
    let gone = first.addresses()[0];
    drop(first);
    let error = TcpStream::connect(gone).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);

    let target = tempfile::tempdir().unwrap();
    let wanted = Wanted::Torrent(&second.torrent().bytes);
    let client = Client::start(wanted, target.path(), &[], BOTH).unwrap();
    assert!(client.wait(LIMIT).unwrap().finished);
    same_bytes(&second, target.path());
}

#[test]
fn settings_keep_the_engine_on_loopback() {
    let text = Swarm::settings_toml();
    assert!(text.starts_with("[network]\nlisten_interfaces = \"127.0.0.1:0\"\n"));
    for line in ["dht = false", "lsd = false", "upnp = false", "public_trackers = false"] {
        assert!(text.lines().any(|own| own == line), "{line}");
    }
}
