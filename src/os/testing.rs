//! What tests of every room need of the system.

use std::io;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

pub use std::os::unix::fs::symlink;

use rustix::fs::{FlockOperation, flock};

/// An empty directory that is removed on drop.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new one, under the system's folder for such things.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vozduxan-test-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).expect("a process id and a number are unique");
        Self { path }
    }
}

impl Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Makes a pipe with a name.
#[cfg(not(target_vendor = "apple"))]
pub fn fifo(path: &Path) -> io::Result<()> {
    use rustix::fs::{FileType, Mode, mknodat};

    Ok(mknodat(rustix::fs::CWD, path, FileType::Fifo, Mode::from(0o600), 0)?)
}

/// Makes a pipe with a name. The program, because rustix has no such call for Apple's systems.
#[cfg(target_vendor = "apple")]
pub fn fifo(path: &Path) -> io::Result<()> {
    let made = std::process::Command::new("mkfifo").arg(path).status()?;
    if made.success() { Ok(()) } else { Err(io::ErrorKind::Other.into()) }
}

/// Bytes in allocated blocks by the standard library's account; a link is itself.
pub fn allocated(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).expect("it is there").blocks() * 512
}

/// A locked file that a child process can be given, which then holds the lock for as long as it lives.
pub fn lock_for_a_child(path: &Path) -> io::Result<Stdio> {
    let file = std::fs::File::open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file.into())
}
