//! Reading a torrent's file while libtorrent writes it.
//!
//! Who may read what is settled elsewhere: a span is asked for only when the hashes of its pieces passed and their
//! writes are done. Here it is about reading what libtorrent wrote and nothing else:
//!
//! - The file may not exist when a stream opens; libtorrent makes it with the first block. So it is opened at the
//!   first read, and kept.
//! - Files are sparse. Where another file has taken the place of ours (somebody moved the folder, libtorrent made it
//!   again), a verified piece reads as zeros. So before a read the name must still lead to the open file, unless
//!   nothing has passed since the last look. If it leads to another, nothing is read until the torrent was checked
//!   again: [`Error::Damaged`].
//! - Where the name leads nowhere (the folder was deleted during playback), libtorrent has made nothing new either:
//!   the open file still holds all that was verified, and playback goes on from it.
//! - A file that ends early was cut by somebody: [`Error::Damaged`], never padding.
//!
//! An HTTP worker must not wait for a disk. [`DataFile::try_read_into`] answers only from memory; on a miss the caller
//! moves to a thread that may wait, and calls [`DataFile::read_into`].

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Error, beneath, layout};
use crate::os::{self, Identity, Status};

/// One file of a torrent, readable at any position by any number of threads at once.
#[derive(Debug)]
pub struct DataFile {
    root: PathBuf,
    /// Under `root`, checked.
    relative: String,
    /// `root` and `relative` together.
    path: PathBuf,
    /// Locked only to copy or replace the `Arc`, never during a read.
    open: Mutex<Option<Arc<Opened>>>,
    /// Which file it was when [`Self::close`] let go of it.
    closed: Mutex<Option<Identity>>,
}

#[derive(Debug)]
struct Opened {
    file: File,
    identity: Identity,
    /// The caller's revision at the last look whether the name still leads here.
    looked: AtomicU64,
}

/// No caller's revision.
const NEVER: u64 = u64::MAX;

impl DataFile {
    /// A file inside `root`. Opens nothing yet.
    pub(super) fn new(root: &Path, relative: String) -> Result<Self, Error> {
        layout::check(&relative)?;
        let path = root.join(&relative);
        Ok(Self { root: root.to_owned(), relative, path, open: Mutex::new(None), closed: Mutex::new(None) })
    }

    /// Where the file is, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills `into` with the bytes at `position` (from the start of the file) if they are in memory. False: they are
    /// not, the file is not open yet, or the system cannot tell; [`Self::read_into`] can. Never waits for the disk.
    ///
    /// `revision`: any number that has changed when a hash has passed since the last call. While it stays the same, the
    /// name is not looked at again: what had passed at the last look is in the open file, wherever the name leads now.
    ///
    /// # Errors
    /// As [`Self::read_into`].
    pub fn try_read_into(&self, position: u64, into: &mut [u8], revision: u64) -> Result<bool, Error> {
        let Some(opened) = self.open.lock().clone() else { return Ok(false) };
        self.must_be_possible(position, into.len())?;
        if opened.looked.load(Ordering::Acquire) != revision {
            match identity(Status::at_from_memory(&self.path)) {
                Err(_) => return Ok(false),
                Ok(there) => self.must_be(&opened, there)?,
            }
            opened.looked.store(revision, Ordering::Release);
        }
        self.fill(position, into, |at, rest| os::file::read_from_memory(&opened.file, rest, at))
    }

    /// Fills `into` with the bytes at `position` (from the start of the file). May wait for the disk.
    ///
    /// # Errors
    /// `Missing`: the file was never there. `Damaged`: it ends early or is another one; check the torrent again, then
    /// [`Self::reopen`]. `Refused`: something that is not a plain file is in its place. `Io` otherwise.
    pub fn read_into(&self, position: u64, into: &mut [u8]) -> Result<(), Error> {
        let opened = self.opened()?;
        self.must_be_possible(position, into.len())?;
        self.fill(position, into, |at, rest| os::file::read_at(&opened.file, rest, at).map(Some)).map(|_| ())
    }

    /// [`Self::read_into`] fresh memory.
    ///
    /// # Errors
    /// The same.
    pub fn read(&self, position: u64, len: usize) -> Result<Bytes, Error> {
        let mut bytes = vec![0; len];
        self.read_into(position, &mut bytes)?;
        Ok(Bytes::from(bytes))
    }

    /// Reads until `into` is full; false when `read` has nothing to give without waiting.
    fn fill(
        &self,
        position: u64,
        into: &mut [u8],
        read: impl Fn(u64, &mut [u8]) -> io::Result<Option<usize>>,
    ) -> Result<bool, Error> {
        let mut filled = 0;
        while filled < into.len() {
            match read(position + filled as u64, &mut into[filled..]) {
                Ok(Some(0)) => return Err(self.short(position, into.len(), filled)),
                Ok(Some(count)) => filled += count,
                Ok(None) => return Ok(false),
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::io("read", &self.path, source)),
            }
        }
        Ok(true)
    }

    /// Lets go of the open file; the next read opens what is there then. For after a check of the torrent, which is
    /// what makes the pieces of a new file known.
    pub fn reopen(&self) {
        *self.open.lock() = None;
        *self.closed.lock() = None;
    }

    /// Gives the descriptor back while nobody reads: a host that plays a thousand tracks must not run out of them. The
    /// next read opens the file again, if it is still the same one.
    pub fn close(&self) {
        let opened = self.open.lock().take();
        if let Some(opened) = opened {
            *self.closed.lock() = Some(opened.identity);
        }
    }

    /// The open file, if its name still leads to it or to nothing; opened now if it was not.
    fn opened(&self) -> Result<Arc<Opened>, Error> {
        let kept = self.open.lock().clone();
        if let Some(opened) = kept {
            let there =
                identity(Status::at(&self.path)).map_err(|source| Error::io("find", &self.path, source))?;
            self.must_be(&opened, there)?;
            return Ok(opened);
        }
        let file = beneath::open(&self.root, &self.relative)?;
        let identity = Status::of(&file).map_err(|source| Error::io("open", &self.path, source))?.identity;
        let opened = Arc::new(Opened { file, identity, looked: AtomicU64::new(NEVER) });
        let before = *self.closed.lock();
        self.must_be(&opened, before)?;
        // Two first reads at once: the one that was here first stays.
        Ok(self.open.lock().get_or_insert(opened).clone())
    }

    fn must_be(&self, opened: &Opened, there: Option<Identity>) -> Result<(), Error> {
        match there {
            Some(identity) if identity != opened.identity => Err(Error::damaged(
                &self.path,
                "another file has taken its place; the torrent must be checked again",
            )),
            _ => Ok(()),
        }
    }

    /// No file reaches beyond `i64::MAX`; to the system such positions mean other things.
    fn must_be_possible(&self, position: u64, len: usize) -> Result<(), Error> {
        let end = position.checked_add(len as u64).and_then(|end| i64::try_from(end).ok());
        end.map(|_| ()).ok_or_else(|| Error::refused(&self.path, "no file reaches that far"))
    }

    fn short(&self, position: u64, len: usize, filled: usize) -> Error {
        let end = position + filled as u64;
        let wanted = position + len as u64;
        Error::damaged(&self.path, format!("it ends at byte {end}, but bytes up to {wanted} were written"))
    }
}

/// What a look at a name found; `None`: nothing.
fn identity(there: io::Result<Status>) -> io::Result<Option<Identity>> {
    match there {
        Ok(status) => Ok(Some(status.identity)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::os::testing::{Scratch, symlink};

    /// 300,000 bytes that differ from place to place.
    fn content() -> Vec<u8> {
        (0..300_000_u32).map(|n| (n ^ (n >> 8).wrapping_mul(31)) as u8).collect()
    }

    /// A folder with `album/track` of that content.
    fn album() -> (Scratch, DataFile) {
        let root = Scratch::new();
        fs::create_dir(root.join("album")).unwrap();
        fs::write(root.join("album/track"), content()).unwrap();
        let file = DataFile::new(&root, "album/track".into()).unwrap();
        (root, file)
    }

    /// What is in memory, if it all is.
    fn try_read(file: &DataFile, position: u64, len: usize) -> Result<Option<Vec<u8>>, Error> {
        static NEWS: AtomicU64 = AtomicU64::new(0);
        try_read_at(file, position, len, NEWS.fetch_add(1, Ordering::Relaxed))
    }

    /// The same at a revision.
    fn try_read_at(
        file: &DataFile,
        position: u64,
        len: usize,
        revision: u64,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut bytes = vec![0; len];
        Ok(file.try_read_into(position, &mut bytes, revision)?.then_some(bytes))
    }

    fn damaged<T: std::fmt::Debug>(answer: Result<T, Error>, words: &str) {
        let error = answer.unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn reads_exactly_what_is_asked_for() {
        let (_root, file) = album();
        let content = content();
        for (position, len) in [(0, 1), (1, 299_999), (131_072, 65_536), (299_999, 1), (0, 300_000), (7, 0)] {
            let expected = &content[position as usize..][..len];
            assert_eq!(file.read(position, len).unwrap(), expected);
            if let Some(bytes) = try_read(&file, position, len).unwrap() {
                assert_eq!(bytes, expected);
            }
        }
    }

    #[test]
    fn what_is_in_memory_is_read_without_waiting() {
        let (root, file) = album();
        assert!(try_read(&file, 0, 10).unwrap().is_none(), "nothing is open yet, and opening may wait");
        file.read(0, 300_000).unwrap();
        // Some file systems cannot do it; where the system can, we must.
        let path = root.join("album/track");
        let able = os::file::read_from_memory(&File::open(&path).unwrap(), &mut [0; 300_000], 0).unwrap()
            == Some(300_000)
            && Status::at_from_memory(&path).is_ok();
        assert_eq!(try_read(&file, 0, 300_000).unwrap().is_some(), able);
    }

    #[test]
    fn the_file_may_come_after_the_stream() {
        let root = Scratch::new();
        let file = DataFile::new(&root, "album/track".into()).unwrap();
        assert!(matches!(file.read(0, 1), Err(Error::Missing { path }) if path == root.join("album/track")));
        assert!(try_read(&file, 0, 1).unwrap().is_none());
        fs::create_dir(root.join("album")).unwrap();
        fs::write(root.join("album/track"), "x").unwrap();
        assert_eq!(file.read(0, 1).unwrap(), "x");
    }

    #[test]
    fn what_is_written_later_is_seen() {
        let (root, file) = album();
        file.read(0, 10).unwrap();
        let writer = File::options().write(true).open(root.join("album/track")).unwrap();
        os::file::write_all_at(&writer, b"new", 400_000).unwrap();
        assert_eq!(file.read(400_000, 3).unwrap(), "new");
    }

    #[test]
    fn a_short_file_is_damage_and_never_padding() {
        let (root, file) = album();
        damaged(file.read(299_990, 11), "ends at byte 300000, but bytes up to 300001");
        damaged(file.read(500_000, 1), "ends at byte 500000");
        let path = root.join("album/track");
        File::options().write(true).open(&path).unwrap().set_len(1000).unwrap();
        damaged(file.read(0, 1001), "ends at byte 1000");
        if let Some(answer) = try_read(&file, 0, 1001).transpose() {
            damaged(answer, "ends at byte 1000");
        }
        assert_eq!(file.read(0, 1000).unwrap(), content()[..1000]);
    }

    #[test]
    fn positions_beyond_any_file_are_refused() {
        let (_root, file) = album();
        for (position, len) in [(u64::MAX, 1), (u64::MAX, 0), (i64::MAX as u64, 1)] {
            assert!(matches!(file.read(position, len), Err(Error::Refused { .. })));
            assert!(matches!(try_read(&file, position, len), Err(Error::Refused { .. })));
        }
    }

    #[test]
    fn a_deleted_folder_does_not_stop_what_is_open() {
        let (root, file) = album();
        file.read(0, 10).unwrap();
        fs::remove_dir_all(root.join("album")).unwrap();
        assert_eq!(file.read(0, 300_000).unwrap(), content());
        file.reopen();
        let error = file.read(0, 10).unwrap_err();
        assert_eq!(error.to_string(), format!("{} does not exist", root.join("album/track").display()));
    }

    /// Found by thinking, not by accident: a moved folder that libtorrent makes again is full of holes where pieces
    /// had been verified.
    #[test]
    fn a_replaced_file_is_not_read_until_it_is_reopened() {
        let (root, file) = album();
        file.read(0, 10).unwrap();
        fs::rename(root.join("album"), root.join("moved")).unwrap();
        assert_eq!(file.read(0, 10).unwrap(), content()[..10]);

        fs::create_dir(root.join("album")).unwrap();
        File::create(root.join("album/track")).unwrap().set_len(300_000).unwrap();
        damaged(file.read(0, 10), "another file has taken its place");
        if let Some(answer) = try_read(&file, 0, 10).transpose() {
            damaged(answer, "another file has taken its place");
        }
        file.reopen();
        assert_eq!(file.read(0, 10).unwrap(), [0; 10][..]);
    }

    #[test]
    fn a_file_that_was_let_go_of_must_be_the_same_when_it_is_read_again() {
        let (root, file) = album();
        file.close();
        assert_eq!(file.read(0, 10).unwrap(), content()[..10]);
        file.close();
        file.close();
        assert_eq!(try_read(&file, 0, 10).unwrap(), None);
        assert_eq!(file.read(0, 10).unwrap(), content()[..10]);

        file.close();
        fs::rename(root.join("album/track"), root.join("moved")).unwrap();
        assert!(matches!(file.read(0, 10), Err(Error::Missing { .. })));
        File::create(root.join("album/track")).unwrap().set_len(300_000).unwrap();
        damaged(file.read(0, 10), "another file has taken its place");
        file.reopen();
        assert_eq!(file.read(0, 10).unwrap(), [0; 10][..]);
    }

    #[test]
    fn what_passed_before_the_last_look_is_read_from_the_open_file() {
        let (root, file) = album();
        file.read(0, 300_000).unwrap();
        if try_read_at(&file, 0, 10, 1).unwrap().is_none() {
            return; // a file system that cannot tell what is in memory
        }
        fs::rename(root.join("album"), root.join("moved")).unwrap();
        fs::create_dir(root.join("album")).unwrap();
        File::create(root.join("album/track")).unwrap().set_len(300_000).unwrap();
        let bytes = try_read_at(&file, 0, 10, 1).unwrap().expect("nothing has passed since");
        assert_eq!(bytes, content()[..10]);
        damaged(try_read_at(&file, 0, 10, 2), "another file has taken its place");
        damaged(try_read_at(&file, 0, 10, 3), "another file has taken its place");
    }

    #[test]
    fn names_and_links_that_lead_outside_are_refused() {
        let (root, _file) = album();
        for name in ["../x", "/etc/passwd", "", "a\0b"] {
            assert!(matches!(DataFile::new(&root, name.into()), Err(Error::Refused { .. })), "{name:?}");
        }
        symlink("track", root.join("album/link")).unwrap();
        let link = DataFile::new(&root, "album/link".into()).unwrap();
        assert!(matches!(link.read(0, 1), Err(Error::Refused { .. })));
    }

    #[test]
    fn many_threads_read_one_file() {
        let (_root, file) = album();
        let content = content();
        std::thread::scope(|scope| {
            for start in 0..8_u64 {
                let (file, content) = (&file, &content);
                scope.spawn(move || {
                    for step in 0..50 {
                        let position = (start * 37_501 + step * 4_999) % 290_000;
                        let expected = &content[position as usize..][..10_000];
                        assert_eq!(file.read(position, 10_000).unwrap(), expected);
                        if let Some(bytes) = try_read(file, position, 10_000).unwrap() {
                            assert_eq!(bytes, expected);
                        }
                    }
                });
            }
        });
    }
}
