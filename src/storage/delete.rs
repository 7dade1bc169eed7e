//! Deleting a torrent's data.
//!
//! Nothing outside the root may go, whatever is found inside: links are removed and never followed, also when one is
//! put in place of a folder while the deletion runs. The standard library's `remove_dir_all` keeps that promise too,
//! but holds a descriptor per level, and a torrent may be more levels deep than a process may have descriptors. Here
//! each folder is opened from the root again.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::Error;
use crate::os::{Folder, Kind, Listing};

/// Removes the file, link or whole folder `name` directly under `root`. What is not there is fine.
pub(super) fn delete(root: &Path, name: &str) -> Result<(), Error> {
    let failed = |path: &Path, source| Error::io("delete", &root.join(path), source);
    let handle = Folder::open(root).map_err(|source| failed(Path::new(""), source))?;
    let top = PathBuf::from(name);
    let name = OsStr::new(name);
    match handle.status(name).map(|status| status.kind) {
        Err(source) if is_gone(&source) => return Ok(()),
        Ok(Kind::Folder) => {}
        Ok(_) => return gone(handle.remove_file(name)).map_err(|source| failed(&top, source)),
        Err(source) => return Err(failed(&top, source)),
    }

    let mut to_visit = vec![top];
    // Every folder after the one it is in.
    let mut emptied = Vec::new();
    while let Some(folder) = to_visit.pop() {
        match empty(&handle, &folder, &mut to_visit) {
            Ok(()) => emptied.push(folder),
            Err(source) if is_gone(&source) => {}
            Err(source) => return Err(failed(&folder, source)),
        }
    }
    for folder in emptied.iter().rev() {
        remove_empty(&handle, folder).map_err(|source| failed(folder, source))?;
    }
    Ok(())
}

/// Removes all but the folders from `folder` and adds those to `found`.
fn empty(root: &Folder, folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut listing = Listing::of(root.folder(folder)?)?;
    while let Some(entry) = listing.read()? {
        match listing.status(&entry).map(|status| status.kind) {
            Ok(Kind::Folder) => found.push(folder.join(entry.name())),
            Ok(_) => gone(listing.remove_file(&entry))?,
            Err(source) if is_gone(&source) => {}
            Err(source) => return Err(source),
        }
    }
    Ok(())
}

fn remove_empty(root: &Folder, folder: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if parent.as_os_str().is_empty() {
        return gone(root.remove_folder(name));
    }
    root.folder(parent).and_then(|parent| gone(parent.remove_folder(name)))
}

/// Somebody else was faster.
fn gone(answer: io::Result<()>) -> io::Result<()> {
    answer.or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::os;
    use crate::os::testing::{Scratch, symlink};

    #[test]
    fn a_folder_goes_with_all_that_is_in_it() {
        let root = Scratch::new();
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::create_dir_all(root.join("a/d")).unwrap();
        fs::write(root.join("a/b/c/file"), "x").unwrap();
        fs::write(root.join("a/file"), "x").unwrap();
        fs::write(root.join("a").join(os::name::from_bytes(b"\xff\xfe".to_vec())), "no UTF-8").unwrap();
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
        let handle = Folder::open(&root).unwrap();
        // What `delete` would do after it had seen a folder there.
        let error = empty(&handle, Path::new("a"), &mut Vec::new()).unwrap_err();
        assert!(os::is_link(&error) || error.kind() == io::ErrorKind::NotADirectory, "{error}");
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
