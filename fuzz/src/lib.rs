//! What the fuzz targets share: torrents that are nearly right.
//!
//! libtorrent is a library of the system and not instrumented, so random bytes never get past its first check. The
//! targets that reach it therefore start from a torrent that is right and take it apart value by value.

#[path = "../../swarm/src/bencode.rs"]
pub mod bencode;

use arbitrary::{Arbitrary, Result, Unstructured};
use bencode::Value;

/// A v1 torrent of three small files.
pub fn v1() -> Value {
    let file =
        |len: u32, path: &[&str]| Value::dict([("length", Value::int(len)), ("path", Value::path(path))]);
    let files = Value::List(vec![
        file(40_000, &["disc 1", "01.flac"]),
        file(0, &["empty.log"]),
        file(25_000, &["disc 2", "01.flac"]),
    ]);
    Value::dict([
        ("announce", Value::bytes("http://127.0.0.1:1/announce")),
        (
            "info",
            Value::dict([
                ("files", files),
                ("name", Value::bytes("album")),
                ("piece length", Value::int(32_768)),
                ("pieces", Value::Bytes(vec![7; 40])),
            ]),
        ),
    ])
}

/// A v2 torrent of two files, with its piece layers.
pub fn v2() -> Value {
    let leaf = |len: u32, root: u8| {
        let facts = Value::dict([("length", Value::int(len)), ("pieces root", Value::Bytes(vec![root; 32]))]);
        Value::dict([("", facts)])
    };
    let tree = Value::dict([("a.flac", leaf(10_000, 1)), ("d", Value::dict([("b.flac", leaf(16_000, 2))]))]);
    Value::dict([
        (
            "info",
            Value::dict([
                ("file tree", tree),
                ("meta version", Value::int(2)),
                ("name", Value::bytes("album")),
                ("piece length", Value::int(16_384)),
            ]),
        ),
        ("piece layers", Value::dict([])),
    ])
}

/// Resume data as libtorrent writes it, with the metadata in it.
pub fn resume() -> Value {
    let mut value = Value::dict([
        ("file-format", Value::bytes("libtorrent resume file")),
        ("file-version", Value::int(1)),
        ("info-hash", Value::Bytes(vec![5; 20])),
        ("name", Value::bytes("album")),
        ("save_path", Value::bytes("/tmp/x")),
        ("pieces", Value::Bytes(vec![1; 2])),
        ("file_priority", Value::List(vec![Value::int(4); 3])),
        ("piece_priority", Value::Bytes(vec![4; 2])),
        ("mapped_files", Value::path(&["album/a", "album/b", "album/c"])),
        ("trackers", Value::List(vec![Value::path(&["http://127.0.0.1:1/announce"])])),
        ("peers", Value::Bytes(vec![127, 0, 0, 1, 0, 9])),
        ("unfinished", Value::List(vec![])),
    ]);
    if let Some(info) = v1().get("info") {
        value.set("info", info.clone());
    }
    value
}

/// Takes a value apart as `input` says, and encodes it; sometimes flips bytes of the result.
pub fn disturb(mut value: Value, input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    for _ in 0..input.int_in_range(0..=6)? {
        let count = value.count();
        let Some(place) = value.nth_mut(input.choose_index(count)?) else { continue };
        change(place, input)?;
    }
    let mut bytes = value.encode();
    match input.int_in_range(0..=7)? {
        0 => bytes.truncate(input.choose_index(bytes.len().max(1))?),
        1 if !bytes.is_empty() => {
            let at = input.choose_index(bytes.len())?;
            bytes[at] = input.arbitrary()?;
        }
        2 => bytes.extend_from_slice(input.arbitrary::<&[u8]>()?),
        _ => {}
    }
    Ok(bytes)
}

/// Names that have done harm somewhere.
const NAMES: [&[u8]; 16] = [
    b"..",
    b".",
    b"",
    b"/",
    b"../../x",
    b"/etc/passwd",
    b"a/b",
    b"a\\b",
    b"\0",
    b"CON",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"a\nb",
    b"\xe2\x80\xae",
    b" ",
    b".vozduxan",
];

const KEYS: [&str; 24] = [
    "",
    "attr",
    "symlink path",
    "length",
    "path",
    "path.utf-8",
    "name.utf-8",
    "name",
    "files",
    "file tree",
    "piece length",
    "pieces",
    "pieces root",
    "meta version",
    "private",
    "info",
    "piece layers",
    "md5sum",
    "ssl-cert",
    "similar",
    "collections",
    "url-list",
    "nodes",
    "announce-list",
];

fn change(place: &mut Value, input: &mut Unstructured<'_>) -> Result<()> {
    match input.int_in_range(0..=9)? {
        0 => *place = Value::Int(input.arbitrary::<i64>()?.to_string()),
        1 => {
            let edge = [0, -1, 1, i64::MAX, i64::MIN, 1 << 62, 1 << 31, 16_383, 16_384, u32::MAX.into()];
            *place = Value::int(*input.choose(&edge)?);
        }
        2 => *place = Value::bytes(input.choose(&NAMES)?),
        3 => *place = Value::Bytes(input.arbitrary()?),
        4 => *place = Value::List(vec![place.clone(); input.int_in_range(0..=40)?]),
        5 => {
            let key = *input.choose(&KEYS)?;
            let value = arbitrary_value(input, 3)?;
            if let Value::Dict(entries) = place {
                entries.push((key.as_bytes().to_vec(), value));
            } else {
                *place = Value::Dict(vec![(key.as_bytes().to_vec(), value)]);
            }
        }
        6 => match place {
            Value::Dict(entries) if !entries.is_empty() => {
                let at = input.choose_index(entries.len())?;
                entries.remove(at);
            }
            Value::List(values) if !values.is_empty() => {
                let at = input.choose_index(values.len())?;
                values.remove(at);
            }
            _ => *place = Value::Raw(Vec::new()),
        },
        7 => match place {
            Value::Dict(entries) if !entries.is_empty() => {
                let at = input.choose_index(entries.len())?;
                entries[at].0 = input.choose(&NAMES)?.to_vec();
            }
            Value::List(values) if !values.is_empty() => values.push(values[0].clone()),
            _ => *place = Value::dict([("", place.clone())]),
        },
        8 => *place = Value::Raw(input.arbitrary()?),
        _ => {
            for _ in 0..input.int_in_range(0..=150)? {
                *place = Value::List(vec![place.clone()]);
            }
        }
    }
    Ok(())
}

fn arbitrary_value(input: &mut Unstructured<'_>, depth: u32) -> Result<Value> {
    Ok(match input.int_in_range(0..=if depth == 0 { 2 } else { 4 })? {
        0 => Value::int(i64::arbitrary(input)?),
        1 => Value::bytes(input.choose(&NAMES)?),
        2 => Value::Bytes(input.arbitrary()?),
        3 => {
            let mut values = Vec::new();
            for _ in 0..input.int_in_range(0..=4)? {
                values.push(arbitrary_value(input, depth - 1)?);
            }
            Value::List(values)
        }
        _ => {
            let mut entries = Vec::new();
            for _ in 0..input.int_in_range(0..=4)? {
                entries.push((input.choose(&KEYS)?.as_bytes().to_vec(), arbitrary_value(input, depth - 1)?));
            }
            Value::Dict(entries)
        }
    })
}
