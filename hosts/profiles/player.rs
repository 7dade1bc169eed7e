//! The library half of the smallest Rust host: an rlib with the archive bundled into it, as cargo makes them.

use std::ffi::{c_char, c_int, c_void, CString};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

#[repr(C)]
struct Config {
    storage_path: *const c_char,
    cache_max_bytes: u64,
    cache_ttl_secs: u32,
    listen_port: c_int,
    log_fn: Option<unsafe extern "C" fn(*const c_char, *mut c_void)>,
    log_userdata: *mut c_void,
}

#[repr(C)]
struct StreamInfo {
    url: [u8; 512],
    token: [u8; 128],
    file_size: i64,
    mime_type: [u8; 64],
    error: c_int,
    error_msg: [u8; 256],
}

type Progress = Option<unsafe extern "C" fn(f32, *const c_char, *mut c_void)>;

#[link(name = "vozduxan", kind = "static")]
extern "C" {
    fn vozduxan_session_create(config: *const Config) -> *mut c_void;
    fn vozduxan_session_destroy(session: *mut c_void);
    fn vozduxan_stream_prepare(
        session: *mut c_void,
        magnet: *const c_char,
        data: *const u8,
        len: usize,
        file: c_int,
        main: c_int,
        progress: Progress,
        userdata: *mut c_void,
    ) -> StreamInfo;
    fn vozduxan_stream_release(session: *mut c_void, token: *const c_char);
}

static PANICS: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn quiet(_: *const c_char, _: *mut c_void) {}

fn text(array: &[u8]) -> &str {
    let end = array.iter().position(|&byte| byte == 0).expect("NUL");
    std::str::from_utf8(&array[..end]).expect("UTF-8")
}

/// Plays the first audio file of the swarm's torrent and checks what this program's profile promises of panics.
pub fn run() {
    std::panic::set_hook(Box::new(|_| {
        PANICS.fetch_add(1, Ordering::SeqCst);
    }));
    let storage = CString::new(std::env::var("VZ_STORAGE").expect("VZ_STORAGE")).expect("no NUL");
    let torrent = std::fs::read(std::env::var("VZ_TORRENT").expect("VZ_TORRENT")).expect("a torrent");
    let config = Config {
        storage_path: storage.as_ptr(),
        cache_max_bytes: 0,
        cache_ttl_secs: 0,
        listen_port: 0,
        log_fn: Some(quiet),
        log_userdata: std::ptr::null_mut(),
    };
    // SAFETY: all that is passed lives through each call.
    unsafe {
        let session = vozduxan_session_create(&config);
        assert!(!session.is_null());
        let prepare = |data: &[u8], file| {
            vozduxan_stream_prepare(
                session,
                std::ptr::null(),
                data.as_ptr(),
                data.len(),
                file,
                1,
                None,
                std::ptr::null_mut(),
            )
        };
        // libtorrent's parser throws, or says what is wrong: either way it is an answer.
        let garbage = prepare(b"d4:infod5:filesl", 0);
        assert!(garbage.error == 3 && !text(&garbage.error_msg).is_empty(), "{}", text(&garbage.error_msg));
        let info =
            (0..99).map(|file| prepare(&torrent, file)).find(|info| info.error != 2).expect("an audio file");
        assert_eq!(info.error, 0, "{}", text(&info.error_msg));
        let (host, path) =
            text(&info.url).strip_prefix("http://").and_then(|url| url.split_once('/')).expect("a URL");
        let mut stream = TcpStream::connect(host).expect("a connection");
        write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 200") && answer.len() > info.file_size as usize);
        vozduxan_stream_release(session, info.token.as_ptr().cast());
        vozduxan_session_destroy(session);
    }
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
    if cfg!(panic = "unwind") {
        assert!(
            std::panic::catch_unwind(|| panic!("of the host")).is_err(),
            "the host's own unwinding works"
        );
        assert_eq!(PANICS.load(Ordering::SeqCst), 1);
    }
}
