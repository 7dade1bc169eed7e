//! The host as a program.
//!
//! - `host`: the whole story, on the swarm of its environment.
//! - `host refusals`: the library panics and throws inside; this program hears nothing of it but answers.
//! - `host panic`: a panic of its own does what its own profile says.

use std::process::{Command, ExitCode, Output};
use std::sync::atomic::Ordering;

mod refusals;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => {
            host::count_panics();
            host::run();
        }
        Some("refusals") => watch_refusals(),
        Some("panic") => watch_own_panic(),
        Some("refused-inside") => {
            host::count_panics();
            refusals::run();
            println!("panics of the host: {}", host::PANICS.load(Ordering::SeqCst));
        }
        Some("panic-inside") => {
            std::panic::set_hook(Box::new(|_| println!("the host's own hook")));
            let caught = std::panic::catch_unwind(|| std::panic::panic_any(1));
            println!("caught: {}", caught.is_err());
        }
        Some(other) => {
            eprintln!("unknown: {other}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// This program again, with another word, and what it prints.
fn inside(word: &str) -> (Output, String) {
    let this = std::env::current_exe().expect("a path");
    let output = Command::new(this).arg(word).output().expect("this program starts");
    let text =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    (output, text)
}

fn watch_refusals() {
    let (output, text) = inside("refused-inside");
    assert!(output.status.success(), "the host did not survive: {}", output.status);
    // tokio's words when a worker cannot be started, printed by the library's own panic hook.
    assert!(text.contains("OS can't spawn worker thread"), "the library did not panic");
    assert!(text.contains("panics of the host: 0"), "the library's panic came to the host's hook");
    // libstdc++'s words, thrown by std::thread inside libtorrent and caught inside the library.
    assert!(text.contains("libtorrent did not start: "), "libtorrent did not throw");
}

fn watch_own_panic() {
    let (output, text) = inside("panic-inside");
    assert_eq!(text.matches("the host's own hook").count(), 1);
    if cfg!(panic = "abort") {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(output.status.signal(), Some(6), "a panic of an abort host aborts");
    } else {
        assert!(
            output.status.success() && text.contains("caught: true"),
            "a panic of an unwind host is caught"
        );
    }
}
