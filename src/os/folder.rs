//! An open folder, and what is opened below it.
//!
//! Whoever can write to a folder can put a link there at any moment, so the system itself is asked to refuse links and
//! `..` while it walks: nothing can change between a look and a step. On Linux that is one `openat2` (since 5.6);
//! elsewhere, and where a sandbox forbids it, the way is walked one folder at a time.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use super::status::{self, Status};

/// What a file is opened with. `NONBLOCK` is for what should not be there: opening a FIFO would wait for a writer.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::DIRECTORY);

/// An open folder, whatever becomes of its name. Closed on drop.
///
/// Paths below it are plain names with `/` between them; the caller vouches that none is `..` and the first no root.
#[derive(Debug)]
pub struct Folder {
    handle: OwnedFd,
}

impl Folder {
    /// Opens a folder that is trusted as a whole, links and all: a root.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { handle: openat(CWD, path, FOLDER, Mode::empty())? })
    }

    /// The same where the last name must be the folder itself and no link to it.
    ///
    /// # Errors
    /// The system's; for a link one that [`super::is_link`] knows, or `NotADirectory`.
    pub fn open_itself(path: &Path) -> io::Result<Self> {
        Ok(Self { handle: openat(CWD, path, FOLDER | OFlags::NOFOLLOW, Mode::empty())? })
    }

    /// Opens a folder below this one.
    ///
    /// # Errors
    /// The system's; for a link one that [`super::is_link`] knows, or `NotADirectory`.
    pub fn folder(&self, relative: &Path) -> io::Result<Self> {
        Ok(Self { handle: walk(self.handle.as_fd(), relative, FOLDER | OFlags::NOFOLLOW)? })
    }

    /// Opens what is at `relative` for reading, without waiting, whatever it is: [`Status::of`] tells.
    ///
    /// # Errors
    /// The system's. For a link on the way one that [`super::is_link`] knows, or `NotADirectory`.
    pub fn file(&self, relative: &Path) -> io::Result<File> {
        Ok(File::from(walk(self.handle.as_fd(), relative, READ)?))
    }

    /// Opens what is at `relative` for reading and writing; a file that is not there is made, with its folders.
    ///
    /// # Errors
    /// As [`Self::file`]; for a folder `IsADirectory`.
    pub fn create(&self, relative: &Path) -> io::Result<File> {
        let mut inside: Option<OwnedFd> = None;
        let mut parts = relative.iter().peekable();
        while let Some(part) = parts.next() {
            let here = inside.as_ref().map_or(self.handle.as_fd(), AsFd::as_fd);
            if parts.peek().is_none() {
                let flags = READ | OFlags::RDWR | OFlags::CREATE;
                return Ok(File::from(openat(here, part, flags, Mode::from(0o666))?));
            }
            match mkdirat(here, part, Mode::from(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            inside = Some(openat(here, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?);
        }
        Err(Errno::NOENT.into())
    }

    /// What `name`, directly in this folder, is; a link is itself.
    ///
    /// # Errors
    /// The system's.
    pub fn status(&self, name: &OsStr) -> io::Result<Status> {
        status::below(self.handle.as_fd(), name)
    }

    /// Removes the file or link `name` that is directly in this folder.
    ///
    /// # Errors
    /// The system's; also when it is a folder.
    pub fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// Removes the empty folder `name` that is directly in this folder.
    ///
    /// # Errors
    /// The system's.
    pub fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.handle, name, AtFlags::REMOVEDIR)?)
    }

    pub(super) fn into_handle(self) -> OwnedFd {
        self.handle
    }
}

fn walk(folder: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    match in_one_step(folder, relative, flags) {
        // No such call; forbidden by a sandbox; or a rename nearby made the kernel unsure.
        Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => step_by_step(folder, relative, flags),
        answer => answer,
    }
}

#[cfg(target_os = "linux")]
fn in_one_step(folder: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};

    openat2(folder, relative, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

#[cfg(not(target_os = "linux"))]
fn in_one_step(_folder: BorrowedFd<'_>, _relative: &Path, _flags: OFlags) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}

fn step_by_step(folder: BorrowedFd<'_>, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut inside: Option<OwnedFd> = None;
    let mut parts = relative.iter().peekable();
    while let Some(part) = parts.next() {
        let here = inside.as_ref().map_or(folder, AsFd::as_fd);
        if parts.peek().is_none() {
            return openat(here, part, flags, Mode::empty());
        }
        inside = Some(openat(here, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?);
    }
    Err(Errno::NOENT)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{ErrorKind, Read};

    use super::*;
    use crate::os::testing::{Scratch, fifo, symlink};
    use crate::os::{Kind, is_link};

    type Open = fn(&Folder, &Path) -> io::Result<File>;

    /// Both ways of walking must answer alike.
    const WAYS: [Open; 2] = [Folder::file, |folder, relative| {
        Ok(File::from(step_by_step(folder.handle.as_fd(), relative, READ)?))
    }];
    /// What refuses must refuse to write too.
    const ALL_WAYS: [Open; 3] = [WAYS[0], WAYS[1], Folder::create];

    fn open(path: &Path) -> Folder {
        Folder::open(path).unwrap()
    }

    fn text(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn opens_files_at_any_depth() {
        let folder = Scratch::new();
        fs::create_dir_all(folder.join("Диск 1/b")).unwrap();
        fs::write(folder.join("top"), "one").unwrap();
        fs::write(folder.join("Диск 1/b/c"), "two").unwrap();
        for way in WAYS {
            assert_eq!(text(way(&open(&folder), Path::new("top")).unwrap()), "one");
            assert_eq!(text(way(&open(&folder), Path::new("Диск 1/b/c")).unwrap()), "two");
        }
        assert_eq!(
            text(open(&folder).folder(Path::new("Диск 1/b")).unwrap().file(Path::new("c")).unwrap()),
            "two"
        );
    }

    #[test]
    fn makes_a_file_with_its_folders_and_keeps_what_is_there() {
        let folder = Scratch::new();
        for _ in 0..2 {
            drop(open(&folder).create(Path::new("Диск 1/b/c")).unwrap());
        }
        fs::write(folder.join("Диск 1/b/c"), "kept").unwrap();
        assert_eq!(text(open(&folder).create(Path::new("Диск 1/b/c")).unwrap()), "kept");
    }

    #[test]
    fn follows_no_link_below_the_folder() {
        let outside = Scratch::new();
        fs::write(outside.join("secret"), "secret").unwrap();
        let folder = Scratch::new();
        fs::create_dir(folder.join("d")).unwrap();
        fs::write(folder.join("d/file"), "").unwrap();
        symlink(outside.join("secret"), folder.join("link")).unwrap();
        symlink(&*outside, folder.join("out")).unwrap();
        symlink("d", folder.join("in")).unwrap();
        let refused = |error: &io::Error| is_link(error) || error.kind() == ErrorKind::NotADirectory;
        for way in ALL_WAYS {
            for name in ["link", "out/secret", "in/file", "d/file/x"] {
                let error = way(&open(&folder), Path::new(name)).unwrap_err();
                assert!(refused(&error), "{name}: {error}");
            }
        }
        for name in ["out", "in", "d/file"] {
            let error = open(&folder).folder(Path::new(name)).unwrap_err();
            assert!(refused(&error), "{name}: {error}");
            let error = Folder::open_itself(&folder.join(name)).unwrap_err();
            assert!(refused(&error), "{name}: {error}");
        }
        assert!(is_link(&open(&folder).file(Path::new("link")).unwrap_err()));
        assert_eq!(open(&folder).create(Path::new("d")).unwrap_err().kind(), ErrorKind::IsADirectory);
    }

    #[test]
    fn a_root_may_be_reached_through_a_link() {
        let folder = Scratch::new();
        fs::create_dir(folder.join("real")).unwrap();
        fs::write(folder.join("real/file"), "here").unwrap();
        symlink("real", folder.join("storage")).unwrap();
        for way in WAYS {
            assert_eq!(text(way(&open(&folder.join("storage")), Path::new("file")).unwrap()), "here");
        }
    }

    #[test]
    fn what_is_missing_is_not_found() {
        let folder = Scratch::new();
        for way in WAYS {
            assert_eq!(way(&open(&folder), Path::new("a/b")).unwrap_err().kind(), ErrorKind::NotFound);
        }
        assert_eq!(Folder::open(&folder.join("gone")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_fifo_is_opened_without_waiting_for_a_writer() {
        let folder = Scratch::new();
        fifo(&folder.join("fifo")).unwrap();
        for way in ALL_WAYS {
            let opened = way(&open(&folder), Path::new("fifo")).unwrap();
            assert_eq!(Status::of(&opened).unwrap().kind, Kind::Other);
        }
    }

    #[test]
    fn a_name_is_removed_and_what_it_leads_to_stays() {
        let folder = Scratch::new();
        fs::create_dir(folder.join("d")).unwrap();
        fs::write(folder.join("d/kept"), "").unwrap();
        symlink("d", folder.join("link")).unwrap();
        let handle = open(&folder);
        assert_eq!(handle.status(OsStr::new("link")).unwrap().kind, Kind::Other);
        assert_eq!(handle.status(OsStr::new("d")).unwrap().kind, Kind::Folder);
        assert!(handle.remove_folder(OsStr::new("link")).is_err());
        handle.remove_file(OsStr::new("link")).unwrap();
        assert!(handle.remove_file(OsStr::new("d")).is_err());
        assert!(handle.remove_folder(OsStr::new("d")).is_err(), "it is not empty");
        assert!(folder.join("d/kept").exists() && !folder.join("link").exists());
    }
}
