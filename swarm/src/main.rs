//! `vozduxan-swarm`: starts a swarm, runs a command against it, and returns the command's exit code.

use std::{
    env, fs, io,
    path::Path,
    process::{Command, ExitCode},
    time::Duration,
};
use vozduxan_swarm::{Album, Kind, PeerSpec, Swarm, TcpMode, TorrentSpec};

const USAGE: &str = "\
usage: vozduxan-swarm run [options] -- COMMAND [ARGUMENTS...]

Starts a torrent swarm on loopback, runs COMMAND, ends the swarm, and exits as COMMAND did.

options:
  --peers N            number of peers (default 1)
  --rate BYTES         bytes per second of each peer, 0 for no limit (default 4000000)
  --rtt-ms N           round-trip time in milliseconds (default 40)
  --album N            number of tracks (default 2)
  --track-mb N         length of each track in MB (default 30)
  --piece-kib N        piece length in KiB, a power of two from 16 on (default 256)
  --kind KIND          v1, v2 or hybrid (default hybrid)
  --plain              FLAC tracks in one folder, without the awkward extras
  --corrupt-peers N    how many of the peers have a fifth of their blocks wrong (default 0)
  --no-utp             peers do not answer uTP
  --no-tcp             peers refuse TCP

environment of COMMAND:
  VZ_TORRENT   path of the .torrent file
  VZ_MAGNET    magnet link, peers come from the swarm's tracker
  VZ_SOURCE    folder with the true files under their torrent paths
  VZ_STORAGE   fresh storage folder with a vozduxan.toml that keeps the engine on loopback
  VZ_FILES     number of files in the torrent, pad files not counted";

/// What the options say.
#[derive(Debug, Clone, PartialEq)]
struct Options {
    peers: usize,
    rate: u64,
    rtt: Duration,
    tracks: usize,
    track_len: usize,
    piece_len: u32,
    kind: Kind,
    plain: bool,
    corrupt_peers: usize,
    utp: bool,
    tcp: bool,
    command: Vec<String>,
}

fn main() -> ExitCode {
    let options = match parse(env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("vozduxan-swarm: {text}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vozduxan-swarm: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the command line without the program's name.
fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        peers: 1,
        rate: 4_000_000,
        rtt: Duration::from_millis(40),
        tracks: 2,
        track_len: 30_000_000,
        piece_len: 256 * 1024,
        kind: Kind::Hybrid,
        plain: false,
        corrupt_peers: 0,
        utp: true,
        tcp: true,
        command: Vec::new(),
    };
    let mut arguments = arguments;
    match arguments.next().as_deref() {
        Some("run") => {}
        Some(other) => return Err(format!("unknown command `{other}`: only `run` is known")),
        None => return Err("`run` is missing".into()),
    }
    while let Some(name) = arguments.next() {
        let mut number = || {
            let text = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
            text.parse::<u32>().map_err(|_| format!("{name} needs a whole number, not `{text}`"))
        };
        match name.as_str() {
            "--peers" => options.peers = number()? as usize,
            "--rate" => options.rate = u64::from(number()?),
            "--rtt-ms" => options.rtt = Duration::from_millis(number()?.into()),
            "--album" => options.tracks = number()? as usize,
            "--track-mb" => options.track_len = number()? as usize * 1_000_000,
            "--piece-kib" => options.piece_len = number()?.saturating_mul(1024),
            "--corrupt-peers" => options.corrupt_peers = number()? as usize,
            "--plain" => options.plain = true,
            "--no-utp" => options.utp = false,
            "--no-tcp" => options.tcp = false,
            "--kind" => {
                options.kind = match arguments.next().as_deref() {
                    Some("v1") => Kind::V1,
                    Some("v2") => Kind::V2,
                    Some("hybrid") => Kind::Hybrid,
                    _ => return Err("--kind needs v1, v2 or hybrid".into()),
                }
            }
            "--" => options.command = arguments.by_ref().collect(),
            other => return Err(format!("unknown option `{other}`")),
        }
    }
    if options.command.is_empty() {
        return Err("the command to run is missing: put it after `--`".into());
    }
    if !options.piece_len.is_power_of_two() || options.piece_len < 16 * 1024 {
        return Err("--piece-kib needs a power of two from 16 on".into());
    }
    if options.corrupt_peers > options.peers {
        return Err("--corrupt-peers needs at most as many as --peers".into());
    }
    if options.tracks == 0 {
        return Err("--album needs at least one track".into());
    }
    Ok(options)
}

fn run(options: &Options) -> io::Result<ExitCode> {
    let make = if options.plain { Album::flac } else { Album::awkward };
    let mut builder = Swarm::builder(env::temp_dir())
        .album(make(options.tracks, options.track_len))
        .torrent(TorrentSpec { kind: options.kind, piece_len: options.piece_len, ..TorrentSpec::default() });
    for number in 0..options.peers {
        builder = builder.peer(PeerSpec {
            rate: (options.rate > 0).then_some(options.rate),
            rtt: options.rtt,
            tcp: if options.tcp { TcpMode::Accept } else { TcpMode::Refuse },
            utp: options.utp,
            corrupt: if number < options.corrupt_peers { 0.2 } else { 0.0 },
            ..PeerSpec::default()
        });
    }
    let swarm = builder.start()?;
    let own = tempfile::Builder::new().prefix("swarm-run-").tempdir()?;
    let torrent = own.path().join("swarm.torrent");
    fs::write(&torrent, &swarm.torrent().bytes)?;
    let storage = own.path().join("storage");
    fs::create_dir(&storage)?;
    fs::write(storage.join("vozduxan.toml"), Swarm::settings_toml())?;

    let [program, arguments @ ..] = &options.command[..] else {
        return Err(io::Error::other("no command"));
    };
    let status = Command::new(program)
        .args(arguments)
        .env("VZ_TORRENT", &torrent)
        .env("VZ_MAGNET", swarm.magnet())
        .env("VZ_SOURCE", swarm.source())
        .env("VZ_STORAGE", &storage)
        .env("VZ_FILES", swarm.files().len().to_string())
        .status()
        .map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", Path::new(program).display()))
        })?;
    // Ended by a signal: there is no code, so say "failed".
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
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
            words("run --peers 3 --rate 0 --rtt-ms 7 --kind v2 --no-utp --piece-kib 16 -- a --peers")
                .unwrap();
        assert_eq!((options.peers, options.rate, options.kind), (3, 0, Kind::V2));
        assert_eq!((options.rtt, options.utp, options.piece_len), (Duration::from_millis(7), false, 16_384));
        assert_eq!(options.command, ["a", "--peers"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("", "run"),
            ("walk", "walk"),
            ("run", "command"),
            ("run --peers -- a", "--peers"),
            ("run --peers x -- a", "x"),
            ("run --fast -- a", "--fast"),
            ("run --kind v3 -- a", "--kind"),
            ("run --piece-kib 17 -- a", "--piece-kib"),
            ("run --corrupt-peers 2 -- a", "--corrupt-peers"),
            ("run --album 0 -- a", "--album"),
        ] {
            let text = words(line).unwrap_err();
            assert!(text.contains(word), "{line}: {text}");
        }
    }
}
