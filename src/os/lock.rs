//! A file that one session holds.
//!
//! `flock` belongs to the open file, so it separates two sessions of one process as well as two processes, and the
//! system gives it back when a process dies in any way. A lock on a deleted file protects nothing, so whoever has the
//! lock looks whether the name still leads to it.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

use super::Status;

/// A locked file, held until dropped. Never deleted.
#[derive(Debug)]
pub struct LockFile {
    file: File,
}

impl LockFile {
    /// Locks the file at `path`, made if it is not there; `None` when somebody else holds it. Does not wait.
    ///
    /// # Errors
    /// The system's; also for a link in its place.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let file = File::from(openat(CWD, path, flags, Mode::from(0o644))?);
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let lock = Self { file };
            // Deleted by hand between the two calls? Then the next session would lock another file: begin again.
            if lock.is_at(path)? {
                return Ok(Some(lock));
            }
        }
    }

    /// Whether `path` leads to this file.
    ///
    /// # Errors
    /// The system's.
    pub fn is_at(&self, path: &Path) -> io::Result<bool> {
        let own = Status::of(&self.file)?.identity;
        match Status::behind(path) {
            Ok(there) => Ok(there.identity == own),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // Closing is not enough: a process that the host is just starting has a copy of the descriptor until its exec.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::os::testing::{Scratch, symlink};

    #[test]
    fn one_at_a_time_until_it_is_dropped() {
        let scratch = Scratch::new();
        let path = scratch.join("lock");
        let first = LockFile::take(&path).unwrap().expect("nobody has it");
        assert!(LockFile::take(&path).unwrap().is_none());
        assert!(first.is_at(&path).unwrap());
        drop(first);
        assert!(LockFile::take(&path).unwrap().is_some());
    }

    /// What a process that is being started has: the same open file, under another number.
    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_it() {
        let scratch = Scratch::new();
        let path = scratch.join("lock");
        let first = LockFile::take(&path).unwrap().expect("nobody has it");
        let _copy = first.file.try_clone().unwrap();
        drop(first);
        assert!(LockFile::take(&path).unwrap().is_some());
    }

    #[test]
    fn a_deleted_or_replaced_file_is_noticed() {
        let scratch = Scratch::new();
        let path = scratch.join("lock");
        let lock = LockFile::take(&path).unwrap().expect("nobody has it");
        fs::remove_file(&path).unwrap();
        assert!(!lock.is_at(&path).unwrap());
        let other = LockFile::take(&path).unwrap().expect("another file");
        assert!(!lock.is_at(&path).unwrap() && other.is_at(&path).unwrap());
    }

    #[test]
    fn a_link_is_not_followed() {
        let scratch = Scratch::new();
        symlink("elsewhere", scratch.join("lock")).unwrap();
        assert!(LockFile::take(&scratch.join("lock")).is_err());
        assert!(!scratch.join("elsewhere").exists());
    }
}
