//! Torrents made from folders, as bytes: v1, v2 and hybrid, with the facts a test needs beside them.

use crate::bridge::ffi;
use std::{
    fmt::Write as _,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Which hashes a torrent carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SHA-1 over pieces that run across files (BEP 3).
    V1,
    /// SHA-256 trees per file (BEP 52).
    V2,
    /// Both; files are padded to piece borders.
    Hybrid,
}

/// How a torrent is made.
#[derive(Debug, Clone)]
pub struct TorrentSpec {
    /// Which hashes.
    pub kind: Kind,
    /// Piece length in bytes: a power of two from 16 KiB on.
    pub piece_len: u32,
    /// Announce URLs, one tier each.
    pub trackers: Vec<String>,
    /// Forbids peers from anywhere but the trackers (BEP 27).
    pub private: bool,
}

impl Default for TorrentSpec {
    /// A hybrid torrent with 256 KiB pieces.
    fn default() -> Self {
        Self { kind: Kind::Hybrid, piece_len: 256 * 1024, trackers: Vec::new(), private: false }
    }
}

/// One entry of a torrent's file list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorrentFile {
    /// Path inside the torrent; its first component is the torrent's name.
    pub path: PathBuf,
    /// Where the file begins in the torrent's byte space.
    pub torrent_offset: u64,
    /// Length in bytes.
    pub len: u64,
    /// Filler between files, not content (BEP 47).
    pub pad: bool,
}

/// A finished torrent.
#[derive(Debug, Clone)]
pub struct Torrent {
    /// The .torrent file.
    pub bytes: Vec<u8>,
    /// The torrent's name: its folder, or its only file.
    pub name: String,
    /// SHA-1 of the info dictionary, unless the torrent is v2 only.
    pub v1: Option<[u8; 20]>,
    /// SHA-256 of the info dictionary, unless the torrent is v1 only.
    pub v2: Option<[u8; 32]>,
    /// Piece length in bytes.
    pub piece_len: u32,
    /// Length of all files, pad files included.
    pub total_len: u64,
    /// Length of the info dictionary: what a magnet link's user has to fetch first.
    pub info_len: u64,
    /// All files in the torrent's order, pad files included: the position in this list is libtorrent's file index.
    pub files: Vec<TorrentFile>,
}

/// What a magnet link says beside the hashes.
#[derive(Debug, Clone, Default)]
pub struct MagnetSpec {
    /// Leaves the v1 hash out of a hybrid torrent's link.
    pub without_v1: bool,
    /// Leaves the v2 hash out of a hybrid torrent's link.
    pub without_v2: bool,
    /// `tr=`: announce URLs.
    pub trackers: Vec<String>,
    /// `x.pe=`: addresses of peers (BEP 9).
    pub peers: Vec<SocketAddr>,
}

impl Torrent {
    /// Makes a torrent of `root`, a folder or a file. Files are taken in the order of their paths' bytes.
    ///
    /// # Errors
    /// When files cannot be read, or libtorrent refuses (piece length, no content).
    pub fn make(root: &Path, spec: &TorrentSpec) -> io::Result<Self> {
        let parent = root.parent().ok_or_else(|| invalid(root, "has no parent folder"))?;
        let name = root.file_name().ok_or_else(|| invalid(root, "has no name"))?;
        let mut paths = Vec::new();
        list(parent, Path::new(name), &mut paths)?;
        paths.sort();
        Self::make_ordered(parent, &paths, spec)
    }

    /// Makes a torrent of the files `paths` (relative to `parent`, all below one folder) in the order given.
    ///
    /// # Errors
    /// As [`Torrent::make`]. libtorrent sorts the files of v2 and hybrid torrents.
    pub fn make_ordered(parent: &Path, paths: &[PathBuf], spec: &TorrentSpec) -> io::Result<Self> {
        let mut files = Vec::new();
        for path in paths {
            let len = fs::metadata(parent.join(path))?.len();
            files.push(ffi::InputFile { path: text(path)?, len });
        }
        let spec = ffi::MakeSpec {
            parent: text(parent)?,
            files,
            piece_len: spec.piece_len,
            v1: spec.kind != Kind::V2,
            v2: spec.kind != Kind::V1,
            trackers: spec.trackers.clone(),
            private_flag: spec.private,
        };
        let bytes =
            ffi::make_torrent(&spec).map_err(|e| io::Error::other(format!("making a torrent: {e}")))?;
        Self::read(bytes)
    }

    /// Reads a .torrent file's bytes.
    ///
    /// # Errors
    /// When libtorrent does not understand them.
    pub fn read(bytes: Vec<u8>) -> io::Result<Self> {
        let facts =
            ffi::torrent_facts(&bytes).map_err(|e| io::Error::other(format!("reading a torrent: {e}")))?;
        let files = facts.files.into_iter().map(|file| TorrentFile {
            path: PathBuf::from(file.path),
            torrent_offset: file.offset,
            len: file.len,
            pad: file.pad,
        });
        Ok(Self {
            files: files.collect(),
            name: facts.name,
            v1: facts.v1.try_into().ok(),
            v2: facts.v2.try_into().ok(),
            piece_len: facts.piece_len,
            total_len: facts.total_len,
            info_len: facts.info_len,
            bytes,
        })
    }

    /// The hashes that trackers and handshakes use, 20 bytes each: v1, and the first 20 bytes of v2 (BEP 52).
    pub fn announced_hashes(&self) -> Vec<[u8; 20]> {
        let v2 = self.v2.map(|hash| hash[..20].try_into().expect("32 bytes have a first 20"));
        self.v1.into_iter().chain(v2).collect()
    }

    /// A magnet link: `urn:btih` (v1), `urn:btmh` (v2, with the multihash prefix 1220), or both.
    pub fn magnet(&self, spec: &MagnetSpec) -> String {
        let mut out = String::from("magnet:?");
        if let Some(hash) = self.v1.filter(|_| !spec.without_v1) {
            let _ = write!(out, "xt=urn:btih:{}&", hex(&hash));
        }
        if let Some(hash) = self.v2.filter(|_| !spec.without_v2) {
            let _ = write!(out, "xt=urn:btmh:1220{}&", hex(&hash));
        }
        let _ = write!(out, "dn={}", percent(&self.name));
        for url in &spec.trackers {
            let _ = write!(out, "&tr={}", percent(url));
        }
        for peer in &spec.peers {
            let _ = write!(out, "&x.pe={peer}");
        }
        out
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Everything but RFC 3986's unreserved characters as `%xx`.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Collects the files at and below `parent/path`, as paths relative to `parent`.
pub(crate) fn list(parent: &Path, path: &Path, out: &mut Vec<PathBuf>) -> io::Result<()> {
    let full = parent.join(path);
    if !full.is_dir() {
        fs::metadata(&full).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", full.display())))?;
        out.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(&full)? {
        list(parent, &path.join(entry?.file_name()), out)?;
    }
    Ok(())
}

fn text(path: &Path) -> io::Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| invalid(path, "is not UTF-8"))
}

fn invalid(path: &Path, what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{} {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("Альбом & co");
        fs::create_dir_all(root.join("Диск 1")).unwrap();
        fs::write(root.join("Диск 1/01.flac"), vec![1; 40_000]).unwrap();
        fs::write(root.join("empty.log"), b"").unwrap();
        fs::write(root.join("z.cue"), b"cue").unwrap();
        dir
    }

    #[test]
    fn the_three_kinds_carry_their_hashes() {
        let dir = folder();
        for (kind, v1, v2) in [(Kind::V1, true, false), (Kind::V2, false, true), (Kind::Hybrid, true, true)] {
            let spec = TorrentSpec { kind, piece_len: 16 * 1024, ..TorrentSpec::default() };
            let torrent = Torrent::make(&dir.path().join("Альбом & co"), &spec).unwrap();
            assert_eq!((torrent.v1.is_some(), torrent.v2.is_some()), (v1, v2));
            assert_eq!(torrent.name, "Альбом & co");
            assert_eq!(torrent.files.iter().filter(|file| !file.pad).count(), 3);
            // BEP 52 aligns files; libtorrent shows the gaps as pad files.
            assert_eq!(torrent.files.iter().any(|file| file.pad), v2);
            assert_eq!(torrent.announced_hashes().len(), usize::from(v1) + usize::from(v2));
            // Same files, same bytes.
            assert_eq!(Torrent::make(&dir.path().join("Альбом & co"), &spec).unwrap().bytes, torrent.bytes);
        }
    }

    #[test]
    fn magnets_name_hashes_trackers_and_peers() {
        let dir = folder();
        let torrent = Torrent::make(&dir.path().join("Альбом & co"), &TorrentSpec::default()).unwrap();
        let both = torrent.magnet(&MagnetSpec {
            trackers: vec!["http://127.0.0.1:1/announce".into()],
            peers: vec![SocketAddr::from(([127, 1, 2, 3], 4))],
            ..MagnetSpec::default()
        });
        assert!(both.contains(&format!("xt=urn:btih:{}&", hex(&torrent.v1.unwrap()))));
        assert!(both.contains(&format!("xt=urn:btmh:1220{}&", hex(&torrent.v2.unwrap()))));
        assert!(both.contains("%20%26%20co&"));
        assert!(both.ends_with("&tr=http%3A%2F%2F127.0.0.1%3A1%2Fannounce&x.pe=127.1.2.3:4"));
        let v2 = torrent.magnet(&MagnetSpec { without_v1: true, ..MagnetSpec::default() });
        assert!(!v2.contains("btih") && v2.contains("btmh"));
    }

    #[test]
    fn a_missing_folder_is_named_in_the_error() {
        let error = Torrent::make(Path::new("/nonexistent/album"), &TorrentSpec::default()).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/album"), "{error}");
    }
}
