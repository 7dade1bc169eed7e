//! What the engine's thread may count on while it waits. Times are lower bounds and failure bounds, never expectations.

use std::time::{Duration, Instant};

use super::{AddOptions, Bridge, EventKind, Network};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// Who waited this long was not woken.
const OVERSLEPT: Duration = Duration::from_secs(30);
const QUIET: Duration = Duration::from_millis(50);

/// A session that only this process can reach, its first events taken.
fn bridge() -> Bridge {
    Bridge::start(&Network::unreachable(), Vec::new(), true).expect("libtorrent starts")
}

/// Adds a torrent that nobody has and takes it away again: libtorrent's thread reports its end.
fn cause_an_event(bridge: &Bridge, id: u32) {
    let options = AddOptions {
        id,
        resume: Vec::new(),
        torrent: Vec::new(),
        magnet: format!("magnet:?xt=urn:btih:{id:040x}"),
        save_path: std::env::temp_dir().to_string_lossy().into_owned(),
        check_files: false,
        extra_trackers: Vec::new(),
    };
    bridge.add(&options).expect("a magnet link");
    bridge.remove(id);
}

/// Waits as the engine does until the torrent's end is reported; how often it was woken.
fn await_the_end_of(bridge: &Bridge, id: u32, quiet: Duration) -> u32 {
    let (mut events, mut wakes, begin) = (Vec::new(), 0, Instant::now());
    loop {
        wakes += u32::from(bridge.wait(quiet, PATIENCE));
        assert!(begin.elapsed() < OVERSLEPT, "not woken for the end of {id}");
        bridge.take_events(&mut events).expect("events");
        if events.iter().any(|event| event.kind == EventKind::Gone && event.torrent == id) {
            return wakes;
        }
    }
}

#[test]
fn an_event_ends_a_wait_also_after_a_quiet_one() {
    let bridge = bridge();
    cause_an_event(&bridge, 1);
    assert!(await_the_end_of(&bridge, 1, Duration::ZERO) > 0);
    // Were the quiet of this wait to last, the next one would not hear of anything.
    let _ = bridge.wait(QUIET, QUIET);
    cause_an_event(&bridge, 2);
    assert!(await_the_end_of(&bridge, 2, Duration::ZERO) > 0);
}

#[test]
fn what_comes_in_the_quiet_is_gathered_and_found_at_its_end() {
    let bridge = bridge();
    cause_an_event(&bridge, 1);
    assert!(bridge.wait(Duration::ZERO, PATIENCE), "there is something");
    // It is not taken yet, and does not end the quiet.
    let begin = Instant::now();
    assert!(bridge.wait(QUIET, PATIENCE), "it is still there");
    assert!(begin.elapsed() >= QUIET, "{:?}", begin.elapsed());
    // A quiet longer than the wait is the wait.
    let begin = Instant::now();
    assert!(bridge.wait(PATIENCE, QUIET), "it is still there");
    assert!(begin.elapsed() >= QUIET && begin.elapsed() < OVERSLEPT, "{:?}", begin.elapsed());
    // What comes only in the quiet is found.
    assert!(await_the_end_of(&bridge, 1, QUIET) > 0);
    cause_an_event(&bridge, 2);
    assert!(await_the_end_of(&bridge, 2, QUIET) > 0);
}

#[test]
fn a_call_for_attention_ends_the_quiet_whether_it_comes_before_or_in_it() {
    let bridge = bridge();
    let begin = Instant::now();
    bridge.wake();
    assert!(bridge.wait(PATIENCE, PATIENCE));
    bridge.take_events(&mut Vec::new()).expect("events");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| bridge.wait(PATIENCE, PATIENCE));
        bridge.wake();
        assert!(waiting.join().expect("waiting does not panic"));
    });
    assert!(begin.elapsed() < OVERSLEPT, "{:?}", begin.elapsed());
}

#[test]
fn nothing_is_nothing_and_a_call_counts_once() {
    let bridge = bridge();
    bridge.shut_down();
    bridge.wake();
    // What the session had to say until then.
    bridge.take_events(&mut Vec::new()).expect("events");
    assert!(!bridge.wait(QUIET, 2 * QUIET));
    assert!(!bridge.wait(Duration::ZERO, QUIET));
}
