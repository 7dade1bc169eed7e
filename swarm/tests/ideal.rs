//! A hand-written client that wastes nothing comes close to the limit: so the limit is real, and what is measured
//! against it is the client's doing and not the swarm's.

#![allow(clippy::unwrap_used, reason = "a test stops where something fails")]

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};
use vozduxan_swarm::{Album, Kind, PeerSpec, Swarm, TorrentSpec, limit};

const BLOCK: u32 = 16 * 1024;

/// One BitTorrent message (BEP 3): its id and payload; keep-alives are skipped.
fn message(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    loop {
        let mut len = [0; 4];
        stream.read_exact(&mut len).unwrap();
        let len = u32::from_be_bytes(len) as usize;
        if len > 0 {
            let mut body = vec![0; len];
            stream.read_exact(&mut body).unwrap();
            return (body[0], body[1..].to_vec());
        }
    }
}

/// Fetches piece 0 and answers how long it took from before the connect.
fn fetch_first_piece(swarm: &Swarm) -> (Duration, Vec<u8>) {
    let torrent = swarm.torrent();
    let start = Instant::now();
    let mut stream = TcpStream::connect(swarm.addresses()[0]).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut hello = b"\x13BitTorrent protocol\0\0\0\0\0\0\0\x04".to_vec();
    hello.extend_from_slice(&torrent.v1.unwrap());
    hello.extend_from_slice(b"-IDEAL0-ideal0000000");
    // INTERESTED goes along with the handshake.
    hello.extend_from_slice(&[0, 0, 0, 1, 2]);
    stream.write_all(&hello).unwrap();
    stream.read_exact(&mut [0; 68]).unwrap();
    while message(&mut stream).0 != 1 {}
    let mut requests = Vec::new();
    for begin in (0..torrent.piece_len).step_by(BLOCK as usize) {
        requests.extend_from_slice(&[0, 0, 0, 13, 6, 0, 0, 0, 0]);
        requests.extend_from_slice(&begin.to_be_bytes());
        requests.extend_from_slice(&BLOCK.to_be_bytes());
    }
    stream.write_all(&requests).unwrap();
    let mut piece = vec![0; torrent.piece_len as usize];
    let mut blocks = 0;
    while blocks < torrent.piece_len / BLOCK {
        let (id, payload) = message(&mut stream);
        if id == 7 {
            let begin = u32::from_be_bytes(payload[4..8].try_into().unwrap()) as usize;
            piece[begin..begin + payload.len() - 8].copy_from_slice(&payload[8..]);
            blocks += 1;
        }
    }
    (start.elapsed(), piece)
}

#[test]
fn an_ideal_client_comes_close_to_the_limit() {
    for (rate, milliseconds, piece_len) in
        [(4_000_000, 40, 256 * 1024), (2_000_000, 40, 1 << 20), (1_000_000, 150, 64 * 1024)]
    {
        let rtt = Duration::from_millis(milliseconds);
        let dir = tempfile::tempdir().unwrap();
        let swarm = Swarm::builder(dir.path())
            .album(Album::flac(1, 3 << 20))
            .torrent(TorrentSpec { kind: Kind::V1, piece_len, ..TorrentSpec::default() })
            .peer(PeerSpec::new(rate, rtt))
            .start()
            .unwrap();
        let truth = std::fs::read(&swarm.files()[0].disk_path).unwrap();
        let limit = limit::cold_start(rtt, rate, u64::from(piece_len), 0).as_secs_f64();
        let mut ratios: Vec<f64> = (0..5)
            .map(|_| {
                let (time, piece) = fetch_first_piece(&swarm);
                assert!(piece == truth[..piece.len()], "wrong bytes");
                time.as_secs_f64() / limit
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        println!(
            "{rate} B/s, {milliseconds} ms, {piece_len} bytes: {:.4} of the limit ({ratios:.4?})",
            ratios[2]
        );
        assert!(ratios[0] >= 1.0, "early: {ratios:?}");
        assert!(ratios[2] < 3.0, "late: {ratios:?}");
    }
}
