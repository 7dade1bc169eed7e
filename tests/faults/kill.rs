//! `kill -9` in the middle of a download, again and again: nothing that was here for some seconds is lost, no byte is
//! wrong, and what is here needs no network and no hashing.

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

/// `make kill ROUNDS=50 SEED=1`.
#[test]
#[ignore = "takes long: make kill"]
fn killed_as_often_as_asked() {
    child::serve_if_asked();
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = number("SEED").unwrap_or_else(|| u64::from(std::process::id()));
    rounds("kill::killed_as_often_as_asked", number("ROUNDS").unwrap_or(50), 14_000, seed);
}
