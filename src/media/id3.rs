//! The ID3v2 header: ten bytes that say how many to skip (id3.org, "ID3v2.4.0 main structure", 3.1 and 3.4).

/// Bytes of an ID3v2 header.
pub(super) const HEADER_LEN: usize = 10;

/// The flag for a footer, which repeats the header after the tag.
const FOOTER: u8 = 0x10;

/// The length of the whole tag that starts with `header` (header and footer included), or `None` if none
/// does.
///
/// The size is "syncsafe": four bytes of seven bits each, so a set top bit means that this is no tag.
pub(super) fn tag_len(header: &[u8; HEADER_LEN]) -> Option<u64> {
    let [b'I', b'D', b'3', major, revision, flags, size @ ..] = *header else { return None };
    if major == 0xFF || revision == 0xFF || size.iter().any(|byte| *byte >= 0x80) {
        return None;
    }
    let body = size.iter().fold(0, |len, byte| len << 7 | u64::from(*byte));
    let footer = if flags & FOOTER == 0 { 0 } else { HEADER_LEN as u64 };
    Some(HEADER_LEN as u64 + body + footer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_seven_bits_a_byte() {
        assert_eq!(tag_len(b"ID3\x04\0\0\0\0\x02\x01"), Some(10 + 257));
        assert_eq!(tag_len(b"ID3\x04\0\x10\0\0\x02\x01"), Some(20 + 257));
        assert_eq!(tag_len(b"ID3\x03\0\0\x7f\x7f\x7f\x7f"), Some(10 + 0x0FFF_FFFF));
    }

    #[test]
    fn what_is_not_a_tag() {
        assert_eq!(tag_len(b"ID3\x04\0\0\0\0\x82\x01"), None);
        assert_eq!(tag_len(b"ID3\xff\0\0\0\0\x02\x01"), None);
        assert_eq!(tag_len(b"ID4\x04\0\0\0\0\x02\x01"), None);
    }
}
