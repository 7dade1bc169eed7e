//! How much disk is taken and how much is left.
//!
//! Torrent files are sparse: a file of 500 MB of which two pieces are here takes two pieces. So blocks are counted,
//! never lengths.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, statat, statvfs};
use rustix::io::Errno;

use super::Error;

/// Unit of `st_blocks`, whatever the file system's own block size (stat(3type)).
const BLOCK: u64 = 512;

/// Bytes in allocated blocks of a file, or of a folder and everything in it; 0 when it does not exist.
///
/// Links are counted as themselves and never followed; what vanishes during the count counts as gone. The folders
/// still to be visited are a list, so depth costs no stack and one descriptor is open at a time.
pub(super) fn allocated(path: &Path) -> Result<u64, Error> {
    let mut total = 0;
    let mut folders: Vec<PathBuf> = Vec::new();
    match statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => {
            total += blocks(&stat);
            if is_folder(&stat) {
                folders.push(path.to_owned());
            }
        }
        Err(Errno::NOENT) => return Ok(0),
        Err(source) => return Err(Error::io("measure", path, source)),
    }
    while let Some(folder) = folders.pop() {
        match count_folder(&folder, &mut folders) {
            Ok(bytes) => total += bytes,
            // Gone, or replaced by a link or a file, since its own folder was read.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(source) => return Err(Error::io("measure", &folder, source)),
        }
    }
    Ok(total)
}

/// Blocks of what is directly in `folder`; its folders are added to `found`.
fn count_folder(folder: &Path, found: &mut Vec<PathBuf>) -> Result<u64, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut dir = Dir::new(openat(CWD, folder, flags, Mode::empty())?)?;
    let mut total = 0;
    while let Some(entry) = dir.read() {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        match statat(dir.fd()?, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => {
                total += blocks(&stat);
                if is_folder(&stat) {
                    let name = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(name.to_bytes());
                    found.push(folder.join(name));
                }
            }
            Err(Errno::NOENT) => {}
            Err(source) => return Err(source),
        }
    }
    Ok(total)
}

/// Bytes that an ordinary user may still write on the file system of `path`.
pub(super) fn free_space(path: &Path) -> Result<u64, Error> {
    let stat = statvfs(path).map_err(|source| Error::io("measure", path, source))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn blocks(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0) * BLOCK
}

fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::{FileExt, MetadataExt, symlink};

    use super::*;
    use crate::storage::scratch::Scratch;

    /// A file of `len` bytes with one written block of 64 KiB, on disk.
    fn sparse(path: &Path, len: u64) -> u64 {
        let file = File::create(path).unwrap();
        file.set_len(len).unwrap();
        file.write_all_at(&[7; 65_536], 0).unwrap();
        file.sync_all().unwrap();
        file.metadata().unwrap().blocks() * 512
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
        let own = |path: &Path| fs::symlink_metadata(path).unwrap().blocks() * 512;
        let folders = own(&folder) + own(&folder.join("a")) + own(&deep);
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
