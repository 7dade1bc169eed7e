//! The C boundary: ten functions, each with the same four beats: guard, convert in, one engine call, convert out.
//!
//! | file | what it holds |
//! |---|---|
//! | here | the functions, written plainly: cbindgen reads this source, and does not see what a macro makes |
//! | `types` | the C structs and their promised layout; error to code |
//! | `convert` | C values in and out |
//! | `sessions` | the pointers hosts hold, and what is behind them |
//! | `callbacks` | the host's function pointers, and when they may be called |
//! | `guard` | panic to error |
//!
//! The comments of the functions and types are written for C: `include/vozduxan.h` is generated from them, by
//! `tests/header.rs`.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

mod callbacks;
mod convert;
mod gate;
mod guard;
mod sessions;
mod types;

use callbacks::Progress;
use guard::guard;
pub use types::{
    VozduxanConfig, VozduxanError, VozduxanFileEntry, VozduxanFileList, VozduxanLogFn, VozduxanProgressFn,
    VozduxanSession, VozduxanStreamInfo, VozduxanStreamStats,
};

use crate::log::stamp;

/// Starts an engine: creates the storage directory, starts its threads and an HTTP server on 127.0.0.1.
///
/// # Parameters
/// - `config`: what to start with; see `VozduxanConfig`. Copied before the call returns, its strings too.
///
/// # Returns
/// The session, to be ended with `vozduxan_session_destroy`; NULL when there is none.
///
/// # Memory and lifetimes
/// `config` and its strings may be freed as soon as the call has returned; `log_userdata` must stay valid until
/// `vozduxan_session_destroy` has returned. After a NULL neither is used again.
///
/// # Threads
/// Any thread. On failure `log_fn` is called on the calling thread.
///
/// # Errors
/// NULL when `config` is NULL or its `storage_path` is NULL, empty, not UTF-8 or cannot be used. `log_fn`, or stderr
/// without one, gets a line that says why.
///
/// # Safety
/// `config` is NULL or points to a `VozduxanConfig` whose pointers are NULL or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vozduxan_session_create(config: *const VozduxanConfig) -> *mut VozduxanSession {
    guard(|| {
        // SAFETY: NULL or a valid configuration, as this function demands.
        let Some(config) = (unsafe { config.as_ref() }) else {
            callbacks::stderr_line(&stamp("no session: the configuration is NULL"));
            return std::ptr::null_mut();
        };
        let sink = Arc::new(callbacks::log_sink(config.log_fn, config.log_userdata));
        // SAFETY: the path is NULL or a C string, as this function demands.
        let checked = unsafe { convert::config(config) };
        checked.and_then(|(config, remark)| sessions::open(config, remark, Arc::clone(&sink))).unwrap_or_else(
            |error| {
                sink(&stamp(&format!("no session: {error}")));
                std::ptr::null_mut()
            },
        )
    })
}

/// Ends a session: wakes every call that is blocked in it, cuts its HTTP transfers, saves its state, ends its threads.
///
/// # Parameters
/// - `session`: the session; NULL or one that is already destroyed: nothing happens. One that another thread is
///   destroying: waits until that is over, but inside a callback of the session it returns at once.
///
/// # Memory and lifetimes
/// When the call has returned, no callback of the session runs on another thread and none will be called, so all
/// userdata may be freed. The pointer is never given out again: using it later is answered, not undefined.
///
/// # Threads
/// Any thread, also while other threads are inside calls with the same session: those return
/// `VOZDUXAN_ERR_INTERNAL` by themselves. It waits for callbacks that are running on other threads, so do not hold a
/// lock that they take. Inside a callback of the session it is allowed: that callback is then the last one, and a
/// library thread it runs on ends when it returns.
///
/// # Safety
/// `session` is never dereferenced: any value is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vozduxan_session_destroy(session: *mut VozduxanSession) {
    guard(|| sessions::close(session));
}

/// Opens a file of a torrent as a stream and returns when it can be played. Blocks for as long as that takes: call
/// it where blocking is allowed.
///
/// # Parameters
/// - `session`: the session.
/// - `magnet`: a magnet URI, UTF-8. NULL or empty: not given.
/// - `torrent_data`, `torrent_len`: the bytes of a .torrent file; they win over `magnet`. NULL or 0: not given.
/// - `file_idx`: which file, as `vozduxan_list_files` counts them.
/// - `is_main`: not 0: for playing now; cancels a prepare for playing now that is still blocked on the same torrent.
///   0: to have it ready; never slows what is playing and cancels nothing.
/// - `progress_fn`, `userdata`: is told how far it is, on the calling thread. NULL: nobody is told.
///
/// # Returns
/// The stream's `url`, for any HTTP player, with its `token`, size and content type; or an error.
///
/// # Memory and lifetimes
/// All inputs and `userdata` may be freed as soon as the call has returned. A stream lives until
/// `vozduxan_stream_release` or `vozduxan_session_destroy`.
///
/// # Threads
/// Any thread, any number at once.
///
/// # Errors
/// `VOZDUXAN_ERR_BAD_INPUT`: no live session, no input, an input that cannot be parsed.
/// `VOZDUXAN_ERR_INVALID_FILE`: `file_idx` is out of range or not an audio file.
/// `VOZDUXAN_ERR_METADATA_TIMEOUT`: nobody sent the magnet's metadata for 90 seconds.
/// `VOZDUXAN_ERR_INTERNAL`: superseded, session destroyed, disk full, no data from the swarm, a defect.
/// `error_msg` says which and why.
///
/// # Safety
/// `magnet` is NULL or a NUL-terminated string; `torrent_data` is NULL or points to `torrent_len` bytes; neither
/// changes during the call. `progress_fn` is NULL or callable with `userdata`.
#[unsafe(no_mangle)]
// The signature is frozen.
#[allow(clippy::too_many_arguments)]
pub unsafe extern "C" fn vozduxan_stream_prepare(
    session: *mut VozduxanSession,
    magnet: *const c_char,
    torrent_data: *const u8,
    torrent_len: usize,
    file_idx: c_int,
    is_main: c_int,
    progress_fn: VozduxanProgressFn,
    userdata: *mut c_void,
) -> VozduxanStreamInfo {
    guard(|| {
        convert::stream_info(sessions::find(session).and_then(|live| {
            // SAFETY: the promises about `magnet` and `torrent_data` are this function's own demands.
            let input = unsafe { convert::input(magnet, torrent_data, torrent_len) }?;
            let progress = Progress::new(progress_fn, userdata, &live.callbacks.progress);
            let mut report = |fraction: f32, status: &str| progress.report(fraction, status);
            live.engine.prepare(input, file_idx, convert::role(is_main), &mut report)
        }))
    })
}

/// Tells where playback is. Call it as often as the player reports its position: what is fetched first follows it.
///
/// # Parameters
/// - `session`: the session; NULL or destroyed: nothing happens.
/// - `token`: the stream; unknown, NULL or empty: nothing happens.
/// - `byte_offset`: position in bytes from the start of the file; clamped into it. An estimate is good enough.
///
/// # Threads
/// Any thread. Never blocks; of several positions the newest counts.
///
/// # Safety
/// `token` is NULL or a NUL-terminated string that does not change during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vozduxan_stream_notify_position(
    session: *mut VozduxanSession,
    token: *const c_char,
    byte_offset: i64,
) {
    guard(|| {
        // SAFETY: this function's own demand.
        let token = unsafe { convert::token(token) };
        if let (Ok(live), Some(token)) = (sessions::find(session), token) {
            live.engine.notify_position(token, byte_offset);
        }
    });
}

/// Ends a stream: its URL answers 404 from now on and its transfers are cut. Its torrent stays connected, so that
/// another of its files can start at once.
///
/// # Parameters
/// - `session`: the session; NULL or destroyed: nothing happens.
/// - `token`: the stream; unknown, NULL or empty: nothing happens.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `token` is NULL or a NUL-terminated string that does not change during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vozduxan_stream_release(session: *mut VozduxanSession, token: *const c_char) {
    guard(|| {
        // SAFETY: this function's own demand.
        let token = unsafe { convert::token(token) };
        if let (Ok(live), Some(token)) = (sessions::find(session), token) {
            live.engine.release(token);
        }
    });
}

/// Live figures of the torrent behind a stream.
///
/// # Parameters
/// - `session`: the session.
/// - `token`: the stream.
///
/// # Returns
/// Rate and peers; zeros when there is no such session or stream.
///
/// # Threads
/// Any thread. Never blocks.
///
/// # Safety
/// `token` is NULL or a NUL-terminated string that does not change during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vozduxan_stream_stats(
    session: *mut VozduxanSession,
    token: *const c_char,
) -> VozduxanStreamStats {
    guard(|| {
        // SAFETY: this function's own demand.
        let token = unsafe { convert::token(token) };
        let stats = match (sessions::find(session), token) {
            (Ok(live), Some(token)) => live.engine.stats(token),
            _ => Default::default(),
        };
        convert::stream_stats(stats)
    })
}

/// Lists the files of a torrent without playing any. Blocks until a magnet's metadata is there.
///
/// # Parameters
/// - `session`: the session.
/// - `magnet`: a magnet URI, UTF-8. NULL or empty: not given.
/// - `torrent_data`, `torrent_len`: the bytes of a .torrent file; they win over `magnet`. NULL or 0: not given.
///
/// # Returns
/// Every file of the torrent in its own order, audio or not; or an error.
///
/// # Memory and lifetimes
/// The caller owns the list and gives it back with `vozduxan_file_list_free`, at any time, even after the session
/// was destroyed. The inputs may be freed as soon as the call has returned.
///
/// # Threads
/// Any thread, any number at once.
///
/// # Errors
/// `VOZDUXAN_ERR_BAD_INPUT`: no live session, no input, an input that cannot be parsed.
/// `VOZDUXAN_ERR_METADATA_TIMEOUT`: nobody sent the magnet's metadata for 90 seconds.
/// `VOZDUXAN_ERR_INTERNAL`: session destroyed, a defect. `error_msg` says which and why.
///
/// # Safety
/// `magnet` is NULL or a NUL-terminated string; `torrent_data` is NULL or points to `torrent_len` bytes; neither
/// changes during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vozduxan_list_files(
    session: *mut VozduxanSession,
    magnet: *const c_char,
    torrent_data: *const u8,
    torrent_len: usize,
) -> VozduxanFileList {
    guard(|| {
        convert::file_list(sessions::find(session).and_then(|live| {
            // SAFETY: the promises about `magnet` and `torrent_data` are this function's own demands.
            let input = unsafe { convert::input(magnet, torrent_data, torrent_len) }?;
            live.engine.list_files(input)
        }))
    })
}

/// Gives a file list back. Sets `files` to NULL and `count` to 0, so that a second call does nothing.
///
/// # Parameters
/// - `list`: a list from `vozduxan_list_files`, successful or not; NULL: nothing happens.
///
/// # Memory and lifetimes
/// The entries must not be used after this, nor any copy of the struct be given back too.
///
/// # Threads
/// Any thread, but one at a time for one list.
///
/// # Safety
/// `list` is NULL or points to a list as `vozduxan_list_files` made it, or one already given back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vozduxan_file_list_free(list: *mut VozduxanFileList) {
    guard(|| {
        // SAFETY: NULL or a list, as this function demands.
        let Some((files, count)) = (unsafe { convert::empty(list) }) else { return };
        // SAFETY: the list's own values, which are now nowhere else.
        drop(unsafe { convert::take_files(files, count) });
    });
}

/// Drops every torrent without a stream for longer than `cache_ttl_secs`, keeping its data, and then deletes the data
/// least recently used until the storage directory is under `cache_max_bytes`. Never what a stream needs.
///
/// # Parameters
/// - `session`: the session; NULL or destroyed: nothing happens.
///
/// # Threads
/// Any thread.
///
/// # Safety
/// `session` is never dereferenced: any value is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vozduxan_session_evict(session: *mut VozduxanSession) {
    guard(|| {
        if let Ok(live) = sessions::find(session) {
            live.engine.evict();
        }
    });
}

/// The port on 127.0.0.1 where the session's HTTP server listens; the same for the session's whole life.
///
/// # Parameters
/// - `session`: the session.
///
/// # Returns
/// The port; 0 when there is no such session.
///
/// # Threads
/// Any thread. Never blocks.
///
/// # Safety
/// `session` is never dereferenced: any value is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vozduxan_session_http_port(session: *mut VozduxanSession) -> u16 {
    guard(|| sessions::find(session).map_or(0, |live| live.engine.http_port()))
}
