//! Chromium, driven through chromedriver: the little of the WebDriver protocol (W3C) that the tests need.
//!
//! chromedriver starts the browser and outlives it; a session is one browser. Scripts may return promises, and the
//! driver answers when they are settled: the tests wait for events of the page, not for time to pass.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::host::{Folder, PATIENCE};
use crate::program::Running;

/// What keeps the browser to itself: no screen, no sandbox (which root cannot have), no sound card, no calls home, and
/// sound without a click.
const ARGUMENTS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
];

/// A running browser with one tab.
pub struct Browser {
    port: u16,
    session: String,
    _driver: Running,
    /// chromedriver writes here now and then and would fail if nobody could read it.
    _output: BufReader<ChildStdout>,
    /// The browser's profile: last, it is in use until the session is over.
    _profile: Folder,
}

impl Browser {
    pub fn start() -> Self {
        let (driver, output, port) = start_driver();
        let profile = Folder::new();
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", profile.0.display()));
        let script = u64::try_from(PATIENCE.as_millis()).expect("small");
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments }, "timeouts": { "script": script },
        } } });
        let answer = call(port, "POST", "/session", &wanted).unwrap_or_else(|error| panic!("{error}"));
        let session = answer["sessionId"].as_str().expect("a session").to_owned();
        Self { port, session, _driver: driver, _output: output, _profile: profile }
    }

    /// Loads a page.
    pub fn open(&self, url: &str) {
        self.session("url", &json!({ "url": url })).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Calls a function of the page and returns what it, or its promise, comes to; the text of the failure otherwise.
    pub fn call(&self, function: &str, arguments: Value) -> Result<Value, String> {
        let script = format!("return {function}(...arguments)");
        let answer = self.session("execute/sync", &json!({ "script": script, "args": arguments }));
        answer.map_err(|error| format!("{function}: {error}"))
    }

    fn session(&self, command: &str, body: &Value) -> Result<Value, String> {
        call(self.port, "POST", &format!("/session/{}/{command}", self.session), body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser, before its driver is ended; a failure would be that of a browser that has ended itself.
        let _ = call(self.port, "DELETE", &format!("/session/{}", self.session), &Value::Null);
    }
}

/// A driver that listens, the rest of its output, and its port.
///
/// It takes a port that is free on 127.0.0.1 and ends when the same one is not free on [::1]; beside tests that listen
/// on many ports that happens now and then, and means nothing.
fn start_driver() -> (Running, BufReader<ChildStdout>, u16) {
    const TRIES: u32 = 5;
    let mut said = String::new();
    for _ in 0..TRIES {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = Running::start(&mut command);
        let mut output = BufReader::new(driver.0.stdout.take().expect("piped"));
        loop {
            let mut line = String::new();
            if output.read_line(&mut line).expect("text") == 0 {
                said += &format!("it ended ({:?})\n", driver.0.wait());
                break;
            }
            let port = line.trim_end().strip_prefix("ChromeDriver was started successfully on port ");
            if let Some(port) = port {
                return (driver, output, port.trim_end_matches('.').parse().expect("a port"));
            }
            said += &line;
        }
    }
    panic!("chromedriver does not start, {TRIES} times:\n{said}");
}

/// One request to chromedriver; the value it answers, or the text of its error.
fn call(port: u16, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|error| error.to_string())?;
    // The driver answers within its own script timeout, or else is broken.
    socket.set_read_timeout(Some(PATIENCE * 2)).expect("a timeout");
    let len = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n"
    );
    socket.write_all((head + &body).as_bytes()).map_err(|error| error.to_string())?;
    let mut reader = BufReader::new(socket);
    let mut len = 0;
    let mut line = String::new();
    while reader.read_line(&mut line).map_err(|error| error.to_string())? > 2 {
        let header = line.to_ascii_lowercase();
        if let Some(text) = header.strip_prefix("content-length:") {
            len = text.trim().parse().map_err(|error| format!("{error}: {header}"))?;
        }
        line.clear();
    }
    let mut text = vec![0; len];
    reader.read_exact(&mut text).map_err(|error| error.to_string())?;
    let mut answer: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let value = answer["value"].take();
    match value["error"].as_str() {
        Some(error) => Err(format!("{error}: {}", value["message"])),
        None => Ok(value),
    }
}
