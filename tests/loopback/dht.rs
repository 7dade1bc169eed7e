//! Peers by the distributed hash table alone (BEP 5): a private one on loopback, magnets without a tracker or a peer.

use std::net::SocketAddrV4;

use super::*;
use vozduxan_swarm::Swarm;
use vozduxan_swarm::dht::Dht;
use vozduxan_swarm::torrent::MagnetSpec;

/// A session that knows the DHT by these nodes, and no other way to peers.
fn start(storage: &Folder, nodes: &[SocketAddrV4]) -> Host {
    let nodes: Vec<String> = nodes.iter().map(|node| format!("\"{node}\"")).collect();
    let settings = format!(
        "[network]\nlisten_interfaces = \"127.0.0.1:0\"\ndht = true\ndht_bootstrap_nodes = [{}]\n\
         lsd = false\nupnp = false\npublic_trackers = false\n",
        nodes.join(", ")
    );
    Host::start_with_settings(storage, &settings)
}

/// A swarm whose peers the DHT knows; its track has `len` bytes, which tell one from another.
fn known(dht: &Dht, folder: &Folder, len: usize) -> Swarm {
    let swarm = swarm(folder, Kind::V1, 64, Album::flac(1, len), &[peer(8_000_000, 10)]);
    dht.announced(swarm.torrent().announced_hashes()[0], &swarm.addresses());
    swarm
}

/// Plays the swarm's track by a magnet that names nobody.
fn play(host: &Host, swarm: &Swarm) {
    let magnet = swarm.torrent().magnet(&MagnetSpec::default());
    assert!(!magnet.contains("tr=") && !magnet.contains("x.pe="), "{magnet}");
    let file = swarm.files()[0].index;
    let t = Instant::now();
    let stream = host.prepare(Input { magnet: Some(&magnet), torrent: None }, file, Role::Main);
    let stream = stream.unwrap_or_else(|error| panic!("{error}\n{}", host.log.lock().join("\n")));
    println!("prepare by the DHT {} ms", ms(t));
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    same_as_source(swarm, file, 0, &bytes);
}

/// Right after the session began, when the DHT does not run yet: libtorrent by itself would announce such a torrent after a
/// quarter of an hour.
#[test]
fn a_magnet_that_names_nobody_is_found_at_once() {
    let dht = Dht::start(6).expect("nodes");
    let folder = Folder::new();
    let swarm = known(&dht, &folder, 1_000_000);
    for _ in 0..3 {
        let storage = Folder::new();
        play(&start(&storage, &dht.addresses()[..1]), &swarm);
    }
}

/// Also when most of the nodes that are named are not there any more.
#[test]
fn dead_nodes_delay_it_only() {
    let mut dht = Dht::start(6).expect("nodes");
    let folder = Folder::new();
    let swarm = known(&dht, &folder, 1_000_000);
    for node in [0, 2, 4] {
        dht.stop(node);
    }
    let storage = Folder::new();
    play(&start(&storage, &dht.addresses()[..2]), &swarm);
}

/// The nodes of the last time are enough, whether the one that led to them is gone or none is named.
#[test]
fn stored_nodes_lead_back() {
    let (a, b) = (Folder::new(), Folder::new());
    for none_is_named in [false, true] {
        let mut dht = Dht::start(6).expect("nodes");
        let (first, second) = (known(&dht, &a, 1_000_000), known(&dht, &b, 800_000));
        let storage = Folder::new();
        let entry = dht.addresses()[0];
        play(&start(&storage, &[entry]), &first);
        assert!(storage.0.join("dht_state.dat").exists(), "nothing was stored");
        dht.stop(0);
        play(&start(&storage, if none_is_named { &[] } else { std::slice::from_ref(&entry) }), &second);
    }
}

/// A session in which no node answers, as on a train, does not forget those of the last time.
#[test]
fn stored_nodes_outlive_a_session_without_a_network() {
    let mut dht = Dht::start(3).expect("nodes");
    let folder = Folder::new();
    let swarm = known(&dht, &folder, 1_000_000);
    let storage = Folder::new();
    play(&start(&storage, &dht.addresses()[..1]), &swarm);
    let state = storage.0.join("dht_state.dat");
    let stored = std::fs::read(&state).expect("stored");
    (0..3).for_each(|node| dht.stop(node));
    drop(start(&storage, &[]));
    assert!(stored == std::fs::read(&state).expect("still there"), "the stored nodes are gone");
}

/// What it downloads it also gives, and says so to the DHT.
#[test]
fn the_engine_announces_itself() {
    let dht = Dht::start(6).expect("nodes");
    let folder = Folder::new();
    let swarm = known(&dht, &folder, 1_000_000);
    let storage = Folder::new();
    let host = start(&storage, &dht.addresses()[..1]);
    play(&host, &swarm);
    let hash = swarm.torrent().announced_hashes()[0];
    let own = |peers: Vec<SocketAddrV4>| peers.iter().any(|peer| !swarm.addresses().contains(peer));
    let deadline = Instant::now() + host::PATIENCE;
    while !own(dht.peers(hash)) {
        assert!(Instant::now() < deadline, "only {:?}", dht.peers(hash));
        std::thread::yield_now();
    }
}
