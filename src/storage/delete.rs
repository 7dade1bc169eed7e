//! Deleting a torrent's data.
//!
//! Nothing outside the root may go, whatever is found inside: links are removed and never followed, also when one is
//! put in place of a folder while the deletion runs. The standard library's `remove_dir_all` keeps that promise too,
//! but holds a descriptor per level, and a torrent may be more levels deep than a process may have descriptors. Here
//! each folder is opened from the root again.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, statat, unlinkat};
use rustix::io::{Errno, dup};

use super::{Error, beneath};

/// Removes the file, link or whole folder `name` directly under `root`. What is not there is fine.
pub(super) fn delete(root: &Path, name: &str) -> Result<(), Error> {
    let failed = |path: &Path, source| Error::io("delete", &root.join(path), source);
    let handle = beneath::open_root(root).map_err(|source| failed(Path::new(""), source))?;
    let top = PathBuf::from(name);
    match is_folder(handle.as_fd(), name) {
        Err(Errno::NOENT) => return Ok(()),
        Ok(true) => {}
        Ok(false) => {
            return gone(unlinkat(&handle, name, AtFlags::empty())).map_err(|source| failed(&top, source));
        }
        Err(source) => return Err(failed(&top, source)),
    }

    let mut to_visit = vec![top];
    // Every folder after the one it is in.
    let mut emptied = Vec::new();
    while let Some(folder) = to_visit.pop() {
        match empty(handle.as_fd(), &folder, &mut to_visit) {
            Ok(()) => emptied.push(folder),
            Err(Errno::NOENT) => {}
            Err(source) => return Err(failed(&folder, source)),
        }
    }
    for folder in emptied.iter().rev() {
        remove_empty(&handle, folder).map_err(|source| failed(folder, source))?;
    }
    Ok(())
}

/// Removes all but the folders from `folder` and adds those to `found`.
fn empty(root: BorrowedFd<'_>, folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Errno> {
    let mut dir = Dir::new(beneath::open_folder(root, folder)?)?;
    while let Some(entry) = dir.read() {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        match is_folder(dir.fd()?, name) {
            Ok(true) => found.push(folder.join(OsStr::from_bytes(name.to_bytes()))),
            Ok(false) => gone(unlinkat(dir.fd()?, name, AtFlags::empty()))?,
            Err(Errno::NOENT) => {}
            Err(source) => return Err(source),
        }
    }
    Ok(())
}

fn remove_empty(root: &OwnedFd, folder: &Path) -> Result<(), Errno> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else { return Err(Errno::INVAL) };
    let parent =
        if parent.as_os_str().is_empty() { dup(root) } else { beneath::open_folder(root.as_fd(), parent) };
    parent.and_then(|parent| gone(unlinkat(parent, name, AtFlags::REMOVEDIR)))
}

fn is_folder(dir: BorrowedFd<'_>, name: impl rustix::path::Arg) -> Result<bool, Errno> {
    let stat = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Somebody else was faster.
fn gone(answer: Result<(), Errno>) -> Result<(), Errno> {
    if answer == Err(Errno::NOENT) { Ok(()) } else { answer }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::storage::scratch::Scratch;

    #[test]
    fn a_folder_goes_with_all_that_is_in_it() {
        let root = Scratch::new();
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::create_dir_all(root.join("a/d")).unwrap();
        fs::write(root.join("a/b/c/file"), "x").unwrap();
        fs::write(root.join("a/file"), "x").unwrap();
        fs::write(root.join("a").join(OsStr::from_bytes(b"\xff\xfe")), "no UTF-8").unwrap();
        fs::write(root.join("stays"), "x").unwrap();
        delete(&root, "a").unwrap();
        assert!(!root.join("a").exists());
        assert!(root.join("stays").exists());
        delete(&root, "a").unwrap();
    }

    #[test]
    fn links_go_and_what_they_name_stays() {
        let outside = Scratch::new();
        fs::create_dir(outside.join("d")).unwrap();
        fs::write(outside.join("d/kept"), "x").unwrap();
        let root = Scratch::new();
        fs::create_dir(root.join("a")).unwrap();
        symlink(&*outside, root.join("a/folder")).unwrap();
        symlink(outside.join("d/kept"), root.join("a/file")).unwrap();
        symlink(&*outside, root.join("top")).unwrap();
        delete(&root, "a").unwrap();
        delete(&root, "top").unwrap();
        assert!(fs::read_dir(&*root).unwrap().next().is_none());
        assert!(outside.join("d/kept").exists());
    }

    #[test]
    fn a_link_put_in_place_of_a_folder_is_not_entered() {
        let outside = Scratch::new();
        fs::write(outside.join("kept"), "x").unwrap();
        let root = Scratch::new();
        symlink(&*outside, root.join("a")).unwrap();
        let handle = beneath::open_root(&root).unwrap();
        // What `delete` would do after it had seen a folder there.
        let answer = empty(handle.as_fd(), Path::new("a"), &mut Vec::new());
        assert!(matches!(answer, Err(Errno::LOOP | Errno::NOTDIR)), "{answer:?}");
        assert!(outside.join("kept").exists());
    }

    #[test]
    fn depth_is_no_problem() {
        let root = Scratch::new();
        fs::create_dir_all(root.join(vec!["d"; 1100].join("/"))).unwrap();
        delete(&root, "d").unwrap();
        assert!(fs::read_dir(&*root).unwrap().next().is_none());
    }
}
