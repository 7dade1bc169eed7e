//! Several processes on one folder, processes that are stopped, that run out of descriptors, or whose clock is wrong.

use rustix::process::{Pid, Signal, kill_process};

use super::shim::{Shim, Slot};
use super::*;

#[test]
fn two_processes_on_one_folder_and_one_is_killed() {
    child::serve_if_asked();
    let folder = Folder::new();
    let swarm = small_swarm(&folder, 1, 1_000_000, 20_000_000);
    let storage = Folder::new();
    let torrent = torrent_file(&swarm);
    let me = "processes::two_processes_on_one_folder_and_one_is_killed";
    let mut first = Child::start(me, &storage);
    let mut second = Child::start(me, &storage);
    for child in [&mut first, &mut second] {
        let stream = child.prepare(&torrent, 0).expect("prepare");
        play(child.port, &format!("/stream/{}", stream.token), &swarm, 0, 0);
    }
    first.kill();
    // The other goes on, and whoever comes next gets what the dead one had.
    let stream = second.prepare(&torrent, 0).expect("prepare");
    play(second.port, &format!("/stream/{}", stream.token), &swarm, 0, 0);
    let mut third = Child::start(me, &storage);
    until("the dead one's folder is used", || {
        third.logged(&format!("storage {}, ", storage.0.display())) == 1
    });
    let stream = third.prepare(&torrent, 0).expect("prepare");
    play(third.port, &format!("/stream/{}", stream.token), &swarm, 0, 0);
    second.end();
    third.end();
}

fn stopped_for(me: &str, time: Duration) {
    let folder = Folder::new();
    let swarm = small_swarm(&folder, 1, 3_000_000, 1_000_000);
    let storage = Folder::new();
    let mut child = Child::start(me, &storage);
    let stream = child.prepare(&torrent_file(&swarm), 0).expect("prepare");
    let mut answer = child.get(&stream, 0);
    same_as_source(&swarm, 0, 0, &answer.take(300_000));
    let id = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    kill_process(id, Signal::STOP).expect("stop");
    // What is tested is the time that passes without the process.
    std::thread::sleep(time);
    kill_process(id, Signal::CONT).expect("continue");
    same_as_source(&swarm, 0, 300_000, &answer.rest());
    child.end();
}

#[test]
fn a_process_that_was_stopped_plays_on() {
    child::serve_if_asked();
    stopped_for("processes::a_process_that_was_stopped_plays_on", Duration::from_secs(4));
}

/// As long as a lid is closed for a moment.
#[test]
#[ignore = "takes long: make faults"]
fn a_process_that_was_stopped_for_long_plays_on() {
    child::serve_if_asked();
    stopped_for("processes::a_process_that_was_stopped_for_long_plays_on", Duration::from_secs(40));
}

#[test]
fn the_wall_clock_does_not_matter() {
    child::serve_if_asked();
    let me = "processes::the_wall_clock_does_not_matter";
    let folder = Folder::new();
    let swarm = small_swarm(&folder, 1, 3_000_000, 1_000_000);
    let (storage, shim) = (Folder::new(), Shim::new());
    let mut child = Child::start_with(me, &storage, |command| shim.preload(command, &storage.0));
    let stream = child.prepare(&torrent_file(&swarm), 0).expect("prepare");
    let mut answer = child.get(&stream, 0);
    let year = 365 * 86_400;
    for (n, offset) in [year, -year, 0, -20 * year, 3600].into_iter().enumerate() {
        shim.set(Slot::ClockOffsetS, offset);
        let seen: i64 = child.ask("clock").parse().expect("seconds");
        let off = seen - child::clock();
        assert!((off - offset).abs() < 60, "the child's clock is off by {off} s instead of {offset} s");
        let at = n as u64 * 500_000;
        same_as_source(&swarm, 0, at, &answer.take(500_000));
    }
    same_as_source(&swarm, 0, 2_500_000, &answer.rest());
    child.end();
    // The clock is right again: what was saved is believed, whatever time it was saved at.
    go_away(&swarm);
    let mut child = Child::start(me, &storage);
    let stream = child.prepare(&swarm.magnet(), 0).expect("cached");
    play(child.port, &format!("/stream/{}", stream.token), &swarm, 0, 0);
    let log = child.end();
    assert!(!log.iter().any(|line| line.contains("as they were left")), "{log:#?}");
}

/// The host takes every descriptor that is left, and clients come. Only what was open goes on.
#[test]
fn a_process_without_descriptors_plays_on_and_recovers() {
    child::serve_if_asked();
    let folder = Folder::new();
    let swarm = small_swarm(&folder, 3, 2_000_000, 1_000_000);
    let storage = Folder::new();
    let mut child = Child::start_with(
        "processes::a_process_without_descriptors_plays_on_and_recovers",
        &storage,
        |command| {
            let mut limited = std::process::Command::new("sh");
            limited.args(["-c", "ulimit -n 70; exec \"$0\" \"$@\""]).arg(command.get_program());
            limited.args(command.get_args());
            limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            limited.stdin(std::process::Stdio::piped());
            limited.stdout(std::process::Stdio::piped());
            limited.stderr(std::process::Stdio::piped());
            *command = limited;
        },
    );
    let torrent = torrent_file(&swarm);
    let stream = child.prepare(&torrent, 0).expect("prepare");
    let mut answer = child.get(&stream, 0);
    same_as_source(&swarm, 0, 0, &answer.take(300_000));
    // A client whom the system takes and the engine cannot, until somebody gives a descriptor back.
    let full = |answer: String| assert!(answer.contains("Too many open files"), "{answer}");
    full(child.ask("hoard"));
    let (port, path) = (child.port, format!("/stream/{}", stream.token));
    let waiting = std::thread::spawn(move || get(port, &path, None).take(200_000));
    let mut clients = Vec::new();
    until("a client is not taken", || {
        // What was just given back, as by a tracker's connection.
        full(child.ask("hoard"));
        clients.push(std::net::TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, port)));
        child.logged("the system refuses new connections (Too many open files") > 0
    });
    // What was open goes on, also with bytes that still have to come.
    let before = sent(&swarm);
    same_as_source(&swarm, 0, 300_000, &answer.take(700_000));
    assert!(sent(&swarm) > before, "nothing had to come");
    // A file that has to be made cannot be, and the caller is told.
    full(child.ask("hoard"));
    full(child.prepare(&swarm.magnet(), 2).expect_err("there is no descriptor for it"));
    full(child.ask("hoard"));
    drop(clients);
    child.ask("give-back");
    same_as_source(&swarm, 0, 0, &waiting.join().expect("an answer"));
    same_as_source(&swarm, 0, 1_000_000, &answer.rest());
    let other = child.prepare_at_last(&torrent, 2);
    play(child.port, &format!("/stream/{}", other.token), &swarm, 2, 0);
    child.end();
}
