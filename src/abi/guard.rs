//! The wall that no panic crosses: what panics inside becomes the function's own kind of failure.
//!
//! A host gets `VOZDUXAN_ERR_INTERNAL` with the panic's text, or the empty answer where a function has no room for a
//! text. Before a panic is caught here the process's panic hook has run, which by default prints one line to stderr.
//! That is left alone on purpose: a hook belongs to the whole process, hence to the host, and a panic is a defect,
//! never the way an error is reported, so nothing is printed in normal operation, whatever the caller passes.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::convert;
use super::types::{VozduxanFileList, VozduxanSession, VozduxanStreamInfo, VozduxanStreamStats};
use crate::engine::{Error, Stats};

/// What a function answers when it failed inside.
pub(super) trait Fallback {
    fn failed(error: Error) -> Self;
}

impl Fallback for () {
    fn failed(_: Error) -> Self {}
}

impl Fallback for u16 {
    fn failed(_: Error) -> Self {
        0
    }
}

impl Fallback for *mut VozduxanSession {
    fn failed(_: Error) -> Self {
        std::ptr::null_mut()
    }
}

impl Fallback for VozduxanStreamInfo {
    fn failed(error: Error) -> Self {
        convert::stream_info(Err(error))
    }
}

impl Fallback for VozduxanFileList {
    fn failed(error: Error) -> Self {
        convert::file_list(Err(error))
    }
}

impl Fallback for VozduxanStreamStats {
    fn failed(_: Error) -> Self {
        convert::stream_stats(Stats::default())
    }
}

/// Runs the body of a C function; a panic becomes its fallback.
pub(super) fn guard<T: Fallback>(body: impl FnOnce() -> T) -> T {
    caught(body).unwrap_or_else(T::failed)
}

/// Runs `body`; a panic becomes an error with its text.
///
/// # Errors
/// `Internal` when `body` panicked.
pub(super) fn caught<T>(body: impl FnOnce() -> T) -> Result<T, Error> {
    // Unwind-safe enough: the engine's locks do not poison, and what a panic leaves half done is the engine's own
    // state, which stays memory-safe and is behind the same checks on the next call.
    catch_unwind(AssertUnwindSafe(body))
        .map_err(|payload| Error::Internal(format!("a defect: {}", text(payload))))
}

fn text(payload: Box<dyn Any + Send>) -> String {
    let payload = match payload.downcast::<String>() {
        Ok(text) => return *text,
        Err(payload) => payload,
    };
    match payload.downcast::<&str>() {
        Ok(text) => (*text).to_owned(),
        Err(payload) => {
            // Of a type we do not know: its drop may panic again, and here nothing would catch that.
            std::mem::forget(payload);
            "a panic without a text".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{panic_any, resume_unwind};

    use super::*;
    use crate::abi::types::VozduxanError;

    // resume_unwind does not run the panic hook, so the tests print nothing.
    fn panic_with(text: &str) -> ! {
        resume_unwind(Box::new(text.to_owned()))
    }

    #[test]
    fn a_panic_becomes_internal_with_its_text() {
        let info: VozduxanStreamInfo = guard(|| panic_with("piece 7 is missing"));
        assert_eq!(info.error, VozduxanError::VOZDUXAN_ERR_INTERNAL);
        assert_eq!(info.error_msg, convert::fixed("a defect: piece 7 is missing"));
        let list: VozduxanFileList = guard(|| resume_unwind(Box::new("no text owned")));
        assert_eq!(list.error, VozduxanError::VOZDUXAN_ERR_INTERNAL);
        assert_eq!(list.error_msg, convert::fixed("a defect: no text owned"));
        assert!(list.files.is_null());
    }

    #[test]
    fn functions_without_a_text_answer_empty() {
        guard::<()>(|| panic_with("x"));
        assert_eq!(guard::<u16>(|| panic_with("x")), 0);
        assert!(guard::<*mut VozduxanSession>(|| panic_with("x")).is_null());
        let stats: VozduxanStreamStats = guard(|| panic_with("x"));
        assert_eq!((stats.download_rate_bytes, stats.num_peers), (0, 0));
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_survived() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic_any("dropped");
            }
        }
        let caught = caught(|| resume_unwind(Box::new(Bomb)));
        assert_eq!(caught, Err::<(), _>(Error::Internal("a defect: a panic without a text".into())));
    }
}
