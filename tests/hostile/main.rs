//! Nobody is let in, and no input brings the engine down: torrents, peers, trackers and magnets that mean harm, against
//! the ten C functions on loopback. (Web pages and other programs on the HTTP port: `tests/http`.)
//!
//! Nothing here sleeps to synchronise. Time limits appear as failure bounds only. Tests that measure the memory of the
//! process run in a process of their own.
#![allow(clippy::unwrap_used)]

mod flood;
mod host;
mod http_proxy;
mod magnets;
mod make;
mod metadata;
mod mutations;
mod names;
mod numbers;
mod privacy;
mod proxy;
mod socks;
#[path = "../support/host.rs"]
#[allow(dead_code)]
mod support;

/// Set in the process that runs one test alone.
const ALONE: &str = "VOZDUXAN_TEST_ALONE";

/// Runs `test`, whose full name is `name`, in a process of its own: memory belongs to all tests of a process together.
fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    let own = std::env::current_exe().expect("this test's own path");
    let mut command = std::process::Command::new(own);
    let output = command.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().expect("a child");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{name} did not run: {text}");
    // What it measured.
    print!("{text}");
}

/// Seconds that the long parts take: 0 in `make test`, where one round of each is enough.
fn attack_seconds() -> u64 {
    std::env::var("VOZDUXAN_ATTACK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}
