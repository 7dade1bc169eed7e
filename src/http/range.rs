//! The Range header: which bytes of the file an answer carries (RFC 9110 section 14).
//!
//! A Range is a wish: whatever cannot be read as exactly one byte range is ignored, and the whole file is the answer
//! (14.2 allows that always). So an unknown unit, a malformed value and several ranges all end as [`Selection::Whole`]:
//! no player measured asks for several ranges, and a multipart answer is the one way to send a wrong 206.

use std::ops::Range;

use super::ReadKind;

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The whole file.
    Whole,
    /// One part of it.
    Part {
        /// File bytes, half-open; never empty, never outside the file.
        span: Range<u64>,
        /// Whether the end was the client's or the file's.
        kind: ReadKind,
    },
    /// The range is well-formed and holds no byte of the file.
    Unsatisfiable,
}

/// One range as it was asked for, before the length of the file is known. All positions count from 0.
enum Spec {
    /// `X-`
    From(u64),
    /// `X-Y`, with Y the last byte and not the end.
    Between(u64, u64),
    /// `-N`
    Last(u64),
}

/// Reads the value of a Range header for a file of `len` bytes.
///
/// Numbers too large for 64 bits count as the largest: they lie behind the end of every file. An empty file has no
/// satisfiable position; its suffix ranges are satisfiable by definition (14.1.2) but have no Content-Range that could
/// be written, so the answer is the whole (empty) file.
#[must_use]
pub fn select(value: &[u8], len: u64) -> Selection {
    let Some(spec) = parse(value) else { return Selection::Whole };
    let (span, kind) = match spec {
        Spec::From(first) => (first..len, ReadKind::OpenEnded),
        Spec::Between(first, last) => (first..last.saturating_add(1).min(len), ReadKind::Bounded),
        Spec::Last(0) => return Selection::Unsatisfiable,
        Spec::Last(_) if len == 0 => return Selection::Whole,
        Spec::Last(count) => (len.saturating_sub(count)..len, ReadKind::Bounded),
    };
    if span.is_empty() { Selection::Unsatisfiable } else { Selection::Part { span, kind } }
}

/// `bytes=` and exactly one range; empty list elements are skipped (RFC 9110 section 5.6.1.2).
fn parse(value: &[u8]) -> Option<Spec> {
    let equals = value.iter().position(|&byte| byte == b'=')?;
    let (unit, set) = (&value[..equals], &value[equals + 1..]);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut specs = set.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty());
    let only = specs.next()?;
    if specs.next().is_some() {
        return None;
    }
    let dash = only.iter().position(|&byte| byte == b'-')?;
    match (&only[..dash], &only[dash + 1..]) {
        (b"", count) => Some(Spec::Last(number(count)?)),
        (first, b"") => Some(Spec::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// Digits only, at least one; saturates.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |n: u64, digit| n.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(value: &str, len: u64, expected: Selection) {
        assert_eq!(select(value.as_bytes(), len), expected, "{value} of {len}");
    }

    fn open(span: Range<u64>) -> Selection {
        Selection::Part { span, kind: ReadKind::OpenEnded }
    }

    fn bounded(span: Range<u64>) -> Selection {
        Selection::Part { span, kind: ReadKind::Bounded }
    }

    #[test]
    fn one_range() {
        check("bytes=0-", 100, open(0..100));
        check("bytes=99-", 100, open(99..100));
        check("bytes=0-1", 100, bounded(0..2));
        check("bytes=0-99", 100, bounded(0..100));
        check("bytes=7-7", 100, bounded(7..8));
        check("bytes=-1", 100, bounded(99..100));
        check("BYTES=0-1", 100, bounded(0..2));
        check("bytes= 0-1 ", 100, bounded(0..2));
        check("bytes=,0-1,", 100, bounded(0..2));
    }

    #[test]
    fn ends_behind_the_file_are_clamped() {
        check("bytes=90-1000", 100, bounded(90..100));
        check("bytes=90-18446744073709551615", 100, bounded(90..100));
        check("bytes=90-99999999999999999999999999", 100, bounded(90..100));
        check("bytes=-1000", 100, bounded(0..100));
        check("bytes=-99999999999999999999999999", 100, bounded(0..100));
    }

    #[test]
    fn nothing_inside_the_file() {
        for value in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=18446744073709551616-"] {
            check(value, 100, Selection::Unsatisfiable);
        }
        check("bytes=0-", 0, Selection::Unsatisfiable);
        check("bytes=0-0", 0, Selection::Unsatisfiable);
        check("bytes=-5", 0, Selection::Whole);
        check("bytes=18446744073709551615-", u64::MAX, Selection::Unsatisfiable);
        check("bytes=18446744073709551614-", u64::MAX, open(u64::MAX - 1..u64::MAX));
    }

    #[test]
    fn anything_else_is_ignored() {
        for value in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=,",
            "bytes=a-b",
            "bytes=1-a",
            "bytes=5-4",
            "bytes=--5",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=0x1-",
            "bytes =0-1",
            "seconds=0-1",
            "=0-1",
            "0-1",
            "bytes=0-1,4-5",
            "bytes=0-0,-1",
            "bytes=0-1,x",
            "bytes=1 - 2",
            "bytes=\u{661}-",
        ] {
            check(value, 100, Selection::Whole);
        }
    }

    proptest! {
        #[test]
        fn a_part_is_what_a_filter_over_all_positions_keeps(first in 0u64..70, last in 0u64..70, len in 0u64..60) {
            let of = |keep: &dyn Fn(u64) -> bool| -> Vec<u64> { (0..len).filter(|&at| keep(at)).collect() };
            let got = |value: String| match select(value.as_bytes(), len) {
                Selection::Part { span, .. } => Some(span.collect::<Vec<u64>>()),
                Selection::Unsatisfiable => Some(Vec::new()),
                Selection::Whole => None,
            };
            prop_assert_eq!(got(format!("bytes={first}-")), Some(of(&|at| at >= first)));
            let between = (first <= last).then(|| of(&|at| (first..=last).contains(&at)));
            prop_assert_eq!(got(format!("bytes={first}-{last}")), between);
            if len > 0 {
                prop_assert_eq!(got(format!("bytes=-{last}")), Some(of(&|at| at + last >= len)));
            }
        }

        #[test]
        fn no_text_gives_an_empty_or_outside_part(value in proptest::collection::vec(any::<u8>(), 0..40), len: u64) {
            if let Selection::Part { span, .. } = select(&value, len) {
                prop_assert!(span.start < span.end && span.end <= len);
            }
        }

        #[test]
        fn almost_ranges_give_no_empty_or_outside_part(value in "bytes=[0-9, -]{0,24}", len in 0u64..200) {
            if let Selection::Part { span, .. } = select(value.as_bytes(), len) {
                prop_assert!(span.start < span.end && span.end <= len);
            }
        }
    }
}
