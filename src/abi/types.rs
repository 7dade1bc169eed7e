//! The C types, exactly as compiled hosts know them. Sizes and offsets are a promise, so they are asserted below.
//!
//! Documentation here is written for C: it becomes the comments of `include/vozduxan.h`.

use std::ffi::{c_char, c_int, c_void};
use std::mem::{align_of, offset_of, size_of};

use crate::engine::Error;

/// A running engine. Opaque: a value to pass back, never to dereference.
pub struct VozduxanSession {
    _opaque: (),
}

/// How a call ended. No other value is ever returned.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// cbindgen has no rename rule that yields these names, and C hosts are compiled against them.
#[allow(non_camel_case_types)]
pub enum VozduxanError {
    /// The call succeeded.
    VOZDUXAN_OK = 0,
    /// A magnet's metadata did not arrive within 90 seconds.
    VOZDUXAN_ERR_METADATA_TIMEOUT = 1,
    /// The file index is out of range, or the file is not audio.
    VOZDUXAN_ERR_INVALID_FILE = 2,
    /// The caller passed what cannot be used: no input, a malformed magnet or torrent, no live session.
    VOZDUXAN_ERR_BAD_INPUT = 3,
    /// Everything else: superseded, session destroyed, disk full, nothing came from the swarm, a defect.
    VOZDUXAN_ERR_INTERNAL = 99,
}

impl From<&Error> for VozduxanError {
    fn from(error: &Error) -> Self {
        match error {
            Error::MetadataTimeout(_) => Self::VOZDUXAN_ERR_METADATA_TIMEOUT,
            Error::InvalidFile(_) => Self::VOZDUXAN_ERR_INVALID_FILE,
            Error::BadInput(_) => Self::VOZDUXAN_ERR_BAD_INPUT,
            Error::Superseded
            | Error::ShuttingDown
            | Error::NoData(_)
            | Error::Storage(_)
            | Error::Internal(_) => Self::VOZDUXAN_ERR_INTERNAL,
        }
    }
}

/// Receives one log line: UTF-8, NUL-terminated, without a newline, starting with `[vozduxan HH:MM:SS.mmm] ` (UTC).
///
/// `message` is valid during the call only. One call at a time, on a thread of the library (during
/// `vozduxan_session_create` also on the caller's); never after `vozduxan_session_destroy` has returned. It may call
/// every function of this header, `vozduxan_session_destroy` included. It must return: no exception, no `longjmp`.
pub type VozduxanLogFn = Option<unsafe extern "C" fn(message: *const c_char, userdata: *mut c_void)>;

/// Receives the progress of `vozduxan_stream_prepare`: `progress` from 0 to 1, never going back, and what is waited
/// for as UTF-8 text.
///
/// `status` is valid during the call only. Called only on the thread that called prepare and only until prepare
/// returns. It may call every function of this header. It must return: no exception, no `longjmp`.
pub type VozduxanProgressFn =
    Option<unsafe extern "C" fn(progress: f32, status: *const c_char, userdata: *mut c_void)>;

/// What a session is created with. Zero a whole struct and set `storage_path`: zeros mean defaults.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VozduxanConfig {
    /// Directory for torrent data and state, UTF-8; created when missing. Must not be NULL or empty.
    pub storage_path: *const c_char,
    /// Most bytes of torrent data to keep on disk. 0: 50 GB.
    pub cache_max_bytes: u64,
    /// Seconds without a stream after which `vozduxan_session_evict` drops a torrent. 0: 3600.
    pub cache_ttl_secs: u32,
    /// BitTorrent port, 1 to 65535. 0, or a port that cannot be had: the system picks one.
    pub listen_port: c_int,
    /// Receives log lines. NULL: they go to stderr.
    pub log_fn: VozduxanLogFn,
    /// Handed to `log_fn` as it is. Must stay valid until `vozduxan_session_destroy` has returned.
    pub log_userdata: *mut c_void,
}

/// A prepared stream, or why there is none. All text is UTF-8, NUL-terminated, the rest of its array zeroed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VozduxanStreamInfo {
    /// `http://127.0.0.1:PORT/stream/TOKEN`, for any HTTP player on this machine. Empty on error.
    pub url: [c_char; 512],
    /// Names the stream in later calls; the last segment of `url`. Who knows it can read the stream. Empty on error.
    pub token: [c_char; 128],
    /// Length of the file in bytes.
    pub file_size: i64,
    /// Content type, for example `audio/flac`. Empty on error.
    pub mime_type: [c_char; 64],
    /// How the call ended. Unless it is `VOZDUXAN_OK`, only `error_msg` says more.
    pub error: VozduxanError,
    /// What was wrong and what to do, for people: UTF-8, without its middle when too long. Empty on success.
    pub error_msg: [c_char; 256],
}

/// One file of a torrent.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VozduxanFileEntry {
    /// Path inside the torrent, with `/` between folders; UTF-8, cut at a character when too long.
    pub name: [c_char; 512],
    /// Content type by the file's name, `application/octet-stream` when it is not a known one.
    pub mime: [c_char; 64],
    /// Length in bytes.
    pub size: i64,
    /// The `file_idx` to prepare it with; equals the position in the array.
    pub index: c_int,
}

/// The files of a torrent, or why they are not known. Give it back with `vozduxan_file_list_free`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct VozduxanFileList {
    /// `count` entries in the torrent's own order. Not NULL on success, NULL on error.
    pub files: *mut VozduxanFileEntry,
    /// Number of entries.
    pub count: c_int,
    /// How the call ended.
    pub error: VozduxanError,
    /// What was wrong and what to do, for people: UTF-8, without its middle when too long. Empty on success.
    pub error_msg: [c_char; 256],
}

/// Live figures of the torrent behind a stream.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VozduxanStreamStats {
    /// Payload bytes per second from all peers.
    pub download_rate_bytes: i32,
    /// Connected peers.
    pub num_peers: i32,
}

// Compiled hosts rely on these numbers (64-bit pointers). The C side asserts the same in c-tests/legacy_header.c, and
// tests/vozduxan.abi has all of it written down.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<VozduxanError>() == 4);
    assert!(VozduxanError::VOZDUXAN_OK as i32 == 0);
    assert!(VozduxanError::VOZDUXAN_ERR_METADATA_TIMEOUT as i32 == 1);
    assert!(VozduxanError::VOZDUXAN_ERR_INVALID_FILE as i32 == 2);
    assert!(VozduxanError::VOZDUXAN_ERR_BAD_INPUT as i32 == 3);
    assert!(VozduxanError::VOZDUXAN_ERR_INTERNAL as i32 == 99);

    // A function pointer that may be NULL, as C has it.
    assert!(size_of::<VozduxanLogFn>() == 8);
    assert!(size_of::<VozduxanProgressFn>() == 8);

    assert!(align_of::<VozduxanConfig>() == 8);
    assert!(align_of::<VozduxanStreamInfo>() == 8);
    assert!(align_of::<VozduxanFileEntry>() == 8);
    assert!(align_of::<VozduxanFileList>() == 8);
    assert!(align_of::<VozduxanStreamStats>() == 4);

    assert!(size_of::<VozduxanConfig>() == 40);
    assert!(offset_of!(VozduxanConfig, storage_path) == 0);
    assert!(offset_of!(VozduxanConfig, cache_max_bytes) == 8);
    assert!(offset_of!(VozduxanConfig, cache_ttl_secs) == 16);
    assert!(offset_of!(VozduxanConfig, listen_port) == 20);
    assert!(offset_of!(VozduxanConfig, log_fn) == 24);
    assert!(offset_of!(VozduxanConfig, log_userdata) == 32);

    assert!(size_of::<VozduxanStreamInfo>() == 976);
    assert!(offset_of!(VozduxanStreamInfo, url) == 0);
    assert!(offset_of!(VozduxanStreamInfo, token) == 512);
    assert!(offset_of!(VozduxanStreamInfo, file_size) == 640);
    assert!(offset_of!(VozduxanStreamInfo, mime_type) == 648);
    assert!(offset_of!(VozduxanStreamInfo, error) == 712);
    assert!(offset_of!(VozduxanStreamInfo, error_msg) == 716);

    assert!(size_of::<VozduxanFileEntry>() == 592);
    assert!(offset_of!(VozduxanFileEntry, name) == 0);
    assert!(offset_of!(VozduxanFileEntry, mime) == 512);
    assert!(offset_of!(VozduxanFileEntry, size) == 576);
    assert!(offset_of!(VozduxanFileEntry, index) == 584);

    assert!(size_of::<VozduxanFileList>() == 272);
    assert!(offset_of!(VozduxanFileList, files) == 0);
    assert!(offset_of!(VozduxanFileList, count) == 8);
    assert!(offset_of!(VozduxanFileList, error) == 12);
    assert!(offset_of!(VozduxanFileList, error_msg) == 16);

    assert!(size_of::<VozduxanStreamStats>() == 8);
    assert!(offset_of!(VozduxanStreamStats, download_rate_bytes) == 0);
    assert!(offset_of!(VozduxanStreamStats, num_peers) == 4);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_the_code_hosts_know() {
        let text = String::new;
        for (error, code) in [
            (Error::MetadataTimeout(text()), 1),
            (Error::InvalidFile(text()), 2),
            (Error::BadInput(text()), 3),
            (Error::Superseded, 99),
            (Error::ShuttingDown, 99),
            (Error::NoData(text()), 99),
            (Error::Storage(text()), 99),
            (Error::Internal(text()), 99),
        ] {
            assert_eq!(VozduxanError::from(&error) as i32, code, "{error:?}");
        }
    }
}
