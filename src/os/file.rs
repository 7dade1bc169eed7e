//! Open files: reading and writing at a position, from memory only, and what makes a name last.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::pread;

/// Opens for reading what the name leads to, links and all, without waiting: a pipe would wait for a writer.
///
/// # Errors
/// The system's.
pub fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

/// Reads at `position`, which does not move the file's own; at least one byte, 0 at the end of the file.
///
/// # Errors
/// The system's, `Interrupted` too.
pub fn read_at(file: &File, bytes: &mut [u8], position: u64) -> io::Result<usize> {
    Ok(pread(file, bytes, position)?)
}

/// As [`read_at`], without waiting for the disk. `None`: it is not in memory, or this system, this kernel or this file
/// system cannot tell.
///
/// # Errors
/// The system's, `Interrupted` too.
pub fn read_from_memory(file: &File, bytes: &mut [u8], position: u64) -> io::Result<Option<usize>> {
    read_cached(file, bytes, position)
}

#[cfg(target_os = "linux")]
fn read_cached(file: &File, bytes: &mut [u8], position: u64) -> io::Result<Option<usize>> {
    use rustix::io::{Errno, IoSliceMut, ReadWriteFlags, preadv2};

    match preadv2(file, &mut [IoSliceMut::new(bytes)], position, ReadWriteFlags::NOWAIT) {
        Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(None),
        read => Ok(Some(read?)),
    }
}

#[cfg(not(target_os = "linux"))]
fn read_cached(_file: &File, _bytes: &mut [u8], _position: u64) -> io::Result<Option<usize>> {
    Ok(None)
}

/// Writes all of `bytes` at `position`, which does not move the file's own.
///
/// # Errors
/// The system's.
pub fn write_all_at(file: &File, bytes: &[u8], position: u64) -> io::Result<()> {
    file.write_all_at(bytes, position)
}

/// Waits until the names in a folder are on the disk: a rename is lost in a power failure before that.
///
/// # Errors
/// The system's.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use super::*;
    use crate::os::testing::{Scratch, fifo, symlink};

    #[test]
    fn reads_and_writes_where_it_is_told_and_nowhere_else() {
        let scratch = Scratch::new();
        let path = scratch.join("file");
        fs::write(&path, "0123456789").unwrap();
        let mut file = File::options().read(true).write(true).open(&path).unwrap();
        write_all_at(&file, b"ab", 3).unwrap();
        let mut bytes = [0; 4];
        assert_eq!(read_at(&file, &mut bytes, 2).unwrap(), 4);
        assert_eq!(&bytes, b"2ab5");
        assert_eq!(read_at(&file, &mut bytes, 8).unwrap(), 2);
        assert_eq!(read_at(&file, &mut bytes, 10).unwrap(), 0);
        if let Some(len) = read_from_memory(&file, &mut bytes, 2).unwrap() {
            assert_eq!(&bytes[..len], &b"2ab5"[..len]);
        }
        let mut whole = String::new();
        file.read_to_string(&mut whole).unwrap();
        assert_eq!(whole, "012ab56789");
        sync_folder(&scratch).unwrap();
    }

    #[test]
    fn a_pipe_does_not_hold_up_and_a_link_is_followed() {
        let scratch = Scratch::new();
        fifo(&scratch.join("fifo")).unwrap();
        assert!(!open_without_waiting(&scratch.join("fifo")).unwrap().metadata().unwrap().is_file());
        fs::write(scratch.join("file"), "").unwrap();
        symlink("file", scratch.join("link")).unwrap();
        assert!(open_without_waiting(&scratch.join("link")).unwrap().metadata().unwrap().is_file());
    }
}
