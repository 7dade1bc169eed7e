//! include/vozduxan.h in Rust, as a host that knows nothing but the header writes it down.
//!
//! Errors are plain integers here and not a Rust enum: a number that the enum does not list would be undefined
//! behaviour on our side of the border.

use std::ffi::{c_char, c_int, c_void};

/// A running engine; never dereferenced here.
#[repr(C)]
pub struct VozduxanSession {
    _opaque: [u8; 0],
}

/// Receives one log line, on any thread.
pub type VozduxanLogFn = unsafe extern "C" fn(message: *const c_char, userdata: *mut c_void);
/// Receives the progress of a prepare, on the thread that called it.
pub type VozduxanProgressFn =
    unsafe extern "C" fn(progress: f32, status: *const c_char, userdata: *mut c_void);

/// `VOZDUXAN_OK`.
pub const OK: c_int = 0;

/// What a session is created with; zeros mean defaults.
#[repr(C)]
pub struct VozduxanConfig {
    pub storage_path: *const c_char,
    pub cache_max_bytes: u64,
    pub cache_ttl_secs: u32,
    pub listen_port: c_int,
    pub log_fn: Option<VozduxanLogFn>,
    pub log_userdata: *mut c_void,
}

/// A prepared stream, or why there is none.
#[repr(C)]
pub struct VozduxanStreamInfo {
    pub url: [c_char; 512],
    pub token: [c_char; 128],
    pub file_size: i64,
    pub mime_type: [c_char; 64],
    pub error: c_int,
    pub error_msg: [c_char; 256],
}

/// One file of a torrent.
#[repr(C)]
pub struct VozduxanFileEntry {
    pub name: [c_char; 512],
    pub mime: [c_char; 64],
    pub size: i64,
    pub index: c_int,
}

/// The files of a torrent, or why they are not known.
#[repr(C)]
pub struct VozduxanFileList {
    pub files: *mut VozduxanFileEntry,
    pub count: c_int,
    pub error: c_int,
    pub error_msg: [c_char; 256],
}

/// Live figures of a stream's torrent.
#[repr(C)]
pub struct VozduxanStreamStats {
    pub download_rate_bytes: i32,
    pub num_peers: i32,
}

// The header's layout on every LP64 system.
const _: () = {
    assert!(size_of::<VozduxanConfig>() == 40);
    assert!(size_of::<VozduxanStreamInfo>() == 976);
    assert!(size_of::<VozduxanFileEntry>() == 592);
    assert!(size_of::<VozduxanFileList>() == 272);
    assert!(size_of::<VozduxanStreamStats>() == 8);
};

#[link(name = "vozduxan", kind = "static")]
// What the archive leaves to its host, in the linker's order: users before what they use.
#[link(name = "torrent-rasterbar")]
#[link(name = "ssl")]
#[link(name = "crypto")]
#[link(name = "stdc++")]
#[link(name = "m")]
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
        progress_fn: Option<VozduxanProgressFn>,
        userdata: *mut c_void,
    ) -> VozduxanStreamInfo;
    pub fn vozduxan_stream_notify_position(
        session: *mut VozduxanSession,
        token: *const c_char,
        byte_offset: i64,
    );
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
