//! What the system says about a file without reading it.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Stat, fstat, stat, statat};

/// Unit of `st_blocks`, whatever the file system's own block size (stat(3type)).
const BLOCK: u64 = 512;

/// One file, folder or other thing, as it was at the moment of the look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// What it is.
    pub kind: Kind,
    /// Which one it is.
    pub identity: Identity,
    /// Bytes in allocated blocks: what it takes of the disk. A hole takes nothing.
    pub allocated: u64,
}

/// What something on a disk is, as far as anybody here cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, a pipe, a socket, a device.
    Other,
}

/// What tells one file from another under whatever name: device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Status {
    /// Of an open file.
    ///
    /// # Errors
    /// The system's.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from_stat(&fstat(file)?))
    }

    /// Of what the name says; a link is itself.
    ///
    /// # Errors
    /// The system's.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::from_stat(&statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// Of what the name leads to, through links.
    ///
    /// # Errors
    /// The system's.
    pub fn behind(path: &Path) -> io::Result<Self> {
        Ok(Self::from_stat(&stat(path)?))
    }

    /// As [`Self::at`], without waiting for the disk.
    ///
    /// # Errors
    /// The system's, which `NotFound` and `NotADirectory` say for certain; any other also means that the answer is not
    /// in memory or that this system cannot tell.
    pub fn at_from_memory(path: &Path) -> io::Result<Self> {
        at_from_memory(path)
    }

    // The fields' types differ between systems; on this one a conversion may be to the same type.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    fn from_stat(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            _ => Kind::Other,
        };
        Self {
            kind,
            identity: Identity { device: stat.st_dev as u64, inode: stat.st_ino as u64 },
            allocated: u64::try_from(stat.st_blocks).unwrap_or(0) * BLOCK,
        }
    }
}

/// Of `name` in an open folder; a link is itself.
pub(super) fn below(folder: BorrowedFd<'_>, name: impl rustix::path::Arg) -> io::Result<Status> {
    Ok(Status::from_stat(&statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?))
}

#[cfg(target_os = "linux")]
fn at_from_memory(path: &Path) -> io::Result<Status> {
    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let there = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::CACHED)?;
    Ok(Status::from_stat(&fstat(&there)?))
}

#[cfg(not(target_os = "linux"))]
fn at_from_memory(_path: &Path) -> io::Result<Status> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::os::testing::{Scratch, symlink};

    #[test]
    fn names_and_open_files_say_the_same() {
        let scratch = Scratch::new();
        let path = scratch.join("file");
        fs::write(&path, "text").unwrap();
        symlink("file", scratch.join("link")).unwrap();
        let file = File::open(&path).unwrap();
        file.sync_all().unwrap();
        let status = Status::of(&file).unwrap();
        assert_eq!(status.kind, Kind::File);
        assert_eq!(Status::at(&path).unwrap(), status);
        assert_eq!(Status::behind(&scratch.join("link")).unwrap(), status);
        assert_eq!(Status::at(&scratch).unwrap().kind, Kind::Folder);
        // The only one that may not know.
        if let Ok(remembered) = Status::at_from_memory(&path) {
            assert_eq!(remembered, status);
        }
        let link = Status::at(&scratch.join("link")).unwrap();
        assert_eq!(link.kind, Kind::Other);
        assert_ne!(link.identity, status.identity);
    }

    #[test]
    fn a_file_in_the_same_place_is_another() {
        let scratch = Scratch::new();
        let path = scratch.join("file");
        fs::write(&path, "one").unwrap();
        // Kept open, so that its inode is not used again.
        let old = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "two").unwrap();
        assert_ne!(Status::of(&old).unwrap().identity, Status::at(&path).unwrap().identity);
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let scratch = Scratch::new();
        fs::write(scratch.join("file"), "").unwrap();
        for (name, kind) in [("gone", io::ErrorKind::NotFound), ("file/below", io::ErrorKind::NotADirectory)]
        {
            assert_eq!(Status::at(&scratch.join(name)).unwrap_err().kind(), kind);
            assert_eq!(Status::behind(&scratch.join(name)).unwrap_err().kind(), kind);
        }
    }
}
