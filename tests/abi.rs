//! The C functions as a host calls them, where no running session is needed: whatever is passed, a plain answer.

// Helpers of tests may stop as the tests themselves may.
#![allow(clippy::unwrap_used)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut, without_provenance_mut};
use std::thread::ThreadId;

use parking_lot::Mutex;
use vozduxan::abi::*;

/// Pointers that no session ever had: small numbers, the ends of the range, unaligned, and real memory.
fn never_sessions() -> Vec<*mut VozduxanSession> {
    let local = Box::new(0_u64);
    let on_heap = (&raw const *local).addr();
    let in_program = (&raw const TORRENT).addr();
    [0, 1, 16, 0xdead_beef, 1 << 44 | 1, usize::MAX, usize::MAX / 2, on_heap, in_program]
        .map(without_provenance_mut)
        .to_vec()
}

static TORRENT: [u8; 4] = *b"d3:x";

fn text(array: &[c_char]) -> String {
    assert!(array.contains(&0), "text in an array ends in a NUL");
    let bytes = array.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect();
    String::from_utf8(bytes).unwrap()
}

unsafe fn prepare(
    session: *mut VozduxanSession,
    magnet: Option<&CStr>,
    torrent: &[u8],
) -> VozduxanStreamInfo {
    // SAFETY: text and data live as long as the call.
    unsafe {
        vozduxan_stream_prepare(
            session,
            magnet.map_or(null(), CStr::as_ptr),
            torrent.as_ptr(),
            torrent.len(),
            0,
            1,
            None,
            null_mut(),
        )
    }
}

#[test]
fn without_a_session_every_function_answers() {
    let magnet = c"magnet:?xt=urn:btih:0123456789012345678901234567890123456789";
    for session in never_sessions() {
        for token in [null(), c"".as_ptr(), c"token".as_ptr(), c"\xff\xfe".as_ptr()] {
            // SAFETY: tokens are NULL or C strings.
            unsafe { vozduxan_stream_notify_position(session, token, -1) };
            // SAFETY: as above.
            unsafe { vozduxan_stream_release(session, token) };
            // SAFETY: as above.
            let stats = unsafe { vozduxan_stream_stats(session, token) };
            assert_eq!((stats.download_rate_bytes, stats.num_peers), (0, 0));
        }
        // SAFETY: any session is allowed.
        unsafe { vozduxan_session_evict(session) };
        // SAFETY: as above.
        assert_eq!(unsafe { vozduxan_session_http_port(session) }, 0);
        for (magnet, torrent) in [(None, &[][..]), (Some(magnet), &[]), (None, &TORRENT)] {
            // SAFETY: text and data live as long as the call.
            let info = unsafe { prepare(session, magnet, torrent) };
            assert_eq!(info.error, VozduxanError::VOZDUXAN_ERR_BAD_INPUT);
            assert!(text(&info.error_msg).contains("session"), "{}", text(&info.error_msg));
            assert_eq!((text(&info.url) + &text(&info.token), info.file_size), (String::new(), 0));
            let magnet = magnet.map_or(null(), CStr::as_ptr);
            // SAFETY: as above.
            let list = unsafe { vozduxan_list_files(session, magnet, torrent.as_ptr(), torrent.len()) };
            assert_eq!(list.error, VozduxanError::VOZDUXAN_ERR_BAD_INPUT);
            assert!(text(&list.error_msg).contains("session"));
            assert_eq!((list.files, list.count), (null_mut(), 0));
        }
        // SAFETY: any session is allowed.
        unsafe { vozduxan_session_destroy(session) };
    }
}

#[test]
fn freeing_what_is_not_there_does_nothing() {
    // SAFETY: NULL is allowed.
    unsafe { vozduxan_file_list_free(null_mut()) };
    // SAFETY: without a session nothing is read.
    let mut list = unsafe { vozduxan_list_files(null_mut(), null(), null(), 0) };
    for _ in 0..2 {
        // SAFETY: a list of the library.
        unsafe { vozduxan_file_list_free(&mut list) };
        assert_eq!((list.files, list.count), (null_mut(), 0));
    }
    assert_eq!(list.error, VozduxanError::VOZDUXAN_ERR_BAD_INPUT);
}

/// Lines with the thread they came on.
type Lines = Mutex<Vec<(ThreadId, String)>>;

unsafe extern "C" fn keep(line: *const c_char, lines: *mut c_void) {
    // SAFETY: the library passes a C string.
    let line = unsafe { CStr::from_ptr(line) }.to_str().unwrap().to_owned();
    // SAFETY: `create` passes a `Lines`.
    let lines = unsafe { &*lines.cast::<Lines>() };
    lines.lock().push((std::thread::current().id(), line));
}

/// Tries to create a session; the lines that came.
fn create(path: *const c_char, listen_port: c_int) -> (*mut VozduxanSession, Vec<(ThreadId, String)>) {
    let lines = Lines::default();
    let config = VozduxanConfig {
        storage_path: path,
        cache_max_bytes: 0,
        cache_ttl_secs: 0,
        listen_port,
        log_fn: Some(keep),
        log_userdata: (&raw const lines).cast_mut().cast(),
    };
    // SAFETY: the configuration and all it points to live longer than the call, and there is no session after it.
    let session = unsafe { vozduxan_session_create(&config) };
    (session, lines.into_inner())
}

/// A directory of this test's own.
fn fresh(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("abi-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn a_session_without_a_usable_place_is_refused_and_the_log_says_why() {
    let dir = fresh("refused");
    let file = dir.join("file");
    std::fs::write(&file, "not a directory").unwrap();
    let below_file = CString::new(file.join("storage").to_str().unwrap()).unwrap();
    for (path, said) in [
        (null(), "storage_path is NULL or empty"),
        (c"".as_ptr(), "storage_path is NULL or empty"),
        (c"/tmp/\xff".as_ptr(), "storage_path is not UTF-8"),
        (below_file.as_ptr(), "no session: "),
    ] {
        let (session, lines) = create(path, 0);
        assert!(session.is_null());
        let (thread, line) = lines.last().expect("a line that says why");
        assert_eq!(*thread, std::thread::current().id());
        assert!(line.starts_with("[vozduxan ") && line.contains(said), "{line}");
    }
    // SAFETY: NULL is allowed.
    assert!(unsafe { vozduxan_session_create(null()) }.is_null());
    std::fs::remove_dir_all(dir).unwrap();
}
