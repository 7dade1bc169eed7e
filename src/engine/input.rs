//! What a caller gave -> which torrent is meant. Runs on the caller's thread: parsing never delays playback.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::bridge::{self, Metadata};
use crate::schedule::layout::Layout;
use crate::units::InfoHash;

use super::Error;

/// What to open. Torrent bytes win over the magnet when both are given.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// A magnet URI (BEP 9), if given.
    pub magnet: Option<&'a str>,
    /// The bytes of a .torrent file, if given.
    pub torrent: Option<&'a [u8]>,
}

/// The identity of a torrent as far as it is known: a magnet of a hybrid torrent may name one hash only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hashes {
    /// BEP 3.
    pub v1: Option<[u8; 20]>,
    /// BEP 52.
    pub v2: Option<[u8; 32]>,
}

impl Hashes {
    fn from_wire(v1: &[u8], v2: &[u8]) -> Self {
        Self { v1: v1.try_into().ok(), v2: v2.try_into().ok() }
    }

    /// Whether both name the same torrent.
    pub fn same(&self, other: &Self) -> bool {
        self.v1.is_some() && self.v1 == other.v1 || self.v2.is_some() && self.v2 == other.v2
    }

    /// The second hash as a name, where there are two.
    pub fn second(&self) -> Option<InfoHash> {
        let v2 = self.v1.and(self.v2)?;
        Some(InfoHash(std::array::from_fn(|i| v2[i])))
    }

    /// The name on disk and in entity tags.
    pub fn key(&self) -> InfoHash {
        match (self.v1, self.v2) {
            (Some(v1), _) => InfoHash(v1),
            (None, Some(v2)) => InfoHash(std::array::from_fn(|i| v2[i])),
            (None, None) => InfoHash([0; 20]),
        }
    }
}

/// A torrent's metadata, ready for use.
#[derive(Debug)]
pub struct Meta {
    /// As the bridge read it.
    pub info: Metadata,
    /// Pieces and blocks.
    pub layout: Layout,
}

impl Meta {
    /// # Errors
    /// `BadInput` when the numbers cannot be those of a torrent.
    pub fn new(mut info: Metadata) -> Result<Self, Error> {
        let impossible = || Error::BadInput("the torrent's piece length and size do not fit together".into());
        let layout = Layout::new(info.piece_length, info.total_length).ok_or_else(impossible)?;
        let outside = |file: &bridge::FileInfo| {
            file.offset.checked_add(file.length).is_none_or(|end| end > info.total_length)
        };
        if layout.pieces() != info.piece_count || info.files.iter().any(outside) {
            return Err(impossible());
        }
        info.files.iter_mut().for_each(|file| make_printable(&mut file.path));
        Ok(Self { info, layout })
    }

    /// Where libtorrent writes, below the save path: links and padding left out.
    pub fn data_files(&self) -> impl Iterator<Item = &str> {
        let files = self.info.files.iter().filter(|file| !file.symlink && !file.pad);
        files.map(|file| file.disk_path.as_str())
    }

    /// Both hashes.
    pub fn hashes(&self) -> Hashes {
        Hashes::from_wire(&self.info.v1, &self.info.v2)
    }
}

/// Hosts show names, and logs end in terminals, which obey what is left of control characters when libtorrent has cleaned
/// a name (DEL, and U+009B, which begins a command). The name on disk stays as it is.
fn make_printable(path: &mut String) {
    if path.contains(char::is_control) {
        *path = path.replace(char::is_control, "_");
    }
}

/// Which torrent, and all the caller gave about it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Who it is.
    pub hashes: Hashes,
    /// The magnet URI, when there are no torrent bytes.
    pub magnet: Option<String>,
    /// The .torrent file.
    pub torrent: Option<Vec<u8>>,
    /// What the .torrent file says.
    pub meta: Option<Arc<Meta>>,
    /// URLs of the trackers that the magnet or the .torrent file names.
    pub trackers: Vec<String>,
    /// Peers that the magnet names.
    pub peers: Vec<SocketAddr>,
}

impl Source {
    /// # Errors
    /// `BadInput` with libtorrent's reason.
    pub fn parse(input: Input<'_>) -> Result<Self, Error> {
        if let Some(bytes) = input.torrent {
            let info = bridge::inspect_torrent(bytes)
                .map_err(|why| Error::BadInput(format!("not a usable .torrent file: {why}")))?;
            let meta = Meta::new(info)?;
            let hashes = meta.hashes();
            let trackers = meta.info.trackers.clone();
            return Ok(Self {
                hashes,
                trackers,
                peers: Vec::new(),
                magnet: None,
                torrent: Some(bytes.to_vec()),
                meta: Some(Arc::new(meta)),
            });
        }
        let Some(uri) = input.magnet else {
            return Err(Error::BadInput("no magnet URI and no torrent data were given".into()));
        };
        let magnet = bridge::inspect_magnet(uri)
            .map_err(|why| Error::BadInput(format!("not a usable magnet URI: {why}")))?;
        let hashes = Hashes::from_wire(&magnet.v1, &magnet.v2);
        if hashes == Hashes::default() {
            return Err(Error::BadInput(
                "the magnet URI names no BitTorrent info-hash (xt=urn:btih: or urn:btmh:)".into(),
            ));
        }
        let (trackers, peers) = (magnet.trackers, magnet.peers);
        Ok(Self { hashes, magnet: Some(uri.to_owned()), torrent: None, meta: None, trackers, peers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(input: Input<'_>, part: &str) {
        match Source::parse(input) {
            Err(Error::BadInput(text)) => assert!(text.contains(part), "{text}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bad_input_says_what_is_wrong() {
        refused(Input { magnet: None, torrent: None }, "no magnet URI and no torrent data");
        refused(Input { magnet: Some("http://example.org/"), torrent: None }, "not a usable magnet URI");
        refused(Input { magnet: Some("magnet:?dn=only+a+name"), torrent: None }, "magnet");
        refused(Input { magnet: None, torrent: Some(b"<html>") }, "not a usable .torrent file");
    }

    #[test]
    fn names_carry_no_commands_for_terminals() {
        for (name, shown) in
            [("a/b.mp3", "a/b.mp3"), ("\u{9b}2Ja\u{7f}.mp3", "_2Ja_.mp3"), ("é\u{202e}", "é\u{202e}")]
        {
            let mut path = name.to_owned();
            make_printable(&mut path);
            assert_eq!(path, shown);
        }
    }

    #[test]
    fn a_magnet_names_its_torrent() {
        let uri = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567";
        let source = Source::parse(Input { magnet: Some(uri), torrent: None }).expect("valid");
        assert_eq!(source.hashes.key().to_string(), "0123456789abcdef0123456789abcdef01234567");
        assert!(source.trackers.is_empty() && source.peers.is_empty());
    }

    #[test]
    fn a_magnet_names_trackers_and_peers() {
        let uri = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&tr=udp%3A%2F%2Fa.example%3A1%2Fannounce\
            &x.pe=10.0.0.1:6881&x.pe=[2001:db8::1]:6882&x.pe=nonsense";
        let source = Source::parse(Input { magnet: Some(uri), torrent: None }).expect("valid");
        assert_eq!(source.trackers, ["udp://a.example:1/announce"]);
        let peers: Vec<String> = source.peers.iter().map(ToString::to_string).collect();
        assert_eq!(peers, ["10.0.0.1:6881", "[2001:db8::1]:6882"]);
    }
}
