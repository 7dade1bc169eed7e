//! The command line.

use std::path::PathBuf;

/// What `--help` and a mistake print.
pub const USAGE: &str = "\
usage: vozduxan-play [options] [magnet:?… | file.torrent]

Without an argument: plays a generated album from a swarm on loopback and compares every byte. With one: plays from the
real network. Exit code 0 when everything was right.

options:
  --file N     play file number N of the torrent, from 0 (default: the first audio file)
  --silent     no mpv or ffplay, even where there is a sound device
  --log        print the engine's log";

/// What to play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The generated album.
    Demonstration,
    /// A magnet URI.
    Magnet(String),
    /// A .torrent file.
    Torrent(PathBuf),
}

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What to play.
    pub source: Source,
    /// Which file of it.
    pub file: Option<usize>,
    /// No sound.
    pub silent: bool,
    /// Print the log as it comes.
    pub log: bool,
}

/// Reads the command line without the program's name. Empty arguments are none: `make` passes unset variables so.
///
/// # Errors
/// What is wrong with it.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { source: Source::Demonstration, file: None, silent: false, log: false };
    let mut arguments = arguments.into_iter().filter(|argument| !argument.is_empty());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--silent" => options.silent = true,
            "--log" => options.log = true,
            "--file" => {
                let text = arguments.next().ok_or("--file needs a number")?;
                let number =
                    text.parse().map_err(|_| format!("--file needs a whole number, not `{text}`"))?;
                options.file = Some(number);
            }
            option if option.starts_with('-') => return Err(format!("unknown option `{option}`")),
            _ if options.source != Source::Demonstration => {
                return Err(format!("only one source can be played, `{argument}` is the second"));
            }
            magnet if magnet.starts_with("magnet:") => options.source = Source::Magnet(argument),
            _ => options.source = Source::Torrent(argument.into()),
        }
    }
    if options.file.is_some() && options.source == Source::Demonstration {
        return Err("--file needs a magnet or a .torrent file to choose from".into());
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Result<Options, String> {
        parse(words.iter().map(|&word| word.to_owned()))
    }

    #[test]
    fn options_are_read() {
        let nothing = Options { source: Source::Demonstration, file: None, silent: false, log: false };
        assert_eq!(words(&[]), Ok(nothing.clone()));
        assert_eq!(words(&["", "--log", ""]), Ok(Options { log: true, ..nothing.clone() }));
        let magnet = Source::Magnet("magnet:?xt=x".into());
        assert_eq!(
            words(&["--file", "3", "magnet:?xt=x"]),
            Ok(Options { source: magnet, file: Some(3), ..nothing.clone() })
        );
        let torrent = Source::Torrent("a b.torrent".into());
        assert_eq!(
            words(&["--silent", "a b.torrent"]),
            Ok(Options { source: torrent, silent: true, ..nothing })
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            (&["--file"][..], "number"),
            (&["--file", "x", "a.torrent"], "`x`"),
            (&["--file", "1"], "magnet"),
            (&["--quick"], "--quick"),
            (&["a.torrent", "b.torrent"], "b.torrent"),
        ] {
            let text = words(line).unwrap_err();
            assert!(text.contains(word), "{line:?}: {text}");
        }
    }
}
