//! Names on disk.
//!
//! ```text
//! <storage_path>/                      root of the first session
//!   vozduxan.toml                      settings, if the user wrote any
//!   dht_state.dat                      DHT nodes; the earlier C++ engine kept it here too
//!   <info-hash>/<torrent name>/...     a torrent's data
//!   <torrent name>[/...]               data left by the earlier engine, used in place once adopted
//!   .vozduxan/lock                     held by the session that uses this root
//!   .vozduxan/<info-hash>.resume       metadata and resume data, bencoded by libtorrent
//!   .vozduxan/<info-hash>.files        how the data's files looked when the resume data was made
//!   .vozduxan/<info-hash>.adopted      "this torrent owns <torrent name>"
//!   .vozduxan/instance-1/              root of a second session on the same path, with the same names inside
//! ```
//!
//! The earlier engine named a torrent's folder after the torrent, so two torrents of one name wrote into each other's
//! files. Here each has a folder of its own. Data of the earlier engine is not moved: the first torrent of that name
//! adopts it, durably and alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Error;
use crate::units::InfoHash;

/// Our own folder under a root.
pub(super) const STATE: &str = ".vozduxan";
/// DHT state under a root.
pub(super) const DHT_STATE: &str = "dht_state.dat";
/// The settings file under the storage path.
pub(super) const SETTINGS: &str = "vozduxan.toml";

const RESUME: &str = "resume";
const FILES: &str = "files";
const ADOPTED: &str = "adopted";

/// The names under one root.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn state(&self) -> PathBuf {
        self.root.join(STATE)
    }

    /// Save path of a torrent that adopted nothing.
    pub(super) fn own(&self, info_hash: InfoHash) -> PathBuf {
        self.root.join(info_hash.to_string())
    }
}

/// Name, under a save path, of the file where libtorrent keeps pieces of unwanted files when file priorities are
/// used. We use none; the earlier engine did.
pub(super) fn parts_name(info_hash: InfoHash) -> String {
    format!(".{info_hash}.parts")
}

/// Name of a torrent's resume file in the state folder.
pub(super) fn resume_name(info_hash: InfoHash) -> String {
    format!("{info_hash}.{RESUME}")
}

/// Name of the file in the state folder that says how a torrent's files looked.
pub(super) fn files_name(info_hash: InfoHash) -> String {
    format!("{info_hash}.{FILES}")
}

/// Name of the file in the state folder that says what a torrent adopted.
pub(super) fn adopted_name(info_hash: InfoHash) -> String {
    format!("{info_hash}.{ADOPTED}")
}

/// A file of the state folder, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StateFile {
    Resume(InfoHash),
    Adopted(InfoHash),
}

/// What a name in the state folder means; `None` for anything not ours.
pub(super) fn state_file(name: &str) -> Option<StateFile> {
    let (hash, kind) = name.split_once('.')?;
    let info_hash = info_hash(hash)?;
    match kind {
        RESUME => Some(StateFile::Resume(info_hash)),
        ADOPTED => Some(StateFile::Adopted(info_hash)),
        _ => None,
    }
}

/// The info-hash written as 40 lowercase hexadecimal digits.
pub(super) fn info_hash(text: &str) -> Option<InfoHash> {
    let digits = text.as_bytes();
    if digits.len() != 40 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut bytes = [0; 20];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let value = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
        *byte = value(pair[0]) << 4 | value(pair[1]);
    }
    Some(InfoHash(bytes))
}

/// Which torrent adopted which name.
pub(super) type Claims = BTreeMap<InfoHash, String>;

/// Where a torrent's data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `root/<torrent name>`, as the earlier engine left it.
    Adopted,
    /// `root/<info-hash>/<torrent name>`.
    Own,
}

/// Decides where the data of the torrent `name` goes.
///
/// `own_exists`: its own folder is there already. `name_exists`: a real file or folder (no link) `root/<name>` is.
pub(super) fn place(
    info_hash: InfoHash,
    name: &str,
    own_exists: bool,
    name_exists: bool,
    claims: &Claims,
) -> Place {
    if let Some(claimed) = claims.get(&info_hash) {
        return if claimed == name { Place::Adopted } else { Place::Own };
    }
    // On a file system that ignores case, `Album` and `album` are one folder.
    let taken = claims.values().any(|claimed| claimed.to_lowercase() == name.to_lowercase());
    if own_exists || !name_exists || taken || !may_be_adopted(name) { Place::Own } else { Place::Adopted }
}

/// Whether a torrent of this name may live directly under a root: it is one plain name, and none of ours.
pub(super) fn may_be_adopted(name: &str) -> bool {
    let lower = name.to_lowercase();
    let ours = lower.starts_with(STATE) || lower.starts_with(DHT_STATE) || lower.starts_with(SETTINGS);
    let ours = ours || info_hash(&lower).is_some() || lower.ends_with(".parts");
    !ours && !name.contains('/') && check(name).is_ok()
}

/// Checks a relative path: only plain components between single slashes. libtorrent cleans the names of a torrent
/// when it reads it; this is the second lock on the same door.
pub(super) fn check(relative: &str) -> Result<(), Error> {
    let refuse = |reason| Err(Error::refused(relative, reason));
    if relative.is_empty() {
        return refuse("the name is empty");
    }
    if relative.starts_with('/') {
        return refuse("the name is absolute");
    }
    if relative.contains('\0') {
        return refuse("the name holds a NUL character");
    }
    if relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refuse("the name has an empty, `.` or `..` part");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: InfoHash = InfoHash([0xa5; 20]);
    const B: InfoHash = InfoHash([0x5b; 20]);

    fn claims(list: &[(InfoHash, &str)]) -> Claims {
        list.iter().map(|(id, name)| (*id, (*name).to_owned())).collect()
    }

    #[test]
    fn new_torrents_get_a_folder_of_their_own() {
        assert_eq!(place(A, "Album", false, false, &claims(&[])), Place::Own);
    }

    #[test]
    fn data_of_the_earlier_engine_is_adopted_once() {
        assert_eq!(place(A, "Album", false, true, &claims(&[])), Place::Adopted);
        assert_eq!(place(B, "Album", false, true, &claims(&[(A, "Album")])), Place::Own);
        assert_eq!(place(B, "ALBUM", false, true, &claims(&[(A, "Album")])), Place::Own);
        assert_eq!(place(B, "Other", false, true, &claims(&[(A, "Album")])), Place::Adopted);
    }

    #[test]
    fn a_torrent_stays_where_it_is() {
        // Adopted, then deleted by hand: the claim holds and nobody else may take the name meanwhile.
        assert_eq!(place(A, "Album", false, false, &claims(&[(A, "Album")])), Place::Adopted);
        // In its own folder, then a folder of its name appears.
        assert_eq!(place(A, "Album", true, true, &claims(&[])), Place::Own);
        // A claim for another name was not written by us.
        assert_eq!(place(A, "Album", false, true, &claims(&[(A, "Other")])), Place::Own);
    }

    #[test]
    fn our_own_names_are_never_adopted() {
        let hash = B.to_string();
        let upper = hash.to_uppercase();
        let names = [
            ".vozduxan",
            ".Vozduxan",
            "dht_state.dat",
            "DHT_STATE.DAT",
            "vozduxan.toml",
            &hash,
            &upper,
            "..",
            ".",
            "",
            "a/b",
            "/etc",
            "a\0b",
            ".0.parts",
        ];
        for name in names {
            assert_eq!(place(A, name, false, true, &claims(&[])), Place::Own, "{name:?}");
        }
    }

    #[test]
    fn paths_that_could_leave_are_refused() {
        for path in ["", "/", "/a", "..", "a/..", "a/../b", ".", "a/./b", "a//b", "a/", "a\0", "\0"] {
            assert!(matches!(check(path), Err(Error::Refused { .. })), "{path:?}");
        }
        for path in ["a", "a/b.flac", "Диск 1/песня.mp3", "...", "a/..b", "~", "a\\..\\b"] {
            assert!(check(path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn names_in_the_state_folder_are_read_back() {
        assert_eq!(state_file(&resume_name(A)), Some(StateFile::Resume(A)));
        assert_eq!(state_file(&adopted_name(A)), Some(StateFile::Adopted(A)));
        let foreign = ["lock", "instance-1", ".resume", "xyz.resume", &format!("{A}.resume.1-2.vz-tmp")];
        for name in foreign.into_iter().chain([A.to_string().as_str()]) {
            assert_eq!(state_file(name), None, "{name}");
        }
        assert_eq!(info_hash(&A.to_string().to_uppercase()), None);
        assert_eq!(info_hash(&"é".repeat(20)), None);
    }

    proptest! {
        /// What passes the check has only normal components and means the same to the standard library.
        #[test]
        fn agrees_with_the_standard_library(path in "[a./\0]{0,8}") {
            let normal = |c| matches!(c, std::path::Component::Normal(_));
            let same = Path::new(&path).components().collect::<PathBuf>().as_os_str() == path.as_str();
            let plain = Path::new(&path).components().all(normal);
            let expected = !path.is_empty() && !path.contains('\0') && plain && same;
            prop_assert_eq!(check(&path).is_ok(), expected);
        }

        #[test]
        fn info_hashes_survive_their_names(bytes: [u8; 20]) {
            prop_assert_eq!(info_hash(&InfoHash(bytes).to_string()), Some(InfoHash(bytes)));
        }

        /// However many torrents of few names come in whatever order, no name has two owners.
        #[test]
        fn no_name_has_two_owners(arrivals in proptest::collection::vec((0_u8..6, 0_usize..4), 0..20)) {
            let mut known = Claims::new();
            for (id, name) in arrivals {
                let (id, name) = (InfoHash([id; 20]), ["a", "A", "b", ".vozduxan"][name]);
                if place(id, name, false, true, &known) == Place::Adopted {
                    known.insert(id, name.to_owned());
                }
            }
            let mut names: Vec<_> = known.values().map(|name| name.to_lowercase()).collect();
            names.sort();
            let all = names.len();
            names.dedup();
            prop_assert_eq!(names.len(), all);
        }
    }
}
