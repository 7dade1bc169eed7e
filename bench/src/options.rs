//! The command line.

use crate::rows::{Candidate, Hashes, Overrides};
use std::path::PathBuf;

/// How to call the program.
pub const USAGE: &str = "\
usage: vozduxan-bench --programs DIR --out DIR [options] [ROW...]

Measures the rows named, or all of them, and writes a table to stdout and bench.json, *.svg to --out.

options:
  --programs DIR    folder with bench_engine and bench_naive
  --out DIR         where results, logs and large files that are made once go
  --repeats N       measurements of each figure (default 5)
  --only NAMES      candidates, separated by commas: engine, naive, deadlines, nginx
  --rate BYTES      bytes per second of each peer, instead of the row's
  --rtt-ms N        round trip
  --peers N         number of peers
  --piece-kib N     piece length
  --track-kb N      length of a track in units of 1000 bytes
  --seconds N       length of the act
  --kind KIND       v1, v2 or hybrid
  --list            name the rows and exit

exit codes: 0 all targets met, 1 some not, 2 the command line is wrong, 3 a figure beats its limit, so the limit or
the swarm is wrong.";

/// What the command line says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Folder with the programs that are measured.
    pub programs: PathBuf,
    /// Where results go.
    pub out: PathBuf,
    /// Measurements of each figure.
    pub repeats: usize,
    /// Candidates; none named: those of each row.
    pub only: Vec<Candidate>,
    /// Values instead of the rows'.
    pub overrides: Overrides,
    /// Name the rows and exit.
    pub list: bool,
    /// Rows; none named: all.
    pub rows: Vec<String>,
}

/// Reads the command line without the program's name.
///
/// # Errors
/// The text names what is wrong.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { repeats: 5, ..Options::default() };
    let mut arguments = arguments.into_iter();
    while let Some(name) = arguments.next() {
        if name == "--list" {
            options.list = true;
            continue;
        }
        if !name.starts_with('-') {
            options.rows.push(name);
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{name} needs a number, not `{value}`"));
        let size = || number().and_then(|n| usize::try_from(n).map_err(|_| format!("{name} is too large")));
        let overrides = &mut options.overrides;
        match name.as_str() {
            "--programs" => options.programs = value.into(),
            "--out" => options.out = value.into(),
            "--repeats" => options.repeats = size()?.max(1),
            "--only" => options.only = value.split(',').map(candidate).collect::<Result<_, _>>()?,
            "--rate" => overrides.rate = Some(number()?),
            "--rtt-ms" => overrides.rtt_ms = Some(number()?),
            "--peers" => overrides.peers = Some(size()?.max(1)),
            "--piece-kib" => {
                let kib = u32::try_from(number()?).ok().filter(|kib| kib.is_power_of_two() && *kib >= 16);
                overrides.piece_kib = Some(kib.ok_or("--piece-kib needs a power of two from 16 on")?);
            }
            "--track-kb" => overrides.track_kb = Some(size()?),
            "--seconds" => overrides.seconds = Some(number()?),
            "--kind" => {
                overrides.kind = Some(match value.as_str() {
                    "v1" => Hashes::V1,
                    "v2" => Hashes::V2,
                    "hybrid" => Hashes::Hybrid,
                    _ => return Err(format!("--kind is v1, v2 or hybrid, not `{value}`")),
                });
            }
            _ => return Err(format!("unknown option `{name}`")),
        }
    }
    if !options.list && (options.programs.as_os_str().is_empty() || options.out.as_os_str().is_empty()) {
        return Err("--programs and --out are needed".into());
    }
    Ok(options)
}

fn candidate(name: &str) -> Result<Candidate, String> {
    [Candidate::Engine, Candidate::Naive, Candidate::Deadlines, Candidate::Nginx]
        .into_iter()
        .find(|candidate| candidate.name() == name)
        .ok_or_else(|| format!("--only: nobody is called `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Options, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read() {
        let options =
            words("--programs a --out b seek --repeats 3 --rate 7 --only engine,nginx --piece-kib 64 switch")
                .unwrap();
        assert_eq!(options.rows, ["seek", "switch"]);
        assert_eq!(
            (options.repeats, options.overrides.rate, options.overrides.piece_kib),
            (3, Some(7), Some(64))
        );
        assert_eq!(options.only, [Candidate::Engine, Candidate::Nginx]);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("", "--programs"),
            ("--out", "--out"),
            ("--rate x", "x"),
            ("--fast 1", "--fast"),
            ("--only rqbit", "rqbit"),
            ("--kind v3", "v3"),
            ("--piece-kib 17", "--piece-kib"),
        ] {
            let text = words(line).unwrap_err();
            assert!(text.contains(word), "{line}: {text}");
        }
    }
}
