//! MP4 (ISO 14496-12): a row of boxes. `moov` says where every sample is, `mdat` holds them, in either order.
//!
//! If `mdat` comes first, a player reads its header, jumps behind it for `moov` and comes back: the file
//! cannot sound before its end is here. Only box headers and `mvhd` are read; pictures in `moov` are hopped
//! over.

use std::ops::Range;
use std::time::Duration;

use super::guess::last;
use super::reader::{Reader, Stop, be};
use super::{Facts, duration};

/// The longest tail that is asked for; the index of twenty hours of speech takes about 10 MB. A longer gap
/// behind `mdat` is something else.
const MAX_TAIL: u64 = 16 * 1024 * 1024;

/// The index of fragments (`mfra`), which players of fragmented files read first: a few bytes per fragment.
const FRAGMENTS_TAIL: u64 = 16 * 1024;

/// The boxes a file may begin with: today's, then those of QuickTime's time.
const FIRST_BOXES: [&[u8; 4]; 7] = [b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide"];

pub(super) fn examine(file: &Reader<'_>, facts: &mut Facts) -> Result<(), Stop> {
    let mut at = 0;
    // Bytes in `mdat` boxes so far, and what `moov` says once it is met.
    let mut music_len = 0_u64;
    let mut movie: Option<Option<Duration>> = None;
    while at < file.len {
        let atom = Atom::read(file, at, file.len)?;
        if at == 0 && !FIRST_BOXES.contains(&&atom.name) {
            return Err(Stop::Malformed);
        }
        at = atom.payload.end;
        if &atom.name == b"mdat" && music_len == 0 {
            facts.audio_start = atom.payload.start;
        }
        match (&atom.name, movie) {
            // The index was first: all that follows is music, in fragments perhaps.
            (b"mdat", Some(duration)) => {
                note(facts, file.len - atom.payload.start, duration);
                return Ok(());
            }
            (b"mdat", None) => {
                music_len = music_len.saturating_add(atom.payload.end - atom.payload.start);
                facts.tail = (at < file.len).then(|| at..file.len.min(at.saturating_add(MAX_TAIL)));
            }
            (b"moof", Some(_)) => facts.tail = last(file.len, FRAGMENTS_TAIL),
            (b"moov", None) => {
                let duration = movie_duration(file, &atom.payload)?;
                if music_len > 0 {
                    note(facts, music_len, duration);
                    return Ok(());
                }
                movie = Some(duration);
            }
            _ => {}
        }
    }
    Ok(())
}

fn note(facts: &mut Facts, music_len: u64, duration: Option<Duration>) {
    if let Some(duration) = duration {
        facts.note_duration(music_len, duration);
    }
}

/// A box.
struct Atom {
    name: [u8; 4],
    /// What is behind its header, in file offsets; cut at the end of what holds it.
    payload: Range<u64>,
}

impl Atom {
    /// Reads the header at `at` of a box that lies before `limit`.
    fn read(file: &Reader<'_>, at: u64, limit: u64) -> Result<Self, Stop> {
        let [size @ .., n, a, m, e] = file.array::<8>(at)?;
        let (header_len, size) = match be(&size) {
            // To the end of what holds it.
            0 => (8, limit.saturating_sub(at)),
            // A 64-bit size follows the name.
            1 => (16, be(&file.array::<8>(at + 8)?)),
            size => (8, size),
        };
        if size < header_len || at + header_len > limit {
            return Err(Stop::Malformed);
        }
        Ok(Self { name: [n, a, m, e], payload: at + header_len..at.saturating_add(size).min(limit) })
    }
}

/// How long the movie header says it plays. `None` if there is none to be believed, which is no reason to
/// stop.
fn movie_duration(file: &Reader<'_>, moov: &Range<u64>) -> Result<Option<Duration>, Stop> {
    let mut at = moov.start;
    while at < moov.end {
        let found = Atom::read(file, at, moov.end).and_then(|atom| {
            at = atom.payload.end;
            if &atom.name == b"mvhd" { movie_header(file, atom.payload.start) } else { Ok(None) }
        });
        match found {
            Ok(None) => {}
            Ok(duration) => return Ok(duration),
            Err(Stop::Malformed) => return Ok(None),
            Err(missing) => return Err(missing),
        }
    }
    Ok(None)
}

/// ISO 14496-12, 8.2.2: version and flags 4, two times, time scale 4, duration; times and duration are 4
/// bytes long in version 0 and 8 in version 1. All ones: not known.
fn movie_header(file: &Reader<'_>, at: u64) -> Result<Option<Duration>, Stop> {
    let (scale, units) = match file.array::<1>(at)? {
        [0] => {
            let fields: [u8; 8] = file.array(at + 12)?;
            (be(&fields[..4]), Some(be(&fields[4..])).filter(|units| *units != u64::from(u32::MAX)))
        }
        [1] => {
            let fields: [u8; 12] = file.array(at + 20)?;
            (be(&fields[..4]), Some(be(&fields[4..])).filter(|units| *units != u64::MAX))
        }
        _ => return Ok(None),
    };
    Ok(units.and_then(|units| duration(units, scale)))
}
