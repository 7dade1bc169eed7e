//! The host's wrapper around the ten functions: blocking ones on tokio's blocking threads, the others right on the
//! executor, the session ended by the last owner.

use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use crate::ffi;

/// Log lines, as a host's debug window keeps them.
pub type Lines = Arc<Mutex<Vec<String>>>;

/// A running engine; clones share it.
#[derive(Clone)]
pub struct Engine(Arc<Owned>);

struct Owned {
    session: *mut ffi::VozduxanSession,
    /// What `log_userdata` points into.
    _lines: Lines,
}

// SAFETY: the library allows every function on any thread, any number at once.
unsafe impl Send for Owned {}
// SAFETY: as above.
unsafe impl Sync for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: nobody else has this pointer; a destroyed one would be answered.
        unsafe { ffi::vozduxan_session_destroy(self.session) }
    }
}

/// A stream that can be played.
#[derive(Debug, Clone)]
pub struct Stream {
    pub url: String,
    pub token: String,
    pub size: u64,
}

/// A file of a torrent, by its place in the list.
#[derive(Debug, Clone)]
pub struct File {
    pub name: String,
    pub mime: String,
    pub size: u64,
}

/// What a progress callback writes into; freed as soon as prepare has returned.
struct Watch {
    last: f32,
    calls: u32,
}

unsafe extern "C" fn on_progress(progress: f32, status: *const c_char, userdata: *mut c_void) {
    // SAFETY: the Box that prepare made, alive until prepare has returned.
    let watch = unsafe { &mut *userdata.cast::<Watch>() };
    assert!(progress >= watch.last && progress <= 1.0, "{progress} after {}", watch.last);
    assert!(!status.is_null());
    watch.last = progress;
    watch.calls += 1;
}

unsafe extern "C" fn on_log(message: *const c_char, userdata: *mut c_void) {
    // SAFETY: the mutex inside the Arc that the session's owner holds.
    let lines = unsafe { &*userdata.cast::<Mutex<Vec<String>>>() };
    // SAFETY: a C string, as the header says.
    lines.lock().push(unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned());
}

impl Engine {
    /// Starts an engine; `None` when the library has none to give. Log lines go to `lines`.
    pub fn start(storage: &Path, lines: &Lines) -> Option<Self> {
        let path = CString::new(storage.to_str().expect("UTF-8")).expect("no NUL");
        let config = ffi::VozduxanConfig {
            storage_path: path.as_ptr(),
            cache_max_bytes: 0,
            cache_ttl_secs: 0,
            listen_port: 0,
            log_fn: Some(on_log),
            log_userdata: Arc::as_ptr(lines).cast_mut().cast(),
        };
        // SAFETY: the configuration and its string live through the call, `lines` in the session's owner.
        let session = unsafe { ffi::vozduxan_session_create(&config) };
        (!session.is_null()).then(|| Self(Arc::new(Owned { session, _lines: Arc::clone(lines) })))
    }

    /// Opens a file. `torrent` wins over `magnet`, which may be empty.
    pub async fn prepare(
        &self,
        magnet: &str,
        torrent: Option<Vec<u8>>,
        file: usize,
        main: bool,
    ) -> Result<Stream, String> {
        let engine = self.clone();
        let magnet = CString::new(magnet).expect("no NUL");
        let prepared = spawn_blocking(move || {
            let (data, len) =
                torrent.as_deref().map_or((std::ptr::null(), 0), |bytes| (bytes.as_ptr(), bytes.len()));
            let watch = Box::into_raw(Box::new(Watch { last: 0.0, calls: 0 }));
            let (progress_fn, userdata): (ffi::VozduxanProgressFn, *mut c_void) =
                if main { (Some(on_progress), watch.cast()) } else { (None, std::ptr::null_mut()) };
            // SAFETY: all that is passed lives through the call.
            let info = unsafe {
                ffi::vozduxan_stream_prepare(
                    engine.0.session,
                    magnet.as_ptr(),
                    data,
                    len,
                    file as c_int,
                    c_int::from(main),
                    progress_fn,
                    userdata,
                )
            };
            // SAFETY: made above; the library does not call back after its return, so nobody else has it.
            let watch = unsafe { Box::from_raw(watch) };
            if info.error != ffi::VozduxanError::Ok {
                return Err(format!("{:?}: {}", info.error, ffi::text(&info.error_msg)));
            }
            assert_eq!(main, watch.calls > 0, "progress is told, and told only to who asked");
            assert!(ffi::text(&info.mime_type).starts_with("audio/"));
            Ok(Stream {
                url: ffi::text(&info.url),
                token: ffi::text(&info.token),
                size: info.file_size as u64,
            })
        });
        prepared.await.expect("prepare does not panic")
    }

    /// All files of a torrent.
    pub async fn list(&self, magnet: &str) -> Result<Vec<File>, String> {
        let engine = self.clone();
        let magnet = CString::new(magnet).expect("no NUL");
        let listed = spawn_blocking(move || {
            // SAFETY: the string lives through the call.
            let mut list =
                unsafe { ffi::vozduxan_list_files(engine.0.session, magnet.as_ptr(), std::ptr::null(), 0) };
            let files = if list.error == ffi::VozduxanError::Ok {
                // SAFETY: an array of `count` entries, not NULL on success.
                let entries = unsafe { std::slice::from_raw_parts(list.files, list.count as usize) };
                let file = |entry: &ffi::VozduxanFileEntry| File {
                    name: ffi::text(&entry.name),
                    mime: ffi::text(&entry.mime),
                    size: entry.size as u64,
                };
                Ok(entries.iter().map(file).collect())
            } else {
                Err(format!("{:?}: {}", list.error, ffi::text(&list.error_msg)))
            };
            // SAFETY: as the library made it; after an error too.
            unsafe { ffi::vozduxan_file_list_free(&mut list) };
            files
        });
        listed.await.expect("list does not panic")
    }

    /// Rate in bytes per second and peers. Called on the executor: it must not block.
    pub fn stats(&self, token: &str) -> ffi::VozduxanStreamStats {
        let token = CString::new(token).expect("no NUL");
        // SAFETY: the string lives through the call.
        unsafe { ffi::vozduxan_stream_stats(self.0.session, token.as_ptr()) }
    }

    /// Tells where playback is. Called on the executor: it must not block.
    pub fn notify(&self, token: &str, offset: u64) {
        let token = CString::new(token).expect("no NUL");
        // SAFETY: the string lives through the call.
        unsafe { ffi::vozduxan_stream_notify_position(self.0.session, token.as_ptr(), offset as i64) }
    }

    /// Ends the stream behind a URL.
    pub async fn release(&self, url: &str) {
        let engine = self.clone();
        let token = CString::new(url.rsplit('/').next().expect("a segment")).expect("no NUL");
        // SAFETY: the string lives through the call.
        let released =
            spawn_blocking(move || unsafe { ffi::vozduxan_stream_release(engine.0.session, token.as_ptr()) });
        released.await.expect("release does not panic");
    }

    /// Drops what is idle.
    pub async fn evict(&self) {
        let engine = self.clone();
        // SAFETY: any pointer is allowed.
        let evicted = spawn_blocking(move || unsafe { ffi::vozduxan_session_evict(engine.0.session) });
        evicted.await.expect("evict does not panic");
    }

    /// The port of the library's HTTP server.
    pub fn port(&self) -> u16 {
        // SAFETY: any pointer is allowed.
        unsafe { ffi::vozduxan_session_http_port(self.0.session) }
    }
}
