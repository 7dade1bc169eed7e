//! What is left on a disk.

use std::io;
use std::path::Path;

use rustix::fs::statvfs;

/// Bytes that an ordinary user may still write on the file system of `path`.
///
/// # Errors
/// The system's.
pub fn free_space(path: &Path) -> io::Result<u64> {
    let disk = statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;

    #[test]
    fn a_disk_has_room_and_what_is_gone_is_not_found() {
        let scratch = Scratch::new();
        assert!(free_space(&scratch).unwrap() > 0);
        assert_eq!(free_space(&scratch.join("gone")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
