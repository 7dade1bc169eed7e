//! How much disk is taken and how much is left.
//!
//! Torrent files are sparse: a file of 500 MB of which two pieces are here takes two pieces. So blocks are counted,
//! never lengths.

use std::io;
use std::path::{Path, PathBuf};

use super::Error;
use crate::os::{self, Folder, Kind, Listing, Status};

/// Bytes in allocated blocks of a file, or of a folder and everything in it; 0 when it does not exist.
///
/// Links are counted as themselves and never followed; what vanishes during the count counts as gone. The folders
/// still to be visited are a list, so depth costs no stack and one descriptor is open at a time.
pub(super) fn allocated(path: &Path) -> Result<u64, Error> {
    let mut total = 0;
    let mut folders: Vec<PathBuf> = Vec::new();
    match Status::at(path) {
        Ok(status) => {
            total += status.allocated;
            if status.kind == Kind::Folder {
                folders.push(path.to_owned());
            }
        }
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(Error::io("measure", path, source)),
    }
    while let Some(folder) = folders.pop() {
        match count_folder(&folder, &mut folders) {
            Ok(bytes) => total += bytes,
            // Gone, or replaced by a link or a file, since its own folder was read.
            Err(source) if is_gone(&source) => {}
            Err(source) => return Err(Error::io("measure", &folder, source)),
        }
    }
    Ok(total)
}

/// Blocks of what is directly in `folder`; its folders are added to `found`.
fn count_folder(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<u64> {
    let mut listing = Listing::of(Folder::open_itself(folder)?)?;
    let mut total = 0;
    while let Some(entry) = listing.read()? {
        match listing.status(&entry) {
            Ok(status) => {
                total += status.allocated;
                if status.kind == Kind::Folder {
                    found.push(folder.join(entry.name()));
                }
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(source),
        }
    }
    Ok(total)
}

/// Whether a folder is not there, or not a folder any more.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) || os::is_link(error)
}

/// Bytes that an ordinary user may still write on the file system of `path`.
pub(super) fn free_space(path: &Path) -> Result<u64, Error> {
    os::free_space(path).map_err(|source| Error::io("measure", path, source))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;

    use super::*;
    use crate::os::testing::{Scratch, allocated as on_disk, symlink};

    /// A file of `len` bytes with one written block of 64 KiB, on disk.
    fn sparse(path: &Path, len: u64) -> u64 {
        let mut file = File::create(path).unwrap();
        file.set_len(len).unwrap();
        file.write_all(&[7; 65_536]).unwrap();
        file.sync_all().unwrap();
        on_disk(path)
    }

    #[test]
    fn a_hole_takes_nothing() {
        let folder = Scratch::new();
        let path = folder.join("f");
        let expected = sparse(&path, 1 << 40);
        let counted = allocated(&path).unwrap();
        assert_eq!(counted, expected);
        assert!((65_536..1 << 20).contains(&counted), "{counted}");
    }

    #[test]
    fn a_folder_is_all_that_is_in_it() {
        let folder = Scratch::new();
        let deep = folder.join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let files = sparse(&folder.join("1"), 70_000) + sparse(&deep.join("2"), 70_000);
        let folders = on_disk(&folder) + on_disk(&folder.join("a")) + on_disk(&deep);
        assert_eq!(allocated(&folder).unwrap(), files + folders);
    }

    #[test]
    fn links_are_not_followed() {
        let folder = Scratch::new();
        let elsewhere = Scratch::new();
        sparse(&elsewhere.join("big"), 70_000);
        let empty = allocated(&folder).unwrap();
        symlink(&*elsewhere, folder.join("folder")).unwrap();
        symlink(elsewhere.join("big"), folder.join("file")).unwrap();
        symlink(".", folder.join("loop")).unwrap();
        assert!(allocated(&folder).unwrap() < empty + 65_536);
        assert!(allocated(&folder.join("folder")).unwrap() < 65_536);
    }

    #[test]
    fn depth_is_no_problem() {
        let folder = Scratch::new();
        let deep = folder.join(vec!["d"; 300].join("/"));
        fs::create_dir_all(&deep).unwrap();
        let file = sparse(&deep.join("f"), 70_000);
        assert!(allocated(&folder).unwrap() >= file);
        crate::storage::delete::delete(&folder, "d").unwrap();
    }

    #[test]
    fn nothing_takes_nothing() {
        let folder = Scratch::new();
        assert_eq!(allocated(&folder.join("gone")).unwrap(), 0);
        fs::write(folder.join("file"), "").unwrap();
        assert!(matches!(allocated(&folder.join("file/below")), Err(Error::Io { .. })));
    }

    #[test]
    fn free_space_is_plausible() {
        let folder = Scratch::new();
        assert!(free_space(&folder).unwrap() > 0);
        assert!(matches!(free_space(&folder.join("gone")), Err(Error::Missing { .. })));
    }
}
