//! The C functions as a host calls them, on a running session that is kept on loopback: garbage, threads, the end.

// Helpers of tests may stop as the tests themselves may.
#![allow(clippy::unwrap_used)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use parking_lot::Mutex;
use vozduxan::abi::*;

const MAGNET: &CStr = c"magnet:?xt=urn:btih:0123456789012345678901234567890123456789";

const LOOPBACK_ONLY: &str = "[network]\nlisten_interfaces = \"127.0.0.1:0\"\ndht = false\nlsd = false\n\
                             upnp = false\npublic_trackers = false\n";

/// A session in a directory of its own, both gone at the end.
struct Host {
    session: *mut VozduxanSession,
    dir: PathBuf,
}

// SAFETY: every function of the interface may be called from any thread.
unsafe impl Sync for Host {}

impl Host {
    fn new(name: &str) -> Self {
        Self::logging(name, 0, None, null_mut())
    }

    fn logging(name: &str, listen_port: c_int, log_fn: VozduxanLogFn, log_userdata: *mut c_void) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("abi-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("vozduxan.toml"), LOOPBACK_ONLY).unwrap();
        let path = CString::new(dir.to_str().unwrap()).unwrap();
        let config = VozduxanConfig {
            storage_path: path.as_ptr(),
            cache_max_bytes: 0,
            cache_ttl_secs: 0,
            listen_port,
            log_fn,
            log_userdata,
        };
        // SAFETY: the configuration lives as long as the call; the tests keep the userdata.
        let session = unsafe { vozduxan_session_create(&config) };
        assert!(!session.is_null(), "no session in {}", dir.display());
        Self { session, dir }
    }

    fn destroy(&self) {
        // SAFETY: any session is allowed.
        unsafe { vozduxan_session_destroy(self.session) };
    }

    fn port(&self) -> u16 {
        // SAFETY: any session is allowed.
        unsafe { vozduxan_session_http_port(self.session) }
    }

    fn prepare(&self, magnet: *const c_char, torrent: &[u8]) -> VozduxanStreamInfo {
        // SAFETY: magnet and torrent live as long as the call.
        unsafe {
            vozduxan_stream_prepare(
                self.session,
                magnet,
                torrent.as_ptr(),
                torrent.len(),
                0,
                1,
                None,
                null_mut(),
            )
        }
    }

    fn list(&self, magnet: *const c_char, torrent: &[u8]) -> VozduxanFileList {
        // SAFETY: magnet and torrent live as long as the call.
        unsafe { vozduxan_list_files(self.session, magnet, torrent.as_ptr(), torrent.len()) }
    }

    fn with_token(&self, token: *const c_char) -> VozduxanStreamStats {
        // SAFETY: the tests pass NULL or C strings.
        unsafe { vozduxan_stream_notify_position(self.session, token, i64::MIN) };
        // SAFETY: as above.
        unsafe { vozduxan_stream_release(self.session, token) };
        // SAFETY: as above.
        unsafe { vozduxan_stream_stats(self.session, token) }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.destroy();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn message(array: &[c_char; 256]) -> String {
    let bytes: Vec<u8> = array.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn tokens_that_no_stream_has_are_answered() {
    let host = Host::new("tokens");
    let long = CString::new("x".repeat(100_000)).unwrap();
    for token in [null(), c"".as_ptr(), c"nobody".as_ptr(), c"\xff\xfe".as_ptr(), long.as_ptr()] {
        let stats = host.with_token(token);
        assert_eq!((stats.download_rate_bytes, stats.num_peers), (0, 0));
    }
    assert_ne!(host.port(), 0);
}

#[test]
fn input_that_cannot_be_used_is_bad_input_with_a_reason() {
    let host = Host::new("input");
    let nothing: &[u8] = &[];
    for (magnet, torrent) in [
        (null(), nothing),
        (c"".as_ptr(), nothing),
        (c"\xff".as_ptr(), nothing),
        (c"not a magnet".as_ptr(), nothing),
        (c"magnet:?xt=urn:btih:short".as_ptr(), nothing),
        (null(), b"not a torrent"),
        (null(), b"d4:infoi0ee"),
        (MAGNET.as_ptr(), b"not a torrent"),
    ] {
        let info = host.prepare(magnet, torrent);
        assert_eq!(info.error, VozduxanError::VOZDUXAN_ERR_BAD_INPUT);
        assert_ne!(message(&info.error_msg), "");
        let mut list = host.list(magnet, torrent);
        assert_eq!(list.error, VozduxanError::VOZDUXAN_ERR_BAD_INPUT);
        assert_ne!(message(&list.error_msg), "");
        assert!(list.files.is_null());
        // SAFETY: a list of the library.
        unsafe { vozduxan_file_list_free(&mut list) };
    }
    let data = [0_u8];
    // SAFETY: a length that no buffer has is refused without a read.
    let list = unsafe { vozduxan_list_files(host.session, null(), data.as_ptr(), usize::MAX) };
    assert_eq!(list.error, VozduxanError::VOZDUXAN_ERR_BAD_INPUT);
}

#[test]
fn a_destroyed_session_is_answered_and_can_be_destroyed_again() {
    let first = Host::new("first");
    first.destroy();
    first.destroy();
    // A later session does not take the old one's place.
    let second = Host::new("second");
    assert_ne!(first.session, second.session);
    assert_eq!(first.port(), 0);
    assert_ne!(second.port(), 0);
    let info = first.prepare(MAGNET.as_ptr(), &[]);
    assert_eq!(info.error, VozduxanError::VOZDUXAN_ERR_BAD_INPUT);
    assert!(message(&info.error_msg).contains("destroyed"), "{}", message(&info.error_msg));
    assert_eq!(first.with_token(c"nobody".as_ptr()).num_peers, 0);
    first.destroy();
    assert_ne!(second.port(), 0);
}

#[test]
fn eight_threads_at_once_get_answers_while_the_session_ends() {
    let host = Host::new("threads");
    let start = Barrier::new(9);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (host, start, ended) = (&host, &start, &ended);
            scope.spawn(move || {
                start.wait();
                let mut last_round = false;
                while !last_round {
                    last_round = ended.load(Ordering::SeqCst);
                    host.with_token(c"nobody".as_ptr());
                    // SAFETY: any session is allowed.
                    unsafe { vozduxan_session_evict(host.session) };
                    let code = host.prepare(null(), b"not a torrent").error;
                    let expected =
                        [VozduxanError::VOZDUXAN_ERR_BAD_INPUT, VozduxanError::VOZDUXAN_ERR_INTERNAL];
                    assert!(expected.contains(&code), "{code:?}");
                    if last_round {
                        assert_eq!(host.port(), 0);
                        if number % 2 == 0 {
                            host.destroy();
                        }
                    }
                }
            });
        }
        start.wait();
        host.destroy();
        ended.store(true, Ordering::SeqCst);
    });
}

/// Prepares whose progress callback destroys the session: no call may come after that.
struct Ending {
    session: *mut VozduxanSession,
    calls: AtomicUsize,
}

// SAFETY: as for `Host`.
unsafe impl Sync for Ending {}

unsafe extern "C" fn destroy_at_once(_: f32, _: *const c_char, ending: *mut c_void) {
    // SAFETY: the test passes an `Ending`.
    let ending = unsafe { &*ending.cast::<Ending>() };
    ending.calls.fetch_add(1, Ordering::SeqCst);
    // SAFETY: any session is allowed.
    unsafe { vozduxan_session_destroy(ending.session) };
}

#[test]
fn a_progress_callback_may_destroy_its_session() {
    let host = Host::new("progress");
    let ending = Ending { session: host.session, calls: AtomicUsize::new(0) };
    let userdata = (&raw const ending).cast_mut().cast();
    // SAFETY: the magnet and the userdata live as long as the call.
    let info = unsafe {
        vozduxan_stream_prepare(
            host.session,
            MAGNET.as_ptr(),
            null(),
            0,
            0,
            1,
            Some(destroy_at_once),
            userdata,
        )
    };
    assert_eq!(info.error, VozduxanError::VOZDUXAN_ERR_INTERNAL);
    assert_eq!(message(&info.error_msg), "Cancelled: session shutting down");
    assert_eq!(ending.calls.load(Ordering::SeqCst), 1);
    assert_eq!(host.port(), 0);
}

/// What the log callback of the next test is told, and what it saw.
struct Watch {
    session: Mutex<Receiver<usize>>,
    lines: AtomicUsize,
    destroyed: AtomicBool,
}

unsafe extern "C" fn destroy_from_log(_: *const c_char, watch: *mut c_void) {
    // SAFETY: the test passes a `Watch`.
    let watch = unsafe { &*watch.cast::<Watch>() };
    watch.lines.fetch_add(1, Ordering::SeqCst);
    // The patience only matters when there is no session to be told: create waits for this callback before it fails.
    let Ok(session) = watch.session.lock().recv_timeout(Duration::from_secs(20)) else { return };
    // SAFETY: any session is allowed.
    unsafe { vozduxan_session_destroy(std::ptr::without_provenance_mut(session)) };
    watch.destroyed.store(true, Ordering::SeqCst);
}

#[test]
fn the_log_callback_may_destroy_its_session() {
    let (tell, session) = channel();
    let watch =
        Watch { session: Mutex::new(session), lines: AtomicUsize::new(0), destroyed: AtomicBool::new(false) };
    // Kept for ever: its last use is on a thread of the library, which nobody can wait for in this case.
    let watch: &'static Watch = Box::leak(Box::new(watch));
    // The port is impossible, so there is a line for sure; its callback waits to be told the session.
    let host = Host::logging("log", 70_000, Some(destroy_from_log), (&raw const *watch).cast_mut().cast());
    tell.send(host.session.addr()).unwrap();
    while !watch.destroyed.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    assert_eq!(host.port(), 0);
    host.destroy();
    assert_eq!(watch.lines.load(Ordering::SeqCst), 1);
}

/// A log callback that is inside until it is let go, and then destroys what another thread is already destroying.
struct Held {
    session: AtomicUsize,
    inside: AtomicBool,
    leave: Mutex<Receiver<()>>,
    left: AtomicBool,
}

unsafe extern "C" fn stay_inside(_: *const c_char, held: *mut c_void) {
    // SAFETY: the test passes a `Held`.
    let held = unsafe { &*held.cast::<Held>() };
    if held.inside.swap(true, Ordering::SeqCst) {
        return;
    }
    let _ = held.leave.lock().recv();
    // SAFETY: any session is allowed.
    unsafe {
        vozduxan_session_destroy(std::ptr::without_provenance_mut(held.session.load(Ordering::SeqCst)))
    };
    held.left.store(true, Ordering::SeqCst);
}

#[test]
fn a_second_destroy_waits_for_the_first_but_inside_a_callback() {
    let (let_go, leave) = channel();
    let held = Held {
        session: AtomicUsize::new(0),
        inside: AtomicBool::new(false),
        leave: Mutex::new(leave),
        left: AtomicBool::new(false),
    };
    // The port is impossible, so there is a line for sure.
    let host = Host::logging("second", 70_000, Some(stay_inside), (&raw const held).cast_mut().cast());
    held.session.store(host.session.addr(), Ordering::SeqCst);
    while !held.inside.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| host.destroy());
        while host.port() != 0 {
            std::thread::yield_now();
        }
        let (returned, second) = channel();
        let (host, held) = (&host, &held);
        scope.spawn(move || {
            host.destroy();
            returned.send(held.left.load(Ordering::SeqCst)).unwrap();
        });
        let early = second.recv_timeout(Duration::from_millis(100));
        let_go.send(()).unwrap();
        assert!(early.is_err(), "the callback is still inside");
        assert!(second.recv().unwrap());
    });
}

unsafe extern "C" fn destroy_too(_: f32, _: *const c_char, ending: *mut c_void) {
    // SAFETY: the test passes an `Ending`.
    let ending = unsafe { &*ending.cast::<Ending>() };
    ending.calls.fetch_add(1, Ordering::SeqCst);
    // SAFETY: any session is allowed.
    while unsafe { vozduxan_session_http_port(ending.session) } != 0 {
        std::thread::yield_now();
    }
    // SAFETY: as above.
    unsafe { vozduxan_session_destroy(ending.session) };
}

#[test]
fn a_progress_callback_may_destroy_what_another_thread_is_destroying() {
    let host = Host::new("progress-too");
    let ending = Ending { session: host.session, calls: AtomicUsize::new(0) };
    let (host, ending) = (&host, &ending);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let userdata = (&raw const *ending).cast_mut().cast();
            // SAFETY: the magnet and the userdata live as long as the call.
            unsafe {
                vozduxan_stream_prepare(
                    host.session,
                    MAGNET.as_ptr(),
                    null(),
                    0,
                    0,
                    1,
                    Some(destroy_too),
                    userdata,
                )
            }
        });
        while ending.calls.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        host.destroy();
    });
    assert_eq!(ending.calls.load(Ordering::SeqCst), 1);
}
