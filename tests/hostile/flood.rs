//! Peers that mean harm, beside an honest one: the track plays on, byte for byte, for bounded memory.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vozduxan_swarm::audio::Noise;
use vozduxan_swarm::bencode::Value;
use vozduxan_swarm::proxy::{PeerNet, Proxies, Proxy, TcpMode};
use vozduxan_swarm::raw::{Identity, Message, RawPeer, Wire, message};
use vozduxan_swarm::{Album, Kind, PeerSpec};

use super::host::{Host, Peak};
use super::support::{self, Folder};
use super::{alone, attack_seconds};

/// The honest peer's line, in bytes per second.
const RATE: u64 = 3_000_000;
/// Most memory that an attack may take: libtorrent's own queues and ours, some tens of megabytes at the worst.
const MEMORY: u64 = 100 << 20;
const BLOCK: u32 = 16 * 1024;

/// What an attacker knows, and how often it did its worst.
struct Attack {
    pieces: u32,
    blows: AtomicU64,
}

impl Attack {
    fn blow(&self) {
        self.blows.fetch_add(1, Ordering::Relaxed);
    }
}

/// Plays a track whose swarm has one honest peer and two attackers, which the tracker names first.
fn survive(name: &str, conduct: impl Fn(&mut Wire, &Attack) -> io::Result<()> + Send + Sync + 'static) {
    alone(&format!("flood::{name}"), || {
        let folder = Folder::new();
        let honest = PeerSpec::new(RATE, Duration::from_millis(20));
        let len = 2_500_000 + attack_seconds() * RATE;
        let swarm =
            support::swarm(&folder, Kind::V1, 64, Album::flac(1, usize::try_from(len).unwrap()), &[honest]);
        let torrent = swarm.torrent();
        let hash = torrent.announced_hashes()[0];
        let pieces = u32::try_from(torrent.total_len.div_ceil(u64::from(torrent.piece_len))).unwrap();
        let attack = Arc::new(Attack { pieces, blows: AtomicU64::new(0) });
        let conduct = Arc::new(conduct);
        let attackers: Vec<RawPeer> = (0..2)
            .map(|_| {
                let (attack, conduct) = (Arc::clone(&attack), Arc::clone(&conduct));
                let identity = Identity { pex: true, ..Identity::new(hash) };
                RawPeer::start(move |stream| conduct(&mut Wire::accept(stream, &identity)?, &attack)).unwrap()
            })
            .collect();
        // Each behind a line of its own: what comes over a network is bounded by one.
        let lines = Proxies::start().unwrap();
        let open = |attacker: &RawPeer| {
            lines.open(PeerNet {
                seeder: attacker.address(),
                rate: Some(RATE),
                up_rate: None,
                rtt: Duration::from_millis(20),
                tcp: TcpMode::Accept,
                utp: false,
            })
        };
        let doors: Vec<_> = attackers.iter().map(|attacker| open(attacker).unwrap()).collect();
        let mut peers: Vec<_> = doors.iter().map(Proxy::address).collect();
        peers.extend(swarm.addresses());
        swarm.tracker().set_peers(hash, peers);
        let host = Host::start();
        let file = swarm.files()[0].index;
        let peak = Peak::start();
        let stream = host
            .prepare(None, &torrent.bytes, i32::try_from(file).unwrap())
            .unwrap_or_else(|refused| panic!("{refused:?}\n{}", host.log()));
        let mut answer = host.get(&stream, None);
        let mut at = 0;
        while at < stream.len {
            let bytes = answer.take(256 * 1024);
            support::same_as_source(&swarm, file, at, &bytes);
            at += bytes.len() as u64;
            // What nobody asked for is no download. The bound is far above the line and far below any flood.
            let rate = host.stats(&stream).download_rate_bytes;
            assert!(u64::try_from(rate).unwrap() < 6 * RATE, "{rate} B/s are shown");
        }
        let (blows, grown) = (attack.blows.load(Ordering::Relaxed), peak.grown());
        let connections: u64 = attackers.iter().map(RawPeer::accepted).sum();
        println!("{name}: {blows} blows over {connections} connections, {} MB", grown >> 20);
        assert!(blows > 0, "nobody attacked");
        assert!(grown < MEMORY, "{} MB", grown >> 20);
        host.assert_contained(name);
    });
}

/// Wrong blocks that nobody asked for, the first of every piece, over and over. Were they taken, every piece would fail,
/// and libtorrent would ban the honest giver of the others.
#[test]
fn blocks_that_nobody_asked_for() {
    survive("blocks_that_nobody_asked_for", |wire, attack| {
        wire.offer_everything()?;
        let wrong = Noise::new(99).bytes(BLOCK as usize);
        loop {
            for piece in 0..attack.pieces - 1 {
                wire.piece(piece, 0, &wrong)?;
                attack.blow();
            }
        }
    });
}

/// Says it has everything, and rejects every request.
#[test]
fn everything_offered_and_all_rejected() {
    survive("everything_offered_and_all_rejected", |wire, attack| {
        wire.offer_everything()?;
        loop {
            if let Message::Request(piece, begin, len) = wire.read()? {
                attack.blow();
                wire.reject(piece, begin, len)?;
            }
        }
    });
}

/// Says it has everything, and sends nothing.
#[test]
fn everything_offered_and_nothing_sent() {
    survive("everything_offered_and_nothing_sent", |wire, attack| {
        wire.offer_everything()?;
        loop {
            if matches!(wire.read()?, Message::Request(..)) {
                attack.blow();
            }
        }
    });
}

/// Sends the first half of each block.
#[test]
fn blocks_that_stop_half_way() {
    survive("blocks_that_stop_half_way", |wire, attack| {
        wire.offer_everything()?;
        loop {
            if let Message::Request(piece, begin, len) = wire.read()? {
                attack.blow();
                let whole = message(
                    7,
                    &[&piece.to_be_bytes()[..], &begin.to_be_bytes(), &vec![0; len as usize]].concat(),
                );
                wire.raw(&whole[..whole.len() / 2])?;
                // Waits for the client to give up.
                while wire.read().is_ok() {}
                return Ok(());
            }
        }
    });
}

/// Chokes and unchokes, says it is interested and is not, keeps alive: as fast as the line carries it.
#[test]
fn small_messages_without_end() {
    survive("small_messages_without_end", |wire, attack| {
        wire.offer_everything()?;
        let all = [message(0, &[]), message(1, &[]), message(2, &[]), message(3, &[]), vec![0; 4]].concat();
        let burst = all.repeat(500);
        loop {
            wire.raw(&burst)?;
            attack.blow();
        }
    });
}

#[test]
fn haves_without_end() {
    survive("haves_without_end", |wire, attack| {
        wire.send(15, &[])?;
        let burst: Vec<u8> =
            (0..2000).flat_map(|n: u32| message(4, &(n % attack.pieces).to_be_bytes())).collect();
        loop {
            wire.raw(&burst)?;
            attack.blow();
        }
    });
}

/// Lists of peers that are not there, each as long as a message may be (BEP 11).
#[test]
fn lists_of_peers_without_end() {
    survive("lists_of_peers_without_end", |wire, attack| {
        wire.offer_everything()?;
        let addresses: Vec<u8> = (0..60_000_u32)
            .flat_map(|n| {
                let [_, b, c, d] = (n | 0x0040_0000).to_be_bytes();
                [127, b, c, d, 0, 1]
            })
            .collect();
        let list =
            Value::dict([("added", Value::Bytes(addresses)), ("added.f", Value::Bytes(vec![0; 60_000]))])
                .encode();
        // The client's number for it comes with its handshake.
        while wire.their_pex == 0 {
            wire.read()?;
        }
        loop {
            wire.extended(wire.their_pex, &list)?;
            attack.blow();
        }
    });
}

/// Asks for metadata, sends metadata that nobody wants, refuses what nobody asked for.
#[test]
fn metadata_messages_without_end() {
    survive("metadata_messages_without_end", |wire, attack| {
        wire.offer_everything()?;
        while wire.their_metadata == 0 {
            wire.read()?;
        }
        let mut burst = Vec::new();
        for piece in [0_i64, 1, -1, 1 << 40, 7] {
            for kind in [0_i64, 1, 2, 3, -1] {
                let about = Value::dict([
                    ("msg_type", Value::int(kind)),
                    ("piece", Value::int(piece)),
                    ("total_size", Value::int(i64::from(i32::MAX))),
                ]);
                burst.extend_from_slice(&message(
                    20,
                    &[&[wire.their_metadata], &about.encode()[..], b"junk"].concat(),
                ));
            }
        }
        // Answers are not read: they must not pile up either.
        loop {
            wire.raw(&burst)?;
            attack.blow();
        }
    });
}

/// Asks for everything, much of it twice, and reads nothing.
#[test]
fn requests_without_end() {
    survive("requests_without_end", |wire, attack| {
        wire.send(15, &[])?;
        wire.send(2, &[])?;
        let request = |n: u32| {
            let words = [n % attack.pieces, n % 4 * BLOCK, BLOCK];
            message(6, &words.map(u32::to_be_bytes).concat())
        };
        let burst: Vec<u8> = (0..1000).flat_map(request).collect();
        loop {
            wire.raw(&burst)?;
            attack.blow();
        }
    });
}

/// What is no message at all; each connection tries another one.
#[test]
fn messages_that_are_none() {
    let round = AtomicU64::new(0);
    survive("messages_that_are_none", move |wire, attack| {
        let round = round.fetch_add(1, Ordering::Relaxed);
        attack.blow();
        let word = |n: u32| n.to_be_bytes();
        match round % 12 {
            0 => wire.raw(&word(u32::MAX))?,
            1 => wire.raw(&[&word(1 << 30)[..], &[7; 100_000]].concat())?,
            2 => wire.send(5, &[0xff; 100_000])?,
            3 => wire.send(4, &word(u32::MAX))?,
            4 => wire.send(4, &[])?,
            5 => wire.send(7, &[1])?,
            6 => wire.piece(u32::MAX, u32::MAX, &[0; 10])?,
            7 => wire.extended(0, &[b'd'; 100_000])?,
            8 => wire
                .extended(0, b"d1:md11:ut_metadatai99999999999999999999ee13:metadata_sizei-1e4:reqqi-5ee")?,
            9 => wire.extended(
                0,
                &Value::dict([("v", Value::Bytes(vec![0xff; 500_000])), ("yourip", Value::bytes("x"))])
                    .encode(),
            )?,
            10 => wire.raw(&Noise::new(round).bytes(200_000))?,
            _ => (0..=255).try_for_each(|id| wire.send(id, &[0; 17]))?,
        }
        while wire.read().is_ok() {}
        Ok(())
    });
}

/// Asked for and wrong: the one attack that must be paid for, once.
#[test]
fn wrong_blocks_that_were_asked_for() {
    survive("wrong_blocks_that_were_asked_for", |wire, attack| {
        wire.offer_everything()?;
        loop {
            if let Message::Request(piece, begin, len) = wire.read()? {
                attack.blow();
                wire.piece(piece, begin, &vec![0; len as usize])?;
            }
        }
    });
}
