//! The tour through an engine's life, as a host takes it: create, list, prepare, play, seek, next track, release,
//! evict, destroy. The same for the demonstration, which knows the original bytes, and for a torrent of the world.

use crate::host::{File, Host, Input, Log, Stream};
use std::ffi::CStr;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vozduxan_play::http;
use vozduxan_play::listener::{Listener, Wish, byte_rate};
use vozduxan_play::report::{Report, human_bytes, human_time};
use vozduxan_play::sound::Program;

/// How often a host tells the position and asks for figures here; players do it about four times as often.
const NOTIFY_SPACING: Duration = Duration::from_secs(1);
/// The longest that the header allows `destroy` to take.
const DESTROY_LIMIT: Duration = Duration::from_secs(5);

/// An original to compare with.
pub struct Original {
    /// Path inside the torrent.
    pub name: String,
    /// The file's index in the torrent.
    pub index: usize,
    /// Length in bytes.
    pub len: u64,
    /// Where its bytes are.
    pub path: PathBuf,
}

/// What to play and how long.
pub struct Plan {
    /// What to play.
    pub input: Input,
    /// The originals of all files; `None` where nobody here knows them.
    pub originals: Option<Vec<Original>>,
    /// Which file to play; `None`: the first audio file.
    pub file: Option<usize>,
    /// Time to play from the start, after the seek, and of the next track.
    pub parts: [Duration; 3],
    /// Longest time without a byte.
    pub patience: Duration,
    /// The program to listen with, if any.
    pub sound: Option<Program>,
}

impl Plan {
    fn wish<'a>(&'a self, stream: &'a Stream, index: usize, first: u64) -> Wish<'a> {
        let original = self.originals.iter().flatten().find(|original| original.index == index);
        Wish {
            url: &stream.url,
            first,
            len: stream.len,
            truth: original.map(|original| original.path.as_path()),
            byte_rate: byte_rate(&stream.mime),
            patience: self.patience,
        }
    }
}

/// Why a tour ended early; the report has the details.
pub struct Ended;

/// One tour.
pub struct Tour<'a> {
    /// Where it is told.
    pub report: &'a mut Report,
    /// What to do.
    pub plan: &'a Plan,
    /// The session.
    pub host: Arc<Host>,
    /// Set on Ctrl-C; the session is destroyed then too, so that nothing blocks.
    pub interrupted: &'a AtomicBool,
    /// Whether a peer was ever counted.
    pub peers_seen: bool,
}

/// Starts the session.
pub fn create(report: &mut Report, storage: &Path, log: &Arc<Log>) -> Result<Arc<Host>, Ended> {
    report.line("-- create");
    let begin = Instant::now();
    let host = Host::create(storage, log);
    let time = begin.elapsed();
    let Some(host) = host else {
        report.check("a session", Err(log.lines().pop().unwrap_or_else(|| "no reason given".into())));
        return Err(Ended);
    };
    report.time("create", time);
    let port = host.http_port();
    let listens = TcpStream::connect(("127.0.0.1", port)).map(drop);
    report.check("the HTTP server listens", listens.map_err(|error| format!("port {port}: {error}")));
    Ok(Arc::new(host))
}

impl Tour<'_> {
    /// From the list of files to the release of the last stream.
    pub fn run(&mut self) -> Result<(), Ended> {
        let files = self.list()?;
        let first = self.choose(&files)?;
        self.report.line(&format!("-- prepare: {}", files[first].name));
        let stream = self.start(&files, first, "prepare", "first byte after prepare")?;
        self.report.line("-- play");
        self.play(&stream, first, 0, self.plan.parts[0], None)?;

        let target = stream.len / 10 * 7;
        self.report.line(&format!("-- seek to 70 %, byte {target}"));
        self.play(&stream, first, target, self.plan.parts[1], Some("first byte after seek"))?;

        let next = (first + 1..files.len()).find(|&index| is_audio(&files[index]));
        let last = match next {
            Some(next) => self.skip(&files, next, &stream)?,
            None => stream,
        };
        self.report.line("-- release, evict");
        self.release(&last, "release");
        let begin = Instant::now();
        self.host.evict();
        self.report.time("evict", begin.elapsed());
        let peers = if self.peers_seen { Ok(()) } else { Err("none was ever counted".into()) };
        // Everything may have been on disk already; then no peer is needed.
        if self.plan.originals.is_some() {
            self.report.check("stats counted peers", peers);
        }
        Ok(())
    }

    fn list(&mut self) -> Result<Vec<File>, Ended> {
        self.report.line("-- list files (finds peers, fetches the metadata of a magnet)");
        let begin = Instant::now();
        let files = self.host.list(&self.plan.input);
        let time = begin.elapsed();
        let files = self.succeeded("list of files", files)?;
        self.report.time("metadata and list", time);
        for (place, file) in files.iter().enumerate() {
            let row = format!("   {place:3}  {:>8}  {:24}  {}", human_bytes(file.len), file.mime, file.name);
            self.report.line(&row);
        }
        let ordered = files.iter().zip(0..).all(|(file, place)| file.index == place);
        let ordered = if ordered { Ok(()) } else { Err("an index is not its place".into()) };
        self.report.check("every file is at its index", ordered);
        if let Some(originals) = &self.plan.originals {
            let lost = originals.iter().find(|original| {
                let file = files.get(original.index);
                file.is_none_or(|file| file.name != original.name || file.len != original.len)
            });
            let same = lost.map_or(Ok(()), |lost| Err(format!("{} is not listed so", lost.name)));
            self.report.check("names and lengths are the album's", same);
        }
        Ok(files)
    }

    /// The file to play.
    fn choose(&mut self, files: &[File]) -> Result<usize, Ended> {
        let chosen = match self.plan.file {
            Some(file) if file < files.len() => Ok(file),
            Some(file) => Err(format!("there are {} files, {file} is none of them", files.len())),
            None => files.iter().position(is_audio).ok_or_else(|| "no file is audio by its name".into()),
        };
        self.succeeded("a file to play", chosen)
    }

    /// Prepares a file and tells how long it took; `what` names the time, `first_byte` the one up to the first byte
    /// over HTTP.
    fn start(&mut self, files: &[File], index: usize, what: &str, first_byte: &str) -> Result<Stream, Ended> {
        let begin = Instant::now();
        let stream = self.prepare(files, index, what)?;
        self.report.time(what, begin.elapsed());
        let asked = Instant::now();
        let opened = Listener::open(&self.plan.wish(&stream, index, 0)).map(drop);
        let time = asked.elapsed();
        self.succeeded("the first byte over HTTP", opened.map_err(|error| error.to_string()))?;
        self.report.time(first_byte, time);
        Ok(stream)
    }

    fn prepare(&mut self, files: &[File], index: usize, what: &str) -> Result<Stream, Ended> {
        let report = &mut *self.report;
        let mut progress = |progress: f32, status: &str| report.progress(progress, status);
        let (stream, watch) = self.host.prepare(&self.plan.input, index, &mut progress);
        let stream = self.succeeded(what, stream)?;
        let orderly = if watch.orderly { Ok(()) } else { Err("went back or came on another thread".into()) };
        self.report.check(&format!("progress in order ({} calls)", watch.calls), orderly);
        let (len, listed) = (stream.len, files[index].len);
        let same = if len == listed { Ok(()) } else { Err(format!("{len}, listed with {listed}")) };
        self.report.check(&format!("{} bytes of {}", stream.len, stream.mime), same);
        Ok(stream)
    }

    /// Plays from `first` on for `duration`. `sought` names the time from the seek to the first byte.
    fn play(
        &mut self,
        stream: &Stream,
        index: usize,
        first: u64,
        duration: Duration,
        sought: Option<&str>,
    ) -> Result<(), Ended> {
        let begin = Instant::now();
        self.host.notify_position(&stream.token, first);
        let plan = self.plan;
        let wish = plan.wish(stream, index, first);
        let listener = Listener::open(&wish);
        let time = begin.elapsed();
        let mut listener = self.succeeded("the transfer", listener.map_err(|error| error.to_string()))?;
        if let Some(what) = sought {
            self.report.time(what, time);
        }
        let from = Duration::from_secs_f64(first as f64 / f64::from(wish.byte_rate));
        let _sound = self.plan.sound.and_then(|program| program.play(&stream.url, from));

        let mut told = Instant::now();
        let result = listener.listen(duration, |listener| {
            if told.elapsed() >= NOTIFY_SPACING {
                told = Instant::now();
                self.host.notify_position(&stream.token, listener.playback());
                self.peers_seen |= tell(self.report, &self.host, &stream.token, listener);
            }
            !self.interrupted.load(Ordering::Relaxed)
        });
        let what = match wish.truth {
            Some(_) => format!("{} bytes from {first} on are the original's", listener.bytes()),
            None => {
                format!("{} bytes from {first} on arrived (no original to compare with)", listener.bytes())
            }
        };
        self.succeeded(&what, result.map_err(|error| error.to_string()))?;
        self.report.check(&what, Ok(()));
        if listener.stalled() > Duration::ZERO {
            self.report.line(&format!("   playback would have waited {}", human_time(listener.stalled())));
        }
        Ok(())
    }

    /// Goes on to the next track: the new one first, then the old one is let go.
    fn skip(&mut self, files: &[File], next: usize, old: &Stream) -> Result<Stream, Ended> {
        self.report.line(&format!("-- next track: {}", files[next].name));
        let begin = Instant::now();
        let stream = self.prepare(files, next, "prepare of the next track")?;
        self.report.time("prepare of the next track", begin.elapsed());
        let prepared = Instant::now();
        let opened = Listener::open(&self.plan.wish(&stream, next, 0)).map(drop);
        let time = prepared.elapsed();
        self.succeeded("the next track's first byte", opened.map_err(|error| error.to_string()))?;
        self.report.time("first byte of the next track", time);
        self.release(old, "release of the old track");
        self.play(&stream, next, 0, self.plan.parts[2], None)?;
        Ok(stream)
    }

    fn release(&mut self, stream: &Stream, what: &str) {
        let begin = Instant::now();
        self.host.release(&stream.token);
        self.report.time(what, begin.elapsed());
        let gone = match http::get(&stream.url, None, self.plan.patience) {
            Ok(response) if response.head.status == 404 => Ok(()),
            Ok(response) => Err(format!("it answers {}", response.head.status)),
            Err(error) => Err(error.to_string()),
        };
        self.report.check("its URL answers 404", gone);
    }

    /// The value, or a failed check and the end; no failure when it was Ctrl-C.
    fn succeeded<T>(&mut self, what: &str, result: Result<T, String>) -> Result<T, Ended> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Ended);
        }
        result.map_err(|why| {
            self.report.check(what, Err(why));
            Ended
        })
    }
}

/// Ends the session, if Ctrl-C has not, and checks that it is ended. `port` is where its HTTP server listened.
pub fn destroy(report: &mut Report, host: &Host, port: u16, log: &Log) {
    report.line("-- destroy");
    let begin = Instant::now();
    host.destroy();
    let time = begin.elapsed();
    report.time("destroy", time);
    let in_time = if time < DESTROY_LIMIT { Ok(()) } else { Err(human_time(time)) };
    report.check("destroy in time", in_time);
    let lines = log.lines().len();
    let closed = match TcpStream::connect(("127.0.0.1", port)) {
        Ok(_) => Err(format!("port {port} still answers")),
        Err(_) => Ok(()),
    };
    report.check("the HTTP port is closed", closed);
    let silent = if log.lines().len() == lines { Ok(()) } else { Err("lines came".into()) };
    report.check("no log line after destroy", silent);
}

/// Prints where playback is; answers whether there are peers.
fn tell(report: &mut Report, host: &Host, token: &CStr, listener: &Listener) -> bool {
    let (rate, peers) = host.stats(token);
    let (received, stalled) = (human_bytes(listener.bytes()), human_time(listener.stalled()));
    let playback = human_bytes(listener.playback());
    let rate = human_bytes(rate.into());
    report.passing(&format!(
        "   at {playback:>8}  read {received:>8}  swarm {rate:>8}/s  peers {peers}  waited {stalled}"
    ));
    peers > 0
}

fn is_audio(file: &File) -> bool {
    file.mime.starts_with("audio/") && file.len > 0
}
