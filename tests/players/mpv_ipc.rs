//! mpv's JSON socket: a line per command, a line per answer or event.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::host::PATIENCE;
use crate::program::Running;

/// Between two looks for the socket. mpv says nowhere else that it has opened it.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Arguments that make mpv the same on every machine: no configuration, no scripts, no picture.
pub const PLAIN: [&str; 6] = [
    "--no-config",
    "--load-scripts=no",
    "--ytdl=no",
    "--no-video",
    "--no-terminal",
    "--no-input-default-bindings",
];

/// An mpv that waits for commands and plays to nobody, at the speed of music.
pub struct Mpv {
    program: Running,
    lines: BufReader<UnixStream>,
    asked: u64,
}

impl Mpv {
    /// Starts mpv with its socket in `folder`.
    pub fn start(folder: &Path) -> Self {
        let socket = folder.join("mpv");
        let mut command = Command::new("mpv");
        command.args(PLAIN).args(["--ao=null", "--idle=yes"]);
        command.arg(format!("--input-ipc-server={}", socket.display()));
        let program = Running::start(&mut command);
        let begun = Instant::now();
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) if begun.elapsed() > PATIENCE => panic!("mpv's socket: {error}"),
                Err(_) => thread::sleep(LOOK_AGAIN),
            }
        };
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { program, lines: BufReader::new(stream), asked: 0 }
    }

    /// Gives a command; its answer is among the lines that follow.
    pub fn send(&mut self, command: Value) -> u64 {
        self.asked += 1;
        let text = json!({ "command": command, "request_id": self.asked }).to_string() + "\n";
        self.lines.get_mut().write_all(text.as_bytes()).expect("mpv is running");
        self.asked
    }

    /// Reads until `wanted` finds something in a line; panics when mpv gives a file up.
    #[track_caller]
    pub fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let line = self.line().unwrap_or_else(|| panic!("mpv ended before: {what}"));
            assert!(line["reason"] != "error", "mpv gave up before: {what}: {line}");
            if let Some(found) = wanted(&line) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "mpv: nothing for {PATIENCE:?}: {what}");
        }
    }

    /// Gives a command and returns its answer's data.
    #[track_caller]
    pub fn ask(&mut self, command: Value) -> Value {
        let what = command.to_string();
        let id = self.send(command);
        let answer = self.until(&what, |line| (line["request_id"] == id).then(|| line.clone()));
        assert_eq!(answer["error"], "success", "{what}");
        answer["data"].clone()
    }

    /// Waits for an event.
    #[track_caller]
    pub fn event(&mut self, name: &str) {
        self.until(name, |line| (line["event"] == name).then_some(()));
    }

    /// Ends mpv as a user would; panics when it calls that a failure.
    pub fn quit(mut self) {
        self.send(json!(["quit"]));
        while self.line().is_some() {}
        assert!(self.program.0.wait().expect("a child").success());
    }

    /// The next line, `None` when mpv has gone.
    fn line(&mut self) -> Option<Value> {
        let mut text = String::new();
        match self.lines.read_line(&mut text) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("mpv's socket: {error}"),
        }
    }
}
