//! Why the system refused. `std::io::ErrorKind` has a word for most of it: `NotFound`, `NotADirectory`, `IsADirectory`,
//! `StorageFull`, `QuotaExceeded`, `Interrupted`.

use std::io;

use rustix::io::Errno;

/// Whether a symbolic link stood where none may be, or the way would have left the folder that it began in.
#[must_use]
pub fn is_link(error: &io::Error) -> bool {
    match Errno::from_io_error(error) {
        Some(Errno::LOOP | Errno::XDEV) => true,
        // What these say to O_NOFOLLOW, by their manuals.
        #[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
        Some(Errno::MLINK) => true,
        #[cfg(target_os = "netbsd")]
        Some(Errno::FTYPE) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other rooms tell these apart by the standard library's words alone.
    #[test]
    fn the_systems_numbers_have_the_words_that_are_asked_for() {
        use io::ErrorKind::{Interrupted, IsADirectory, NotADirectory, NotFound, QuotaExceeded, StorageFull};
        for (number, kind) in [
            (Errno::NOENT, NotFound),
            (Errno::NOTDIR, NotADirectory),
            (Errno::ISDIR, IsADirectory),
            (Errno::NOSPC, StorageFull),
            (Errno::DQUOT, QuotaExceeded),
            (Errno::INTR, Interrupted),
        ] {
            let error = io::Error::from(number);
            assert_eq!(error.kind(), kind);
            assert!(!is_link(&error), "{error}");
        }
        assert!(is_link(&Errno::LOOP.into()) && is_link(&Errno::XDEV.into()));
    }
}
