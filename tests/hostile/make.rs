//! Torrents put together by hand, right but for what a test wants wrong.

use std::path::Path;
use std::sync::Arc;

use sha1::{Digest, Sha1};
use vozduxan_swarm::audio::Noise;
use vozduxan_swarm::bencode::Value;
use vozduxan_swarm::raw::{RawPeer, Share};
use vozduxan_swarm::tracker::Tracker;

/// One entry of a v1 torrent's file list.
pub struct File {
    pub path: Vec<Vec<u8>>,
    pub len: usize,
    pub extra: Vec<(&'static str, Value)>,
}

impl File {
    pub fn new<T: AsRef<[u8]>>(path: &[T], len: usize) -> Self {
        Self { path: path.iter().map(|part| part.as_ref().to_vec()).collect(), len, extra: Vec::new() }
    }

    pub fn with(mut self, key: &'static str, value: Value) -> Self {
        self.extra.push((key, value));
        self
    }
}

/// A torrent and the bytes it promises.
pub struct Made {
    pub info: Value,
    pub share: Share,
}

/// A v1 torrent whose hashes are right.
pub fn v1(name: &[u8], files: &[File], piece_len: u32) -> Made {
    let total: usize = files.iter().map(|file| file.len).sum();
    let content = Noise::new(7).bytes(total);
    let list = files.iter().map(|file| {
        let mut entry = Value::dict([
            ("length", Value::int(file.len)),
            ("path", Value::List(file.path.iter().map(Value::bytes).collect())),
        ]);
        file.extra.iter().for_each(|(key, value)| entry.set(key, value.clone()));
        entry
    });
    let info = Value::dict([
        ("files", Value::List(list.collect())),
        ("name", Value::bytes(name)),
        ("piece length", Value::int(piece_len)),
        ("pieces", Value::Bytes(hashes(&content, piece_len))),
    ]);
    Made::new(info, content, piece_len)
}

/// A v1 torrent of one file, its name being the torrent's.
pub fn single(name: &[u8], len: usize, piece_len: u32) -> Made {
    let mut made = v1(name, &[File::new(&["x"], len)], piece_len);
    made.info.remove("files");
    made.info.set("length", Value::int(len));
    made.sort();
    made
}

fn hashes(content: &[u8], piece_len: u32) -> Vec<u8> {
    content.chunks(piece_len as usize).flat_map(|piece| Sha1::digest(piece).to_vec()).collect()
}

impl Made {
    fn new(info: Value, content: Vec<u8>, piece_len: u32) -> Self {
        let bytes = info.encode();
        Self { info, share: Share { content: Arc::new(content), piece_len, info: Arc::new(bytes) } }
    }

    /// The same with another info dictionary; what it promises stays.
    pub fn changed(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.info);
        self.sort();
        self
    }

    fn sort(&mut self) {
        if let Value::Dict(entries) = &mut self.info {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
        }
        self.share.info = Arc::new(self.info.encode());
    }

    pub fn info_hash(&self) -> [u8; 20] {
        Sha1::digest(&*self.share.info).into()
    }

    /// The .torrent, with an announce URL if one is given.
    pub fn bytes(&self, announce: Option<&str>) -> Vec<u8> {
        let mut torrent = Value::dict([]);
        if let Some(url) = announce {
            torrent.set("announce", Value::bytes(url));
        }
        torrent.set("info", Value::Raw(self.share.info.to_vec()));
        torrent.encode()
    }

    /// An honest peer that serves it, and a tracker that knows the peer.
    pub fn swarm(&self) -> (RawPeer, Tracker) {
        let peer = RawPeer::honest(self.info_hash(), self.share.clone()).expect("a peer");
        let tracker = Tracker::start().expect("a tracker");
        tracker.set_peers(self.info_hash(), vec![peer.address()]);
        (peer, tracker)
    }
}

/// All names at and below a folder with their lengths, or where links lead; sorted.
pub fn tree(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![root.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            let facts = std::fs::symlink_metadata(&path).expect("an entry");
            let name = path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
            if facts.is_symlink() {
                found.push(format!("{name} -> {}", std::fs::read_link(&path).expect("a link").display()));
            } else if facts.is_dir() {
                found.push(format!("{name}/"));
                todo.push(path);
            } else {
                found.push(format!("{name} {}", facts.len()));
            }
        }
    }
    found.sort();
    found
}
