//! A peer that sends more than the engine takes, while the engine's thread is held up.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::shim::{Shim, Slot};
use super::*;

/// Answers handshakes and sends HAVE for piece 0 as fast as it can.
struct Flooder {
    address: SocketAddrV4,
    cuts: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Flooder {
    fn start(info_hash: [u8; 20]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
        let port = listener.local_addr().expect("address").port();
        let (cuts, sent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let stop = Arc::new(AtomicBool::new(false));
        let (count, bytes, end) = (Arc::clone(&cuts), Arc::clone(&sent), Arc::clone(&stop));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if end.load(Ordering::Acquire) {
                    return;
                }
                let (count, bytes, end) = (Arc::clone(&count), Arc::clone(&bytes), Arc::clone(&end));
                std::thread::spawn(move || {
                    if flood(client, info_hash, &bytes, &end).is_none() && bytes.load(Ordering::Relaxed) > 0 {
                        count.fetch_add(1, Ordering::AcqRel);
                    }
                });
            }
        });
        Self { address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), cuts, sent, stop }
    }
}

impl Drop for Flooder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

/// `None`: the other side hung up.
fn flood(mut client: TcpStream, info_hash: [u8; 20], sent: &AtomicU64, stop: &AtomicBool) -> Option<()> {
    let mut handshake = [0; 68];
    client.read_exact(&mut handshake).ok()?;
    // BEP 3: no extensions, any id of 20 bytes.
    let mut own = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0".to_vec();
    own.extend(info_hash);
    own.extend(b"-XX0001-flooder00000");
    client.write_all(&own).ok()?;
    let have: Vec<u8> = [0, 0, 0, 5, 4, 0, 0, 0, 0].repeat(7000);
    while !stop.load(Ordering::Acquire) {
        client.write_all(&have).ok()?;
        sent.fetch_add(have.len() as u64, Ordering::Relaxed);
    }
    Some(())
}

/// Most memory that a process has had, in bytes (proc(5), VmHWM).
fn peak_memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

#[test]
fn a_flooder_loses_its_connection_and_nobody_else_loses_anything() {
    child::serve_if_asked();
    let me = "flood::a_flooder_loses_its_connection_and_nobody_else_loses_anything";
    let folder = Folder::new();
    let swarm = small_swarm(&folder, 1, 1_000_000, 20_000_000);
    let hash = swarm.torrent().announced_hashes()[0];
    let flooder = Flooder::start(hash);
    let mut everybody = swarm.addresses();
    everybody.push(flooder.address);
    swarm.tracker().set_peers(hash, everybody);
    let (storage, shim) = (Folder::new(), Shim::new());
    let mut child = Child::start_with(me, &storage, |command| shim.preload(command, &storage.0));
    // By magnet: the engine's thread asks for the torrent's place when the metadata comes, and hangs there.
    shim.set(Slot::EngineDelayMs, 4000);
    let stream = child.prepare(&swarm.magnet(), 0).expect("prepare");
    assert_eq!(shim.get(Slot::Refused), 1, "the engine was not held up");
    let (memory, sent) = (peak_memory(child.id()), flooder.sent.load(Ordering::Relaxed));
    let cuts = flooder.cuts.load(Ordering::Acquire);
    println!("{sent} bytes of HAVE, cut {cuts} times, peak {memory} bytes");
    assert!(sent > 1_000_000, "no flood");
    assert!(cuts > 0, "the flooder was not cut");
    assert!(memory < 150_000_000, "{memory} bytes for what one peer sent");
    play(child.port, &format!("/stream/{}", stream.token), &swarm, 0, 0);
    child.end();
}
