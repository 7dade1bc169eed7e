//! Why storage failed. The kinds are those that the engine answers differently: wait for space, check the torrent
//! again, give the caller a reason.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What went wrong, where, and for an answer of the system its own words.
#[derive(Debug)]
pub enum Error {
    /// The storage directory cannot be used at all.
    Unusable {
        /// The directory as the host named it.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The disk or the quota is full. Passes when space is freed.
    Full {
        /// What was being written.
        path: PathBuf,
    },
    /// A file or folder is not there (yet), or not any more.
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// A file does not hold what libtorrent wrote to it: it is shorter, or another file took its place. The torrent
    /// must be checked again before anything more is read from it.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A name that leads outside the storage directory, through a symbolic link, or to something that is no file.
    Refused {
        /// The name as it was asked for.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Any other answer of the system.
    Io {
        /// What was being done: "write", "lock".
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Error {
    /// Sorts an error of the system into the kinds above.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            io::ErrorKind::NotFound => Self::Missing { path },
            _ => Self::Io { action, path, source },
        }
    }

    pub(super) fn refused(path: impl Into<PathBuf>, reason: &'static str) -> Self {
        Self::Refused { path: path.into(), reason }
    }

    pub(super) fn damaged(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.into(), reason: reason.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable { path, reason } => {
                write!(f, "storage directory {} cannot be used: {reason}", path.display())
            }
            Self::Full { path } => write!(f, "the disk is full: {} (free some space)", path.display()),
            Self::Missing { path } => write!(f, "{} does not exist", path.display()),
            Self::Damaged { path, reason } => write!(f, "{} is damaged: {reason}", path.display()),
            Self::Refused { path, reason } => write!(f, "{:?} is refused: {reason}", path.display()),
            Self::Io { action, path, source } => write!(f, "cannot {action} {}: {source}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: io::ErrorKind, expected: &str) {
        let error = Error::io("write", Path::new("/s/a"), source.into());
        assert!(error.to_string().starts_with(expected), "{error}");
    }

    #[test]
    fn errors_of_the_system_are_sorted_and_say_what_to_do() {
        check(io::ErrorKind::StorageFull, "the disk is full: /s/a (free some space)");
        check(io::ErrorKind::QuotaExceeded, "the disk is full: /s/a (free some space)");
        check(io::ErrorKind::NotFound, "/s/a does not exist");
        check(io::ErrorKind::ReadOnlyFilesystem, "cannot write /s/a: read-only filesystem");
    }
}
