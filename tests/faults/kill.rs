//! `kill -9` in the middle of a download, again and again: nothing that was here for some seconds is lost, no byte is
//! wrong, and what is here needs no network and no hashing. The same while a session begins, while metadata is waited
//! for, and while data is deleted; nothing half made stays either.

use std::collections::BTreeSet;

use super::*;

/// Resume data is written every five seconds while blocks come; a busy machine adds to that.
const LAST_SECONDS: Duration = Duration::from_secs(8);
/// Bytes per second: a round of some seconds is a part of the track.
const RATE: u64 = 250_000;
const TRACK: usize = 6_000_000;

/// Small, fast and repeatable: which millisecond is hit does not matter, only that they differ.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// All names below a folder.
fn names(folder: &Path) -> BTreeSet<PathBuf> {
    let mut names = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
            names.insert(entry.path());
        }
    }
    names
}

/// Any time up to half as long again as something usually takes: in the middle of its course, or just after it.
fn sometime(dice: &mut Dice, usual: Duration) -> Duration {
    Duration::from_micros(dice.below(usual.as_micros() as u64 * 3 / 2) + 1)
}

/// What a player got, and when.
struct Heard {
    bytes: u64,
    /// When how many bytes from the start had been heard.
    log: Vec<(Instant, u64)>,
}

/// Plays from the start until the connection ends or `enough` says so; every byte is compared.
fn hear(child: &Child, opened: &child::Opened, swarm: &Swarm, limit: Instant, enough: u64) -> Heard {
    let mut heard = Heard { bytes: 0, log: Vec::new() };
    let mut answer = child.get(opened, 0);
    let mut buffer = vec![0; 32 * 1024];
    while heard.bytes < enough {
        let left = limit.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        answer.socket().set_read_timeout(Some(left)).expect("timeout");
        let count = match answer.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => count,
        };
        same_as_source(swarm, 0, heard.bytes, &buffer[..count]);
        heard.bytes += count as u64;
        heard.log.push((Instant::now(), heard.bytes));
    }
    heard
}

fn rounds(me: &str, count: u64, longest_ms: u64, seed: u64) {
    let folder = Folder::new();
    let swarm = small_swarm(&folder, 1, TRACK, RATE);
    let len = swarm.files()[0].len;
    let (torrent, magnet) = (torrent_file(&swarm), swarm.magnet());
    let mut storage = Folder::new();
    let mut dice = Dice(seed | 1);
    let (mut sure, mut before, mut worst, mut whole, mut proofs) = (0_u64, 0_u64, 0_u64, 0, 0);
    for round in 0..count {
        // Nobody is there until all that must be here has been heard.
        swarm.peers()[0].proxy.freeze().expect("freeze");
        let mut child = Child::start(me, &storage);
        if sure == 0 {
            swarm.peers()[0].proxy.unfreeze().expect("unfreeze");
        }
        // By magnet once the metadata is here.
        let opened = child.prepare(if sure == 0 { &torrent } else { &magnet }, 0).expect("prepare");
        if sure > 0 {
            let heard = hear(&child, &opened, &swarm, Instant::now() + PATIENCE, sure);
            assert!(heard.bytes >= sure, "round {round}: not all is here\n{:#?}", child.log.lock());
            assert!(opened.took < PATIENCE, "a start from what is here waits for nobody");
            proofs += 1;
            // For the figure: what else is here.
            let here = hear(&child, &opened, &swarm, Instant::now() + Duration::from_secs(1), len).bytes;
            worst = worst.max(before.saturating_sub(here));
            swarm.peers()[0].proxy.unfreeze().expect("unfreeze");
        }
        // A kill in the first milliseconds now and then, while files are made; else anywhere. The first is late enough
        // that something is older than the last seconds.
        let time = if round == 0 { longest_ms - dice.below(1000) } else { dice.below(longest_ms) + 1 };
        let limit = Instant::now() + Duration::from_millis(time);
        let heard = hear(&child, &opened, &swarm, limit, len);
        let log = child.log.lock().clone();
        assert!(
            !log.iter().any(|line| line.contains("as they were left") || line.contains("warning")),
            "{log:#?}"
        );
        child.kill();
        let killed = Instant::now();
        let old = heard.log.iter().take_while(|(at, _)| *at + LAST_SECONDS < killed).last();
        sure = sure.max(old.map_or(0, |(_, bytes)| *bytes));
        before = heard.bytes;
        if heard.bytes == len {
            // A new one, so that the rounds stay kills in the middle of a download.
            whole += 1;
            storage = Folder::new();
            sure = 0;
        }
    }
    assert!(proofs > 0, "no kill came late enough to show that something is kept");
    println!(
        "{count} kills, seed {seed}: {whole} tracks got whole, {proofs} proofs that nothing old was lost; a kill cost {worst} bytes at most, {} ms of the line",
        worst * 1000 / RATE
    );
    swarm.peers()[0].proxy.unfreeze().expect("unfreeze");
    // Nobody is killed any more.
    swarm.peers()[0].proxy.set_rate(Some(20 * RATE)).expect("a faster line");
    // Still in order: to the end, and once more from what is here, with nobody there.
    let mut child = Child::start(me, &storage);
    let opened = child.prepare(&torrent, 0).expect("prepare");
    play(child.port, &format!("/stream/{}", opened.token), &swarm, 0, 0);
    child.end();
    go_away(&swarm);
    let mut child = Child::start(me, &storage);
    let opened = child.prepare(&magnet, 0).expect("prepare");
    println!("a second start: URL after {} µs", opened.took.as_micros());
    play(child.port, &format!("/stream/{}", opened.token), &swarm, 0, 0);
    child.end();
}

#[test]
fn killed_again_and_again() {
    child::serve_if_asked();
    // Long enough that some pieces are older than the last seconds, and short ones around the beginning. Beside each
    // other: they mostly wait.
    std::thread::scope(|scope| {
        for seed in [0x5eed, 0xfeed, 0xdeed] {
            scope.spawn(move || rounds("kill::killed_again_and_again", 3, 11_000, seed));
        }
    });
}

#[test]
fn killed_while_a_session_begins() {
    child::serve_if_asked();
    let me = "kill::killed_while_a_session_begins";
    let folder = Folder::new();
    let swarm = small_swarm(&folder, 1, 300_000, 20_000_000);
    let storage = Folder::new();
    let mut child = Child::start(me, &storage);
    let stream = child.prepare(&torrent_file(&swarm), 0).expect("prepare");
    play(child.port, &format!("/stream/{}", stream.token), &swarm, 0, 0);
    child.end();
    go_away(&swarm);
    let child = Child::begin(me, &storage, |_| {});
    let began = Instant::now();
    child.answer();
    let usual = began.elapsed();
    child.end();
    let before = names(&storage.0);
    let mut dice = Dice(0xbeef);
    let mut early = 0;
    for round in 0..40 {
        let child = Child::begin(me, &storage, |_| {});
        // Most of what touches the disk comes first.
        let most = if round % 2 == 0 { usual } else { usual / 10 };
        early += u32::from(child.answer_within(sometime(&mut dice, most)).is_none());
        child.kill();
    }
    println!("a session takes {} ms to begin, {early} of 40 kills came before that", usual.as_millis());
    assert!(early > 0, "no kill came before the session was there");
    let mut child = Child::start(me, &storage);
    let stream = child.prepare(&swarm.magnet(), 0).expect("prepare");
    play(child.port, &format!("/stream/{}", stream.token), &swarm, 0, 0);
    let log = child.end();
    assert!(
        !log.iter().any(|line| line.contains("warning") || line.contains("as they were left")),
        "{log:#?}"
    );
    assert_eq!(names(&storage.0), before, "something half made stayed");
}

/// Plays a track to its end, and once more from what is here, with nobody there. Answers what is in storage then.
fn comes_whole(me: &str, storage: &Folder, swarm: &Swarm) -> BTreeSet<PathBuf> {
    for is_here in [false, true] {
        if is_here {
            swarm.peers()[0].proxy.freeze().expect("freeze");
        }
        let mut child = Child::start(me, storage);
        let stream = child.prepare(&swarm.magnet(), 0).expect("prepare");
        play(child.port, &format!("/stream/{}", stream.token), swarm, 0, 0);
        let log = child.end();
        assert!(
            !log.iter().any(|line| line.contains("as they were left") || line.contains("warning")),
            "{log:#?}"
        );
    }
    swarm.peers()[0].proxy.unfreeze().expect("unfreeze");
    names(&storage.0)
}

/// By magnet: before the metadata comes, while it comes and is kept, and a moment after that.
#[test]
fn killed_while_metadata_is_waited_for() {
    child::serve_if_asked();
    let me = "kill::killed_while_metadata_is_waited_for";
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 16, Album::flac(1, 1_000_000), &[peer(200_000)]);
    let line = &swarm.peers()[0].proxy;
    let order = format!("prepare 0 {}", swarm.magnet());
    let mut dice = Dice(0xcafe);
    let mut storage = Folder::new();
    // Nobody answers.
    line.freeze().expect("freeze");
    for _ in 0..5 {
        let mut child = Child::start(me, &storage);
        child.send(&order);
        let answer = child.answer_within(Duration::from_micros(dice.below(200_000)));
        assert_eq!(answer, None, "there is no metadata");
        child.kill();
    }
    assert!(!storage.0.join(key(&swarm)).exists(), "nothing is known of it");
    line.unfreeze().expect("unfreeze");
    let mut child = Child::start(me, &storage);
    let began = Instant::now();
    child.send(&order);
    until("the metadata is kept", || state(&storage, &swarm, "resume").exists());
    let usual = began.elapsed();
    child.kill();
    let mut done = vec![std::mem::replace(&mut storage, Folder::new())];
    let mut early = 0;
    for _ in 0..12 {
        let mut child = Child::start(me, &storage);
        child.send(&order);
        child.answer_within(sometime(&mut dice, usual));
        child.kill();
        if state(&storage, &swarm, "resume").exists() {
            done.push(std::mem::replace(&mut storage, Folder::new()));
        } else {
            early += 1;
        }
    }
    println!("metadata is kept after {} ms, {early} of 12 kills came before that", usual.as_millis());
    assert!(early > 0, "no kill came before the metadata was kept");
    line.set_rate(Some(20_000_000)).expect("a faster line");
    let undisturbed = Folder::new();
    let below = |storage: &Folder, names: BTreeSet<PathBuf>| -> BTreeSet<PathBuf> {
        names.iter().map(|name| name.strip_prefix(&storage.0).expect("below it").to_owned()).collect()
    };
    let expected = below(&undisturbed, comes_whole(me, &undisturbed, &swarm));
    for storage in done.into_iter().take(4).chain([storage]) {
        let found = below(&storage, comes_whole(me, &storage, &swarm));
        assert_eq!(found, expected, "something half made stayed");
    }
}

/// The data of one torrent is deleted to make room, while another plays. What is half deleted counts and is deleted or
/// used at the next time, and what plays is still believed.
#[test]
fn killed_while_room_is_made() {
    child::serve_if_asked();
    let me = "kill::killed_while_room_is_made";
    let folders = [Folder::new(), Folder::new()];
    let kept = small_swarm(&folders[0], 1, 600_000, 20_000_000);
    let album = Album { name: "Other".into(), seed: 7, ..Album::flac(1, 300_000) };
    let other = super::swarm(&folders[1], Kind::V1, 64, album, &[peer(20_000_000)]);
    let storage = Folder::new();
    let limit: u64 = 1_000_000;
    let start =
        || Child::start_with(me, &storage, |command| _ = command.env(child::CACHE, limit.to_string()));
    let (torrent, magnet) = (torrent_file(&other), kept.magnet());
    let place = storage.0.join(key(&other));
    let mut child = start();
    let stream = child.prepare(&torrent_file(&kept), 0).expect("prepare");
    play(child.port, &format!("/stream/{}", stream.token), &kept, 0, 0);
    child.end();
    go_away(&kept);
    let mut dice = Dice(0xfade);
    let (mut usual, mut halves) = (None, 0);
    for round in 0..9 {
        let mut child = start();
        let stream = child.prepare(&magnet, 0).expect("it is here");
        play(child.port, &format!("/stream/{}", stream.token), &kept, 0, 0);
        child.ask("evict");
        assert!(allocated(&storage.0) <= limit, "round {round}: {} bytes", allocated(&storage.0));
        let stream = child.prepare(&torrent, 0).expect("prepare");
        play(child.port, &format!("/stream/{}", stream.token), &other, 0, 0);
        // Many small files, so that deleting them takes a while.
        let junk = place.join("junk");
        std::fs::create_dir_all(&junk).expect("folder");
        (0..500).for_each(|n| std::fs::write(junk.join(n.to_string()), [1; 100]).expect("junk"));
        let before = names(&place).len();
        let began = Instant::now();
        child.send(&format!("release {}", stream.token));
        child.send("evict");
        if usual.is_none() {
            until("all of it is deleted", || !place.exists());
            usual = Some(began.elapsed());
        } else if round % 2 == 0 {
            // While libtorrent lets go of it, or the disk is measured.
            std::thread::sleep(sometime(&mut dice, usual.unwrap_or_default()));
        } else {
            // Resume data goes first. Polled without a pause: the rest takes some milliseconds.
            while state(&storage, &other, "resume").exists() {
                assert!(began.elapsed() < PATIENCE, "nothing is deleted\n{:#?}", child.log.lock());
            }
            std::thread::sleep(sometime(&mut dice, Duration::from_millis(4)));
        }
        let log = child.log.lock().clone();
        child.kill();
        halves += u32::from(place.exists() && names(&place).len() < before);
        let suspects = |line: &&String| line.contains("as they were left") && line.contains(&key(&kept));
        assert!(!log.iter().any(|line| suspects(&line)), "{log:#?}");
    }
    let usual = usual.unwrap_or_default().as_millis();
    println!("room is made in {usual} ms, {halves} of 8 kills left a half");
    assert!(halves > 0, "no kill came in the middle of a deletion");
    let mut child = start();
    child.ask("evict");
    assert!(allocated(&storage.0) <= limit, "{} bytes", allocated(&storage.0));
    child.end();
}

/// `make kill ROUNDS=50 SEED=1`.
#[test]
#[ignore = "takes long: make kill"]
fn killed_as_often_as_asked() {
    child::serve_if_asked();
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("SEED").unwrap_or_else(|| u64::from(std::process::id()));
    rounds("kill::killed_as_often_as_asked", number("ROUNDS").unwrap_or(50), 14_000, seed);
}
