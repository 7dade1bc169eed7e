//! An audio player beside the listener, for the ears: mpv or ffplay on the stream's URL.
//!
//! Nothing depends on it. It is started only where there is a playback device, and ends with its value.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A program that can play a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// mpv.
    Mpv,
    /// ffplay, of ffmpeg.
    Ffplay,
}

impl Program {
    /// The program to use here; else why there is none.
    ///
    /// # Errors
    /// Without a sound device, or without a program.
    pub fn find() -> Result<Self, &'static str> {
        let devices = fs::read_dir("/dev/snd").into_iter().flatten().flatten();
        // ALSA names playback devices pcmC0D0p; PulseAudio and PipeWire use the same devices.
        if !devices.map(|entry| entry.file_name()).any(|name| is_playback(&name.to_string_lossy())) {
            return Err("no sound device");
        }
        let on_path = |program: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|folder: std::path::PathBuf| folder.join(program).is_file())
        };
        match (on_path("mpv"), on_path("ffplay")) {
            (true, _) => Ok(Self::Mpv),
            (_, true) => Ok(Self::Ffplay),
            _ => Err("neither mpv nor ffplay (package ffmpeg) is installed"),
        }
    }

    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mpv => "mpv",
            Self::Ffplay => "ffplay",
        }
    }

    /// Its arguments to play `url` from `from` on, without a window.
    fn arguments(self, url: &str, from: Duration) -> Vec<String> {
        let seconds = format!("{:.3}", from.as_secs_f64());
        let words: Vec<&str> = match self {
            Self::Mpv => vec!["--no-config", "--no-video", "--no-terminal", "--volume=60"],
            Self::Ffplay => {
                vec!["-nodisp", "-autoexit", "-loglevel", "quiet", "-volume", "60", "-ss", &seconds]
            }
        };
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        if self == Self::Mpv {
            words.push(format!("--start={seconds}"));
        }
        words.push(url.to_owned());
        words
    }

    /// Starts to play; `None` when the program cannot be started.
    pub fn play(self, url: &str, from: Duration) -> Option<Playing> {
        let mut command = Command::new(Path::new(self.name()));
        command.args(self.arguments(url, from));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().ok().map(Playing)
    }
}

/// A player that is playing; dropping it ends it.
pub struct Playing(Child);

impl Drop for Playing {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_playback(name: &str) -> bool {
    name.starts_with("pcm") && name.ends_with('p')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_playback_devices_count() {
        assert!(is_playback("pcmC0D0p") && !is_playback("pcmC0D0c") && !is_playback("controlC0"));
    }

    #[test]
    fn players_are_told_where_to_begin() {
        let from = Duration::from_millis(12_345);
        assert!(Program::Mpv.arguments("u", from).contains(&"--start=12.345".to_owned()));
        let words = Program::Ffplay.arguments("u", from);
        assert!(words.windows(2).any(|two| two == ["-ss", "12.345"]));
        assert_eq!(words.last().map(String::as_str), Some("u"));
    }
}
