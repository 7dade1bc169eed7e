//! When a file was changed, by the clock that the file system stamps with.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};

/// The last change of anything about the file, as the kernel keeps it (`st_ctime`), in seconds and nanoseconds since
/// 1970. No tool can set it back.
#[must_use]
pub fn changed(metadata: &Metadata) -> (i64, i64) {
    (metadata.ctime(), metadata.ctime_nsec())
}

/// The last change of what is in the file, in seconds since 1970.
#[must_use]
pub fn modified(metadata: &Metadata) -> i64 {
    metadata.mtime()
}

/// Says that the content was changed just now, by the clock that writing goes by, which may be another than ours.
///
/// # Errors
/// The system's.
pub fn touch(file: &File) -> io::Result<()> {
    let time = |nanos| Timespec { tv_sec: 0, tv_nsec: nanos };
    let times = Timestamps { last_access: time(UTIME_OMIT), last_modification: time(UTIME_NOW) };
    Ok(futimens(file, &times)?)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::os::testing::Scratch;

    #[test]
    fn a_touch_is_now_and_no_tool_sets_the_change_back() {
        let scratch = Scratch::new();
        let file = File::create(scratch.join("file")).unwrap();
        let before = changed(&file.metadata().unwrap());
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1000)).unwrap();
        let old = file.metadata().unwrap();
        assert_eq!(modified(&old), 1000);
        assert!(changed(&old) >= before);
        touch(&file).unwrap();
        let now = file.metadata().unwrap();
        assert!((before.0..before.0 + 60).contains(&modified(&now)), "{}", modified(&now));
        assert_eq!(now.accessed().unwrap(), old.accessed().unwrap());
    }
}
