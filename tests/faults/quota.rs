//! The cache limit, on real torrents: kept while playing, the longest unused goes first, and nothing that is in use.

use std::fs;

use super::*;

const TRACK: usize = 2_000_000;

fn limited(storage: &Folder, limit: u64) -> (Host, std::sync::Arc<parking_lot::Mutex<Vec<String>>>) {
    fs::write(storage.0.join("vozduxan.toml"), Swarm::settings_toml()).expect("settings");
    let log = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let lines = std::sync::Arc::clone(&log);
    let host = Host::begin(storage, limit, Box::new(move |line: &str| lines.lock().push(line.to_owned())));
    (host, log)
}

fn other_swarm(folder: &Folder, seed: u64, len: usize, rate: u64) -> Swarm {
    let album = Album { name: format!("Album {seed}"), seed, ..Album::flac(1, len) };
    swarm(folder, Kind::V1, 64, album, &[peer(rate)])
}

/// A folder that is being deleted may still be there.
fn is_here(storage: &Folder, swarm: &Swarm) -> bool {
    allocated(&storage.0.join(key(swarm))) > 100_000
}

#[test]
fn eight_torrents_under_a_limit_of_three_and_a_half() {
    let folders: Vec<Folder> = (0..8).map(|_| Folder::new()).collect();
    let swarms: Vec<Swarm> =
        (0..).zip(&folders).map(|(n, folder)| other_swarm(folder, n + 1, TRACK, 20_000_000)).collect();
    let storage = Folder::new();
    let limit = TRACK as u64 * 7 / 2;
    let (host, log) = limited(&storage, limit);
    let mut last: Option<Prepared> = None;
    for (n, swarm) in swarms.iter().enumerate() {
        let stream = whole(&host, swarm, 0);
        // Parts of unwanted files, as libtorrent keeps them for others that had this folder.
        let parts = storage.0.join(key(swarm)).join(format!(".{}.parts", key(swarm)));
        fs::write(parts, vec![1; 10_000]).expect("parts");
        if let Some(last) = last.replace(stream) {
            host.session.release(&last.token);
        }
        // Not asked for: it is kept by itself.
        until("the limit is kept", || allocated(&storage.0) <= limit);
        assert!(is_here(&storage, swarm), "what plays was deleted");
        let here: Vec<usize> = (0..=n).filter(|m| is_here(&storage, &swarms[*m])).collect();
        let first = (n + 1).saturating_sub(3);
        assert_eq!(
            here,
            (first..=n).collect::<Vec<_>>(),
            "the longest unused goes first, and no more than needed"
        );
    }
    let playing = last.expect("the last");
    // The oldest of the three is fetched ahead of time, and so in use again. Then its part file is what is too much: not
    // that torrent goes, but the one that was used longer ago.
    let input = Input { magnet: None, torrent: Some(&swarms[5].torrent().bytes) };
    let next = host.prepare(input, 0, Role::Background).expect("it is here");
    let parts = storage.0.join(key(&swarms[5])).join(format!(".{}.parts", key(&swarms[5])));
    fs::write(&parts, vec![1; 1_500_000]).expect("parts");
    host.session.evict();
    let here: Vec<usize> = (0..8).filter(|m| is_here(&storage, &swarms[*m])).collect();
    assert_eq!(here, [5, 7]);
    assert!(parts.exists());
    host.session.release(&next.token);
    play(host.session.http_port(), &host.path(&playing), &swarms[7], 0, 0);
    host.session.release(&playing.token);
    host.session.evict();
    assert!(allocated(&storage.0) <= limit);
    assert_eq!(log.lock().iter().filter(|line| line.contains("deleted the data")).count(), 6);
    // What was deleted can be had again.
    whole(&host, &swarms[0], 0);
}

#[test]
fn when_all_is_in_use_only_what_plays_is_fetched_and_the_log_says_so_once() {
    let folders = [Folder::new(), Folder::new()];
    let main = other_swarm(&folders[0], 1, 9_000_000, 900_000);
    let next = other_swarm(&folders[1], 2, 4_000_000, 20_000_000);
    let storage = Folder::new();
    let (host, log) = limited(&storage, 1_000_000);
    let stream = host.prepare_torrent(&main, 0);
    let mut answer = get(host.session.http_port(), &host.path(&stream), None);
    let told =
        || log.lock().iter().filter(|line| line.contains("over its limit and all of it is in use")).count();
    let mut heard = answer.take(200_000);
    while told() == 0 {
        let more = answer.take(100_000);
        assert!(!more.is_empty(), "the whole track came and nothing was said");
        heard.extend(more);
    }
    let input = Input { magnet: None, torrent: Some(&next.torrent().bytes) };
    host.prepare(input, 0, Role::Background).expect("OK after 8 s at the latest");
    heard.extend(answer.rest());
    same_as_source(&main, 0, 0, &heard);
    assert!(sent(&next) < 1_000_000, "{} bytes of what nobody hears", sent(&next));
    assert_eq!(told(), 1, "{:#?}", log.lock());
    assert!(is_here(&storage, &main), "what plays was deleted");
}

/// A crash in the middle of a deletion leaves data without resume data, in a folder that was changed just now.
#[test]
fn what_a_deletion_left_half_done_goes_first() {
    let folders = [Folder::new(), Folder::new()];
    let [half, one] = [1, 2].map(|n| other_swarm(&folders[n as usize - 1], n, TRACK, 20_000_000));
    let storage = Folder::new();
    let (host, _) = limited(&storage, 10 << 30);
    for swarm in [&half, &one] {
        let stream = whole(&host, swarm, 0);
        host.session.release(&stream.token);
    }
    drop(host);
    for extension in ["resume", "files"] {
        fs::remove_file(state(&storage, &half, extension)).expect("remove");
    }
    fs::write(storage.0.join(key(&half)).join("left"), "left").expect("left");
    let (host, log) = limited(&storage, TRACK as u64 * 3 / 2);
    host.session.evict();
    assert!(is_here(&storage, &one), "what was used last was deleted: {:#?}", log.lock());
    assert!(!is_here(&storage, &half));
}

/// A player that was started twice once: what the second one fetched lies in the storage folder, and nobody would ever
/// come back for it.
#[test]
fn what_a_second_session_left_counts_and_goes_first() {
    let folders = [Folder::new(), Folder::new()];
    let [one, other] = [1, 2].map(|n| other_swarm(&folders[n as usize - 1], n, TRACK, 20_000_000));
    let storage = Folder::new();
    let limit = TRACK as u64 * 3 / 2;
    let (first, log) = limited(&storage, limit);
    let (second, _) = limited(&storage, limit);
    whole(&second, &other, 0);
    let root = storage.0.join(".vozduxan/instance-1");
    assert!(allocated(&root) > TRACK as u64);
    let stream = whole(&first, &one, 0);
    // It is in use, and has a limit of its own.
    first.session.evict();
    assert!(allocated(&root) > TRACK as u64, "what is in use was deleted");
    drop(second);
    first.session.evict();
    assert!(allocated(&storage.0) <= limit, "{} bytes", allocated(&storage.0));
    assert!(is_here(&storage, &one));
    assert!(log.lock().iter().any(|line| line.contains("that sessions beside this one have left")));
    play(first.session.http_port(), &first.path(&stream), &one, 0, 0);
}
