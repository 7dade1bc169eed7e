//! Programs under test: whether they are there, and running them to an end that always comes.

use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::host::PATIENCE;

/// Whether all of `programs` can be started; says which one cannot.
pub fn installed(programs: &[&str]) -> bool {
    programs.iter().all(|program| {
        let mut ask = Command::new(program);
        // The ffmpeg family knows only the short form.
        ask.arg(if program.starts_with("ff") { "-version" } else { "--version" });
        let found = ask.stdin(Stdio::null()).output().is_ok_and(|output| output.status.success());
        if !found {
            println!("skipped: the program `{program}` is not installed");
        }
        found
    })
}

/// A program that ends with the test, however that ends.
pub struct Running(pub Child);

impl Running {
    /// Starts `command` with nothing on its standard input.
    pub fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `command` to its end and answers what it printed; panics when it fails, complains or takes for ever.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = finish(command);
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert!(output.status.success() && complaint.is_empty(), "{command:?}\n{}: {complaint}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// Runs `command` to its end within [`PATIENCE`].
#[track_caller]
fn finish(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = rustix::process::Pid::from_child(&child);
    let (ended, end) = mpsc::channel();
    // Its pipes have to be read while it runs, or it would stop at a full one.
    let reader = thread::spawn(move || ended.send(child.wait_with_output()));
    let Ok(output) = end.recv_timeout(PATIENCE) else {
        // Not reaped yet, so the number is still the child's.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        let _ = reader.join();
        let output = end.recv().expect("sent before the thread ended").expect("its output");
        panic!(
            "{command:?} was still running after {PATIENCE:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    output.expect("its output")
}
