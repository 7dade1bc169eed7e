//! What is in the way of a torrent's files.
//!
//! libtorrent opens what it finds under a file's name. A symbolic link there would make it write to wherever the link
//! leads, and a folder or a pipe would stop the torrent for good. None of that is ours, so nothing is deleted: it is
//! given another name beside its place.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::{Error, Home, Store, layout};

/// How the new name ends, with a number after it.
const ASIDE: &str = "vz-aside";
/// Names that are tried before it is given up.
const MOST: u32 = 1000;

impl Store {
    /// Moves aside whatever is no folder or regular file on the way to a torrent's files. `files`: paths under the
    /// save path, those that the torrent describes as links left out. Returns what was moved, by its new name.
    ///
    /// # Errors
    /// Names what is in the way and could not be moved.
    pub fn clear_way<'a>(
        &self,
        home: &Home,
        files: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<PathBuf>, Error> {
        let mut moved = Vec::new();
        // Folders that are in order, or not there; the files in them share the answer.
        let mut folders = BTreeSet::new();
        for file in files.filter(|file| layout::check(file).is_ok()) {
            let relative = Path::new(file);
            let mut above: Vec<&Path> = relative.ancestors().skip(1).collect();
            // The last is empty: the save path itself.
            above.pop();
            for folder in above.into_iter().rev() {
                if folders.insert(folder.to_owned()) {
                    clear(&home.save_path().join(folder), Metadata::is_dir, &mut moved)?;
                }
            }
            clear(&home.save_path().join(relative), Metadata::is_file, &mut moved)?;
        }
        Ok(moved)
    }
}

fn clear(path: &Path, belongs: fn(&Metadata) -> bool, moved: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |source: io::Error| Error::io("move aside", path, source);
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(())
        }
        Ok(found) if belongs(&found) => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(_) => {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{ASIDE}"));
            let free = (1..=MOST).map(|number| {
                let mut name = name.clone();
                name.push(format!("-{number}"));
                PathBuf::from(name)
            });
            let mut free = free.filter(|aside| fs::symlink_metadata(aside).is_err());
            let aside = free
                .next()
                .ok_or_else(|| Error::refused(path, "it is in the way of a torrent's file; remove it"))?;
            fs::rename(path, &aside).map_err(failed)?;
            moved.push(aside);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::{Scratch, symlink};
    use crate::units::InfoHash;

    #[test]
    fn only_what_is_in_the_way_is_moved_and_nothing_is_lost() {
        let scratch = Scratch::new();
        let precious = Scratch::new();
        fs::write(precious.join("letter"), "dear").unwrap();
        let store = Store::open(&scratch).unwrap();
        let home = store.home(InfoHash([7; 20]), "Album").unwrap();
        let album = home.save_path().join("Album");
        fs::create_dir_all(album.join("2.flac/inside")).unwrap();
        fs::write(album.join("1.flac"), "music").unwrap();
        symlink(precious.join("letter"), album.join("3.flac")).unwrap();
        symlink(&*precious, album.join("CD1")).unwrap();
        fs::write(album.join("CD2"), "a file").unwrap();
        fs::write(album.join("3.flac.vz-aside-1"), "older").unwrap();

        let files =
            ["1.flac", "2.flac", "3.flac", "CD1/1.flac", "CD1/2.flac", "CD2/1.flac", "4.flac", "../x"];
        let files: Vec<String> = files.iter().map(|file| format!("Album/{file}")).collect();
        let moved = store.clear_way(&home, files.iter().map(String::as_str)).unwrap();
        let names: Vec<_> = moved.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["2.flac.vz-aside-1", "3.flac.vz-aside-2", "CD1.vz-aside-1", "CD2.vz-aside-1"]);
        assert!(moved[0].join("inside").is_dir() && moved[1].is_symlink() && moved[2].is_symlink());
        assert_eq!(fs::read_to_string(precious.join("letter")).unwrap(), "dear");
        assert_eq!(fs::read_to_string(album.join("1.flac")).unwrap(), "music");
        assert!(store.clear_way(&home, files.iter().map(String::as_str)).unwrap().is_empty());
    }
}
