//! The ten functions as a Rust host wraps them: owned values in, owned values out, and the only `unsafe` of this
//! program.
//!
//! A `Host` may be used from any thread at once, and after [`Host::destroy`] too: the header promises a plain answer
//! for a destroyed session. That is what Ctrl-C uses: one thread destroys, and the call in which another one is
//! blocked comes back with an error.

use crate::abi;
use parking_lot::Mutex;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, ThreadId};

/// What is to be played.
pub enum Input {
    /// A magnet URI.
    Magnet(CString),
    /// The bytes of a .torrent file.
    Torrent(Vec<u8>),
}

impl Input {
    /// The three arguments that the functions take for it.
    fn arguments(&self) -> (*const c_char, *const u8, usize) {
        match self {
            Self::Magnet(magnet) => (magnet.as_ptr(), std::ptr::null(), 0),
            Self::Torrent(bytes) => (std::ptr::null(), bytes.as_ptr(), bytes.len()),
        }
    }
}

/// One file of the torrent; its place in the list is its index.
pub struct File {
    /// Path inside the torrent.
    pub name: String,
    /// Content type.
    pub mime: String,
    /// Length in bytes.
    pub len: u64,
    /// What the entry says its index is.
    pub index: i64,
}

/// A stream that can be read.
pub struct Stream {
    /// Where to read it.
    pub url: String,
    /// Its name in later calls.
    pub token: CString,
    /// Length in bytes.
    pub len: u64,
    /// Content type.
    pub mime: String,
}

/// What the callback saw during one prepare.
pub struct Watch {
    /// How often it was called.
    pub calls: u32,
    /// Always on the thread that called prepare, from 0 to 1, never going back.
    pub orderly: bool,
}

/// The lines of a session's log.
pub struct Log {
    echo: bool,
    lines: Mutex<Vec<String>>,
}

impl Log {
    /// An empty log; `echo` also prints each line to stderr as it comes.
    pub fn new(echo: bool) -> Arc<Self> {
        Arc::new(Self { echo, lines: Mutex::new(Vec::new()) })
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }
}

/// A session.
pub struct Host {
    session: *mut abi::VozduxanSession,
    /// The library has a pointer into it until the session is destroyed.
    _log: Arc<Log>,
}

// SAFETY: the header allows every function on any thread; the pointer itself is only passed back.
unsafe impl Send for Host {}
// SAFETY: and any number of them at once.
unsafe impl Sync for Host {}

impl Host {
    /// Starts a session with every default. `None`: the log says why not.
    pub fn create(storage: &Path, log: &Arc<Log>) -> Option<Self> {
        let storage = CString::new(storage.as_os_str().as_bytes()).ok()?;
        let config = abi::VozduxanConfig {
            storage_path: storage.as_ptr(),
            cache_max_bytes: 0,
            cache_ttl_secs: 0,
            listen_port: 0,
            log_fn: Some(on_log),
            log_userdata: Arc::as_ptr(log).cast_mut().cast(),
        };
        // SAFETY: `config` and its string live during the call; the log lives as long as the host, which destroys the
        // session before it lets go of it.
        let session = unsafe { abi::vozduxan_session_create(&raw const config) };
        (!session.is_null()).then(|| Self { session, _log: log.clone() })
    }

    /// The files of a torrent.
    pub fn list(&self, input: &Input) -> Result<Vec<File>, String> {
        let (magnet, torrent, torrent_len) = input.arguments();
        // SAFETY: the pointers come from `input`, which outlives the call.
        let mut list = unsafe { abi::vozduxan_list_files(self.session, magnet, torrent, torrent_len) };
        let files = if list.error == abi::OK && !list.files.is_null() {
            let count = usize::try_from(list.count).unwrap_or(0);
            // SAFETY: on success `files` has `count` entries, ours until they are given back.
            let entries = unsafe { std::slice::from_raw_parts(list.files, count) };
            Ok(entries.iter().map(file).collect())
        } else {
            Err(failure(list.error, &list.error_msg))
        };
        // SAFETY: the list is as the library made it, and nothing of it is used afterwards.
        unsafe { abi::vozduxan_file_list_free(&raw mut list) };
        files
    }

    /// Opens file number `index` for playing now; tells `progress` (0 to 1) and what is waited for.
    pub fn prepare(
        &self,
        input: &Input,
        index: usize,
        progress: &mut dyn FnMut(f32, &str),
    ) -> (Result<Stream, String>, Watch) {
        let (magnet, torrent, torrent_len) = input.arguments();
        let index = c_int::try_from(index).unwrap_or(c_int::MAX);
        let watch = Watch { calls: 0, orderly: true };
        let mut watcher = Watcher { thread: thread::current().id(), last: 0.0, watch, progress };
        // SAFETY: the pointers come from `input` and `watcher`, which outlive the call; the callback expects a Watcher.
        let info = unsafe {
            abi::vozduxan_stream_prepare(
                self.session,
                magnet,
                torrent,
                torrent_len,
                index,
                1,
                Some(on_progress),
                (&raw mut watcher).cast(),
            )
        };
        let stream = if info.error == abi::OK {
            Ok(Stream {
                url: text(&info.url),
                token: CString::new(text(&info.token)).unwrap_or_default(),
                len: u64::try_from(info.file_size).unwrap_or(0),
                mime: text(&info.mime_type),
            })
        } else {
            Err(failure(info.error, &info.error_msg))
        };
        (stream, watcher.watch)
    }

    /// Tells where playback is, in bytes from the start of the file.
    pub fn notify_position(&self, token: &CStr, position: u64) {
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        // SAFETY: `token` is a C string that outlives the call.
        unsafe { abi::vozduxan_stream_notify_position(self.session, token.as_ptr(), position) }
    }

    /// Download rate in bytes per second, and connected peers.
    pub fn stats(&self, token: &CStr) -> (u32, u32) {
        // SAFETY: `token` is a C string that outlives the call.
        let stats = unsafe { abi::vozduxan_stream_stats(self.session, token.as_ptr()) };
        (stats.download_rate_bytes.max(0).cast_unsigned(), stats.num_peers.max(0).cast_unsigned())
    }

    /// Ends a stream.
    pub fn release(&self, token: &CStr) {
        // SAFETY: `token` is a C string that outlives the call.
        unsafe { abi::vozduxan_stream_release(self.session, token.as_ptr()) }
    }

    /// Drops what has been idle for long and brings the disk under its limit.
    pub fn evict(&self) {
        // SAFETY: any session pointer is allowed.
        unsafe { abi::vozduxan_session_evict(self.session) }
    }

    /// The HTTP server's port; 0 once destroyed.
    pub fn http_port(&self) -> u16 {
        // SAFETY: any session pointer is allowed.
        unsafe { abi::vozduxan_session_http_port(self.session) }
    }

    /// Ends the session; a second time nothing happens.
    pub fn destroy(&self) {
        // SAFETY: any session pointer is allowed.
        unsafe { abi::vozduxan_session_destroy(self.session) }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.destroy();
    }
}

/// What `on_progress` is given.
struct Watcher<'a> {
    thread: ThreadId,
    last: f32,
    watch: Watch,
    progress: &'a mut dyn FnMut(f32, &str),
}

unsafe extern "C" fn on_progress(progress: f32, status: *const c_char, userdata: *mut c_void) {
    // SAFETY: userdata is the Watcher of the prepare that is running, and only this thread uses it.
    let watcher = unsafe { &mut *userdata.cast::<Watcher>() };
    // SAFETY: a C string, valid during the call.
    let status = unsafe { CStr::from_ptr(status) };
    let in_order = (watcher.last..=1.0).contains(&progress);
    watcher.watch.orderly &= in_order && thread::current().id() == watcher.thread;
    watcher.watch.calls += 1;
    watcher.last = progress;
    (watcher.progress)(progress, &status.to_string_lossy());
}

unsafe extern "C" fn on_log(message: *const c_char, userdata: *mut c_void) {
    // SAFETY: userdata is the session's Log, which lives until the session is destroyed.
    let log = unsafe { &*userdata.cast::<Log>() };
    // SAFETY: a C string, valid during the call.
    let line = unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned();
    if log.echo {
        eprintln!("{line}");
    }
    log.lines.lock().push(line);
}

fn file(entry: &abi::VozduxanFileEntry) -> File {
    File {
        name: text(&entry.name),
        mime: text(&entry.mime),
        len: u64::try_from(entry.size).unwrap_or(0),
        index: entry.index.into(),
    }
}

/// The text in a fixed array, up to its NUL.
fn text(array: &[c_char]) -> String {
    let bytes: Vec<u8> = array.iter().map(|&c| c.cast_unsigned()).take_while(|&byte| byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn failure(error: c_int, message: &[c_char]) -> String {
    format!("{} (error {error})", text(message))
}
