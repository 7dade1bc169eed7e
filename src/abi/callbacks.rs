//! The host's two function pointers, and when they may be called.
//!
//! The log pointer becomes a [`Sink`] and is called by the logger's thread. The progress pointer is called by the
//! thread that prepares, through the session's [`Gate`]: destroying a session closes the gate and waits for the calls
//! inside, so that a host may free everything once destroy has returned.
//!
//! No lock of ours is held while host code runs: it may call back into the library.

use std::ffi::c_void;
use std::io::Write;

use super::convert::c_text;
use super::gate::Gate;
use super::types::{VozduxanLogFn, VozduxanProgressFn};
use crate::log::Sink;

/// Where the host wants its log lines: its function, or stderr.
pub(super) fn log_sink(log_fn: VozduxanLogFn, userdata: *mut c_void) -> Sink {
    let Some(call) = log_fn else { return Box::new(stderr_line) };
    let log = HostLog { call, userdata };
    Box::new(move |line| log.line(line))
}

/// One line to stderr in one write, so that lines of several threads do not mix. A closed stderr is no error.
pub(super) fn stderr_line(line: &str) {
    let _ = std::io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}

struct HostLog {
    call: unsafe extern "C" fn(*const std::ffi::c_char, *mut c_void),
    userdata: *mut c_void,
}

// SAFETY: the pair is only ever used together, in a call; the header tells the host that the call comes on a thread of
// the library, and `userdata` is never dereferenced here. So moving it to that thread is what the host agreed to.
unsafe impl Send for HostLog {}
// SAFETY: as above; `Sink`'s callers call one at a time.
unsafe impl Sync for HostLog {}

impl HostLog {
    fn line(&self, line: &str) {
        let line = c_text(line);
        // SAFETY: the host promised that `call` can be called with `userdata` until destroy has returned, and the
        // logger is stopped before that; the text lives until the call returns.
        unsafe { (self.call)(line.as_ptr(), self.userdata) }
    }
}

/// Progress of one prepare. Not `Send`: it stays on the thread that prepares, as the header promises.
pub(super) struct Progress<'a> {
    call: VozduxanProgressFn,
    userdata: *mut c_void,
    gate: &'a Gate,
}

impl<'a> Progress<'a> {
    pub(super) fn new(call: VozduxanProgressFn, userdata: *mut c_void, gate: &'a Gate) -> Self {
        Self { call, userdata, gate }
    }

    /// Tells the host, if it wants to know and the session is not destroyed.
    pub(super) fn report(&self, fraction: f32, status: &str) {
        let Some(call) = self.call else { return };
        let status = c_text(status);
        self.gate.pass(|| {
            // SAFETY: the host promised that `call` can be called with `userdata` until prepare returns, and this
            // runs inside prepare; the text lives until the call returns.
            unsafe { call(fraction, status.as_ptr(), self.userdata) }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::{CStr, c_char};

    use parking_lot::Mutex;

    use super::*;

    unsafe extern "C" fn keep_line(line: *const c_char, userdata: *mut c_void) {
        // SAFETY: the library passes a C string.
        let line = unsafe { CStr::from_ptr(line) };
        // SAFETY: the tests pass a vector under a lock.
        let lines = unsafe { &*userdata.cast::<Mutex<Vec<String>>>() };
        lines.lock().push(line.to_str().unwrap().to_owned());
    }

    unsafe extern "C" fn keep_progress(fraction: f32, status: *const c_char, userdata: *mut c_void) {
        // SAFETY: the library passes a C string.
        let status = unsafe { CStr::from_ptr(status) };
        // SAFETY: the tests pass a vector under a lock.
        let lines = unsafe { &*userdata.cast::<Mutex<Vec<String>>>() };
        lines.lock().push(format!("{fraction} {}", status.to_str().unwrap()));
    }

    #[test]
    fn host_functions_get_text_and_their_own_userdata() {
        let kept: Mutex<Vec<String>> = Mutex::default();
        let userdata = (&raw const kept).cast_mut().cast();
        log_sink(Some(keep_line), userdata)("a\0line");
        let gate = Gate::default();
        Progress::new(Some(keep_progress), userdata, &gate).report(0.5, "metadata");
        Progress::new(None, userdata, &gate).report(1.0, "nobody listens");
        assert_eq!(*kept.lock(), ["a_line", "0.5 metadata"]);
    }
}
