//! A process that runs out of descriptors, and one that gets them back. Each in a process of its own, because
//! descriptors belong to all tests of a process together.

use std::fs::File;
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::Bench;
use super::client::Client;

/// Set in the process that runs one test alone.
const ALONE: &str = "VOZDUXAN_TEST_ALONE";

/// Runs `test`, which is named `name`, in a process of its own.
pub fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    let own = std::env::current_exe().unwrap();
    let output = Command::new(own).args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("1 passed"), "{name} did not run: {text}");
    // What it measured.
    print!("{text}");
}

pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Takes every descriptor that is left.
fn take_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn running_out() {
    alone("descriptors::running_out", || {
        let allowed = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(100), ..allowed }).unwrap();
        let bench = Bench::new();
        let file = bench.file("t", 1000);
        let mut playing = bench.connect();
        playing.ask("GET /stream/t", &[]);
        let mut idle = bench.connect();
        idle.ask("HEAD /stream/t", &[]);
        let mut taken = take_all();
        // One for the new client and none for the server: the idle connection has to go.
        taken.pop();
        let mut first = bench.connect();
        assert_eq!(first.ask("GET /stream/t", &[]).status, 200);
        assert!(idle.rest().0.is_empty());
        // No idle connection is left: the next client waits until somebody gives a descriptor back.
        drop(idle);
        let mut second = bench.connect();
        let text = second.request("HEAD /stream/t", &[]);
        second.send(&text);
        file.arrive(0..1000);
        assert_eq!(playing.body(1000), file.bytes, "who plays goes on");
        drop(taken);
        assert_eq!(second.head().status, 200);
    });
}

/// Players open and reset connections by the dozen; WebKitGTK 20 a second, while playing.
#[test]
fn a_thousand_aborted_requests() {
    alone("descriptors::a_thousand_aborted_requests", || {
        let bench = Bench::new();
        let file = bench.file("t", 1 << 20);
        file.arrive(0..200_000);
        let before = descriptors();
        for round in 0..1000 {
            let mut client = bench.connect();
            client.ask("GET /stream/t", &[&format!("Range: bytes={}-", round * 100)]);
            if round % 2 == 0 { client.reset() } else { drop::<Client>(client) }
        }
        file.ledger.until(|counts| counts.open_ended == 1000 && counts.live == 0);
        assert!(bench.server.stop());
        assert!(descriptors() <= before);
    });
}
