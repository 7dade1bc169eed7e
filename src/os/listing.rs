//! What is directly in an open folder.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Dir, DirEntry, unlinkat};

use super::Folder;
use super::status::{self, Status};

/// The names in a folder, one after the other. What its calls say is about the folder that was opened, also when
/// another has taken its name meanwhile.
#[derive(Debug)]
pub struct Listing {
    folder: Dir,
}

/// One name.
#[derive(Debug)]
pub struct Entry(DirEntry);

impl Entry {
    /// The name alone.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        OsStr::from_bytes(self.0.file_name().to_bytes())
    }
}

impl Listing {
    /// From the first name on.
    ///
    /// # Errors
    /// The system's.
    pub fn of(folder: Folder) -> io::Result<Self> {
        Ok(Self { folder: Dir::new(folder.into_handle())? })
    }

    /// The next name; never the folder itself or the one above it.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&mut self) -> io::Result<Option<Entry>> {
        while let Some(entry) = self.folder.read() {
            let entry = entry?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                return Ok(Some(Entry(entry)));
            }
        }
        Ok(None)
    }

    /// What is under the name now; a link is itself.
    ///
    /// # Errors
    /// The system's.
    pub fn status(&self, entry: &Entry) -> io::Result<Status> {
        status::below(self.folder.fd()?, entry.0.file_name())
    }

    /// Removes the file or link under the name.
    ///
    /// # Errors
    /// The system's; also when it is a folder.
    pub fn remove_file(&self, entry: &Entry) -> io::Result<()> {
        Ok(unlinkat(self.folder.fd()?, entry.0.file_name(), AtFlags::empty())?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::os::Kind;
    use crate::os::testing::Scratch;

    #[test]
    fn every_name_comes_once_with_what_it_is() {
        let scratch = Scratch::new();
        fs::create_dir(scratch.join("folder")).unwrap();
        fs::write(scratch.join("file"), "").unwrap();
        fs::write(scratch.join("..."), "").unwrap();
        let mut listing = Listing::of(Folder::open(&scratch).unwrap()).unwrap();
        let mut found = Vec::new();
        while let Some(entry) = listing.read().unwrap() {
            found.push((entry.name().to_str().unwrap().to_owned(), listing.status(&entry).unwrap().kind));
            if entry.name() == "file" {
                listing.remove_file(&entry).unwrap();
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [("...", Kind::File), ("file", Kind::File), ("folder", Kind::Folder)];
        assert_eq!(found, expected.map(|(name, kind)| (name.to_owned(), kind)));
        assert!(!scratch.join("file").exists());
    }
}
