//! A program under measurement: a process of its own, so that its processor time, memory and threads are clean, that is
//! told what to do line by line (`cxx/lines.h` says how).

use crate::{
    proc::{self, Facts},
    rows::Candidate,
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use vozduxan_swarm::Swarm;

/// The longest wait for an answer. A prepare gives up by itself after 90 s.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is to be prepared.
#[derive(Debug, Clone)]
pub enum Input {
    /// A .torrent file.
    Torrent(PathBuf),
    /// A magnet link.
    Magnet(String),
}

/// A prepared stream.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Where to read it.
    pub url: String,
    /// Its name in later commands.
    pub token: String,
    /// Length in bytes.
    pub len: u64,
    /// When the program called prepare.
    pub called: Instant,
    /// How long that call took.
    pub took: Duration,
}

type Answer = Result<Vec<String>, String>;

/// The answers that are waited for, by the command's number. Empty forever once the program has ended.
type Waiting = Arc<Mutex<Option<HashMap<u64, mpsc::Sender<Answer>>>>>;

/// A running program. Dropping it ends the process, orderly or not.
pub struct Host {
    process: Child,
    commands: Mutex<ChildStdin>,
    waiting: Waiting,
    next: AtomicU64,
}

impl Host {
    /// Starts `candidate`'s program on the folder `storage`; what it says on stderr goes to the file `log`.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn start(programs: &Path, candidate: Candidate, storage: &Path, log: &Path) -> io::Result<Self> {
        fs::create_dir_all(storage)?;
        let program = match candidate {
            Candidate::Naive => "bench_naive",
            Candidate::Engine | Candidate::Deadlines => "bench_engine",
            Candidate::Nginx => return Err(io::Error::other("nginx prepares nothing")),
        };
        let mut settings = Swarm::settings_toml().to_owned();
        if candidate == Candidate::Deadlines {
            settings += "[stream]\nscheduler = \"deadlines\"\n";
        }
        fs::write(storage.join("vozduxan.toml"), settings)?;
        let path = programs.join(program);
        let mut process = Command::new(&path)
            .arg(storage)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        let commands = process.stdin.take().expect("asked for above");
        let mut answers = BufReader::new(process.stdout.take().expect("asked for above"));
        let mut line = String::new();
        answers.read_line(&mut line)?;
        if line.trim() != "ready" {
            let _ = process.wait();
            return Err(io::Error::other(format!("{program} did not start: see {}", log.display())));
        }
        let waiting = Waiting::default();
        *waiting.lock() = Some(HashMap::new());
        let inbox = waiting.clone();
        thread::spawn(move || sort(answers, &inbox));
        let (commands, next) = (Mutex::new(commands), AtomicU64::new(1));
        Ok(Self { process, commands, waiting, next })
    }

    /// Prepares a file; blocks until it can be read.
    ///
    /// # Errors
    /// The program's own text.
    pub fn prepare(&self, input: &Input, file: usize, main: bool) -> io::Result<Stream> {
        let main = u8::from(main);
        let what = match input {
            Input::Torrent(path) => format!("torrent {}", path.display()),
            Input::Magnet(link) => format!("magnet {link}"),
        };
        let answer = self.ask(&format!("prepare {main} {file} {what}"))?;
        let stream = stream(&answer, clock(), Instant::now());
        stream.ok_or_else(|| io::Error::other(format!("a prepare was answered with {answer:?}")))
    }

    /// Releases a stream.
    ///
    /// # Errors
    /// When the program has ended; so for all that follow.
    pub fn release(&self, stream: &Stream) -> io::Result<()> {
        self.ask(&format!("release {}", stream.token)).map(drop)
    }

    /// Tells `count` positions one after the other; the median time of one call.
    ///
    /// # Errors
    /// As [`Host::release`].
    pub fn positions(&self, stream: &Stream, count: u32) -> io::Result<Duration> {
        let nanos = self.number(&format!("positions {} {count} {}", stream.token, stream.len))?;
        Ok(Duration::from_secs_f64(nanos / 1e9))
    }

    /// Processor time so far, in seconds.
    ///
    /// # Errors
    /// As [`Host::release`].
    pub fn cpu(&self) -> io::Result<f64> {
        self.number("cpu")
    }

    /// What the kernel says of the process.
    ///
    /// # Errors
    /// When it has ended.
    pub fn facts(&self) -> io::Result<Facts> {
        proc::look(self.process.id())
    }

    /// Ends it in an orderly way: the engine writes what it knows to disk.
    ///
    /// # Errors
    /// When it did not end so.
    pub fn quit(mut self) -> io::Result<()> {
        self.ask("quit")?;
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("it ended with {status}"))) }
    }

    fn number(&self, command: &str) -> io::Result<f64> {
        let answer = self.ask(command)?;
        let number = answer.first().and_then(|word| word.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("`{command}` was answered with {answer:?}")))
    }

    fn ask(&self, command: &str) -> io::Result<Vec<String>> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = mpsc::channel();
        let gone = || io::Error::other("the program under measurement has ended");
        self.waiting.lock().as_mut().ok_or_else(gone)?.insert(id, sender);
        self.commands.lock().write_all(format!("{id} {command}\n").as_bytes())?;
        match answer.recv_timeout(PATIENCE) {
            Ok(answer) => answer.map_err(io::Error::other),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(gone()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                Err(io::Error::other(format!("no answer to `{command}` in {} s", PATIENCE.as_secs())))
            }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // After `quit` both find nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Hands each answer to the command that waits for it, until the program ends.
fn sort(answers: BufReader<ChildStdout>, waiting: &Waiting) {
    for line in answers.lines().map_while(Result::ok) {
        let Some((id, answer)) = parse(&line) else { continue };
        let sender = waiting.lock().as_mut().and_then(|senders| senders.remove(&id));
        if let Some(sender) = sender {
            // Nobody waits any more when patience has run out.
            let _ = sender.send(answer);
        }
    }
    *waiting.lock() = None;
}

/// What a prepare was answered with. `clock` and `now` are the same moment on the program's clock and on ours.
fn stream(answer: &[String], clock: Duration, now: Instant) -> Option<Stream> {
    let [url, token, len, called, took] = answer else { return None };
    let ago = clock.checked_sub(Duration::from_nanos(called.parse().ok()?))?;
    Some(Stream {
        url: url.clone(),
        token: token.clone(),
        len: len.parse().ok()?,
        called: now.checked_sub(ago)?,
        took: Duration::from_nanos(took.parse().ok()?),
    })
}

/// CLOCK_MONOTONIC, which all processes of a machine share.
fn clock() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // Neither is ever negative on this clock.
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn parse(line: &str) -> Option<(u64, Answer)> {
    let (id, rest) = line.split_once(' ')?;
    let (verdict, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let answer = match verdict {
        "ok" => Ok(rest.split_whitespace().map(str::to_owned).collect()),
        "err" => Err(rest.to_owned()),
        _ => return None,
    };
    Some((id.parse().ok()?, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        assert_eq!(parse("7 ok"), Some((7, Ok(vec![]))));
        assert_eq!(
            parse("8 ok http://x y 3"),
            Some((8, Ok(vec!["http://x".into(), "y".into(), "3".into()])))
        );
        assert_eq!(parse("9 err no peers"), Some((9, Err("no peers".into()))));
        for line in ["", "ready", "x ok", "7 maybe"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn a_call_is_dated_on_our_clock() {
        let answer = |called: &str| ["http://x/", "t", "5", called, "7"].map(str::to_owned);
        let (clock, now) = (Duration::from_secs(100), Instant::now());
        let stream = |called: &str| super::stream(&answer(called), clock, now);
        let dated = stream("99000000000").unwrap();
        assert_eq!(
            (now - dated.called, dated.took, dated.len),
            (Duration::from_secs(1), Duration::from_nanos(7), 5)
        );
        assert!(stream("101000000000").is_none(), "a call in the future");
        assert!(super::stream(&answer("1")[..4], clock, now).is_none());
        // The same clock as Instant's, so that the dates above mean something.
        let (before, at) = (super::clock(), Instant::now());
        assert!(super::clock() - before <= at.elapsed() + Duration::from_secs(1));
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = Host::start(dir.path(), Candidate::Engine, dir.path(), &dir.path().join("log"));
        assert!(error.err().unwrap().to_string().contains("bench_engine"));
    }
}
