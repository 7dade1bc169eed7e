//! Opening a file that must be inside a folder.
//!
//! Paths come out of torrents, and whoever can write to the folder can put a link there. So the path is checked
//! ([`super::layout::check`]), and then [`Folder`] goes through no link, whoever puts one there meanwhile.

use std::fs::File;
use std::io;
use std::path::Path;

use super::{Error, layout};
use crate::os::{self, Folder, Kind, Status};

/// Opens the regular file `relative` inside `folder` for reading. `folder` itself may be a link; nothing below it is
/// followed. (libtorrent makes links where a torrent describes some; they hold no audio of their own and are refused.)
pub(super) fn open(folder: &Path, relative: &str) -> Result<File, Error> {
    open_by(folder, relative, Folder::file)
}

/// Opens the regular file `relative` inside `folder` for reading and writing, made with its folders if it is not
/// there. As [`open`], it goes through no link.
pub(super) fn create(folder: &Path, relative: &str) -> Result<File, Error> {
    open_by(folder, relative, Folder::create)
}

fn open_by(
    folder: &Path,
    relative: &str,
    open: impl Fn(&Folder, &Path) -> io::Result<File>,
) -> Result<File, Error> {
    layout::check(relative)?;
    let path = folder.join(relative);
    let failed = |source: io::Error| match source.kind() {
        // A link answers so where a file is expected, and NotADirectory where a folder is.
        _ if os::is_link(&source) => Error::refused(&path, "there is a symbolic link on the way"),
        io::ErrorKind::NotADirectory => {
            Error::refused(&path, "there is a file or a symbolic link where a folder should be")
        }
        // What opening for writing says about a folder.
        io::ErrorKind::IsADirectory => Error::refused(&path, "it is not a regular file"),
        _ => Error::io("open", &path, source),
    };
    let file = Folder::open(folder).and_then(|folder| open(&folder, Path::new(relative))).map_err(failed)?;
    if Status::of(&file).map_err(failed)?.kind != Kind::File {
        return Err(Error::refused(&path, "it is not a regular file"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use super::*;
    use crate::os::testing::{Scratch, fifo, symlink};

    type Open = fn(&Path, &str) -> Result<File, Error>;

    /// What refuses to read must refuse to write too.
    const WAYS: [Open; 2] = [open, create];

    fn text(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn opens_files_at_any_depth() {
        let folder = Scratch::new();
        fs::create_dir_all(folder.join("Диск 1/b")).unwrap();
        fs::write(folder.join("top"), "one").unwrap();
        fs::write(folder.join("Диск 1/b/c"), "two").unwrap();
        for open in WAYS {
            assert_eq!(text(open(&folder, "top").unwrap()), "one");
            assert_eq!(text(open(&folder, "Диск 1/b/c").unwrap()), "two");
        }
    }

    #[test]
    fn makes_a_file_with_its_folders_and_keeps_what_is_there() {
        let folder = Scratch::new();
        for _ in 0..2 {
            drop(create(&folder, "Диск 1/b/c").unwrap());
        }
        fs::write(folder.join("Диск 1/b/c"), "kept").unwrap();
        assert_eq!(text(create(&folder, "Диск 1/b/c").unwrap()), "kept");
    }

    #[test]
    fn follows_no_link_and_leaves_by_no_name() {
        let outside = Scratch::new();
        fs::write(outside.join("secret"), "secret").unwrap();
        let folder = Scratch::new();
        fs::create_dir(folder.join("d")).unwrap();
        fs::write(folder.join("d/file"), "").unwrap();
        symlink(outside.join("secret"), folder.join("link")).unwrap();
        symlink(&*outside, folder.join("out")).unwrap();
        symlink("d", folder.join("in")).unwrap();
        let up = format!("../{}/secret", outside.file_name().unwrap().to_str().unwrap());
        let absolute = outside.join("secret").to_str().unwrap().to_owned();
        for open in WAYS {
            for name in ["link", "out/secret", "in/file", "d/file/x", "d/../link", &up, &absolute, "", "d"] {
                let error = open(&folder, name).unwrap_err();
                assert!(matches!(error, Error::Refused { .. }), "{name}: {error}");
            }
        }
    }

    #[test]
    fn the_folder_itself_may_be_reached_through_a_link() {
        let folder = Scratch::new();
        fs::create_dir(folder.join("real")).unwrap();
        fs::write(folder.join("real/file"), "here").unwrap();
        symlink("real", folder.join("storage")).unwrap();
        for open in WAYS {
            assert_eq!(text(open(&folder.join("storage"), "file").unwrap()), "here");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = Scratch::new();
        let missing = |error| matches!(error, Error::Missing { path } if path == folder.join("a/b"));
        assert!(missing(open(&folder, "a/b").unwrap_err()));
        for open in WAYS {
            assert!(matches!(open(&folder.join("gone"), "b"), Err(Error::Missing { .. })));
        }
    }

    #[test]
    fn a_fifo_is_refused_without_waiting_for_a_writer() {
        let folder = Scratch::new();
        fifo(&folder.join("fifo")).unwrap();
        for open in WAYS {
            assert!(matches!(open(&folder, "fifo"), Err(Error::Refused { .. })));
        }
    }
}
