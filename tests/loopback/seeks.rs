//! What a seek does to the transfers that are under way, and what a silent swarm does to the log.

use super::*;

/// Waits until the log has a line with this text.
fn until_logged(host: &Host, text: &str) {
    let deadline = Instant::now() + host::PATIENCE;
    while !host.log.lock().iter().any(|line| line.contains(text)) {
        assert!(Instant::now() < deadline, "no line with {text:?}:\n{}", host.log.lock().join("\n"));
        std::thread::yield_now();
    }
}

struct Stage {
    swarm: vozduxan_swarm::Swarm,
    host: Host,
    stream: vozduxan::engine::Prepared,
    _folders: [Folder; 2],
}

/// A stream of 8 MB whose first 200 KB were read, on a swarm that has fallen silent.
fn silent_stage() -> (Stage, host::Answer) {
    let folders = [Folder::new(), Folder::new()];
    let swarm = swarm(&folders[0], Kind::V1, 64, Album::flac(1, 8_000_000), &[peer(300_000, 20)]);
    let host = Host::start_with(&folders[1], "[stream]\nlookahead_pieces = 20");
    let stream = host.prepare_torrent(&swarm, swarm.files()[0].index);
    let mut answer = get(host.session.http_port(), &host.path(&stream), Some("bytes=0-"));
    answer.take(200_000);
    swarm.peers()[0].proxy.freeze().expect("freeze");
    (Stage { swarm, host, stream, _folders: folders }, answer)
}

#[test]
fn a_stall_and_its_end_are_told_once() {
    let (stage, mut answer) = silent_stage();
    until_logged(&stage.host, "stream stalled");
    stage.swarm.peers()[0].proxy.unfreeze().expect("unfreeze");
    answer.take(1_000_000);
    until_logged(&stage.host, "stream resumed");
    let lines = stage.host.log.lock();
    assert_eq!(
        lines.iter().filter(|line| line.contains("stream stalled")).count(),
        1,
        "{}",
        lines.join("\n")
    );
    assert!(lines.iter().all(|line| !line.contains(&stage.stream.token)), "a token in the log");
}

#[test]
fn a_new_open_range_ends_one_that_waits_in_vain_but_no_probe() {
    let (stage, mut old) = silent_stage();
    let (port, path) = (stage.host.session.http_port(), stage.host.path(&stage.stream));
    let mut probe = get(port, &path, Some("bytes=3000000-3000099"));
    until_logged(&stage.host, "stream stalled");
    let mut new = get(port, &path, Some("bytes=5000000-"));
    let rest = old.until_cut_bytes();
    assert!(rest.len() < 7_000_000, "the old transfer was not cut");
    same_as_source(&stage.swarm, 0, 200_000, &rest);
    stage.swarm.peers()[0].proxy.unfreeze().expect("unfreeze");
    same_as_source(&stage.swarm, 0, 3_000_000, &probe.rest());
    same_as_source(&stage.swarm, 0, 5_000_000, &new.take(100_000));
}

#[test]
fn a_notified_jump_ends_a_transfer_that_is_far_away() {
    let (stage, mut old) = silent_stage();
    stage.host.session.notify_position(&stage.stream.token, 6_000_000);
    let rest = old.until_cut_bytes();
    assert!(rest.len() < 7_000_000, "the old transfer was not cut");
    stage.swarm.peers()[0].proxy.unfreeze().expect("unfreeze");
    let (port, path) = (stage.host.session.http_port(), stage.host.path(&stage.stream));
    same_as_source(&stage.swarm, 0, 6_000_000, &get(port, &path, Some("bytes=6000000-")).take(50_000));
}

/// A player reads far ahead into its buffer, and its host reports what is heard. No jump, nothing to end.
#[test]
fn reported_playback_spares_a_player_that_reads_far_ahead() {
    let folders = [Folder::new(), Folder::new()];
    let swarm = swarm(&folders[0], Kind::V1, 64, Album::flac(1, 8_000_000), &[peer(8_000_000, 10)]);
    let host = Host::start_with(&folders[1], "[stream]\nlookahead_pieces = 20");
    let stream = host.prepare_torrent(&swarm, swarm.files()[0].index);
    let mut answer = get(host.session.http_port(), &host.path(&stream), Some("bytes=0-"));
    let mut bytes = answer.take(5_000_000);
    for second in 0..20 {
        host.session.notify_position(&stream.token, second * 100_000);
        bytes.extend(answer.take(100_000));
    }
    bytes.extend(answer.rest());
    assert_eq!(bytes.len() as u64, stream.file_len);
    same_as_source(&swarm, 0, 0, &bytes);
}

#[test]
fn release_ends_a_transfer_at_once() {
    let (stage, mut old) = silent_stage();
    let t = Instant::now();
    stage.host.session.release(&stage.stream.token);
    println!("release {} us", t.elapsed().as_micros());
    assert!(old.until_cut_bytes().len() < 7_000_000);
    assert_eq!(get(stage.host.session.http_port(), &stage.host.path(&stage.stream), None).status, 404);
}

/// With the cache over its limit only what is needed is fetched. What a reader waits for is needed, also when it only
/// probes a stream that is not the one that plays.
#[test]
fn a_probe_of_a_background_stream_is_answered_while_the_cache_is_over_its_limit() {
    let folders = [Folder::new(), Folder::new()];
    let swarm = swarm(&folders[0], Kind::V1, 64, Album::flac(2, 8_000_000), &[peer(1_000_000, 10)]);
    let host = Host::start_with(&folders[1], "[cache]\nmax_bytes = 1000000");
    let input = Input { magnet: None, torrent: Some(&swarm.torrent().bytes) };
    let background = host.prepare(input, swarm.files()[1].index, Role::Background).expect("prepare");
    let playing = host.prepare_torrent(&swarm, swarm.files()[0].index);
    let port = host.session.http_port();
    let mut answer = get(port, &host.path(&playing), Some("bytes=0-"));
    answer.take(2_000_000);
    until_logged(&host, "all of it is in use");
    let probe = get(port, &host.path(&background), Some("bytes=5000000-5000099")).rest();
    same_as_source(&swarm, swarm.files()[1].index, 5_000_000, &probe);
}
