//! Torrents whose numbers and shapes are wrong: refused at once, with a reason, for little time and memory.

use std::time::Duration;
use std::time::Instant;

use vozduxan::abi::VozduxanError;
use vozduxan_swarm::bencode::Value;

use super::alone;
use super::host::{Host, Peak};
use super::make::{File, Made, single, v1};

const LEN: usize = 50_000;
const PIECE: u32 = 16 * 1024;

/// Longest any one refusal may take. It takes milliseconds; this is for a busy machine.
const PROMPT: Duration = Duration::from_secs(20);
/// Most memory that the largest hostile torrent may take: libtorrent's and ours for 20,000 files are some tens.
const MEMORY: u64 = 100 << 20;

fn plain() -> Made {
    v1(b"album", &[File::new(&["a.mp3"], LEN), File::new(&["b.mp3"], LEN)], PIECE)
}

/// The torrent is refused as bad input, with a reason, by both functions that take it.
#[track_caller]
fn refuse(host: &Host, case: &str, torrent: &[u8]) {
    let begun = Instant::now();
    let listed = host.list(torrent);
    let prepared = host.prepare(None, torrent, 0).map(|stream| stream.len);
    assert!(begun.elapsed() < PROMPT, "{case}: {:?}", begun.elapsed());
    for refused in [listed.map(|files| format!("{files:?}")).err(), prepared.err()] {
        let refused = refused.unwrap_or_else(|| panic!("{case}: was taken"));
        assert_eq!(refused.code, VozduxanError::VOZDUXAN_ERR_BAD_INPUT, "{case}: {refused:?}");
        assert!(refused.message.len() > 20, "{case}: says nothing: {refused:?}");
    }
    host.assert_contained(case);
}

#[track_caller]
fn refuse_info(host: &Host, case: &str, change: impl FnOnce(&mut Value)) {
    refuse(host, case, &plain().changed(change).bytes(None));
}

fn first_file(info: &mut Value) -> &mut Value {
    match info.get_mut("files") {
        Some(Value::List(files)) => &mut files[0],
        _ => unreachable!("it has files"),
    }
}

#[test]
fn lengths_that_cannot_be() {
    let host = Host::start();
    for len in [
        "-1",
        "-4611686018427387904",
        "4611686018427387904",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999999",
        "1e9",
        "",
        "-",
        "+5",
        "0x10",
        " 5",
    ] {
        refuse_info(&host, &format!("a length of {len}"), |info| {
            first_file(info).set("length", Value::Int(len.into()));
        });
        let made = single(b"a.mp3", LEN, PIECE).changed(|info| info.set("length", Value::Int(len.into())));
        refuse(&host, &format!("the only length of {len}"), &made.bytes(None));
    }
    refuse_info(&host, "a sum beyond 63 bits", |info| {
        let half = Value::dict([("length", Value::int(i64::MAX / 2)), ("path", Value::path(&["a.mp3"]))]);
        info.set("files", Value::List(vec![half; 5]));
    });
    refuse_info(&host, "no length", |info| first_file(info).remove("length"));
    refuse_info(&host, "a length in words", |info| first_file(info).set("length", Value::bytes("many")));
}

#[test]
fn piece_lengths_that_cannot_be() {
    let host = Host::start();
    for len in [0, -1, -16_384, i64::from(i32::MAX) + 1, 1 << 32, 1 << 40, i64::MAX, i64::MIN] {
        refuse_info(&host, &format!("pieces of {len}"), |info| info.set("piece length", Value::int(len)));
    }
    // Not what the hashes were made for: their number does not fit.
    for len in [1, 3, 8_191, 32_768, 1 << 30, i64::from(i32::MAX)] {
        refuse_info(&host, &format!("pieces of {len}"), |info| info.set("piece length", Value::int(len)));
    }
    refuse_info(&host, "no piece length", |info| info.remove("piece length"));
}

/// Legal, if odd: played like any other.
#[test]
fn odd_piece_lengths_play() {
    for piece_len in [1000, 16_383, 16_385, 40_000] {
        let host = Host::start();
        let made = v1(b"album", &[File::new(&["a.mp3"], LEN)], piece_len);
        let (_peer, tracker) = made.swarm();
        let stream = host.prepare(None, &made.bytes(Some(&tracker.url())), 0).unwrap();
        assert!(host.get(&stream, None).rest() == made.share.content[..], "{piece_len}");
    }
}

#[test]
fn hashes_that_do_not_fit() {
    let host = Host::start();
    for len in [0, 1, 19, 20, 139, 141, 160, 20_000] {
        refuse_info(&host, &format!("{len} bytes of hashes"), |info| {
            info.set("pieces", Value::Bytes(vec![1; len]))
        });
    }
    refuse_info(&host, "no hashes", |info| info.remove("pieces"));
    refuse_info(&host, "hashes in a list", |info| info.set("pieces", Value::List(vec![])));
}

#[test]
fn shapes_that_are_no_torrent() {
    let host = Host::start();
    refuse_info(&host, "no files", |info| info.set("files", Value::List(vec![])));
    refuse_info(&host, "files of no kind", |info| info.set("files", Value::int(1)));
    refuse_info(&host, "a file without a path", |info| first_file(info).remove("path"));
    refuse_info(&host, "an empty path", |info| first_file(info).set("path", Value::List(vec![])));
    refuse_info(&host, "a path of numbers", |info| {
        first_file(info).set("path", Value::List(vec![Value::int(1)]))
    });
    refuse_info(&host, "no name", |info| info.remove("name"));
    refuse_info(&host, "a name that is a number", |info| info.set("name", Value::int(1)));
    refuse_info(&host, "a version of the future", |info| info.set("meta version", Value::int(3)));
    for (case, bytes) in [
        ("nothing but an end", &b"e"[..]),
        ("an empty dictionary", b"de"),
        ("no info", b"d8:announce3:urle"),
        ("info of no kind", b"d4:infoi1ee"),
        ("an empty info", b"d4:infodee"),
        ("a page", b"<!DOCTYPE html><html></html>"),
        ("a picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        ("a length without end", b"d4:info999999999999999999999999999999:x"),
        ("a length beyond the text", b"d4:info2147483647:xe"),
        ("a negative length", b"d-4:infode"),
        ("one NUL", b"\0"),
    ] {
        refuse(&host, case, bytes);
    }
    let whole = plain().bytes(None);
    for cut in [1, 2, 10, whole.len() / 2, whole.len() - 1] {
        refuse(&host, &format!("the first {cut} bytes"), &whole[..cut]);
    }
}

/// What follows a torrent is not part of it, and an unsorted or doubled key is somebody's odd encoder: taken or refused,
/// but the same each time and without harm.
#[test]
fn what_may_be_taken_is_taken_alike_each_time() {
    let host = Host::start();
    let plain = plain().bytes(None);
    let doubled = {
        let mut torrent = Value::dict([("announce", Value::bytes("x"))]);
        torrent.set("info", Value::Raw(super::numbers::plain().share.info.to_vec()));
        if let Value::Dict(entries) = &mut torrent {
            entries.push((b"info".to_vec(), Value::int(1)));
        }
        torrent.encode()
    };
    for (case, torrent) in [
        ("garbage behind", [&plain[..], b"garbage"].concat()),
        ("a second torrent behind", [&plain[..], &plain[..]].concat()),
        ("a megabyte behind", [&plain[..], &vec![0; 1 << 20]].concat()),
        ("a doubled key", doubled),
    ] {
        let first = host.list(&torrent);
        assert_eq!(host.list(&torrent), first, "{case}");
        if let Err(refused) = first {
            assert_eq!(refused.code, VozduxanError::VOZDUXAN_ERR_BAD_INPUT, "{case}: {refused:?}");
        }
    }
}

#[test]
fn nesting_that_would_break_a_stack() {
    let host = Host::start();
    for depth in [101, 10_000, 4_000_000] {
        refuse(&host, &format!("{depth} lists"), &vec![b'l'; depth]);
        let whole = [vec![b'l'; depth], vec![b'e'; depth]].concat();
        refuse(&host, &format!("{depth} lists with their ends"), &whole);
        refuse(&host, &format!("{depth} dictionaries"), &b"d1:a".repeat(depth.min(2_000_000)));
        refuse_info(&host, &format!("{depth} lists inside"), |info| info.set("x", Value::Raw(whole)));
    }
}

/// BEP 52: what a v2 file tree can say that a v1 list cannot.
#[test]
fn file_trees_that_cannot_be() {
    let host = Host::start();
    let leaf = |len: i64| {
        Value::dict([(
            "",
            Value::dict([("length", Value::int(len)), ("pieces root", Value::Bytes(vec![1; 32]))]),
        )])
    };
    let torrent = |tree: Value, layers: Value| {
        let info = Value::dict([
            ("file tree", tree),
            ("meta version", Value::int(2)),
            ("name", Value::bytes("album")),
            ("piece length", Value::int(16_384)),
        ]);
        Value::dict([("info", info), ("piece layers", layers)]).encode()
    };
    let none = || Value::dict([]);
    for (case, tree) in [
        ("an empty tree", none()),
        ("a tree of no kind", Value::int(1)),
        ("a leaf of no kind", Value::dict([("a.mp3", Value::int(1))])),
        ("an empty leaf", Value::dict([("a.mp3", Value::dict([("", none())]))])),
        ("a negative length", Value::dict([("a.mp3", leaf(-1))])),
        ("a length of 2^62", Value::dict([("a.mp3", leaf(1 << 62))])),
        ("a sum beyond 63 bits", Value::dict([("a.mp3", leaf(i64::MAX)), ("b.mp3", leaf(i64::MAX))])),
        ("a root of 31 bytes", {
            let facts = Value::dict([("length", Value::int(9)), ("pieces root", Value::Bytes(vec![1; 31]))]);
            Value::dict([("a.mp3", Value::dict([("", facts)]))])
        }),
        ("no root", Value::dict([("a.mp3", Value::dict([("", Value::dict([("length", Value::int(9))]))]))])),
        ("no name at all", leaf(9)),
        ("300 folders deep", (0..300).fold(leaf(9), |tree, _| Value::dict([("d", tree)]))),
    ] {
        refuse(&host, case, &torrent(tree, none()));
    }
    // A layer of the wrong length. (One that does not hash to its root is dropped, and peers are asked for it.)
    let layers = Value::Dict(vec![(vec![1; 32], Value::Bytes(vec![2; 63]))]);
    refuse(&host, "a layer that is short", &torrent(Value::dict([("a.mp3", leaf(30_000))]), layers));
}

/// 20,000 files, 10,000 folders, a path of 2,000 names: large, not wrong. Listed whole, for bounded memory.
#[test]
fn many_files_and_folders_fit_into_memory() {
    alone("numbers::many_files_and_folders_fit_into_memory", || {
        let host = Host::start();
        let peak = Peak::start();
        let files: Vec<File> = (0..20_000).map(|n| File::new(&[format!("{n:05}.mp3")], 10)).collect();
        assert_eq!(host.list(&v1(b"many files", &files, PIECE).bytes(None)).unwrap().len(), 20_000);
        let folders: Vec<File> =
            (0..10_000).map(|n| File::new(&[format!("d{n:05}"), "a.mp3".into()], 10)).collect();
        let made = v1(b"many folders", &folders, PIECE);
        let (_peer, tracker) = made.swarm();
        let torrent = made.bytes(Some(&tracker.url()));
        assert_eq!(host.list(&torrent).unwrap().len(), 10_000);
        // One of them is played: the other 9,999 folders are nobody's business.
        let stream = host.prepare(None, &torrent, 5000).unwrap();
        assert!(host.get(&stream, None).rest() == made.share.content[50_000..50_010]);
        host.release(&stream);
        let deep = File::new(&vec!["d"; 2000], 10);
        assert!(host.list(&v1(b"deep", &[deep], PIECE).bytes(None)).is_ok());
        let grown = peak.grown();
        println!("20,000 files and 10,000 folders: {} MB", grown >> 20);
        assert!(grown < MEMORY, "{} MB", grown >> 20);
        host.assert_contained("many");
    });
}

/// As large as a hostile page can make it.
#[test]
fn a_torrent_beyond_all_measure_is_refused_cheaply() {
    alone("numbers::a_torrent_beyond_all_measure_is_refused_cheaply", || {
        let host = Host::start();
        let huge = {
            let mut made = plain();
            made.info.set("x", Value::Bytes(vec![b'x'; 64 << 20]));
            Made {
                share: vozduxan_swarm::raw::Share { info: made.info.encode().into(), ..made.share },
                ..made
            }
        }
        .bytes(None);
        let tokens = [b"d4:info".to_vec(), b"le".repeat(4_000_000)].concat();
        let integers = [b"d4:infol".to_vec(), b"i1e".repeat(3_000_000), b"ee".to_vec()].concat();
        let pieces = plain()
            .changed(|info| {
                info.set("pieces", Value::Bytes(vec![1; 20 * 499_000]));
                info.set(
                    "files",
                    Value::List(vec![Value::dict([
                        ("length", Value::int(499_000_i64 * i64::from(PIECE) + 1)),
                        ("path", Value::path(&["a.mp3"])),
                    ])]),
                );
            })
            .bytes(None);
        let peak = Peak::start();
        for (case, torrent) in [
            ("64 MB", &huge),
            ("four million lists", &tokens),
            ("three million numbers", &integers),
            ("a piece too many", &pieces),
        ] {
            refuse(&host, case, torrent);
        }
        let grown = peak.grown();
        println!("refusing 64 MB, four million lists, half a million pieces: {} MB", grown >> 20);
        assert!(grown < MEMORY, "{} MB", grown >> 20);
    });
}
