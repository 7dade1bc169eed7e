//! A system that has no thread left, one at a time: the way to make a finished library panic and throw.
//!
//! The library starts a dozen threads in `vozduxan_session_create`. This program's `pthread_create` stands before the
//! system's and refuses one of them. Rust's tokio panics then, C++'s std::thread throws inside libtorrent, and both
//! have to come back as an answer, whatever this program does with its own panics.

use std::ffi::{c_char, c_int, c_void};
use std::path::PathBuf;
use std::sync::atomic::{AtomicIsize, Ordering};

use host::engine::{Engine, Lines};

/// How many threads may still be started before one is refused; below zero: all may.
static LEFT: AtomicIsize = AtomicIsize::new(-1);

const EAGAIN: c_int = 11;
const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;

type Start = extern "C" fn(*mut c_void) -> *mut c_void;
type Create = unsafe extern "C" fn(*mut usize, *const c_void, Start, *mut c_void) -> c_int;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

#[no_mangle]
unsafe extern "C" fn pthread_create(
    thread: *mut usize,
    how: *const c_void,
    start: Start,
    with: *mut c_void,
) -> c_int {
    if LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| (left >= 0).then(|| left - 1)) == Ok(0) {
        return EAGAIN;
    }
    // SAFETY: the system's function of that name, whose type is `Create`.
    let system: Create = unsafe { std::mem::transmute(dlsym(RTLD_NEXT, c"pthread_create".as_ptr())) };
    // SAFETY: the caller's arguments as they came.
    unsafe { system(thread, how, start, with) }
}

/// Refuses the first thread of a create, then the second of another, and so on until a create succeeds, which is
/// ended properly. Prints how many creates failed, and the log lines that say why.
pub fn run() {
    let storage = PathBuf::from(host::variable("VZ_STORAGE"));
    let threads = host::threads();
    let mut failed = 0;
    for allowed in 0.. {
        let lines = Lines::default();
        LEFT.store(allowed, Ordering::SeqCst);
        let engine = Engine::start(&storage, &lines);
        let refused = LEFT.swap(-1, Ordering::SeqCst) < 0;
        for line in lines.lock().iter().filter(|line| line.contains("no session")) {
            println!("{line}");
        }
        failed += u32::from(engine.is_none());
        assert!(refused || engine.is_some(), "no session although no thread was refused");
        drop(engine);
        host::wait_for(|| host::threads() <= threads, "a failed create left a thread behind");
        if !refused {
            break;
        }
    }
    println!("failed creates: {failed}");
}
