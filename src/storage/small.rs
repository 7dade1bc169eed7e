//! Reading small files whole, and folders.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

use super::{Error, beneath};
use crate::os;

/// Longer settings files are not read: nobody wrote them by hand.
pub(super) const SETTINGS_LIMIT: u64 = 1 << 20;
/// Longer resume data or DHT state is not ours: libtorrent's own limit for metadata is 30 MiB.
const STATE_LIMIT: u64 = 64 << 20;

/// Names in a folder, those that are text, with their times of change. A folder that is gone is empty.
pub(super) fn list(folder: &Path) -> Result<Vec<(String, SystemTime)>, Error> {
    let failed = |source| Error::io("list", folder, source);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let time = entry.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        if let Ok(name) = entry.file_name().into_string() {
            names.push((name, time));
        }
    }
    Ok(names)
}

/// A whole small file inside a root; `None` when it is not there.
pub(super) fn load(root: &Path, relative: &str) -> Result<Option<Vec<u8>>, Error> {
    let file = match beneath::open(root, relative) {
        Err(Error::Missing { .. }) => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    let read = file.take(STATE_LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(|source| Error::io("read", &root.join(relative), source))?;
    if bytes.len() as u64 > STATE_LIMIT {
        return Err(Error::damaged(root.join(relative), "it is too long to be ours"));
    }
    Ok(Some(bytes))
}

/// The settings file may be a link, as people keep their settings; but not a pipe that never ends.
pub(super) fn read_settings(path: &Path) -> io::Result<String> {
    let file = os::file::open_without_waiting(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = String::new();
    if file.take(SETTINGS_LIMIT + 1).read_to_string(&mut text)? as u64 > SETTINGS_LIMIT {
        return Err(io::Error::other("it is longer than 1 MiB"));
    }
    Ok(text)
}
