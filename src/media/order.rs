//! Which file is played after this one.
//!
//! A player goes through an album as a reader would: `2.flac` before `10.flac`, `CD1` before `CD2`, the files
//! of a folder before the folders in it, whatever the case of the letters. The torrent's own order is often
//! that of the bytes, which is none of these.

use std::cmp::Ordering;
use std::iter::from_fn;

use super::kind::MediaType;

/// What names are compared by: a run of digits is one number.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    /// Digits without leading zeros, so that the longer number is the greater one, however long.
    Number(usize, &'a str),
    /// Any other character, in lower case.
    Letter(char),
}

fn tokens(name: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = name;
    let mut lowered: Option<std::char::ToLowercase> = None;
    from_fn(move || {
        // One upper-case character may be several in lower case.
        if let Some(letter) = lowered.as_mut().and_then(Iterator::next) {
            return Some(Token::Letter(letter));
        }
        let first = rest.chars().next()?;
        let digits_len = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits_len > 0 {
            let (digits, tail) = rest.split_at(digits_len);
            rest = tail;
            let number = digits.trim_start_matches('0');
            return Some(Token::Number(number.len(), number));
        }
        rest = &rest[first.len_utf8()..];
        let mut letters = first.to_lowercase();
        let letter = letters.next()?;
        lowered = Some(letters);
        Some(Token::Letter(letter))
    })
}

/// A path as folder, name without extension, and extension (empty when there is none).
fn split(path: &str) -> (&str, &str, &str) {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    (folder, stem, extension)
}

/// Compares folders component by component; one that holds the other comes first, and with it the files in
/// it.
fn folder_order(a: &str, b: &str) -> Ordering {
    let components = |folder| str::split(folder, '/').filter(|component: &&str| !component.is_empty());
    let (mut a, mut b) = (components(a), components(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match tokens(a).cmp(tokens(b)) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

/// The order in which an album's files are read: by folder, then by name without extension, then by
/// extension, all with numbers as numbers and without regard to case. Paths have `/` between components.
///
/// A total order: two paths are equal only if their bytes are, so sorting never depends on the torrent's
/// order.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (a_folder, a_stem, a_extension) = split(a);
    let (b_folder, b_stem, b_extension) = split(b);
    // Each tie is broken before the next part is looked at, so that `CD1` and `cd1` are not read in turns and
    // the formats of one track stay together.
    folder_order(a_folder, b_folder)
        .then_with(|| a_folder.cmp(b_folder))
        .then_with(|| tokens(a_stem).cmp(tokens(b_stem)))
        .then_with(|| a_stem.cmp(b_stem))
        .then_with(|| tokens(a_extension).cmp(tokens(b_extension)))
        .then_with(|| a.cmp(b))
}

/// Whether two files are one track in two formats: they differ in the extension only.
fn is_copy(a: &str, b: &str) -> bool {
    let ((a_folder, a_stem, _), (b_folder, b_stem, _)) = (split(a), split(b));
    a_folder == b_folder && a_stem == b_stem
}

/// The index of the audio file that follows file `current` in [`natural_order`]: first in the same folder,
/// then in the next. `None` after the last one, and when `current` is not an index of `files`.
///
/// `files` are the paths of all files of the torrent. `02.flac` follows `01.flac` where `01.mp3` and `02.mp3`
/// lie beside them: a copy of the current track does not count, and among copies of the next the current
/// format is preferred. Films follow films only.
pub fn next_audio(files: &[&str], current: usize) -> Option<usize> {
    let here = *files.get(current)?;
    let playing = MediaType::by_name(here);
    let film_too = playing.is_some_and(|playing| !playing.is_audio());
    // The index decides between two files of one path, which a torrent may have.
    let order = |a: usize, b: usize| natural_order(files[a], files[b]).then(a.cmp(&b));
    let later = || {
        (0..files.len()).filter_map(|index| {
            let media_type = MediaType::by_name(files[index])?;
            let plays = media_type.is_audio() || film_too;
            (plays && order(index, current).is_gt() && !is_copy(files[index], here))
                .then_some((index, media_type))
        })
    };
    let (next, _) = later().min_by(|a, b| order(a.0, b.0))?;
    let alike = |&(index, media_type): &(usize, MediaType)| {
        is_copy(files[index], files[next]) && playing.is_some_and(|playing| playing.kind == media_type.kind)
    };
    later().find(alike).map(|(index, _)| index).or(Some(next))
}

#[cfg(test)]
mod tests;
