//! C values in, C values out. Rules only: nothing here keeps a pointer or knows the engine's state.
//!
//! In: NULL and empty mean the same, "not given". Text must be UTF-8; what is not is refused with the place of the
//! first bad byte. Out: text in fixed arrays is UTF-8, cut at a character, always NUL-terminated, the rest zeroed.

use std::ffi::{CStr, CString, c_char, c_int};

use super::types::{
    VozduxanConfig, VozduxanError, VozduxanFileEntry, VozduxanFileList, VozduxanStreamInfo,
    VozduxanStreamStats,
};
use crate::engine::{
    Config, DEFAULT_CACHE_MAX_BYTES, DEFAULT_CACHE_TTL_SECS, Error, FileEntry, Input, Prepared, Role, Stats,
};

/// Stands for a NUL inside text: C would read it as the end.
const NUL_STAND_IN: char = '_';

/// A C string as text; `None` when it is NULL or empty. `what` names it in the error.
///
/// # Errors
/// `BadInput` when it is not UTF-8.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that stays unchanged for `'a`.
pub(super) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<Option<&'a str>, Error> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, hence NUL-terminated and unchanged for 'a by this function's contract.
    let bytes = unsafe { CStr::from_ptr(text) };
    match bytes.to_str() {
        Ok("") => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            Err(Error::BadInput(format!("the {what} is not UTF-8 text: bad byte at {}", error.valid_up_to())))
        }
    }
}

/// A C buffer as a slice; `None` when it is NULL or its length 0. `what` names it in the error.
///
/// # Errors
/// `BadInput` when no buffer can be as long as `len`.
///
/// # Safety
/// If `data` is not NULL and `len` is a length a buffer can have, `data` points to `len` bytes that stay unchanged
/// for `'a`.
pub(super) unsafe fn bytes<'a>(data: *const u8, len: usize, what: &str) -> Result<Option<&'a [u8]>, Error> {
    if data.is_null() || len == 0 {
        return Ok(None);
    }
    if len > isize::MAX as usize || data.addr().checked_add(len).is_none() {
        return Err(Error::BadInput(format!("the {what} cannot be {len} bytes long: pass its real length")));
    }
    // SAFETY: not NULL, a possible length, the range does not wrap; the rest is this function's contract.
    Ok(Some(unsafe { std::slice::from_raw_parts(data, len) }))
}

/// The host's configuration with zeros replaced by defaults, and a remark when part of it cannot be followed.
///
/// # Errors
/// `BadInput` when there is no usable storage path.
///
/// # Safety
/// `config.storage_path` is as [`text`] demands, for the time of the call.
pub(super) unsafe fn config(config: &VozduxanConfig) -> Result<(Config, Option<String>), Error> {
    // SAFETY: this function's contract.
    let path = unsafe { text(config.storage_path, "storage_path") };
    let path =
        path?.ok_or_else(|| Error::BadInput("storage_path is NULL or empty: name a directory".into()))?;
    let port = u16::try_from(config.listen_port);
    let remark = port.is_err().then(|| {
        format!("listen_port {} is not a port (0 to 65535): the system picks one", config.listen_port)
    });
    let config = Config {
        storage_path: path.into(),
        cache_max_bytes: or_default(config.cache_max_bytes, DEFAULT_CACHE_MAX_BYTES),
        cache_ttl_secs: or_default(config.cache_ttl_secs, DEFAULT_CACHE_TTL_SECS),
        listen_port: port.ok().filter(|port| *port != 0),
    };
    Ok((config, remark))
}

fn or_default<T: Default + PartialEq>(value: T, default: T) -> T {
    if value == T::default() { default } else { value }
}

/// What to open. Torrent bytes win: a magnet beside them is not even looked at.
///
/// # Errors
/// `BadInput` when there is neither, or what there is cannot be read.
///
/// # Safety
/// `magnet` is as [`text`] demands, `data` and `len` as [`bytes`] demands.
pub(super) unsafe fn input<'a>(
    magnet: *const c_char,
    data: *const u8,
    len: usize,
) -> Result<Input<'a>, Error> {
    // SAFETY: this function's contract.
    if let Some(torrent) = unsafe { bytes(data, len, "torrent data") }? {
        return Ok(Input { magnet: None, torrent: Some(torrent) });
    }
    // SAFETY: this function's contract.
    match unsafe { text(magnet, "magnet") }? {
        Some(magnet) => Ok(Input { magnet: Some(magnet), torrent: None }),
        None => Err(Error::BadInput("no magnet or torrent data: pass one of them".into())),
    }
}

/// A stream's token; `None` for what no stream can have.
///
/// # Safety
/// `token` is as [`text`] demands.
pub(super) unsafe fn token<'a>(token: *const c_char) -> Option<&'a str> {
    // SAFETY: this function's contract.
    unsafe { text(token, "token") }.ok().flatten()
}

/// C's truth as a role.
pub(super) fn role(is_main: c_int) -> Role {
    if is_main == 0 { Role::Background } else { Role::Main }
}

/// Text as a C string for a callback.
pub(super) fn c_text(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|_| {
        let clean = text.replace('\0', NUL_STAND_IN.encode_utf8(&mut [0; 4]));
        CString::new(clean).unwrap_or_default()
    })
}

/// Text in a fixed array: as many whole characters as fit before a NUL, the rest zeroed.
pub(super) fn fixed<const N: usize>(text: &str) -> [c_char; N] {
    let mut array = [0; N];
    let mut cut = text.len().min(N - 1);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    for (slot, byte) in array.iter_mut().zip(text[..cut].bytes()) {
        *slot = if byte == 0 { NUL_STAND_IN as c_char } else { byte as c_char };
    }
    array
}

/// A message in its fixed array. One that is too long loses its middle, mostly a long path: what failed stands at the
/// beginning, why at the end.
fn message(text: &str) -> [c_char; 256] {
    const GAP: &str = " \u{2026} ";
    const SIDE: usize = (255 - GAP.len()) / 2;
    if text.len() < 256 {
        return fixed(text);
    }
    let (mut head, mut tail) = (SIDE, text.len() - SIDE);
    while !text.is_char_boundary(head) {
        head -= 1;
    }
    while !text.is_char_boundary(tail) {
        tail += 1;
    }
    fixed(&[&text[..head], GAP, &text[tail..]].concat())
}

/// What prepare answers.
pub(super) fn stream_info(answer: Result<Prepared, Error>) -> VozduxanStreamInfo {
    match answer {
        Ok(stream) => VozduxanStreamInfo {
            url: fixed(&stream.url),
            token: fixed(&stream.token),
            file_size: size(stream.file_len),
            mime_type: fixed(stream.mime),
            error: VozduxanError::VOZDUXAN_OK,
            error_msg: [0; 256],
        },
        Err(error) => VozduxanStreamInfo {
            url: [0; 512],
            token: [0; 128],
            file_size: 0,
            mime_type: [0; 64],
            error: VozduxanError::from(&error),
            error_msg: message(&error.to_string()),
        },
    }
}

/// What list_files answers. On success the caller owns the array, until [`take_files`] takes it back.
pub(super) fn file_list(answer: Result<Vec<FileEntry>, Error>) -> VozduxanFileList {
    let counted = answer.and_then(|files| match c_int::try_from(files.len()) {
        Ok(count) => Ok((files, count)),
        Err(_) => Err(Error::Internal(format!("{} files are more than a list can hold", files.len()))),
    });
    match counted {
        Ok((files, count)) => {
            let entries: Box<[VozduxanFileEntry]> = (0..).zip(&files).map(entry).collect();
            VozduxanFileList {
                // Of an empty box too this is not NULL, as hosts that build a slice from it need.
                files: Box::into_raw(entries).cast(),
                count,
                error: VozduxanError::VOZDUXAN_OK,
                error_msg: [0; 256],
            }
        }
        Err(error) => VozduxanFileList {
            files: std::ptr::null_mut(),
            count: 0,
            error: VozduxanError::from(&error),
            error_msg: message(&error.to_string()),
        },
    }
}

/// Empties a list and answers what was in it; `None` for a NULL list.
///
/// # Safety
/// `list` is NULL or points to a list whose `files` and `count` are initialised. The other fields are not touched: a
/// host may have put anything there, and a Rust enum must not be read from anything.
pub(super) unsafe fn empty(list: *mut VozduxanFileList) -> Option<(*mut VozduxanFileEntry, c_int)> {
    if list.is_null() {
        return None;
    }
    // SAFETY: not NULL, so it points to a list.
    let files = unsafe { &raw mut (*list).files };
    // SAFETY: as above.
    let count = unsafe { &raw mut (*list).count };
    // SAFETY: a field of that list, initialised.
    let old_files = unsafe { files.replace(std::ptr::null_mut()) };
    // SAFETY: as above.
    let old_count = unsafe { count.replace(0) };
    Some((old_files, old_count))
}

/// Takes back the array that [`file_list`] gave away; `None` when there is none.
///
/// # Safety
/// `files` and `count` are NULL and anything, or one list's own as [`file_list`] made them, not taken back before.
pub(super) unsafe fn take_files(
    files: *mut VozduxanFileEntry,
    count: c_int,
) -> Option<Box<[VozduxanFileEntry]>> {
    let count = usize::try_from(count).ok()?;
    if files.is_null() {
        return None;
    }
    // SAFETY: `file_list` made it with Box::into_raw of a slice of this length, and it is taken back once.
    Some(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(files, count)) })
}

fn entry((index, file): (c_int, &FileEntry)) -> VozduxanFileEntry {
    VozduxanFileEntry { name: fixed(&file.name), mime: fixed(file.mime), size: size(file.len), index }
}

/// What stream_stats answers.
pub(super) fn stream_stats(stats: Stats) -> VozduxanStreamStats {
    VozduxanStreamStats {
        download_rate_bytes: i32::try_from(stats.download_rate).unwrap_or(i32::MAX),
        num_peers: i32::try_from(stats.peers).unwrap_or(i32::MAX),
    }
}

fn size(len: u64) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::ptr::{null, null_mut};

    use proptest::prelude::*;

    use super::*;

    fn back<const N: usize>(array: [c_char; N]) -> Vec<u8> {
        array.map(|byte| byte as u8).to_vec()
    }

    /// The obvious way: take characters while they fit.
    fn naive<const N: usize>(text: &str) -> Vec<u8> {
        let mut kept = String::new();
        for character in text.chars() {
            if kept.len() + character.len_utf8() > N - 1 {
                break;
            }
            kept.push(if character == '\0' { '_' } else { character });
        }
        let mut bytes = kept.into_bytes();
        bytes.resize(N, 0);
        bytes
    }

    proptest! {
        #[test]
        fn fixed_arrays_hold_whole_characters_and_end_in_zeros(text in "[\\x00a\u{e9}\u{20ac}\u{1f3b5}]{0,20}") {
            prop_assert_eq!(back(fixed::<16>(&text)), naive::<16>(&text));
            prop_assert_eq!(back(fixed::<1>(&text)), vec![0]);
        }
    }

    proptest! {
        #[test]
        fn a_long_message_keeps_its_beginning_and_its_end(
            middle in "[a\u{e9}\u{20ac}\u{1f3b5}]{0,400}",
        ) {
            let text = format!("cannot write {middle}: File name too long");
            let kept = back(message(&text));
            let length = kept.iter().position(|&byte| byte == 0).unwrap();
            let shown = std::str::from_utf8(&kept[..length]).unwrap();
            prop_assert!(shown.starts_with("cannot write ") && shown.ends_with(": File name too long"), "{shown}");
            prop_assert!(text.len() > 255 || shown == text, "{shown}");
            prop_assert!(text.len() <= 255 || length > 240, "{shown}");
        }
    }

    fn read_text(bytes: &CStr) -> Result<Option<&str>, Error> {
        // SAFETY: a CStr is NUL-terminated and outlives the borrow.
        unsafe { text(bytes.as_ptr(), "magnet") }
    }

    #[test]
    fn null_and_empty_text_are_the_same() {
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { text(null(), "magnet") }, Ok(None));
        assert_eq!(read_text(c""), Ok(None));
        assert_eq!(read_text(c"magnet:?\u{e9}"), Ok(Some("magnet:?\u{e9}")));
    }

    #[test]
    fn text_that_is_not_utf8_is_refused_with_the_place() {
        let error = read_text(c"abc\xff").unwrap_err();
        assert_eq!(error, Error::BadInput("the magnet is not UTF-8 text: bad byte at 3".into()));
        // SAFETY: a CStr's pointer.
        assert_eq!(unsafe { token(c"\xff".as_ptr()) }, None);
    }

    #[test]
    fn buffers_are_checked_before_they_become_slices() {
        let data = [1_u8, 2, 3];
        // SAFETY: NULL needs no memory behind it.
        assert_eq!(unsafe { bytes(null(), 3, "x") }, Ok(None));
        // SAFETY: nothing is read at length 0.
        assert_eq!(unsafe { bytes(data.as_ptr(), 0, "x") }, Ok(None));
        // SAFETY: three bytes are there.
        assert_eq!(unsafe { bytes(data.as_ptr(), 3, "x") }, Ok(Some(&data[..])));
        for len in [isize::MAX as usize + 1, usize::MAX] {
            // SAFETY: lengths no buffer can have are refused without a read.
            let error = unsafe { bytes(data.as_ptr(), len, "torrent data") }.unwrap_err();
            assert!(error.to_string().contains("pass its real length"), "{error}");
        }
        let end = std::ptr::without_provenance::<u8>(usize::MAX - 1);
        // SAFETY: a range that wraps around is refused without a read.
        assert!(unsafe { bytes(end, 3, "x") }.is_err());
    }

    #[test]
    fn torrent_bytes_win_over_any_magnet() {
        let data = *b"d4:info";
        let bad = c"\xff".as_ptr();
        // SAFETY: both are valid for the call.
        let both = unsafe { input(bad, data.as_ptr(), data.len()) }.unwrap();
        assert_eq!((both.magnet, both.torrent), (None, Some(&data[..])));
        // SAFETY: as above.
        let magnet = unsafe { input(c"magnet:?".as_ptr(), data.as_ptr(), 0) }.unwrap();
        assert_eq!((magnet.magnet, magnet.torrent), (Some("magnet:?"), None));
        // SAFETY: as above.
        assert!(matches!(unsafe { input(bad, null(), 7) }, Err(Error::BadInput(_))));
        // SAFETY: NULLs are allowed.
        assert!(matches!(unsafe { input(null(), null(), 0) }, Err(Error::BadInput(_))));
    }

    fn configured(path: &CStr, listen_port: c_int) -> Result<(Config, Option<String>), Error> {
        let from_c = VozduxanConfig {
            storage_path: path.as_ptr(),
            cache_max_bytes: 0,
            cache_ttl_secs: 7,
            listen_port,
            log_fn: None,
            log_userdata: null_mut(),
        };
        // SAFETY: the path lives as long as the call.
        unsafe { config(&from_c) }
    }

    #[test]
    fn zeros_in_the_configuration_mean_defaults() {
        let (config, remark) = configured(c"/music", 0).unwrap();
        assert_eq!(config.storage_path.as_os_str(), "/music");
        assert_eq!(config.cache_max_bytes, DEFAULT_CACHE_MAX_BYTES);
        assert_eq!(config.cache_ttl_secs, 7);
        assert_eq!((config.listen_port, remark), (None, None));
    }

    #[test]
    fn an_impossible_port_is_remarked_and_left_to_the_system() {
        for (port, expected) in [(1, Some(1)), (65535, Some(65535)), (65536, None), (-1, None)] {
            let (config, remark) = configured(c"/music", port).unwrap();
            assert_eq!(config.listen_port, expected);
            assert_eq!(remark.is_some(), expected.is_none());
        }
    }

    #[test]
    fn a_configuration_without_a_path_is_refused() {
        assert!(matches!(configured(c"", 0), Err(Error::BadInput(_))));
        assert!(matches!(configured(c"\xff", 0), Err(Error::BadInput(_))));
    }

    #[test]
    fn text_for_callbacks_has_no_nul_inside() {
        assert_eq!(c_text("a\0b").as_c_str(), c"a_b");
        assert_eq!(c_text("").as_c_str(), c"");
    }

    #[test]
    fn a_list_of_no_files_has_an_address_and_can_be_taken_back() {
        let list = file_list(Ok(Vec::new()));
        assert!(!list.files.is_null());
        assert_eq!((list.count, list.error), (0, VozduxanError::VOZDUXAN_OK));
        // SAFETY: the list's own, taken once.
        assert_eq!(unsafe { take_files(list.files, list.count) }.map(|files| files.len()), Some(0));
        // SAFETY: NULL is allowed.
        assert!(unsafe { take_files(null_mut(), 7) }.is_none());
    }

    #[test]
    fn the_place_in_the_list_is_the_index() {
        let file = |name: &str, len| FileEntry { name: name.into(), mime: "audio/flac", len };
        let list = file_list(Ok(vec![file("CD1/01.flac", 5), file("CD2/01.flac", u64::MAX)]));
        // SAFETY: the list's own, taken once.
        let files = unsafe { take_files(list.files, list.count) }.unwrap();
        assert_eq!(files.iter().map(|file| file.index).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(files.iter().map(|file| file.size).collect::<Vec<_>>(), [5, i64::MAX]);
        assert_eq!(back(files[1].name), naive::<512>("CD2/01.flac"));
        assert_eq!(back(files[0].mime), naive::<64>("audio/flac"));
    }

    #[test]
    fn an_error_leaves_everything_else_empty() {
        let info = stream_info(Err(Error::Superseded));
        assert_eq!(info.error, VozduxanError::VOZDUXAN_ERR_INTERNAL);
        assert_eq!(back(info.error_msg), naive::<256>("Cancelled: superseded by newer prepare"));
        assert_eq!((back(info.url), back(info.token), info.file_size), (vec![0; 512], vec![0; 128], 0));
        let list = file_list(Err(Error::ShuttingDown));
        assert_eq!((list.files, list.count), (null_mut(), 0));
        assert_eq!(back(list.error_msg), naive::<256>("Cancelled: session shutting down"));
    }

    #[test]
    fn figures_too_large_for_c_stop_at_its_largest() {
        let stats = stream_stats(Stats { download_rate: u32::MAX, peers: 3 });
        assert_eq!((stats.download_rate_bytes, stats.num_peers), (i32::MAX, 3));
    }
}
