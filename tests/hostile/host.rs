//! A host on the ten C functions, with a storage folder inside a folder that nobody may touch.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use vozduxan::abi::*;
use vozduxan_swarm::Swarm;

use super::make::tree;
use super::support::{Answer, Folder, get};

/// What a call was refused with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: VozduxanError,
    pub message: String,
}

/// A stream that was opened.
#[derive(Debug, Clone)]
pub struct Stream {
    pub path: String,
    pub token: CString,
    pub len: u64,
}

/// See the module.
pub struct Host {
    session: *mut VozduxanSession,
    outer: Folder,
    /// What was around the storage folder at first.
    around: Vec<String>,
    log: Box<Mutex<Vec<String>>>,
}

// SAFETY: every function of the interface may be called from any thread.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

extern "C" fn hear(line: *const c_char, log: *mut c_void) {
    // SAFETY: a C string, and the log of the host that is alive as long as its session.
    let line = unsafe { CStr::from_ptr(line) }.to_string_lossy().into_owned();
    // SAFETY: as above.
    unsafe { &*log.cast::<Mutex<Vec<String>>>() }.lock().push(line);
}

impl Host {
    pub fn start() -> Self {
        Self::start_with(Swarm::settings_toml())
    }

    /// `settings`: the whole settings file.
    pub fn start_with(settings: &str) -> Self {
        let outer = Folder::new();
        std::fs::write(outer.0.join("secret.mp3"), "secret").expect("a file beside");
        std::fs::create_dir(outer.0.join("beside")).expect("a folder beside");
        std::fs::create_dir(outer.0.join("storage")).expect("the storage");
        let around = Self::around(&outer);
        std::fs::write(outer.0.join("storage/vozduxan.toml"), settings).expect("settings");
        let mut host = Self { session: null_mut(), outer, around, log: Box::default() };
        host.open();
        host
    }

    fn open(&mut self) {
        let path = CString::new(self.storage().to_str().expect("UTF-8")).expect("no NUL");
        let config = VozduxanConfig {
            storage_path: path.as_ptr(),
            cache_max_bytes: 0,
            cache_ttl_secs: 0,
            listen_port: 0,
            log_fn: Some(hear),
            log_userdata: std::ptr::from_ref(&*self.log).cast_mut().cast(),
        };
        // SAFETY: the configuration lives as long as the call, the log as long as the session.
        self.session = unsafe { vozduxan_session_create(&config) };
        assert!(!self.session.is_null(), "{}", self.log.lock().join("\n"));
    }

    /// Ends the session and starts another one on the same storage.
    pub fn restart(&mut self) {
        self.destroy();
        self.open();
    }

    pub fn storage(&self) -> PathBuf {
        self.outer.0.join("storage")
    }

    /// The folder around the storage, where nothing may change.
    pub fn outer(&self) -> &std::path::Path {
        &self.outer.0
    }

    fn around(outer: &Folder) -> Vec<String> {
        tree(&outer.0).into_iter().filter(|name| !name.starts_with("storage")).collect()
    }

    /// Nothing was written, linked or removed outside the storage.
    #[track_caller]
    pub fn assert_contained(&self, case: &str) {
        assert_eq!(Self::around(&self.outer), self.around, "{case}: something happened outside the storage");
        assert_eq!(std::fs::read(self.outer.0.join("secret.mp3")).expect("the secret"), b"secret", "{case}");
    }

    pub fn list(&self, torrent: &[u8]) -> Result<Vec<(String, i64)>, Refused> {
        self.list_any(None, torrent)
    }

    pub fn list_any(&self, magnet: Option<&str>, torrent: &[u8]) -> Result<Vec<(String, i64)>, Refused> {
        let magnet = magnet.map(|magnet| CString::new(magnet).expect("no NUL"));
        let pointer = magnet.as_ref().map_or(null(), |magnet| magnet.as_ptr());
        // SAFETY: both live as long as the call.
        let mut list = unsafe { vozduxan_list_files(self.session, pointer, torrent.as_ptr(), torrent.len()) };
        let answer = if list.error == VozduxanError::VOZDUXAN_OK {
            // SAFETY: as many as it says, until it is freed.
            let files = unsafe { std::slice::from_raw_parts(list.files, list.count as usize) };
            Ok(files.iter().map(|file| (text(&file.name), file.size)).collect())
        } else {
            Err(Refused { code: list.error, message: text(&list.error_msg) })
        };
        // SAFETY: the list of the call above.
        unsafe { vozduxan_file_list_free(&mut list) };
        answer
    }

    pub fn prepare(&self, magnet: Option<&str>, torrent: &[u8], file: c_int) -> Result<Stream, Refused> {
        self.prepare_as(magnet, torrent, file, true)
    }

    pub fn prepare_as(
        &self,
        magnet: Option<&str>,
        torrent: &[u8],
        file: c_int,
        main: bool,
    ) -> Result<Stream, Refused> {
        let magnet = magnet.map(|magnet| CString::new(magnet).expect("no NUL"));
        let pointer = magnet.as_ref().map_or(null(), |magnet| magnet.as_ptr());
        // SAFETY: both live as long as the call.
        let info = unsafe {
            vozduxan_stream_prepare(
                self.session,
                pointer,
                torrent.as_ptr(),
                torrent.len(),
                file,
                c_int::from(main),
                None,
                null_mut(),
            )
        };
        if info.error != VozduxanError::VOZDUXAN_OK {
            return Err(Refused { code: info.error, message: text(&info.error_msg) });
        }
        let token = text(&info.token);
        Ok(Stream {
            path: format!("/stream/{token}"),
            token: CString::new(token).expect("no NUL"),
            len: u64::try_from(info.file_size).expect("a length"),
        })
    }

    pub fn get(&self, stream: &Stream, range: Option<&str>) -> Answer {
        get(self.port(), &stream.path, range)
    }

    pub fn port(&self) -> u16 {
        // SAFETY: any session is allowed.
        unsafe { vozduxan_session_http_port(self.session) }
    }

    pub fn stats(&self, stream: &Stream) -> VozduxanStreamStats {
        // SAFETY: the token lives as long as the call.
        unsafe { vozduxan_stream_stats(self.session, stream.token.as_ptr()) }
    }

    pub fn release(&self, stream: &Stream) {
        // SAFETY: as above.
        unsafe { vozduxan_stream_release(self.session, stream.token.as_ptr()) }
    }

    pub fn log(&self) -> String {
        self.log.lock().join("\n")
    }

    pub fn destroy(&self) {
        // SAFETY: any session is allowed.
        unsafe { vozduxan_session_destroy(self.session) };
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.destroy();
    }
}

fn text(array: &[c_char]) -> String {
    let bytes: Vec<u8> = array.iter().take_while(|c| **c != 0).map(|c| *c as u8).collect();
    String::from_utf8(bytes).expect("UTF-8")
}

/// Memory of this process that no file stands behind, at its highest since [`Peak::start`]. The kernel keeps a peak of
/// all that is resident (VmHWM), which is no measure here: the swarm's peers map the files that they serve.
pub struct Peak {
    before: u64,
    highest: Arc<AtomicU64>,
    over: Option<mpsc::Sender<()>>,
    sampler: Option<thread::JoinHandle<()>>,
}

impl Peak {
    /// Looks a hundred times a second from now on.
    pub fn start() -> Self {
        let before = status_kb("RssAnon:");
        let highest = Arc::new(AtomicU64::new(before));
        let (over, ended) = mpsc::channel();
        let seen = Arc::clone(&highest);
        let sampler = thread::spawn(move || {
            while ended.recv_timeout(Duration::from_millis(10)) == Err(RecvTimeoutError::Timeout) {
                seen.fetch_max(status_kb("RssAnon:"), Ordering::Relaxed);
            }
        });
        Self { before, highest, over: Some(over), sampler: Some(sampler) }
    }

    /// Bytes above where it started.
    pub fn grown(&self) -> u64 {
        self.highest.fetch_max(status_kb("RssAnon:"), Ordering::Relaxed);
        self.highest.load(Ordering::Relaxed).saturating_sub(self.before) * 1024
    }
}

impl Drop for Peak {
    fn drop(&mut self) {
        self.over = None;
        if let Some(sampler) = self.sampler.take() {
            sampler.join().expect("sampling does not panic");
        }
    }
}

fn status_kb(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a field of proc(5)");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
