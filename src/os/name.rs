//! File names as bytes, to be written into files of ours. On Unix systems a name is any bytes but `/` and NUL.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A name or path as it is on the disk.
#[must_use]
pub fn to_bytes(name: &OsStr) -> &[u8] {
    name.as_bytes()
}

/// The reverse of [`to_bytes`].
#[must_use]
pub fn from_bytes(bytes: Vec<u8>) -> OsString {
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_come_back() {
        for bytes in [&b"a/b"[..], "Диск".as_bytes(), b"\xff\xfe", b""] {
            assert_eq!(to_bytes(&from_bytes(bytes.to_vec())), bytes);
        }
    }
}
