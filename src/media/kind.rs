//! File name -> media type.
//!
//! The name decides, because it is known before a single byte is: the last extension of the last path
//! component, whatever its case. Two things hang on it: the `Content-Type` (players that obey `nosniff` trust
//! nothing else) and whether the file can be streamed at all.

/// A family of containers that is examined in one way. Several extensions and MIME types share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// MPEG audio frames (layers I to III), usually behind ID3v2 tags.
    Mp3,
    /// AAC in ADTS frames (ISO 13818-7).
    Aac,
    /// Native FLAC (RFC 9639).
    Flac,
    /// Ogg pages (RFC 3533) holding Vorbis, Opus, FLAC or Speex.
    Ogg,
    /// ISO base media (ISO 14496-12): AAC or ALAC in `.m4a`, and whatever `.mp4` holds.
    Mp4,
    /// RIFF/RF64/BW64 WAVE.
    Wav,
    /// AIFF and AIFF-C.
    Aiff,
    /// Matroska and WebM (RFC 9559).
    Matroska,
    /// Monkey's Audio.
    Ape,
    /// WavPack.
    WavPack,
    /// Sony's DSD stream file.
    Dsf,
    /// Philips' DSDIFF.
    Dff,
    /// Windows Media Audio in ASF.
    Wma,
    /// True Audio.
    Tta,
    /// Musepack, stream versions 7 and 8.
    Musepack,
    /// AC-3 and E-AC-3 frames.
    Ac3,
    /// DTS frames.
    Dts,
    /// Adaptive multi-rate speech.
    Amr,
    /// Apple's Core Audio Format.
    Caf,
    /// Tom's lossless audio kompressor.
    Tak,
    /// Shorten.
    Shorten,
    /// Sun/NeXT audio.
    Au,
}

/// What a file can be served as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// The `Content-Type`, ASCII, without parameters, shorter than 64 bytes.
    pub mime: &'static str,
    /// How its bytes are examined.
    pub kind: Kind,
}

/// The `Content-Type` of everything that is not a [`MediaType`].
pub const UNKNOWN_MIME: &str = "application/octet-stream";

/// Extension in lower case, MIME type, kind.
///
/// Registered types where there are any (IANA; `audio/ogg` RFC 5334, `audio/flac` RFC 9639), otherwise those
/// of freedesktop.org's shared-mime-info. `mp4` and `mkv` stay `video/…`: that is what hosts of the engine
/// before this one were served, and a file with that name may well hold pictures; both are streamed like the
/// rest.
const BY_EXTENSION: &[(&str, &str, Kind)] = &[
    ("mp3", "audio/mpeg", Kind::Mp3),
    ("mp2", "audio/mpeg", Kind::Mp3),
    ("mp1", "audio/mpeg", Kind::Mp3),
    ("mpga", "audio/mpeg", Kind::Mp3),
    ("aac", "audio/aac", Kind::Aac),
    ("adts", "audio/aac", Kind::Aac),
    ("flac", "audio/flac", Kind::Flac),
    ("ogg", "audio/ogg", Kind::Ogg),
    ("oga", "audio/ogg", Kind::Ogg),
    ("opus", "audio/ogg", Kind::Ogg),
    ("spx", "audio/ogg", Kind::Ogg),
    ("m4a", "audio/mp4", Kind::Mp4),
    ("m4b", "audio/mp4", Kind::Mp4),
    ("m4r", "audio/mp4", Kind::Mp4),
    ("alac", "audio/mp4", Kind::Mp4),
    ("mp4", "video/mp4", Kind::Mp4),
    ("wav", "audio/wav", Kind::Wav),
    ("wave", "audio/wav", Kind::Wav),
    ("bwf", "audio/wav", Kind::Wav),
    ("rf64", "audio/wav", Kind::Wav),
    ("aiff", "audio/aiff", Kind::Aiff),
    ("aif", "audio/aiff", Kind::Aiff),
    ("aifc", "audio/aiff", Kind::Aiff),
    ("mka", "audio/x-matroska", Kind::Matroska),
    ("mkv", "video/x-matroska", Kind::Matroska),
    ("webm", "audio/webm", Kind::Matroska),
    ("weba", "audio/webm", Kind::Matroska),
    ("ape", "audio/x-ape", Kind::Ape),
    ("wv", "audio/x-wavpack", Kind::WavPack),
    ("dsf", "audio/x-dsf", Kind::Dsf),
    ("dff", "audio/x-dff", Kind::Dff),
    ("wma", "audio/x-ms-wma", Kind::Wma),
    ("tta", "audio/x-tta", Kind::Tta),
    ("mpc", "audio/x-musepack", Kind::Musepack),
    ("mpp", "audio/x-musepack", Kind::Musepack),
    ("mp+", "audio/x-musepack", Kind::Musepack),
    ("ac3", "audio/ac3", Kind::Ac3),
    ("eac3", "audio/eac3", Kind::Ac3),
    ("ec3", "audio/eac3", Kind::Ac3),
    ("dts", "audio/vnd.dts", Kind::Dts),
    ("amr", "audio/amr", Kind::Amr),
    ("awb", "audio/amr-wb", Kind::Amr),
    ("caf", "audio/x-caf", Kind::Caf),
    ("tak", "audio/x-tak", Kind::Tak),
    ("shn", "audio/x-shorten", Kind::Shorten),
    ("au", "audio/basic", Kind::Au),
    ("snd", "audio/basic", Kind::Au),
];

impl MediaType {
    /// What the name of a file (or its path within the torrent, with `/`) says it is; `None`: not audio.
    ///
    /// Names that begin with `._` are AppleDouble companions: `._01.mp3` holds Finder data, never the track.
    pub fn by_name(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let (_, extension) = name.rsplit_once('.').filter(|_| !name.starts_with("._"))?;
        let known = |row: &&(&str, &str, Kind)| row.0.eq_ignore_ascii_case(extension);
        BY_EXTENSION.iter().find(known).map(|&(_, mime, kind)| Self { mime, kind })
    }

    /// Whether sound alone is promised, as opposed to a film that can be streamed too.
    pub fn is_audio(self) -> bool {
        self.mime.starts_with("audio/")
    }
}

impl From<Kind> for MediaType {
    /// The type of a file that only its bytes betray: the kind's most common one.
    fn from(kind: Kind) -> Self {
        let mime = BY_EXTENSION.iter().find(|row| row.2 == kind).map_or(UNKNOWN_MIME, |row| row.1);
        Self { mime, kind }
    }
}

/// The `Content-Type` that the name alone decides; [`UNKNOWN_MIME`] when it is not audio.
pub fn mime(path: &str) -> &'static str {
    MediaType::by_name(path).map_or(UNKNOWN_MIME, |media_type| media_type.mime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides_the_mime_type() {
        for (path, expected) in [
            ("01.mp3", "audio/mpeg"),
            ("01.FLAC", "audio/flac"),
            ("01.Opus", "audio/ogg"),
            ("01.oga", "audio/ogg"),
            ("01.m4a", "audio/mp4"),
            ("book.m4b", "audio/mp4"),
            ("01.alac", "audio/mp4"),
            ("01.aac", "audio/aac"),
            ("01.wav", "audio/wav"),
            ("01.aif", "audio/aiff"),
            ("01.mka", "audio/x-matroska"),
            ("01.webm", "audio/webm"),
            ("concert.mp4", "video/mp4"),
            ("concert.mkv", "video/x-matroska"),
            ("cover.jpg", UNKNOWN_MIME),
            ("01.mp3.txt", UNKNOWN_MIME),
            ("album.cue", UNKNOWN_MIME),
            ("mp3", UNKNOWN_MIME),
            ("", UNKNOWN_MIME),
            ("01.", UNKNOWN_MIME),
        ] {
            assert_eq!(mime(path), expected, "{path}");
        }
    }

    #[test]
    fn only_the_last_path_component_counts() {
        assert_eq!(mime("rips.flac/readme"), UNKNOWN_MIME);
        assert_eq!(mime("v1.0/01. Песня.flac"), "audio/flac");
    }

    #[test]
    fn finder_companions_are_not_tracks() {
        assert_eq!(MediaType::by_name("CD1/._01.mp3"), None);
        assert_eq!(mime(".mp3"), "audio/mpeg");
    }

    #[test]
    fn films_can_be_streamed_but_are_not_audio() {
        assert_eq!(MediaType::by_name("a.mp4").map(MediaType::is_audio), Some(false));
        assert_eq!(MediaType::by_name("a.m4a").map(MediaType::is_audio), Some(true));
    }

    #[test]
    fn the_table_is_well_formed() {
        for (index, &(extension, mime, kind)) in BY_EXTENSION.iter().enumerate() {
            assert_eq!(extension, extension.to_ascii_lowercase());
            assert!(mime.is_ascii() && mime.len() < 64, "{mime}");
            assert!(!BY_EXTENSION[..index].iter().any(|row| row.0 == extension), "{extension} twice");
            assert!(MediaType::from(kind).is_audio(), "{kind:?}");
        }
    }
}
