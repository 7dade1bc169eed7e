//! What programs that a host starts during playback get of the engine: none of its sockets.

use super::*;
use std::collections::BTreeSet;
use std::process::{Child, Command};

/// A program that does nothing, ended with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("60").spawn().expect("sleep"))
    }

    /// Its sockets of one protocol, as local and remote port.
    fn sockets(&self, protocol: &str) -> Vec<(u16, u16)> {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.0.id())).expect("descriptors");
        let inodes: BTreeSet<String> = descriptors
            .filter_map(|entry| std::fs::read_link(entry.expect("descriptor").path()).ok())
            .filter_map(|to| Some(to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
            .collect();
        let table = std::fs::read_to_string(format!("/proc/net/{protocol}")).expect("sockets");
        let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
        let port = |address: &str| u16::from_str_radix(&address[address.len() - 4..], 16).expect("port");
        lines
            .filter(|fields| inodes.contains(fields[9]))
            .map(|fields| (port(fields[1]), port(fields[2])))
            .collect()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn programs_that_a_host_starts_get_no_socket_of_the_engine() {
    let folder = Folder::new();
    let peers = [peer(4_000_000, 5), peer(4_000_000, 5)];
    let swarm = swarm(&folder, Kind::V1, 256, Album::flac(1, 8_000_000), &peers);
    let storage = Folder::new();
    let host = Host::start(&storage);
    let file = swarm.files()[0].index;
    let stream = host.prepare_torrent(&swarm, file);
    let mut answer = get(host.session.http_port(), &host.path(&stream), None);
    let head = answer.take(1_000_000);
    same_as_source(&swarm, file, 0, &head);

    let announced = swarm.tracker().announces();
    let own = announced.iter().find_map(|announce| announce.port).expect("the engine's port");
    let theirs: Vec<u16> = swarm.addresses().iter().map(|address| address.port()).collect();
    let child = Sleeper::start();
    for protocol in ["tcp", "udp"] {
        for (local, remote) in child.sockets(protocol) {
            assert_ne!(local, own, "the child listens for peers, {protocol}");
            assert!(!theirs.contains(&remote), "the child is connected to a peer, {protocol}");
        }
    }
    let rest = answer.rest();
    same_as_source(&swarm, file, 1_000_000, &rest);
}
