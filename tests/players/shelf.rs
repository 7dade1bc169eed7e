//! One audio file of every kind that players treat differently, made once and kept between runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread;

use vozduxan_swarm::audio::{self, Encoded, FlacSpec, Format, PCM_RATE, ffmpeg};

/// Length of the compressed tracks in seconds: at [`KBPS`] 3.8 MB.
const SECONDS: u32 = 120;
/// Rate of the compressed tracks in kbit/s.
const KBPS: u32 = 256;
/// Length of the FLAC and WAV tracks in seconds: 4.2 MB.
const PCM_SECONDS: u32 = 24;
/// Bytes of the cover in front of the MP3's and the FLAC's audio: more than any prebuffer.
const COVER_LEN: usize = 700_000;

/// What is on the shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Track {
    /// With a big cover and without a seek table: seeking bisects.
    Flac,
    /// With a title and a big cover in its ID3v2 tag.
    Mp3,
    /// Its duration is told by its last page.
    OggOpus,
    /// Its duration is told by its last page.
    OggVorbis,
    /// Nothing can be played before its end is read.
    M4aMoovLast,
    /// Plays from its beginning.
    M4aMoovFirst,
    /// A header of a few bytes.
    Wav,
}

impl Track {
    pub const ALL: [Self; 7] = [
        Self::Flac,
        Self::Mp3,
        Self::OggOpus,
        Self::OggVorbis,
        Self::M4aMoovLast,
        Self::M4aMoovFirst,
        Self::Wav,
    ];

    /// Base name of its file; says all that went into it, since a file that exists is not made again.
    pub fn file_name(self) -> String {
        match self {
            Self::Flac => format!("cover {PCM_SECONDS}s.flac"),
            Self::Mp3 => format!("cover and title {SECONDS}s {KBPS}k.mp3"),
            Self::OggOpus => format!("{SECONDS}s {KBPS}k.opus"),
            Self::OggVorbis => format!("{SECONDS}s {KBPS}k.ogg"),
            Self::M4aMoovLast => format!("moov last {SECONDS}s {KBPS}k.m4a"),
            Self::M4aMoovFirst => format!("moov first {SECONDS}s {KBPS}k.m4a"),
            Self::Wav => format!("{PCM_SECONDS}s.wav"),
        }
    }

    /// Its codec by ffmpeg's name.
    pub fn codec(self) -> &'static str {
        match self {
            Self::Flac => "flac",
            Self::Mp3 => "mp3",
            Self::OggOpus => "opus",
            Self::OggVorbis => "vorbis",
            Self::M4aMoovLast | Self::M4aMoovFirst => "aac",
            Self::Wav => "pcm_s16le",
        }
    }

    /// Its length in seconds, within a tenth.
    pub fn seconds(self) -> f64 {
        f64::from(if matches!(self, Self::Flac | Self::Wav) { PCM_SECONDS } else { SECONDS })
    }

    /// The file with the true bytes.
    pub fn source(self) -> PathBuf {
        folder().join(self.file_name())
    }

    fn write(self, path: &Path) -> io::Result<()> {
        let pcm_len = (PCM_RATE * PCM_SECONDS) as usize;
        let seed = self as u64 + 1;
        let encode = |format| ffmpeg::encode(Encoded { format, seconds: SECONDS, kbps: KBPS, seed }, path);
        match self {
            Self::Flac => {
                let len = pcm_len + COVER_LEN;
                let spec = FlacSpec { len, picture_len: COVER_LEN, padding_len: 0, seek_points: 0, seed };
                fs::write(path, audio::flac(spec))
            }
            Self::Mp3 => write_mp3(path, seed),
            Self::OggOpus => encode(Format::OggOpus),
            Self::OggVorbis => encode(Format::OggVorbis),
            Self::M4aMoovLast => encode(Format::M4aMoovLast),
            Self::M4aMoovFirst => encode(Format::M4aMoovFirst),
            Self::Wav => fs::write(path, audio::wav(pcm_len, seed)),
        }
    }
}

/// An MP3 that can be heard: the swarm's own are silent, and silence sounds right wherever it comes from. The title
/// matters: without any text in the ID3v2 tag ffmpeg looks for an ID3v1 tag, and whether it opens a connection at the
/// end for that or reads all that is in between depends on the size of its socket's buffer at that moment.
fn write_mp3(path: &Path, seed: u64) -> io::Result<()> {
    let cover = path.with_extension("jpg");
    fs::write(&cover, audio::jpeg(COVER_LEN, seed))?;
    let noise = format!("anoisesrc=d={SECONDS}:c=pink:a=0.5:r=44100:seed={seed}");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", &noise, "-i"]).arg(&cover);
    command.args(["-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic"]);
    command.args(["-ac", "2", "-c:a", "libmp3lame", "-b:a", &format!("{KBPS}k")]);
    command.args(["-metadata", "title=Noise", "-id3v2_version", "3"]);
    command.args(["-fflags", "+bitexact", "-flags:a", "+bitexact", "-f", "mp3"]).arg(path);
    let output = command.stdin(Stdio::null()).output()?;
    fs::remove_file(&cover)?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("ffmpeg: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// The folder with all tracks and nothing else, below cargo's folder for the files of tests.
pub fn folder() -> &'static Path {
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let shelf = target.join("All kinds");
        // A track appears with all its bytes or not at all, also to another run of these tests.
        let bench = target.join(format!("players-{}", std::process::id()));
        fs::create_dir_all(&shelf).expect("target folder");
        fs::create_dir_all(&bench).expect("target folder");
        thread::scope(|scope| {
            for track in Track::ALL.into_iter().filter(|track| !shelf.join(track.file_name()).exists()) {
                let (from, to) = (bench.join(track.file_name()), shelf.join(track.file_name()));
                scope.spawn(move || {
                    track.write(&from).unwrap_or_else(|error| panic!("{track:?}: {error}"));
                    fs::rename(&from, &to).expect("one file system");
                });
            }
        });
        fs::remove_dir_all(&bench).expect("made above");
        shelf
    });
    &FOLDER
}
