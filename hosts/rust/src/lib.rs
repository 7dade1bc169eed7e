//! A desktop player in miniature: everything such a host does with the library, on a real swarm, inside its own tokio,
//! beside its own hyper server and its own C++.
//!
//! `run` is the whole story; the program calls it, and `host_run` gives it to C from the static and the dynamic
//! library that this crate also is. The world comes from the environment, see c-tests/CMakeLists.txt.

use std::ffi::c_int;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub mod engine;
mod ffi;
mod net;
mod scale;

use engine::{Engine, Lines, Stream};

/// Panics that reached this host's hook. The library has a hook of its own.
pub static PANICS: AtomicU32 = AtomicU32::new(0);

/// Counts panics of this host instead of printing them.
pub fn count_panics() {
    std::panic::set_hook(Box::new(|_| {
        PANICS.fetch_add(1, Ordering::SeqCst);
    }));
}

/// For C: the whole story; 0 when all of it was true, else the host dies of its own panic.
#[no_mangle]
pub extern "C" fn host_run() -> c_int {
    run();
    0
}

/// The whole story. Panics with what was not true.
pub fn run() {
    let threads = threads();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(story());
    drop(runtime);
    wait_for(|| self::threads() <= threads, "a thread of the library is left");
}

async fn story() {
    let (magnet, torrent) =
        (variable("VZ_MAGNET"), std::fs::read(variable("VZ_TORRENT")).expect("VZ_TORRENT"));
    let own = net::serve("the host's own").await;
    let lines = Lines::default();
    // On the executor, so with the host's runtime as the current one.
    let engine = Engine::start(&PathBuf::from(variable("VZ_STORAGE")), &lines).expect("a session");
    assert_ne!(engine.port(), 0);

    let files = engine.list(&magnet).await.expect("a list");
    let tracks: Vec<usize> =
        (0..files.len()).filter(|&at| files[at].mime.starts_with("audio/") && files[at].size > 0).collect();
    assert!(tracks.len() >= 2, "{files:?}");
    let complaint = engine.list("magnet:?no-hash").await.expect_err("no magnet");
    assert!(complaint.starts_with("BadInput: ") && complaint.len() > 12, "{complaint}");

    let preparing = engine.prepare(&magnet, None, tracks[0], true);
    let first = busy_with(preparing, &engine, &own).await.expect("a stream");
    assert_eq!(first.size, files[tracks[0]].size);
    play(&engine, &first, &files[tracks[0]].name).await;

    // Prefetched, then simply played: no second prepare. The first one's release comes later.
    let second = engine.prepare("", Some(torrent), tracks[1], false).await.expect("a prefetched stream");
    engine.release(&first.url).await;
    assert_eq!(net::get(&first.url, None).await.0, 404);
    play(&engine, &second, &files[tracks[1]].name).await;

    engine.evict().await;
    engine.release(&second.url).await;
    assert_eq!(engine.stats(&second.token).num_peers, 0);
    assert_eq!(scale::bars(0.5), Ok(5));
    assert!(scale::bars(2.0).expect_err("out of range").ends_with("not 2.000000"));
    // The last owner goes, on the executor: this ends the session.
    drop(engine);
    assert!(Arc::strong_count(&lines) == 1 && !lines.lock().is_empty());
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "a panic of somebody else came to this host's hook");
}

/// Waits for a prepare as a player does: asks for figures and tells positions all the while, with the host's own
/// server answering.
async fn busy_with<T>(work: impl std::future::Future<Output = T>, engine: &Engine, own: &str) -> T {
    let mut work = std::pin::pin!(work);
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = tick.tick() => {
                assert_eq!(engine.stats("no such token").num_peers, 0);
                engine.notify("no such token", 1);
                assert_eq!(net::get(own, None).await, (200, b"the host's own".to_vec()));
            }
        }
    }
}

/// Seeks, then reads all of it, and compares every byte with the original.
async fn play(engine: &Engine, stream: &Stream, name: &str) {
    let original = original(name);
    let middle = original.len() / 2;
    engine.notify(&stream.token, middle as u64);
    let (status, body) = net::get(&stream.url, Some((middle, middle + 99_999))).await;
    assert!(status == 206 && body == original[middle..middle + 100_000], "{name}: wrong bytes after a seek");
    engine.notify(&stream.token, 0);
    let (status, body) = net::get(&stream.url, None).await;
    assert!(status == 200 && body == original, "{name}: {} bytes, not all of the original's", body.len());
    assert!(engine.stats(&stream.token).num_peers > 0);
}

/// The original of a file of the torrent: under VZ_SOURCE, or in a folder of it that is named like the torrent.
fn original(name: &str) -> Vec<u8> {
    let source = PathBuf::from(variable("VZ_SOURCE"));
    let folders = std::fs::read_dir(&source).expect("VZ_SOURCE").map(|entry| entry.expect("an entry").path());
    let path = std::iter::once(source.clone())
        .chain(folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    std::fs::read(path.unwrap_or_else(|| panic!("{name} is not under {}", source.display())))
        .expect("readable")
}

/// A variable that the swarm's runner sets.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: start this through vozduxan-swarm run"))
}

/// Threads of this process now.
pub fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("Linux").count()
}

/// Waits until something is true: a joined thread may stand in the system's list for a moment.
pub fn wait_for(mut done: impl FnMut() -> bool, otherwise: &str) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{otherwise}");
        std::thread::yield_now();
    }
}
