//! Files that are replaced whole or not at all.
//!
//! Resume data that is half written would make libtorrent trust pieces that are not there. So a file is written
//! beside its place under another name, flushed, renamed over the old one, and the folder is flushed too: after a
//! crash, also of the machine, there is the old file or the new one. What a crash leaves half written keeps its
//! temporary name and is swept at the next open.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Error;
use crate::os;

/// How the name of an unfinished file ends.
const UNFINISHED: &str = ".vz-tmp";

/// Replaces `folder/name` by a file with these bytes. Threads that write one file at the same time do not mix: one
/// of them is last.
pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let place = folder.join(name);
    replace(folder, &place, name, bytes).map_err(|source| Error::io("write", &place, source))
}

fn replace(folder: &Path, place: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (unfinished, mut file) = Unfinished::create(folder, name)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished.0, place)?;
    os::file::sync_folder(folder)
}

/// Tries whether files can be made in `folder`; leaves none.
pub(super) fn probe(folder: &Path) -> io::Result<()> {
    Unfinished::create(folder, "probe").map(|_| ())
}

/// Removes what crashes left half written in `folder`. Returns how many files it removed.
pub(super) fn sweep(folder: &Path) -> Result<usize, Error> {
    let failed = |source: io::Error| Error::io("list", folder, source);
    let mut removed = 0;
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_unfinished(&entry.file_name()) && fs::remove_file(entry.path()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether this is the name of a file in the making.
fn is_unfinished(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(UNFINISHED.as_bytes())
}

/// A file in the making. What bears its name on drop did not come to be and is removed; after the rename nothing
/// does.
struct Unfinished(PathBuf);

impl Unfinished {
    fn create(folder: &Path, name: &str) -> io::Result<(Self, File)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = folder.join(format!("{name}.{process}-{number}{UNFINISHED}"));
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok((Self(path), file))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::{Scratch, symlink};

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn replaces_the_file_and_leaves_nothing_else() {
        let folder = Scratch::new();
        write(&folder, "a", b"one, and longer").unwrap();
        write(&folder, "a", b"two").unwrap();
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"two");
        assert_eq!(names(&folder), ["a"]);
    }

    #[test]
    fn a_failed_write_says_what_and_leaves_nothing() {
        let folder = Scratch::new();
        fs::create_dir(folder.join("a")).unwrap();
        let error = write(&folder, "a", b"new").unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.contains("/a: "), "{error}");
        assert_eq!(names(&folder), ["a"]);

        let missing = folder.join("gone");
        assert!(
            matches!(write(&missing, "a", b""), Err(Error::Missing { path }) if path == missing.join("a"))
        );
    }

    #[test]
    fn a_link_is_replaced_and_what_it_names_is_not_written() {
        let folder = Scratch::new();
        fs::write(folder.join("other"), "kept").unwrap();
        symlink("other", folder.join("a")).unwrap();
        write(&folder, "a", b"new").unwrap();
        assert_eq!(fs::read_to_string(folder.join("other")).unwrap(), "kept");
        assert!(fs::symlink_metadata(folder.join("a")).unwrap().is_file());
    }

    #[test]
    fn threads_writing_one_file_do_not_mix() {
        let folder = Scratch::new();
        std::thread::scope(|scope| {
            for byte in b'a'..b'e' {
                let folder: &Path = &folder;
                scope.spawn(move || (0..5).for_each(|_| write(folder, "f", &[byte; 9000]).unwrap()));
            }
        });
        let bytes = fs::read(folder.join("f")).unwrap();
        assert_eq!(bytes.len(), 9000);
        assert!(bytes.iter().all(|byte| *byte == bytes[0]));
        assert_eq!(names(&folder), ["f"]);
    }

    #[test]
    fn a_probe_leaves_nothing() {
        let folder = Scratch::new();
        probe(&folder).unwrap();
        assert_eq!(names(&folder), [""; 0]);
        assert!(probe(&folder.join("gone")).is_err());
    }

    #[test]
    fn sweeps_what_a_crash_left_and_nothing_else() {
        let folder = Scratch::new();
        fs::write(folder.join("x.resume"), "").unwrap();
        fs::write(folder.join(format!("x.resume.3{UNFINISHED}")), "half").unwrap();
        fs::create_dir(folder.join(format!("album{UNFINISHED}"))).unwrap();
        assert_eq!(sweep(&folder).unwrap(), 1);
        assert_eq!(names(&folder), [format!("album{UNFINISHED}"), "x.resume".into()]);
    }
}
