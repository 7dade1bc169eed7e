//! include/vozduxan.h in Rust, written down by hand as hosts do.

use std::ffi::{c_char, c_int, c_void, CStr};

/// A running engine; never dereferenced.
#[repr(C)]
pub struct VozduxanSession {
    _opaque: [u8; 0],
}

/// Receives a log line.
pub type VozduxanLogFn = Option<unsafe extern "C" fn(message: *const c_char, userdata: *mut c_void)>;
/// Receives the progress of a prepare.
pub type VozduxanProgressFn =
    Option<unsafe extern "C" fn(progress: f32, status: *const c_char, userdata: *mut c_void)>;

/// As a Rust enum, which makes any number that is not listed undefined behaviour: hosts do this, so none may come.
#[allow(dead_code, reason = "the library makes them")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum VozduxanError {
    Ok = 0,
    MetadataTimeout = 1,
    InvalidFile = 2,
    BadInput = 3,
    Internal = 99,
}

#[repr(C)]
pub struct VozduxanConfig {
    pub storage_path: *const c_char,
    pub cache_max_bytes: u64,
    pub cache_ttl_secs: u32,
    pub listen_port: c_int,
    pub log_fn: VozduxanLogFn,
    pub log_userdata: *mut c_void,
}

#[repr(C)]
pub struct VozduxanStreamInfo {
    pub url: [u8; 512],
    pub token: [u8; 128],
    pub file_size: i64,
    pub mime_type: [u8; 64],
    pub error: VozduxanError,
    pub error_msg: [u8; 256],
}

#[repr(C)]
pub struct VozduxanFileEntry {
    pub name: [u8; 512],
    pub mime: [u8; 64],
    pub size: i64,
    pub index: c_int,
}

#[repr(C)]
pub struct VozduxanFileList {
    pub files: *mut VozduxanFileEntry,
    pub count: c_int,
    pub error: VozduxanError,
    pub error_msg: [u8; 256],
}

#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct VozduxanStreamStats {
    pub download_rate_bytes: i32,
    pub num_peers: i32,
}

#[link(name = "vozduxan", kind = "static")]
unsafe extern "C" {
    pub fn vozduxan_session_create(config: *const VozduxanConfig) -> *mut VozduxanSession;
    pub fn vozduxan_session_destroy(session: *mut VozduxanSession);
    pub fn vozduxan_stream_prepare(
        session: *mut VozduxanSession,
        magnet: *const c_char,
        torrent_data: *const u8,
        torrent_len: usize,
        file_idx: c_int,
        is_main: c_int,
        progress_fn: VozduxanProgressFn,
        userdata: *mut c_void,
    ) -> VozduxanStreamInfo;
    pub fn vozduxan_stream_notify_position(session: *mut VozduxanSession, token: *const c_char, offset: i64);
    pub fn vozduxan_stream_release(session: *mut VozduxanSession, token: *const c_char);
    pub fn vozduxan_stream_stats(session: *mut VozduxanSession, token: *const c_char) -> VozduxanStreamStats;
    pub fn vozduxan_list_files(
        session: *mut VozduxanSession,
        magnet: *const c_char,
        torrent_data: *const u8,
        torrent_len: usize,
    ) -> VozduxanFileList;
    pub fn vozduxan_file_list_free(list: *mut VozduxanFileList);
    pub fn vozduxan_session_evict(session: *mut VozduxanSession);
    pub fn vozduxan_session_http_port(session: *mut VozduxanSession) -> u16;
}

/// The text in a fixed array.
pub fn text(array: &[u8]) -> String {
    CStr::from_bytes_until_nul(array)
        .expect("the library ends its text with NUL")
        .to_string_lossy()
        .into_owned()
}
