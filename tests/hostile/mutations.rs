//! Torrents that were right once: flipped, cut, and taken apart value by value. Whatever comes of it, the engine answers,
//! keeps to its storage, and goes on.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use vozduxan::abi::VozduxanError;
use vozduxan_swarm::bencode::Value;

use super::attack_seconds;
use super::host::Host;
use super::make::{File, v1};

#[derive(Clone, Debug)]
enum Mutation {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    /// A value, counted depth first, becomes another one.
    Number(usize, i64),
    Text(usize, Vec<u8>),
    Repeat(usize, usize),
    Wrap(usize, usize),
    Drop(usize, usize),
    Key(usize, usize, Vec<u8>),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let text = || {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            prop::sample::select(vec![
                "..",
                "/",
                "",
                "\0",
                "attr",
                "symlink path",
                "path.utf-8",
                "private",
                "meta version",
                "file tree",
                "pieces root",
                "CON",
                "\u{202e}"
            ])
            .prop_map(|text| text.as_bytes().to_vec()),
        ]
    };
    let edge = prop_oneof![
        any::<i64>(),
        -3..70_000_i64,
        prop::sample::select(vec![i64::MAX, i64::MIN, 1 << 62, 1 << 31])
    ];
    prop_oneof![
        2 => (any::<usize>(), any::<u8>()).prop_map(|(at, by)| Mutation::Flip(at, by)),
        1 => any::<usize>().prop_map(Mutation::Cut),
        1 => (any::<usize>(), text()).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        4 => (any::<usize>(), edge).prop_map(|(at, number)| Mutation::Number(at, number)),
        4 => (any::<usize>(), text()).prop_map(|(at, bytes)| Mutation::Text(at, bytes)),
        2 => (any::<usize>(), 0..60_usize).prop_map(|(at, times)| Mutation::Repeat(at, times)),
        1 => (any::<usize>(), 0..200_usize).prop_map(|(at, depth)| Mutation::Wrap(at, depth)),
        3 => (any::<usize>(), any::<usize>()).prop_map(|(at, which)| Mutation::Drop(at, which)),
        3 => (any::<usize>(), any::<usize>(), text()).prop_map(|(at, which, key)| Mutation::Key(at, which, key)),
    ]
}

fn apply(torrent: Vec<u8>, mutation: &Mutation) -> Vec<u8> {
    let mut bytes = torrent;
    if let Mutation::Flip(..) | Mutation::Cut(_) | Mutation::Insert(..) = mutation {
        let len = bytes.len().max(1);
        match mutation {
            Mutation::Flip(at, by) => bytes.iter_mut().skip(at % len).take(1).for_each(|byte| *byte ^= by),
            Mutation::Cut(at) => bytes.truncate(at % len),
            Mutation::Insert(at, text) => {
                let at = at % len;
                bytes.splice(at.min(bytes.len())..at.min(bytes.len()), text.iter().copied());
            }
            _ => {}
        }
        return bytes;
    }
    let Some((mut value, _)) = Value::decode(&bytes) else { return bytes };
    let count = value.count();
    let at = |at: &usize| at % count;
    match mutation {
        Mutation::Number(n, number) => {
            value.nth_mut(at(n)).into_iter().for_each(|it| *it = Value::int(number))
        }
        Mutation::Text(n, text) => value.nth_mut(at(n)).into_iter().for_each(|it| *it = Value::bytes(text)),
        Mutation::Repeat(n, times) => {
            value.nth_mut(at(n)).into_iter().for_each(|it| *it = Value::List(vec![it.clone(); *times]));
        }
        Mutation::Wrap(n, depth) => value.nth_mut(at(n)).into_iter().for_each(|it| {
            for _ in 0..*depth {
                *it = Value::List(vec![it.clone()]);
            }
        }),
        Mutation::Drop(n, which) => match value.nth_mut(at(n)) {
            Some(Value::Dict(entries)) if !entries.is_empty() => drop(entries.remove(which % entries.len())),
            Some(Value::List(values)) if !values.is_empty() => drop(values.remove(which % values.len())),
            _ => {}
        },
        Mutation::Key(n, which, key) => {
            if let Some(Value::Dict(entries)) = value.nth_mut(at(n))
                && !entries.is_empty()
            {
                let which = which % entries.len();
                entries[which].0.clone_from(key);
            }
        }
        _ => {}
    }
    value.encode()
}

fn seeds() -> Vec<Vec<u8>> {
    let plain = v1(b"album", &[File::new(&["cd", "a.mp3"], 50_000), File::new(&["b.mp3"], 0)], 16 * 1024);
    let leaf = |len: u32| {
        Value::dict([(
            "",
            Value::dict([("length", Value::int(len)), ("pieces root", Value::Bytes(vec![1; 32]))]),
        )])
    };
    let info = Value::dict([
        ("file tree", Value::dict([("a.mp3", leaf(9000)), ("cd", Value::dict([("b.mp3", leaf(16_000))]))])),
        ("meta version", Value::int(2)),
        ("name", Value::bytes("album")),
        ("piece length", Value::int(16_384)),
    ]);
    let v2 = Value::dict([("info", info), ("piece layers", Value::dict([]))]);
    vec![plain.bytes(Some("http://127.0.0.1:1/announce")), v2.encode()]
}

#[test]
fn the_seeds_are_taken_as_they_are() {
    let host = Host::start();
    for seed in seeds() {
        // Of v2, libtorrent shows the gaps between files too.
        assert!(host.list(&seed).unwrap().len() >= 2);
    }
}

#[test]
fn whatever_is_done_to_a_torrent_it_is_answered() {
    let host = Host::start();
    let seeds = seeds();
    let story = (0..seeds.len(), prop::collection::vec(mutation(), 1..6));
    let mut runner = TestRunner::new(Config { cases: 1500, ..Config::default() });
    let until = Instant::now() + Duration::from_secs(attack_seconds());
    loop {
        let outcome = runner.run(&story, |(seed, mutations)| {
            let torrent = mutations.iter().fold(seeds[seed].clone(), apply);
            match host.list(&torrent) {
                Ok(files) => prop_assert!(files.iter().all(|(_, len)| *len >= 0)),
                Err(refused) => {
                    prop_assert_eq!(
                        refused.code,
                        VozduxanError::VOZDUXAN_ERR_BAD_INPUT,
                        "{}",
                        refused.message
                    );
                    prop_assert!(!refused.message.is_empty());
                }
            }
            // A file that is not there: answered without waiting for a swarm.
            let prepared = host.prepare(None, &torrent, i32::MAX).map(|stream| stream.len);
            let code = prepared.map_err(|refused| refused.code);
            let refused = [VozduxanError::VOZDUXAN_ERR_BAD_INPUT, VozduxanError::VOZDUXAN_ERR_INVALID_FILE];
            prop_assert!(code.as_ref().is_err_and(|code| refused.contains(code)), "{:?}", code);
            Ok::<_, TestCaseError>(())
        });
        outcome.unwrap_or_else(|error| panic!("{error}\n{}", host.log()));
        if Instant::now() >= until {
            break;
        }
    }
    host.assert_contained("mutations");
}
