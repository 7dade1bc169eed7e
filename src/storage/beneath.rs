//! Opening a file that must be inside a folder.
//!
//! Paths come out of torrents, and whoever can write to the folder can put a link there. So the path is checked
//! ([`super::layout::check`]) and then the system is asked to refuse links and `..` while it walks: nothing can change
//! between the look and the step. On Linux that is one `openat2` (since 5.6); elsewhere, and where a sandbox
//! forbids it, the path is walked one folder at a time.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, mkdirat, openat};
use rustix::io::Errno;

use super::{Error, layout};

/// What a file is opened with. `NONBLOCK` is for what should not be there: opening a FIFO would wait for a writer.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::DIRECTORY);

/// Opens the regular file `relative` inside `folder` for reading. `folder` itself may be a link; nothing below it is
/// followed. (libtorrent makes links where a torrent describes some; they hold no audio of their own and are refused.)
pub(super) fn open(folder: &Path, relative: &str) -> Result<OwnedFd, Error> {
    open_by(folder, relative, walk)
}

/// Opens the regular file `relative` inside `folder` for reading and writing, made with its folders if it is not
/// there. As [`open`], it goes through no link.
pub(super) fn create(folder: &Path, relative: &str) -> Result<OwnedFd, Error> {
    open_by(folder, relative, |folder, relative, _| {
        let mut inside: Option<OwnedFd> = None;
        let mut parts = relative.iter().peekable();
        while let Some(part) = parts.next() {
            let here = inside.as_ref().map_or(folder, AsFd::as_fd);
            if parts.peek().is_none() {
                let flags = READ | OFlags::RDWR | OFlags::CREATE;
                return openat(here, part, flags, Mode::from(0o666));
            }
            match mkdirat(here, part, Mode::from(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            inside = Some(openat(here, part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?);
        }
        Err(Errno::NOENT)
    })
}

/// Opens the folder `relative` inside the open `folder`, following no link. The caller vouches for the names.
pub(super) fn open_folder(folder: BorrowedFd<'_>, relative: &Path) -> Result<OwnedFd, Errno> {
    walk(folder, relative, FOLDER | OFlags::NOFOLLOW)
}

/// Opens a folder that is trusted as a whole, links and all: a root.
pub(super) fn open_root(root: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, root, FOLDER, Mode::empty())
}

type Walk = fn(BorrowedFd<'_>, &Path, OFlags) -> Result<OwnedFd, Errno>;

fn open_by(folder: &Path, relative: &str, walk: Walk) -> Result<OwnedFd, Error> {
    layout::check(relative)?;
    let path = folder.join(relative);
    let failed = |source: Errno| match source {
        // A link answers LOOP where a file, and NOTDIR where a folder is expected.
        Errno::LOOP | Errno::XDEV => Error::refused(&path, "there is a symbolic link on the way"),
        Errno::NOTDIR => Error::refused(&path, "there is a file or a symbolic link where a folder should be"),
        // What opening for writing says about a folder.
        Errno::ISDIR => Error::refused(&path, "it is not a regular file"),
        source => Error::io("open", &path, source),
    };
    let folder = open_root(folder).map_err(failed)?;
    let file = walk(folder.as_fd(), Path::new(relative), READ).map_err(failed)?;
    let kind = FileType::from_raw_mode(fstat(&file).map_err(failed)?.st_mode);
    if kind != FileType::RegularFile {
        return Err(Error::refused(&path, "it is not a regular file"));
    }
    Ok(file)
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
    use std::fs::{self, File};
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::storage::scratch::Scratch;

    type Open = fn(&Path, &str) -> Result<OwnedFd, Error>;

    /// Both ways of walking must answer alike.
    const WAYS: [Open; 2] = [open, |folder, relative| open_by(folder, relative, step_by_step)];
    /// What refuses must refuse to write too.
    const ALL_WAYS: [Open; 3] = [WAYS[0], WAYS[1], create];

    fn text(file: OwnedFd) -> String {
        let mut text = String::new();
        File::from(file).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn opens_files_at_any_depth() {
        let folder = Scratch::new();
        fs::create_dir_all(folder.join("Диск 1/b")).unwrap();
        fs::write(folder.join("top"), "one").unwrap();
        fs::write(folder.join("Диск 1/b/c"), "two").unwrap();
        for open in WAYS {
            assert_eq!(text(open(&folder, "top").unwrap()), "one");
            assert_eq!(text(open(&folder, "Диск 1/b/c").unwrap()), "two");
        }
    }

    #[test]
    fn makes_a_file_with_its_folders_and_keeps_what_is_there() {
        let folder = Scratch::new();
        for _ in 0..2 {
            drop(create(&folder, "Диск 1/b/c").unwrap());
        }
        fs::write(folder.join("Диск 1/b/c"), "kept").unwrap();
        assert_eq!(text(create(&folder, "Диск 1/b/c").unwrap()), "kept");
    }

    #[test]
    fn follows_no_link_and_leaves_by_no_name() {
        let outside = Scratch::new();
        fs::write(outside.join("secret"), "secret").unwrap();
        let folder = Scratch::new();
        fs::create_dir(folder.join("d")).unwrap();
        fs::write(folder.join("d/file"), "").unwrap();
        symlink(outside.join("secret"), folder.join("link")).unwrap();
        symlink(&*outside, folder.join("out")).unwrap();
        symlink("d", folder.join("in")).unwrap();
        let up = format!("../{}/secret", outside.file_name().unwrap().to_str().unwrap());
        let absolute = outside.join("secret").to_str().unwrap().to_owned();
        for open in ALL_WAYS {
            for name in ["link", "out/secret", "in/file", "d/file/x", "d/../link", &up, &absolute, "", "d"] {
                let error = open(&folder, name).unwrap_err();
                assert!(matches!(error, Error::Refused { .. }), "{name}: {error}");
            }
        }
    }

    #[test]
    fn the_folder_itself_may_be_reached_through_a_link() {
        let folder = Scratch::new();
        fs::create_dir(folder.join("real")).unwrap();
        fs::write(folder.join("real/file"), "here").unwrap();
        symlink("real", folder.join("storage")).unwrap();
        for open in WAYS {
            assert_eq!(text(open(&folder.join("storage"), "file").unwrap()), "here");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = Scratch::new();
        for open in WAYS {
            let missing = |error| matches!(error, Error::Missing { path } if path == folder.join("a/b"));
            assert!(missing(open(&folder, "a/b").unwrap_err()));
            assert!(matches!(open(&folder.join("gone"), "b"), Err(Error::Missing { .. })));
        }
    }

    #[test]
    fn a_fifo_is_refused_without_waiting_for_a_writer() {
        let folder = Scratch::new();
        let made = rustix::fs::mknodat(CWD, folder.join("fifo"), FileType::Fifo, Mode::from(0o600), 0);
        made.unwrap();
        for open in ALL_WAYS {
            assert!(matches!(open(&folder, "fifo"), Err(Error::Refused { .. })));
        }
    }
}
