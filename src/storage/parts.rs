//! Taking apart the part file that the older engine left.
//!
//! libtorrent keeps what it receives of files that nobody wants (file priority 0) in one hidden file beside the
//! torrent, `.<info-hash>.parts`. The older engine gave file priorities, so what it fetched ahead of the next tracks
//! lies there. We give none (they would rewrite the order in which pieces come), so nobody here would read that file,
//! and readers of HTTP look into the torrent's own files only. Before libtorrent gets the torrent, everything is
//! therefore moved to where it belongs, and the part file is deleted.
//!
//! Nothing in a part file is known to be right: blocks may be missing, and old where the file was wanted later. So
//! - it is used only while there is no resume data: libtorrent then checks every piece, and what is wrong is fetched;
//! - a block goes only where its place in the file is empty (zeros, a hole, or beyond the end): what libtorrent wrote
//!   to the file itself is newer;
//! - nobody else may write the files meanwhile: the engine adds the torrent after this is done.
//!
//! Format (libtorrent 2.0.8, `src/part_file.cpp`), all numbers big-endian and of 32 bits: number of pieces, piece
//! length, then for each piece its slot or -1; filled up to a multiple of 1024 bytes. Then the slots, one piece long
//! each. A block lies in its slot where it lies in its piece.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Error, beneath, layout};
use crate::os;

/// What is written or not as one: the length of a block (BEP 3), in which libtorrent writes.
const BLOCK: u64 = 16 * 1024;

/// What a torrent says about its files, as far as it is needed to take a part file apart.
#[derive(Clone, Debug)]
pub struct Contents {
    piece_len: u64,
    pieces: u32,
    /// By their place; none is empty.
    files: Vec<ContentFile>,
}

/// One file of a torrent that holds data of its own.
#[derive(Clone, Debug)]
pub struct ContentFile {
    /// Path below the save path.
    pub path: String,
    /// First byte in the torrent's byte space.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// A piece of the part file that belongs into one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bit {
    /// Which file, by its number in `Contents::files`.
    file: usize,
    /// Where in that file.
    at: u64,
    /// Where in the slot.
    within: u64,
    /// Bytes, at most a block.
    len: u64,
}

impl Contents {
    /// `pieces` of `piece_len` bytes, the last one perhaps shorter; `files` without those that are only filling.
    #[must_use]
    pub fn new(piece_len: u32, pieces: u32, mut files: Vec<ContentFile>) -> Self {
        files.retain(|file| file.length > 0);
        files.sort_by_key(|file| file.offset);
        Self { piece_len: u64::from(piece_len), pieces, files }
    }

    pub(super) fn files(&self) -> &[ContentFile] {
        &self.files
    }

    /// How the blocks of a piece are spread over the files.
    fn bits(&self, piece: u32) -> Vec<Bit> {
        let begin = u64::from(piece) * self.piece_len;
        let mut bits = Vec::new();
        for within in (0..self.piece_len).step_by(BLOCK as usize) {
            let block = begin + within..begin + self.piece_len.min(within + BLOCK);
            let first = self.files.partition_point(|file| file.offset + file.length <= block.start);
            for (number, file) in self.files.iter().enumerate().skip(first) {
                if file.offset >= block.end {
                    break;
                }
                let from = block.start.max(file.offset);
                let to = block.end.min(file.offset + file.length);
                bits.push(Bit { file: number, at: from - file.offset, within: from - begin, len: to - from });
            }
        }
        bits
    }

    /// Bytes in front of the first slot.
    fn header_len(&self) -> u64 {
        (8 + 4 * u64::from(self.pieces)).next_multiple_of(1024)
    }

    /// Which piece lies in which slot, by a whole header. `None`: it is another torrent's. Like libtorrent, slots
    /// that cannot be are passed over.
    fn slots(&self, header: &[u8]) -> Option<Vec<(u32, u32)>> {
        let mut numbers = header.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        let same = numbers.next()? == self.pieces && u64::from(numbers.next()?) == self.piece_len;
        same.then(|| (0..self.pieces).zip(numbers).filter(|(_, slot)| *slot < self.pieces).collect())
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// All that was of use, so many bytes, is in the torrent's files; the part file can go.
    Done(u64),
    /// It is not a part file of this torrent.
    Foreign,
    /// Stopped on the way; can be begun again.
    Stopped,
}

/// Moves what is in the part file `name` to the torrent's files, all under `root`; a part file that is gone held
/// nothing. Ends early once `stop` is set.
pub(super) fn unpack(
    root: &Path,
    name: &str,
    contents: &Contents,
    stop: &AtomicBool,
) -> Result<Unpacked, Error> {
    let parts = match beneath::open(root, name) {
        Err(Error::Missing { .. }) => return Ok(Unpacked::Done(0)),
        parts => parts?,
    };
    let failed = |source| Error::io("read", &root.join(name), source);
    let header = read(&parts, 0, contents.header_len()).map_err(failed)?;
    let whole = header.len() as u64 == contents.header_len();
    let Some(slots) = contents.slots(&header).filter(|_| whole) else { return Ok(Unpacked::Foreign) };
    let mut targets = Targets { root, contents, open: None };
    let mut moved = 0;
    for (piece, slot) in slots {
        let begin = contents.header_len() + u64::from(slot) * contents.piece_len;
        for bit in contents.bits(piece) {
            if stop.load(Ordering::Relaxed) {
                return Ok(Unpacked::Stopped);
            }
            let bytes = read(&parts, begin + bit.within, bit.len).map_err(failed)?;
            if !is_empty(&bytes) {
                moved += targets.fill(bit, &bytes)?;
            }
        }
    }
    Ok(Unpacked::Done(moved))
}

/// The torrent's files, one open at a time: pieces come in order.
struct Targets<'a> {
    root: &'a Path,
    contents: &'a Contents,
    open: Option<(usize, File)>,
}

impl Targets<'_> {
    /// Writes `bytes` where there is nothing yet; how many.
    fn fill(&mut self, bit: Bit, bytes: &[u8]) -> Result<u64, Error> {
        let path = &self.contents.files[bit.file].path;
        let failed = |source: io::Error| Error::io("write", &self.root.join(path), source);
        if self.open.as_ref().is_none_or(|(number, _)| *number != bit.file) {
            self.open = Some((bit.file, open_target(self.root, path)?));
        }
        let Some((_, file)) = &self.open else { return Ok(0) };
        if !is_empty(&read(file, bit.at, bit.len).map_err(failed)?) {
            return Ok(0);
        }
        os::file::write_all_at(file, bytes, bit.at).map_err(failed)?;
        Ok(bytes.len() as u64)
    }
}

fn open_target(root: &Path, path: &str) -> Result<File, Error> {
    layout::check(path)?;
    beneath::create(root, path)
}

/// `len` bytes at `position`; fewer where the file ends.
fn read(file: &File, position: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match os::file::read_at(file, &mut bytes[filled..], position + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn is_empty(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests;
