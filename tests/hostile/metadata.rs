//! Metadata by magnet, from peers that lie about it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vozduxan_swarm::bencode::Value;
use vozduxan_swarm::raw::{Identity, METADATA_PIECE, Message, OUR_METADATA, RawPeer, Wire};
use vozduxan_swarm::torrent::hex;

use super::alone;
use super::host::{Host, Peak};
use super::make::{File, Made, v1};

const MEMORY: u64 = 100 << 20;

/// An album of so many files; 600 are more than one piece of metadata, so that its size matters.
fn album(files: usize) -> Made {
    let name = |n| format!("{n:03} a name of some length.mp3");
    let files: Vec<File> = (0..files).map(|n| File::new(&[name(n)], 100)).collect();
    v1(b"album", &files, 16 * 1024)
}

/// A peer that says its metadata has `size` bytes, and answers requests for it by `conduct`.
fn liar(
    made: &Made,
    size: i64,
    asked: &Arc<AtomicU64>,
    conduct: impl Fn(&mut Wire, i64) -> io::Result<()> + Send + Sync + 'static,
) -> RawPeer {
    let identity = Identity { metadata_size: Some(size), ..Identity::new(made.info_hash()) };
    let asked = Arc::clone(asked);
    RawPeer::start(move |stream| {
        let mut wire = Wire::accept(stream, &identity)?;
        loop {
            if let Message::Extended(OUR_METADATA, payload) = wire.read()? {
                let piece = Value::decode(&payload).and_then(|(asked, _)| asked.get("piece")?.as_int());
                asked.fetch_add(1, Ordering::Relaxed);
                conduct(&mut wire, piece.unwrap_or(0))?;
            }
        }
    })
    .unwrap()
}

fn data(piece: i64, total: i64, bytes: &[u8]) -> Vec<u8> {
    let head = Value::dict([
        ("msg_type", Value::int(1)),
        ("piece", Value::int(piece)),
        ("total_size", Value::int(total)),
    ]);
    [&head.encode(), bytes].concat()
}

fn magnet(made: &Made, peers: &[&RawPeer]) -> String {
    let peers: String = peers.iter().map(|peer| format!("&x.pe={}", peer.address())).collect();
    format!("magnet:?xt=urn:btih:{}{peers}", hex(&made.info_hash()))
}

/// The honest peer's metadata comes, whatever the liars say.
fn list(case: &str, made: &Made, files: usize, liars: &[RawPeer]) {
    let honest = RawPeer::honest(made.info_hash(), made.share.clone()).unwrap();
    let host = Host::start();
    let mut peers: Vec<&RawPeer> = liars.iter().collect();
    peers.push(&honest);
    let listed = host.list_any(Some(&magnet(made, &peers)), &[]);
    assert_eq!(listed.unwrap_or_else(|refused| panic!("{case}: {refused:?}")).len(), files, "{case}");
    host.assert_contained(case);
}

/// 30 MB and more: nothing is kept for it, and nobody asks for it.
#[test]
fn sizes_that_cannot_be() {
    alone("metadata::sizes_that_cannot_be", || {
        let made = album(600);
        let peak = Peak::start();
        for size in [30_000_000, i64::from(i32::MAX), i64::from(u32::MAX), i64::MAX, i64::MIN, -1, 0] {
            let asked = Arc::new(AtomicU64::new(0));
            let liars = [liar(&made, size, &asked, move |wire, piece| {
                wire.extended(wire.their_metadata, &data(piece, size, &[b'x'; 16 * 1024]))
            })];
            list(&format!("a size of {size}"), &made, 600, &liars);
        }
        let grown = peak.grown();
        println!("sizes that cannot be: {} MB", grown >> 20);
        assert!(grown < MEMORY, "{} MB", grown >> 20);
    });
}

/// The right size and wrong bytes: the hash says so, and another peer is asked.
#[test]
fn bytes_that_are_wrong() {
    let made = album(100);
    let size = i64::try_from(made.share.info.len()).unwrap();
    assert!(size < 16 * 1024, "one piece, so that one peer is to blame");
    let asked = Arc::new(AtomicU64::new(0));
    let liars = [liar(&made, size, &asked, move |wire, piece| {
        wire.extended(wire.their_metadata, &data(piece, size, &[b'x'; 16 * 1024]))
    })];
    list("wrong bytes", &made, 100, &liars);
}

/// Takes requests, and answers them with a refusal, or with nothing.
#[test]
fn requests_that_lead_nowhere() {
    let made = album(600);
    let size = i64::try_from(made.share.info.len()).unwrap();
    let asked = Arc::new(AtomicU64::new(0));
    let liars = [
        liar(&made, size, &asked, |wire, piece| {
            let no = Value::dict([("msg_type", Value::int(2)), ("piece", Value::int(piece))]);
            wire.extended(wire.their_metadata, &no.encode())
        }),
        liar(&made, size, &asked, |_, _| Ok(())),
    ];
    list("refusals and silence", &made, 600, &liars);
}

/// So many liars of a kind, all connected before the honest peer is: metadata of several blocks comes all the same. What
/// bounds the time is the engine's own timeout, after which the call would fail.
fn crowd(case: &str, liar: impl Fn(&Made, usize) -> RawPeer) {
    let made = album(1000);
    assert!(made.share.info.len() > 3 * METADATA_PIECE, "several blocks, so that nobody knows who lied");
    let liars: Vec<RawPeer> = (0..8).map(|n| liar(&made, n)).collect();
    list(case, &made, 1000, &liars);
}

fn wrong_bytes(made: &Made, more: usize) -> RawPeer {
    let size = made.share.info.len() + more;
    liar(made, i64::try_from(size).unwrap(), &Arc::default(), move |wire, piece| {
        let begin = usize::try_from(piece).unwrap() * METADATA_PIECE;
        let bytes = vec![b'x'; (size - begin).min(METADATA_PIECE)];
        wire.extended(wire.their_metadata, &data(piece, i64::try_from(size).unwrap(), &bytes))
    })
}

#[test]
fn a_crowd_that_sends_wrong_bytes() {
    crowd("eight with wrong bytes", |made, _| wrong_bytes(made, 0));
}

#[test]
fn a_crowd_that_agrees_on_a_wrong_size() {
    crowd("eight with one wrong size", |made, _| wrong_bytes(made, 20_000));
}

#[test]
fn a_crowd_of_wrong_sizes() {
    crowd("eight wrong sizes", |made, n| wrong_bytes(made, 1 + n * 5_000));
}

/// Each as much as may be claimed, and each sends what it is asked for.
#[test]
fn a_crowd_that_claims_ten_megabytes_each() {
    crowd("eight of 10 MB", |made, n| wrong_bytes(made, 9_800_000 + n));
}

/// Claims alone must not take the room of what is there: an honest peer that speaks when all of them have claimed.
#[test]
fn a_crowd_that_claims_ten_megabytes_each_and_gives_nothing() {
    let made = album(1000);
    let claimed = Arc::new(AtomicU64::new(0));
    // Together they leave less of 64 MiB than the true size.
    let sizes = (0..6).map(|n| 9_900_000 + n).chain([7_700_000]);
    let liars: Vec<RawPeer> = sizes
        .map(|size| {
            let identity = Identity { metadata_size: Some(size), ..Identity::new(made.info_hash()) };
            let claimed = Arc::clone(&claimed);
            RawPeer::start(move |stream| {
                let mut wire = Wire::accept(stream, &identity)?;
                // The client has spoken after the claim was sent: it goes through its messages in order.
                wire.read()?;
                claimed.fetch_add(1, Ordering::Release);
                loop {
                    wire.read()?;
                }
            })
            .unwrap()
        })
        .collect();
    let (share, identity) = (made.share.clone(), Identity::new(made.info_hash()));
    let identity = Identity { metadata_size: i64::try_from(share.info.len()).ok(), ..identity };
    let honest = RawPeer::start(move |stream| {
        while claimed.load(Ordering::Acquire) < 7 {
            std::thread::yield_now();
        }
        share.serve(&mut Wire::accept(stream, &identity)?)
    })
    .unwrap();
    let host = Host::start();
    let mut peers: Vec<&RawPeer> = liars.iter().collect();
    peers.push(&honest);
    let listed = host.list_any(Some(&magnet(&made, &peers)), &[]);
    assert_eq!(listed.unwrap_or_else(|refused| panic!("{refused:?}")).len(), 1000);
}

#[test]
fn a_crowd_of_all_kinds() {
    let made = album(1000);
    let size = i64::try_from(made.share.info.len()).unwrap();
    let silent = |more: i64| liar(&made, size + more, &Arc::default(), |_, _| Ok(()));
    let mut liars: Vec<RawPeer> = (0..8).map(|_| wrong_bytes(&made, 0)).collect();
    liars.extend((0..8).map(|n| wrong_bytes(&made, 30_000 + n)));
    liars.extend((0..4).map(|n| silent(n % 2)));
    list("twenty of all kinds", &made, 1000, &liars);
}

/// A peer that had no metadata when it said hello, and says the size with the first block.
#[test]
fn a_size_that_is_not_said_at_first() {
    let made = album(600);
    let share = made.share.clone();
    let peer = RawPeer::start({
        let identity = Identity::new(made.info_hash());
        move |stream| share.serve(&mut Wire::accept(stream, &identity)?)
    })
    .unwrap();
    let host = Host::start();
    let listed = host.list_any(Some(&magnet(&made, &[&peer])), &[]);
    assert_eq!(listed.unwrap_or_else(|refused| panic!("{refused:?}")).len(), 600);
}
