//! A prepare on its way: from the call to a stream that can be played.
//!
//! The caller blocks on its [`Waiter`]; the engine's thread moves the job along whenever something about its torrent
//! changes: metadata, then the check of the file, then the prebuffer. Each job ends in exactly one answer.

use std::sync::Arc;
use std::time::Duration;

use crate::media::{self, MediaType};

use super::inbox::Stored;
use super::input::{Meta, Source};
use super::streams::Stream;
use super::waiter::Promise;
use super::{Error, Role};

/// No metadata for this long: give up (the seed's figure).
pub const METADATA_TIMEOUT: Duration = Duration::from_secs(90);
/// No byte of data from the swarm for this long: give up.
pub const DATA_TIMEOUT: Duration = Duration::from_secs(60);
/// Only wrong data for this long, and so many pieces' worth of it: give up. Who is banned for it is let in again when nobody
/// else is there, and would keep a caller waiting for ever.
const WRONG_TIMEOUT: Duration = Duration::from_secs(120);
const WRONG_PIECES: u64 = 3;

/// A background prepare answers after this long whatever is there, and goes on warming.
pub const BACKGROUND_LIMIT: Duration = Duration::from_secs(8);

/// A stream that can be read.
#[derive(Debug)]
pub struct Opened {
    /// Its capability.
    pub token: String,
    /// Length of the file in bytes.
    pub file_len: u64,
    /// Content type.
    pub mime: &'static str,
}

/// What the caller asked for.
pub struct Prepare {
    /// Which torrent.
    pub source: Source,
    /// What storage knows of it.
    pub stored: Stored,
    /// Which file.
    pub file: i32,
    /// Main or background.
    pub role: Role,
    /// Who waits.
    pub waiter: Promise<Opened>,
    /// When the call came, on the engine's clock.
    pub called: Duration,
}

/// A prepare that waits for its torrent.
pub struct Job {
    /// What was asked.
    pub prepare: Prepare,
    /// Counts main prepares over the session; 0 for a background one.
    pub main_serial: u64,
    /// When the metadata was there.
    pub metadata_at: Option<Duration>,
    /// The stream, once the file is checked.
    pub stream: Option<Arc<Stream>>,
    /// Bytes of the torrent received when buffering began.
    pub received_before: u64,
}

/// The file that was asked for, checked.
pub struct Chosen {
    /// Its number.
    pub index: u32,
    /// What it is, by name; `None`: only its first bytes can tell.
    pub media: Option<MediaType>,
}

/// Extensions that are certainly no audio: their first bytes need not be fetched to say so.
const NOT_AUDIO: [&str; 44] = [
    "jpg", "jpeg", "png", "gif", "webp", "bmp", "tif", "tiff", "svg", "pdf", "txt", "nfo", "log", "cue",
    "m3u", "m3u8", "pls", "sfv", "md5", "sha1", "ffp", "accurip", "html", "htm", "url", "zip", "rar", "7z",
    "gz", "doc", "docx", "rtf", "epub", "db", "ini", "xml", "json", "torrent", "exe", "dll", "iso", "srt",
    "md", "lrc",
];

/// Bytes that one name of a path can have (limits.h; the same on all file systems in use).
const NAME_MAX: usize = 255;

/// # Errors
/// `InvalidFile`: the message names the file and the count.
pub fn check_file(meta: &Meta, index: i32) -> Result<Chosen, Error> {
    let files = &meta.info.files;
    let count = files.len();
    let found = usize::try_from(index).ok().and_then(|i| files.get(i).map(|file| (i, file)));
    let Some((at, file)) = found else {
        return Err(Error::InvalidFile(format!("file_idx {index} out of range (torrent has {count} files)")));
    };
    let refuse = |why: &str| {
        Err(Error::InvalidFile(format!("file_idx {index} ({}) {why} (torrent has {count} files)", file.path)))
    };
    if file.pad {
        return refuse("is padding, not a file");
    }
    if file.symlink {
        return refuse("is a symbolic link, not an audio file");
    }
    // libtorrent cuts most long names, not all: a name of bytes that are no UTF-8 stays as long as it is.
    if let Some(long) = file.disk_path.split('/').map(str::len).find(|&len| len > NAME_MAX) {
        return refuse(&format!("has a name of {long} bytes, file systems take {NAME_MAX}"));
    }
    let media = MediaType::by_name(&file.path);
    let extension = file.path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    if media.is_none() && extension.is_some_and(|e| NOT_AUDIO.contains(&e.as_str())) {
        return refuse("is not an audio file");
    }
    let index = u32::try_from(at).map_err(|_| Error::InvalidFile("too many files".into()))?;
    Ok(Chosen { index, media })
}

/// Whether the first bytes of a file without a telling name are audio.
///
/// # Errors
/// `InvalidFile` when they are not.
pub fn check_bytes(meta: &Meta, index: u32, head: &[u8]) -> Result<MediaType, Error> {
    let path = meta.info.files.get(index as usize).map_or("", |file| file.path.as_str());
    media::identify(path, head).ok_or_else(|| {
        let count = meta.info.files.len();
        Error::InvalidFile(format!(
            "file_idx {index} ({path}) is not an audio file (torrent has {count} files)"
        ))
    })
}

/// Bytes in a form for people.
pub fn human(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// Whether data comes and none of it is of use: `bytes` in the time that `waited` since the last right piece.
pub fn is_fruitless(waited: Duration, bytes: u64, piece_len: u32) -> bool {
    waited > WRONG_TIMEOUT && bytes > WRONG_PIECES * u64::from(piece_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wrong_data_ends_a_wait_and_slow_data_does_not() {
        let seconds = Duration::from_secs;
        assert!(is_fruitless(seconds(121), 800_000, 256 * 1024));
        // It may all have come in the last moment.
        assert!(!is_fruitless(seconds(119), 100_000_000, 256 * 1024));
        // Three pieces of 16 MiB take a slow peer an hour, and each may be right.
        assert!(!is_fruitless(seconds(900), 50_000_000, 16 * 1024 * 1024));
    }
}
