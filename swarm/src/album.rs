//! Albums to share: folders of generated audio with the small files and odd names that real ones have.

use crate::audio::{self, FlacSpec, Mp3Spec};
use std::{fs, io, path::Path};

/// What the tracks of an album are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackFormat {
    /// FLAC with a small cover, padding and a seek table.
    Flac,
    /// 320 kbit/s MP3 with both tags.
    Mp3,
    /// WAV.
    Wav,
}

/// An album: tracks in one folder.
#[derive(Debug, Clone)]
pub struct Album {
    /// Name of the folder and of the torrent.
    pub name: String,
    /// Number of tracks.
    pub tracks: usize,
    /// Length of each track in bytes, within a frame.
    pub track_len: usize,
    /// What they are.
    pub format: TrackFormat,
    /// Adds what makes real albums awkward; see [`Album::awkward`].
    pub awkward: bool,
    /// Which noise.
    pub seed: u64,
}

impl Album {
    /// FLAC tracks and nothing else.
    pub fn flac(tracks: usize, track_len: usize) -> Self {
        let name = "Album".into();
        Self { name, tracks, track_len, format: TrackFormat::Flac, awkward: false, seed: 1 }
    }

    /// The same with two discs in folders with UTF-8 names whose first tracks have the same base name, a cover, a cue
    /// sheet, an empty file, and track lengths that are no multiple of anything, so that (in v1) tracks share pieces.
    pub fn awkward(tracks: usize, track_len: usize) -> Self {
        Self { name: "Альбом (2024) [FLAC]".into(), awkward: true, ..Self::flac(tracks, track_len) }
    }

    /// Writes the album's folder below `parent`.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn write(&self, parent: &Path) -> io::Result<()> {
        let root = parent.join(&self.name);
        fs::create_dir_all(&root)?;
        for track in 0..self.tracks {
            let path = root.join(self.track_path(track));
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, self.track(track))?;
        }
        if self.awkward {
            fs::write(root.join("cover.jpg"), audio::jpeg(60_000, self.seed))?;
            fs::write(root.join("Альбом.cue"), self.cue())?;
            fs::write(root.join("empty.log"), b"")?;
        }
        Ok(())
    }

    /// Path of track number `track` (from 0) below the album's folder.
    pub fn track_path(&self, track: usize) -> String {
        let end = match self.format {
            TrackFormat::Flac => "flac",
            TrackFormat::Mp3 => "mp3",
            TrackFormat::Wav => "wav",
        };
        if !self.awkward {
            return format!("{:02} - Track.{end}", track + 1);
        }
        let first_disc = self.tracks.div_ceil(2);
        let (disc, number) = if track < first_disc { (1, track) } else { (2, track - first_disc) };
        format!("Диск {disc}/{:02} - Песня.{end}", number + 1)
    }

    /// The bytes of track number `track`.
    pub fn track(&self, track: usize) -> Vec<u8> {
        let seed = self.seed.wrapping_mul(1000).wrapping_add(track as u64);
        let len = if self.awkward { self.track_len + 12_345 * track + 777 } else { self.track_len };
        match self.format {
            TrackFormat::Wav => audio::wav(len, seed),
            TrackFormat::Flac => {
                let (picture_len, padding_len) = (20_000.min(len / 10), 4096.min(len / 20));
                audio::flac(FlacSpec { len, picture_len, padding_len, seek_points: 20, seed })
            }
            TrackFormat::Mp3 => {
                audio::mp3(Mp3Spec { len, kbps: 320, id3v2_len: 20_000.min(len / 10), id3v1: true, seed })
            }
        }
    }

    /// A cue sheet that names the tracks.
    fn cue(&self) -> String {
        let mut out = format!("TITLE \"{}\"\n", self.name);
        for track in 0..self.tracks {
            let path = self.track_path(track);
            out += &format!("FILE \"{path}\" WAVE\n  TRACK {:02} AUDIO\n    INDEX 01 00:00:00\n", track + 1);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_awkward_album_has_what_it_promises() {
        let dir = tempfile::tempdir().unwrap();
        let album = Album::awkward(3, 50_000);
        album.write(dir.path()).unwrap();
        let root = dir.path().join(&album.name);
        for (path, same) in [("Диск 1/01 - Песня.flac", 0), ("Диск 2/01 - Песня.flac", 2)] {
            assert_eq!(fs::read(root.join(path)).unwrap(), album.track(same));
        }
        assert_eq!(fs::metadata(root.join("empty.log")).unwrap().len(), 0);
        assert_eq!(fs::metadata(root.join("cover.jpg")).unwrap().len(), 60_000);
        assert!(fs::read_to_string(root.join("Альбом.cue")).unwrap().contains("Диск 2/01"));
        assert_ne!(album.track(0)[25_000..26_000], album.track(1)[25_000..26_000]);
    }
}
