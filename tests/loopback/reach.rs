//! Peers that answer TCP, uTP, both or only seemingly.

use super::*;
use vozduxan_swarm::TcpMode;

/// A start from peers that answer as said; milliseconds to the first 32 KiB.
fn start_from(peers: &[PeerSpec]) -> u128 {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(1, 3_000_000), peers);
    let storage = Folder::new();
    let host = Host::start_with(&storage, "[log]\nlevel = \"verbose\"");
    let file = swarm.files()[0].index;
    let t = Instant::now();
    let stream = host.prepare_torrent(&swarm, file);
    let mut answer = get(host.session.http_port(), &host.path(&stream), None);
    let head = answer.take(32 * 1024);
    let took = ms(t);
    same_as_source(&swarm, file, 0, &head);
    let rest = answer.rest();
    same_as_source(&swarm, file, 32 * 1024, &rest);
    host.session.release(&stream.token);
    if std::env::var_os("VZ_LOG").is_some() {
        println!("{}", host.log.lock().join("\n"));
    }
    took
}

fn answering(tcp: TcpMode, utp: bool) -> PeerSpec {
    PeerSpec { tcp, utp, ..peer(4_000_000, 40) }
}

#[test]
fn a_peer_that_answers_tcp_only_plays() {
    println!("TCP only: {} ms", start_from(&[answering(TcpMode::Accept, false)]));
}

#[test]
fn a_peer_that_refuses_tcp_plays_by_utp() {
    println!("uTP only, TCP refused: {} ms", start_from(&[answering(TcpMode::Refuse, true)]));
}

#[test]
fn a_peer_where_tcp_is_swallowed_plays_by_utp() {
    println!("uTP only, TCP swallowed: {} ms", start_from(&[answering(TcpMode::Swallow, true)]));
}

#[test]
fn a_peer_where_tcp_never_says_a_word_plays_by_utp() {
    println!("uTP only, TCP held: {} ms", start_from(&[answering(TcpMode::Hold, true)]));
}

#[test]
fn one_peer_of_each_kind_plays() {
    let kinds = [TcpMode::Accept, TcpMode::Refuse, TcpMode::Swallow, TcpMode::Hold];
    let peers: Vec<PeerSpec> = kinds.into_iter().map(|tcp| answering(tcp, tcp != TcpMode::Accept)).collect();
    println!("one of each: {} ms", start_from(&peers));
}

#[test]
fn a_peer_that_answers_both_is_connected_to_once() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(1, 3_000_000), &[peer(4_000_000, 40)]);
    let storage = Folder::new();
    let host = Host::start(&storage);
    let file = swarm.files()[0].index;
    let stream = host.prepare_torrent(&swarm, file);
    // What the probe opened is closed again: the seeder has one peer.
    assert_eq!(swarm.peers()[0].stats().expect("stats").peers, 1);
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    same_as_source(&swarm, file, 0, &bytes);
    assert_eq!(swarm.peers()[0].proxy.counts().connections, 1);
}

#[test]
fn without_utp_no_packet_is_sent() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(1, 300_000), &[peer(4_000_000, 40)]);
    let storage = Folder::new();
    let host = Host::start_with(&storage, "utp = false");
    let file = swarm.files()[0].index;
    let stream = host.prepare_torrent(&swarm, file);
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    same_as_source(&swarm, file, 0, &bytes);
    assert_eq!(swarm.peers()[0].proxy.counts().udp_flows, 0);
}

#[test]
fn a_peer_among_many_dead_addresses_plays() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(1, 3_000_000), &[answering(TcpMode::Swallow, true)]);
    let proxies = vozduxan_swarm::proxy::Proxies::start().expect("proxies");
    let nobody = |tcp| {
        let net = vozduxan_swarm::proxy::PeerNet {
            seeder: swarm.addresses()[0],
            rate: None,
            up_rate: None,
            rtt: Duration::from_millis(40),
            tcp,
            utp: false,
        };
        proxies.open(net).expect("proxy")
    };
    let dead: Vec<_> =
        (0..90).map(|n| nobody([TcpMode::Refuse, TcpMode::Swallow, TcpMode::Hold][n % 3])).collect();
    let mut addresses: Vec<_> = dead.iter().map(|proxy| proxy.address()).collect();
    addresses.extend(swarm.addresses());
    for hash in swarm.torrent().announced_hashes() {
        swarm.tracker().set_peers(hash, addresses.clone());
    }
    let storage = Folder::new();
    let host = Host::start(&storage);
    let file = swarm.files()[0].index;
    let t = Instant::now();
    let stream = host.prepare_torrent(&swarm, file);
    println!("one of 91: {} ms", ms(t));
    // Who took the connection was connected to once: libtorrent gives it up after 7 s and not before.
    let connections: u64 = dead.iter().map(|proxy| proxy.counts().connections).sum();
    let rounds = 1 + t.elapsed().as_secs() / 7;
    assert!(connections <= 30 * rounds, "{connections} connections to 30 peers that hold them");
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    same_as_source(&swarm, file, 0, &bytes);
}
