//! Whether a torrent's files are still what its resume data was made from.
//!
//! libtorrent believes resume data without a look at the files, and so it must be: to hash an album before the first
//! note would cost seconds. But people edit tags, restore backups and break disks, and what is no longer right must
//! not be played. So beside the resume data it is written down how every file looked then: its length and the time of
//! its last change as the kernel keeps it (`st_ctime`), which no tool can set back. Resume data whose files look
//! otherwise counts for its metadata only, and the files are hashed.
//!
//! After a crash they do look otherwise: libtorrent wrote on after the last look. While blocks come there is a look
//! every five seconds, so a change up to [`GRACE`] after the last one counts as libtorrent's own. A session that ends
//! in order looks once more when libtorrent has let go, and from then on no change is excused.
//!
//! What this cannot see: a change made while a session has the torrent open, one within `GRACE` after a crash, and a
//! disk that changes bytes by itself.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Error, beneath};
use crate::os::{name, times};

/// Seconds after a look in which libtorrent may have written on: the time between two looks and what a slow disk adds.
pub(super) const GRACE: u32 = 15;

/// First word of the file; another version of it is as good as none.
const MAGIC: &str = "vozduxan-files-1";

/// One file as it looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// `st_ctime` in seconds and nanoseconds since 1970.
    pub changed: (i64, i64),
    /// Bytes.
    pub len: u64,
}

/// All files of a torrent, by path under the root.
pub(super) type Stamps = BTreeMap<PathBuf, Stamp>;

/// A look at the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub files: Stamps,
    /// Seconds after the look in which changes are libtorrent's own.
    pub grace: u32,
    /// [`sum`] of the resume data that was written after the look, and of the one before it, which is still there if
    /// a crash came between.
    pub resume: [u64; 2],
}

/// FNV-1a of 64 bits: resume data with a flipped bit would name pieces that are not there. Against disks, not people.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The rule: whether files that look like `now` hold what they held at the time `at` (seconds since 1970) of `then`.
/// Files that are new hold nothing that resume data of then could name.
pub(super) fn is_intact(then: &Look, at: i64, now: &Stamps) -> bool {
    let until = at.saturating_add(i64::from(then.grace));
    then.files.iter().all(|(path, old)| {
        now.get(path).is_some_and(|new| {
            let own =
                then.grace > 0 && new.len >= old.len && new.changed >= old.changed && new.changed.0 <= until;
            new == old || own
        })
    })
}

/// How the regular files `tops` under `root`, or in these folders, look. What is not there is left out, links are
/// not followed.
pub(super) fn look(root: &Path, tops: &[PathBuf]) -> Result<Stamps, Error> {
    let mut files = Stamps::new();
    let mut to_visit: Vec<PathBuf> = tops.to_vec();
    while let Some(relative) = to_visit.pop() {
        let path = root.join(&relative);
        let failed = |source: io::Error| Error::io("look at", &path, source);
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => found.map_err(failed)?,
        };
        if found.is_file() {
            let stamp = Stamp { changed: times::changed(&found), len: found.len() };
            files.insert(relative, stamp);
        } else if found.is_dir() {
            for entry in fs::read_dir(&path).map_err(failed)? {
                to_visit.push(relative.join(entry.map_err(failed)?.file_name()));
            }
        }
    }
    Ok(files)
}

/// Waits until those of the files that changed since `then` are on the disk, so that resume data that names their
/// pieces is true after a power failure too.
pub(super) fn flush(root: &Path, then: Option<&Look>, now: &Stamps) -> Result<(), Error> {
    for (path, _) in now.iter().filter(|(path, new)| then.is_none_or(|t| t.files.get(*path) != Some(new))) {
        let Some(name) = path.to_str() else { continue };
        let file = match beneath::open(root, name) {
            Err(Error::Missing { .. } | Error::Refused { .. }) => continue,
            file => file?,
        };
        file.sync_data().map_err(|source| Error::io("flush", &root.join(path), source))?;
    }
    Ok(())
}

/// As it is stored: a line with the grace, the number of files and the sums, then a record that ends with NUL for each.
pub(super) fn to_bytes(look: &Look) -> Vec<u8> {
    let [new, old] = look.resume;
    let mut bytes = format!("{MAGIC} {} {} {new} {old}\n", look.grace, look.files.len()).into_bytes();
    for (path, stamp) in &look.files {
        let (seconds, nanos) = stamp.changed;
        bytes.extend(format!("{seconds} {nanos} {} ", stamp.len).bytes());
        bytes.extend(name::to_bytes(path.as_os_str()));
        bytes.push(0);
    }
    bytes
}

/// The reverse of [`to_bytes`]; `None` for anything else, cut or changed in its form.
pub(super) fn from_bytes(bytes: &[u8]) -> Option<Look> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (head, records) = (std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]);
    let mut head = head.split(' ');
    if head.next()? != MAGIC {
        return None;
    }
    let (grace, count): (u32, usize) = (head.next()?.parse().ok()?, head.next()?.parse().ok()?);
    let resume = [head.next()?.parse().ok()?, head.next()?.parse().ok()?];
    let mut files = Stamps::new();
    let mut records = records.split(|byte| *byte == 0).peekable();
    while let Some(record) = records.next() {
        if records.peek().is_none() {
            // After the last NUL there is nothing.
            return (record.is_empty() && files.len() == count).then_some(Look { files, grace, resume });
        }
        let mut parts = record.splitn(4, |byte| *byte == b' ');
        let mut number = || std::str::from_utf8(parts.next()?).ok()?.parse::<i64>().ok();
        let (changed, len) = ((number()?, number()?), u64::try_from(number()?).ok()?);
        let path = name::from_bytes(parts.next()?.to_vec());
        files.insert(path.into(), Stamp { changed, len });
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use proptest::prelude::*;

    use super::*;
    use crate::os::testing::{Scratch, symlink};

    fn look_of(list: &[(&str, i64, u64)], grace: u32) -> Look {
        let stamp = |(path, at, len): &(&str, i64, u64)| {
            (PathBuf::from(path), Stamp { changed: (*at, 5), len: *len })
        };
        Look { files: list.iter().map(stamp).collect(), grace, resume: [3, 4] }
    }

    #[track_caller]
    fn check(then: &[(&str, i64, u64)], grace: u32, now: &[(&str, i64, u64)], intact: bool) {
        assert_eq!(is_intact(&look_of(then, grace), 1000, &look_of(now, 0).files), intact);
    }

    #[test]
    fn what_looks_the_same_is_intact() {
        check(&[], 0, &[], true);
        check(&[("a", 900, 7), ("b", 950, 8)], 0, &[("a", 900, 7), ("b", 950, 8)], true);
    }

    #[test]
    fn new_files_take_nothing_away() {
        check(&[("a", 900, 7)], 0, &[("a", 900, 7), ("b", 5000, 8)], true);
    }

    #[test]
    fn what_is_gone_shorter_older_or_later_is_not() {
        for grace in [0, 15] {
            check(&[("a", 900, 7)], grace, &[], false);
            check(&[("a", 900, 7)], grace, &[("a", 899, 7)], false);
            check(&[("a", 900, 7)], grace, &[("a", 1005, 6)], false);
            check(&[("a", 900, 7)], grace, &[("a", 1016, 7)], false);
        }
    }

    #[test]
    fn libtorrent_may_have_written_on_but_not_after_an_orderly_end() {
        check(&[("a", 900, 7)], 15, &[("a", 1015, 9)], true);
        check(&[("a", 900, 7)], 0, &[("a", 1001, 7)], false);
    }

    #[test]
    fn looks_at_files_at_any_depth_and_follows_no_link() {
        let root = Scratch::new();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/track"), "1234").unwrap();
        fs::write(root.join("single"), "12").unwrap();
        fs::write(root.join("other"), "x").unwrap();
        symlink("/etc", root.join("a/link")).unwrap();
        let tops = ["a", "single", "gone"].map(PathBuf::from);
        let seen = look(&root, &tops).unwrap();
        let lens: Vec<_> = seen.iter().map(|(path, stamp)| (path.to_str().unwrap(), stamp.len)).collect();
        assert_eq!(lens, [("a/b/track", 4), ("single", 2)]);
        flush(&root, None, &seen).unwrap();
    }

    /// What a tool does that hides its traces: the bytes change, length and time of modification do not.
    #[test]
    fn a_hidden_change_is_seen() {
        let root = Scratch::new();
        let path = root.join("track");
        fs::write(&path, "1234").unwrap();
        let tops = [PathBuf::from("track")];
        let before = Look { files: look(&root, &tops).unwrap(), grace: 0, resume: [0; 2] };
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        // The kernel's clock for files is coarse: until it has moved on, a change cannot be told from the write above.
        let tick = root.join("tick");
        while fs::write(&tick, "").and_then(|()| fs::metadata(&tick)).unwrap().modified().unwrap() == modified
        {
        }
        fs::write(&path, "1934").unwrap();
        File::options().append(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert!(!is_intact(&before, 1000, &look(&root, &tops).unwrap()));
    }

    proptest! {
        #[test]
        fn what_was_stored_is_read_back(
            list in proptest::collection::btree_map("[^\0]{1,8}", (any::<i64>(), 0..i64::MAX, 0..i64::MAX as u64), 0..5),
            grace: u32,
            resume: [u64; 2],
        ) {
            let stamp = |(path, (s, n, len)): (String, (i64, i64, u64))| {
                (PathBuf::from(path), Stamp { changed: (s, n), len })
            };
            let look = Look { files: list.into_iter().map(stamp).collect(), grace, resume };
            prop_assert_eq!(from_bytes(&to_bytes(&look)), Some(look));
        }

        #[test]
        fn every_flipped_bit_changes_the_sum(bytes in proptest::collection::vec(any::<u8>(), 1..40), at: prop::sample::Index, bit in 0_u8..8) {
            let mut other = bytes.clone();
            other[at.index(bytes.len())] ^= 1 << bit;
            prop_assert_ne!(sum(&bytes), sum(&other));
        }

        #[test]
        fn cut_files_are_not_believed(at in 0_usize..60) {
            let whole = to_bytes(&look_of(&[("a", 900, 7), ("b c", 950, 8)], 15));
            prop_assert_eq!(from_bytes(&whole[..at.min(whole.len() - 1)]), None);
        }

        #[test]
        fn garbage_is_not_believed(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(from_bytes(&bytes), None);
        }
    }
}
