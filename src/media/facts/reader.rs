//! Small checked reads from bytes that may not be here.

use std::borrow::Cow;
use std::cell::Cell;
use std::ops::Range;

use super::Bytes;

/// Why an examination ends before its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// These bytes are not here yet.
    Missing(Range<u64>),
    /// The file contradicts itself or its kind, or costs too many reads: nothing more can be learned.
    Malformed,
}

/// The file under examination.
pub(super) struct Reader<'a> {
    /// Its length in bytes.
    pub len: u64,
    bytes: &'a dyn Bytes,
    reads_left: Cell<u32>,
}

/// Reads that one examination may make. The costliest honest file is an Ogg with a cover: a 10 MB picture is
/// some 210 pages of 65,307 bytes, two reads each.
const MAX_READS: u32 = 512;

impl<'a> Reader<'a> {
    pub fn new(len: u64, bytes: &'a dyn Bytes) -> Self {
        Self { len, bytes, reads_left: Cell::new(MAX_READS) }
    }

    /// The `len` bytes at file offset `at`. Malformed if they reach beyond the file or `len` is 0.
    pub fn span(&self, at: u64, len: u64) -> Result<Cow<'a, [u8]>, Stop> {
        let end = at.checked_add(len).filter(|end| len > 0 && *end <= self.len).ok_or(Stop::Malformed)?;
        let reads_left = self.reads_left.get().checked_sub(1).ok_or(Stop::Malformed)?;
        self.reads_left.set(reads_left);
        self.bytes.get(at..end).filter(|got| got.len() as u64 == len).ok_or(Stop::Missing(at..end))
    }

    /// The `N` bytes at file offset `at`.
    pub fn array<const N: usize>(&self, at: u64) -> Result<[u8; N], Stop> {
        self.span(at, N as u64)?.first_chunk().copied().ok_or(Stop::Malformed)
    }

    /// The same, where the file may end before: `None` then.
    pub fn array_if_any<const N: usize>(&self, at: u64) -> Result<Option<[u8; N]>, Stop> {
        let fits = at.checked_add(N as u64).is_some_and(|end| end <= self.len);
        if fits { self.array(at).map(Some) } else { Ok(None) }
    }

    /// `at + by`, which must be an offset of a byte of the file.
    pub fn advance(&self, at: u64, by: u64) -> Result<u64, Stop> {
        at.checked_add(by).filter(|at| *at < self.len).ok_or(Stop::Malformed)
    }
}

/// A big-endian number of up to eight bytes.
pub(super) fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A little-endian number of up to eight bytes.
pub(super) fn le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
