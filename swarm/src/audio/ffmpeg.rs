//! Formats that need a real encoder: made by the `ffmpeg` program out of its own noise source.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
};

/// A container and codec that ffmpeg is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Opus in Ogg, 48 kHz.
    OggOpus,
    /// Vorbis in Ogg.
    OggVorbis,
    /// AAC in MP4 with the index (`moov`) after the audio: a player has to look at the end first.
    M4aMoovLast,
    /// AAC in MP4 with the index in front ("faststart").
    M4aMoovFirst,
}

/// What to encode.
#[derive(Debug, Clone, Copy)]
pub struct Encoded {
    /// Container and codec.
    pub format: Format,
    /// Duration in seconds.
    pub seconds: u32,
    /// Bit rate of the audio, in kbit/s; encoders keep it roughly.
    pub kbps: u32,
    /// Which noise.
    pub seed: u64,
}

/// Whether the `ffmpeg` program can be started.
pub fn is_installed() -> bool {
    let mut probe = Command::new("ffmpeg");
    probe.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Writes the file that `spec` describes to `path`.
///
/// # Errors
/// When ffmpeg is not installed (the text says what to install) or fails (the text is ffmpeg's).
pub fn encode(spec: Encoded, path: &Path) -> io::Result<()> {
    let (codec, muxer, extra): (&str, &str, &[&str]) = match spec.format {
        Format::OggOpus => ("libopus", "ogg", &["-ar", "48000"]),
        Format::OggVorbis => ("libvorbis", "ogg", &["-ar", "44100"]),
        Format::M4aMoovLast => ("aac", "ipod", &["-aac_coder", "fast"]),
        Format::M4aMoovFirst => ("aac", "ipod", &["-aac_coder", "fast", "-movflags", "+faststart"]),
    };
    // The seed is 32 bits wide in ffmpeg.
    let seed = spec.seed as u32;
    let source = format!("anoisesrc=d={}:c=pink:a=0.5:r=44100:seed={seed}", spec.seconds);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", &source]);
    command.args(["-ac", "2", "-c:a", codec, "-b:a", &format!("{}k", spec.kbps)]).args(extra);
    // The same input gives the same bytes: no version strings, no random serial numbers.
    command.args(["-fflags", "+bitexact", "-flags:a", "+bitexact", "-map_metadata", "-1", "-f", muxer]);
    let output = command.arg(path).stdin(Stdio::null()).output().map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            io::Error::new(
                error.kind(),
                "ffmpeg is not installed: install the package `ffmpeg` (Debian, Ubuntu)",
            )
        } else {
            error
        }
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("ffmpeg: {}", String::from_utf8_lossy(&output.stderr).trim())))
}
