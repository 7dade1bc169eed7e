//! A host in a process of its own, so that it can be killed, stopped, starved and lied to. The child is this test
//! binary again, running the same test, which begins with [`serve_if_asked`]; it takes orders on its standard input
//! and answers on its standard output. Its HTTP is on loopback, as for every other player.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use vozduxan::engine::{Input, Role};
use vozduxan_swarm::Swarm;

use super::host::{Answer, PATIENCE, get};
use super::{Folder, Host};

/// Set in the child: its storage path and its cache limit.
pub const STORAGE: &str = "VOZDUXAN_CHILD_STORAGE";
pub const CACHE: &str = "VOZDUXAN_CHILD_CACHE";
/// How an answer begins; the test harness writes other lines.
const MARK: &str = "@ ";

/// A running child. Dropping it kills it.
pub struct Child {
    process: std::process::Child,
    orders: ChildStdin,
    answers: Receiver<String>,
    /// What its log said.
    pub log: Arc<Mutex<Vec<String>>>,
    pub port: u16,
}

/// A prepared stream of a child.
#[derive(Debug)]
pub struct Opened {
    pub token: String,
    pub took: Duration,
}

impl Child {
    pub fn start(test: &str, storage: &Folder) -> Self {
        Self::start_with(test, storage, |_| {})
    }

    /// `more`: changes the command, for faults.
    pub fn start_with(test: &str, storage: &Folder, more: impl FnOnce(&mut Command)) -> Self {
        let mut child = Self::begin(test, storage, more);
        child.port = child.answer().parse().expect("a port");
        child
    }

    /// The same while its session is about to be made; the port is the next answer.
    pub fn begin(test: &str, storage: &Folder, more: impl FnOnce(&mut Command)) -> Self {
        std::fs::write(storage.0.join("vozduxan.toml"), Swarm::settings_toml()).expect("settings");
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command
            .args(["--exact", test, "--nocapture", "--include-ignored"])
            .env(STORAGE, &storage.0)
            .env(CACHE, (10_u64 << 30).to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        more(&mut command);
        let mut process = command.spawn().expect("child");
        let orders = process.stdin.take().expect("piped");
        let (send, answers) = channel();
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // "test name ... " stands before the first answer.
                if let Some((_, answer)) = line.split_once(MARK) {
                    let _ = send.send(answer.to_owned());
                }
            }
        });
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, kept) = (BufReader::new(process.stderr.take().expect("piped")).lines(), Arc::clone(&log));
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| kept.lock().push(line)));
        let child = Self { process, orders, answers, log, port: 0 };
        assert_eq!(child.answer(), "beginning");
        child
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// `input`: a magnet URI or the path of a .torrent file.
    pub fn prepare(&mut self, input: &str, file: usize) -> Result<Opened, String> {
        let text = self.ask(&format!("prepare {file} {input}"));
        let parts: Vec<&str> = text.split(' ').collect();
        match parts[..] {
            ["ready", token, took] => {
                Ok(Opened { token: token.into(), took: Duration::from_micros(took.parse().expect("a time")) })
            }
            _ => Err(text),
        }
    }

    /// As a user does who tries again: the first calls may meet the last of some trouble.
    pub fn prepare_at_last(&mut self, input: &str, file: usize) -> Opened {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.prepare(input, file) {
                Ok(opened) => return opened,
                Err(text) => assert!(Instant::now() < deadline, "{text}"),
            }
        }
    }

    pub fn get(&self, opened: &Opened, from: u64) -> Answer {
        get(self.port, &format!("/stream/{}", opened.token), Some(&format!("bytes={from}-")))
    }

    pub fn ask(&mut self, order: &str) -> String {
        self.send(order);
        self.answer()
    }

    /// Gives an order and does not wait for what comes of it.
    pub fn send(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("the child lives");
    }

    /// The answer, if it comes so soon.
    pub fn answer_within(&self, time: Duration) -> Option<String> {
        self.answers.recv_timeout(time).ok()
    }

    pub fn answer(&self) -> String {
        match self.answers.recv_timeout(PATIENCE * 2) {
            Ok(answer) => answer,
            Err(error) => panic!("{error}: the child does not answer\n{}", self.log.lock().join("\n")),
        }
    }

    /// Waits until a line of the log has `words`.
    pub fn until_logged(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.logged(words) == 0 {
            assert!(Instant::now() < deadline, "no line with {words:?}\n{}", self.log.lock().join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lines of the log with `words`.
    pub fn logged(&self, words: &str) -> usize {
        self.log.lock().iter().filter(|line| line.contains(words)).count()
    }

    /// Ends the session in order.
    pub fn end(mut self) -> Vec<String> {
        assert_eq!(self.ask("end"), "ended");
        let status = self.process.wait().expect("child");
        assert!(status.success(), "{status}\n{}", self.log.lock().join("\n"));
        self.log.lock().clone()
    }

    /// SIGKILL: no thread of it does anything more.
    pub fn kill(mut self) {
        self.process.kill().expect("child");
        self.process.wait().expect("child");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// In a child: is the host until its orders end, and then ends the process. In the parent: nothing.
pub fn serve_if_asked() {
    let Some(storage) = std::env::var_os(STORAGE) else { return };
    let cache = std::env::var(CACHE).ok().and_then(|text| text.parse().ok()).expect("a limit");
    // Not dropped: the folder is the parent's.
    let storage = std::mem::ManuallyDrop::new(Folder(storage.into()));
    println!("{MARK}beginning");
    let host = Host::begin(&storage, cache, Box::new(|line| eprintln!("{line}")));
    println!("{MARK}{}", host.session.http_port());
    let mut hoarded = Vec::new();
    for order in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (word, rest) = order.split_once(' ').unwrap_or((&order, ""));
        match word {
            "prepare" => println!("{MARK}{}", prepare(&host, rest)),
            "release" => {
                host.session.release(rest);
                println!("{MARK}released");
            }
            "evict" => {
                host.session.evict();
                println!("{MARK}evicted");
            }
            "clock" => println!("{MARK}{}", clock()),
            "hoard" => println!("{MARK}{}", hoard(&mut hoarded)),
            "give-back" => {
                hoarded.clear();
                println!("{MARK}given back");
            }
            "end" => break,
            other => panic!("no such order: {other}"),
        }
    }
    host.session.stop();
    println!("{MARK}ended");
    std::process::exit(0);
}

/// The wall clock as this process sees it, in seconds since 1970.
pub fn clock() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_secs()).expect("fits")
}

/// Takes every descriptor that the process may still have. Answers the system's reason why there are no more.
fn hoard(hoarded: &mut Vec<File>) -> std::io::Error {
    loop {
        match File::open("/dev/null") {
            Ok(file) => hoarded.push(file),
            Err(error) => return error,
        }
    }
}

fn prepare(host: &Host, order: &str) -> String {
    let (file, input) = order.split_once(' ').expect("file and input");
    let bytes;
    let input = if input.starts_with("magnet:") {
        Input { magnet: Some(input), torrent: None }
    } else {
        bytes = std::fs::read(input).expect("torrent");
        Input { magnet: None, torrent: Some(&bytes) }
    };
    let began = Instant::now();
    match host.prepare(input, file.parse().expect("a number"), Role::Main) {
        Ok(stream) => format!("ready {} {}", stream.token, began.elapsed().as_micros()),
        Err(error) => format!("error {error}"),
    }
}
