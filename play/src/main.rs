//! `vozduxan-play`: see the library's documentation, and `--help`.

mod abi;
mod host;
mod tour;

use host::{Host, Input, Log};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::ffi::CString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tour::{Original, Plan, Tour};
use vozduxan_play::album;
use vozduxan_play::options::{self, Options, Source};
use vozduxan_play::report::{Report, human_time};
use vozduxan_play::sound::Program;
use vozduxan_swarm::{PeerSpec, Swarm};

/// Length of the demonstration's tracks: at the swarm's rate, 70 % of one is out of reach for the first seconds, so
/// that the seek goes to bytes nobody has asked for.
const TRACK_SECONDS: u32 = 120;
/// The demonstration's peers: together about ten times the music's rate, at the distance of a neighbouring country.
const PEERS: usize = 3;
const PEER_RATE: u64 = 600_000;
const PEER_RTT: Duration = Duration::from_millis(40);
/// Exit code after Ctrl-C, as shells have it: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{}", options::USAGE);
        return ExitCode::SUCCESS;
    }
    let options = match options::parse(arguments) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("vozduxan-play: {text}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match play(&options) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("vozduxan-play: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play(options: &Options) -> io::Result<u8> {
    let mut report = Report::new();
    let sound = if options.silent { Err("--silent") } else { Program::find() };
    let world = World::make(options, sound.ok(), &mut report)?;
    match sound {
        Ok(program) => {
            report.line(&format!("Sound through {}; every byte is read beside it too.", program.name()))
        }
        Err(why) => report.line(&format!("No sound ({why}): the stream is read at playback speed instead.")),
    }
    let log = Log::new(options.log);
    let interrupted = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let handle = signals.handle();
    let Ok(host) = tour::create(&mut report, &world.storage, &log) else {
        report.summary();
        return Ok(1);
    };
    let port = host.http_port();
    let watcher = std::thread::spawn({
        let (host, interrupted) = (host.clone(), interrupted.clone());
        move || end_on_signal(&mut signals, &host, &interrupted)
    });

    let plan = &world.plan;
    let mut tour =
        Tour { report: &mut report, plan, host: host.clone(), interrupted: &interrupted, peers_seen: false };
    // What went wrong is in the report.
    let _ = tour.run();
    handle.close();
    // It ends with the handle, and with the session when there was a signal; a panic in it tells by its own message.
    let _ = watcher.join();
    let interrupted = interrupted.load(Ordering::Relaxed);
    if interrupted {
        report.line("Interrupted: the session is destroyed.");
    }
    tour::destroy(&mut report, &host, port, &log);
    report.summary();
    if !report.all_right() && !options.log {
        eprintln!("\nThe engine's log:\n{}", log.lines().join("\n"));
    }
    let code = if report.all_right() { 0 } else { 1 };
    Ok(if interrupted { INTERRUPTED } else { code })
}

/// Waits for Ctrl-C. The first ends the session, which wakes whatever waits in it; a second one the program.
fn end_on_signal(signals: &mut Signals, host: &Host, interrupted: &AtomicBool) {
    for _ in signals.forever() {
        if interrupted.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
        host.destroy();
    }
}

/// Where the music comes from and goes to.
struct World {
    plan: Plan,
    storage: PathBuf,
    /// The demonstration's peers; they end before their folder goes.
    _swarm: Option<Swarm>,
    _folder: Option<tempfile::TempDir>,
}

impl World {
    fn make(options: &Options, sound: Option<Program>, report: &mut Report) -> io::Result<Self> {
        let input = match &options.source {
            Source::Demonstration => return Self::demonstration(sound, report),
            Source::Magnet(magnet) => Input::Magnet(CString::new(magnet.as_str())?),
            Source::Torrent(path) => Input::Torrent(
                std::fs::read(path)
                    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?,
            ),
        };
        let storage = cache_folder()?;
        report.line(&format!("From the real network; data is kept in {}", storage.display()));
        report
            .line("There is no original to compare with: that the bytes are right is the engine's promise.");
        let parts = [30, 15, 10].map(Duration::from_secs);
        let patience = Duration::from_secs(90);
        let plan = Plan { input, originals: None, file: options.file, parts, patience, sound };
        Ok(Self { plan, storage, _swarm: None, _folder: None })
    }

    fn demonstration(sound: Option<Program>, report: &mut Report) -> io::Result<Self> {
        let begin = Instant::now();
        let folder = tempfile::Builder::new().prefix("vozduxan-play-").tempdir()?;
        let root = album::write(&folder.path().join("album"), TRACK_SECONDS)?;
        let mut swarm = Swarm::builder(folder.path()).folder(root);
        for _ in 0..PEERS {
            swarm = swarm.peer(PeerSpec::new(PEER_RATE, PEER_RTT));
        }
        let swarm = swarm.start()?;
        report.line(&format!(
            "A swarm on loopback: {PEERS} peers of {} KB/s, {} away, with an album made for it (ready in {}).",
            PEER_RATE / 1000,
            human_time(PEER_RTT),
            human_time(begin.elapsed())
        ));
        let storage = folder.path().join("storage");
        std::fs::create_dir(&storage)?;
        std::fs::write(storage.join("vozduxan.toml"), Swarm::settings_toml())?;
        let originals = swarm.files().into_iter().map(|file| Original {
            // Listed are paths inside the torrent, so without its own name in front.
            name: file.torrent_path.iter().skip(1).collect::<PathBuf>().to_string_lossy().into_owned(),
            index: file.index,
            len: file.len,
            path: file.disk_path,
        });
        let plan = Plan {
            input: Input::Magnet(CString::new(swarm.magnet())?),
            originals: Some(originals.collect()),
            file: None,
            parts: [6, 5, 4].map(Duration::from_secs),
            patience: Duration::from_secs(20),
            sound,
        };
        Ok(Self { plan, storage, _swarm: Some(swarm), _folder: Some(folder) })
    }
}

/// `$XDG_CACHE_HOME/vozduxan-play`, or `~/.cache/vozduxan-play`.
fn cache_folder() -> io::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let cache =
        cache.ok_or_else(|| io::Error::other("set HOME or XDG_CACHE_HOME: the data needs a place"))?;
    Ok(cache.join("vozduxan-play"))
}
