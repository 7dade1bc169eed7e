//! The host's process: one session, its users, and the one who looks at the clock.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use parking_lot::{Mutex, RwLock};
use vozduxan::engine::{Config, Session};
use vozduxan::log::{Logger, Sink};
use vozduxan_swarm::Swarm;

use crate::Run;
use crate::gauge;
use crate::stage::{Offer, offers};
use crate::user::User;

/// Users of the session, each on a thread.
const USERS: usize = 3;
/// Less than the six torrents have, so that something is always evicted.
const CACHE: u64 = 24_000_000;
/// How often the process is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Nothing that a user does takes longer than this: every torrent has a peer that serves, and a read gives up sooner.
const STUCK: Duration = Duration::from_secs(150);

/// What the users share.
pub struct Shared {
    /// The torrents on offer.
    pub offers: Vec<Offer>,
    session: RwLock<Arc<Session>>,
    /// Odd while the session is being restarted: an answer of an older session proves nothing.
    pub restarts: AtomicU64,
    /// The time is up, or something is wrong.
    pub over: AtomicBool,
    /// The first thing that went wrong.
    pub wrong: Mutex<Option<String>>,
    /// What was done, how often.
    pub done: Mutex<BTreeMap<&'static str, u64>>,
    /// When each user last began something.
    began: Mutex<[Instant; USERS]>,
    storage: tempfile::TempDir,
    log: Arc<Mutex<Vec<String>>>,
}

impl Shared {
    /// The session of the moment.
    pub fn session(&self) -> Arc<Session> {
        Arc::clone(&self.session.read())
    }

    /// Counts something.
    pub fn count(&self, what: &'static str) {
        *self.done.lock().entry(what).or_default() += 1;
    }

    /// A user begins something.
    pub fn is_alive(&self, user: usize) {
        self.began.lock()[user] = Instant::now();
    }

    /// Whether somebody waits for what never comes.
    fn stuck(&self) -> Option<String> {
        let longest = self.began.lock().iter().map(Instant::elapsed).max()?;
        (longest > STUCK).then(|| format!("a user has been waiting for {} s", longest.as_secs()))
    }

    /// Ends the run.
    pub fn fail(&self, why: String) {
        self.wrong.lock().get_or_insert(why);
        self.over.store(true, Ordering::Relaxed);
    }

    /// Destroys the session under its users and starts another on the same folder.
    fn restart(&self) -> Result<(), String> {
        self.restarts.fetch_add(1, Ordering::SeqCst);
        self.session().stop();
        let fresh = start(self.storage.path(), &self.log)?;
        *self.session.write() = fresh;
        self.restarts.fetch_add(1, Ordering::SeqCst);
        self.count("restart");
        Ok(())
    }
}

fn start(storage: &Path, log: &Arc<Mutex<Vec<String>>>) -> Result<Arc<Session>, String> {
    let lines = Arc::clone(log);
    let sink: Sink = Box::new(move |line| {
        let mut lines = lines.lock();
        // Enough to see what led to a failure; more would be growth of ours.
        if lines.len() == 200 {
            lines.remove(0);
        }
        lines.push(line.to_owned());
    });
    let logger = Logger::start(Arc::new(sink)).map_err(|error| error.to_string())?;
    let config = Config {
        storage_path: storage.to_owned(),
        cache_max_bytes: CACHE,
        cache_ttl_secs: 1,
        listen_port: None,
    };
    Session::start(config, logger).map_err(|error| error.to_string())
}

/// Runs the host until its time is up.
///
/// # Errors
/// The first thing that went wrong, or what grew.
pub fn run(stage: &Path, run: Run) -> Result<(), String> {
    let storage = tempfile::tempdir().map_err(|error| error.to_string())?;
    std::fs::write(storage.path().join("vozduxan.toml"), Swarm::settings_toml())
        .map_err(|error| error.to_string())?;
    let log = Arc::default();
    let shared = Shared {
        offers: offers(stage).map_err(|error| error.to_string())?,
        session: RwLock::new(start(storage.path(), &log)?),
        restarts: AtomicU64::new(0),
        over: AtomicBool::new(false),
        wrong: Mutex::new(None),
        done: Mutex::default(),
        began: Mutex::new([Instant::now(); USERS]),
        storage,
        log,
    };
    let samples = std::thread::scope(|scope| {
        for number in 0..USERS {
            let shared = &shared;
            scope.spawn(move || {
                User::new(shared, number, run.seed.wrapping_mul(31).wrapping_add(number as u64)).act()
            });
        }
        watch(&shared, run)
    });
    shared.session().stop();
    println!("done: {}", counts(&shared));
    if let Some(why) = shared.wrong.lock().take() {
        return Err(format!("{why}\nlast log lines:\n{}", shared.log.lock().join("\n")));
    }
    println!("{}", gauge::flat(&samples)?);
    Ok(())
}

/// Looks at the process and restarts the session now and then, until the time is up.
fn watch(shared: &Shared, run: Run) -> Vec<gauge::Sample> {
    let began = Instant::now();
    let mut dice = Rng::with_seed(run.seed);
    let mut samples = Vec::new();
    while began.elapsed() < run.time && !shared.over.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK.min(run.time.saturating_sub(began.elapsed())));
        let now = gauge::sample();
        samples.push(now);
        if samples.len() % 12 == 0 {
            println!(
                "{:>5} s  {:>7} KiB  {:>3} threads  {:>3} descriptors  {}",
                began.elapsed().as_secs(),
                now.memory_kib,
                now.threads,
                now.descriptors,
                counts(shared)
            );
        }
        if let Some(why) = shared.stuck() {
            shared.fail(why);
            // Its end frees whoever waits.
            shared.session().stop();
        } else if dice.u32(..12) == 0
            && let Err(why) = shared.restart()
        {
            shared.fail(format!("restart: {why}"));
        }
    }
    shared.over.store(true, Ordering::Relaxed);
    samples
}

fn counts(shared: &Shared) -> String {
    shared.done.lock().iter().map(|(what, times)| format!("{what} {times}")).collect::<Vec<_>>().join(", ")
}
