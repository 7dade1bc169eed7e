//! The program: the command sees the swarm in its environment, and its exit code comes back.

#![allow(clippy::unwrap_used, reason = "a test stops where something fails")]

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vozduxan-swarm")).args(arguments).output().unwrap()
}

#[test]
fn the_command_gets_what_it_needs() {
    let script = r#"
        test -s "$VZ_TORRENT" || exit 1
        case "$VZ_MAGNET" in magnet:?xt=urn:btih:*) ;; *) exit 2 ;; esac
        test "$(find "$VZ_SOURCE" -type f | wc -l)" -eq "$VZ_FILES" || exit 3
        grep -q '^listen_interfaces = "127.0.0.1:0"$' "$VZ_STORAGE/vozduxan.toml" || exit 4
        find "$VZ_SOURCE" -name '01 - *.flac' | wc -l
        echo "$VZ_STORAGE"
        exit 7
    "#;
    let output =
        run(&["run", "--track-mb", "1", "--peers", "2", "--corrupt-peers", "1", "--", "sh", "-c", script]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(7), "{text} {}", String::from_utf8_lossy(&output.stderr));
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("2"), "two discs, each with a first track");
    let storage = lines.next().unwrap();
    assert!(!std::path::Path::new(storage).exists(), "{storage} is left");
}

#[test]
fn mistakes_end_with_the_usage() {
    let output = run(&["run", "--peers"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("usage: vozduxan-swarm run"));
    let output = run(&["run", "--track-mb", "1", "--plain", "--", "/nonexistent/program"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("/nonexistent/program"));
}
