//! Conditional requests: may the answer be sent at all, and may it be a part? (RFC 9110 section 13)
//!
//! The only validator is a strong entity tag; there is no modification date. Section 13.1.3 and 13.1.4 then order
//! If-Modified-Since and If-Unmodified-Since to be ignored, and 13.1.5 makes a date in If-Range never match. So dates
//! need not even be parsed.

use hyper::HeaderMap;
use hyper::header::{IF_MATCH, IF_NONE_MATCH, IF_RANGE};

/// What the conditions of a GET or HEAD allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answer; `range` tells whether a Range header may be honoured.
    Proceed {
        /// False when If-Range names another version of the file: then the whole file is the answer.
        range: bool,
    },
    /// The client holds the current version (If-None-Match).
    NotModified,
    /// The client holds another version (If-Match).
    Failed,
}

/// Evaluates the conditions in the order of section 13.2.2 against the file's strong `etag`, quotes included.
#[must_use]
pub fn evaluate(headers: &HeaderMap, etag: &str) -> Verdict {
    let etag = etag.as_bytes();
    if headers.contains_key(IF_MATCH) && !lists(headers, &IF_MATCH, |tag| tag.strongly_is(etag)) {
        return Verdict::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) && lists(headers, &IF_NONE_MATCH, |tag| tag.opaque == etag) {
        return Verdict::NotModified;
    }
    Verdict::Proceed { range: range_allowed(headers, etag) }
}

/// If-Range: absent, or exactly the current strong tag (13.1.5). Two lines of it are no validator that could match.
fn range_allowed(headers: &HeaderMap, etag: &[u8]) -> bool {
    let mut lines = headers.get_all(IF_RANGE).iter();
    match (lines.next(), lines.next()) {
        (None, _) => true,
        (Some(only), None) => {
            let (tag, rest) = match Tag::parse(only.as_bytes().trim_ascii()) {
                Some(parsed) => parsed,
                None => return false,
            };
            rest.is_empty() && tag.strongly_is(etag)
        }
        (Some(_), Some(_)) => false,
    }
}

/// Whether a list of tags (over all lines of the header) is `*` or has one that `matches`.
fn lists(headers: &HeaderMap, name: &hyper::header::HeaderName, matches: impl Fn(Tag<'_>) -> bool) -> bool {
    headers.get_all(name).iter().any(|line| {
        let mut rest = line.as_bytes().trim_ascii();
        if rest == b"*" {
            return true;
        }
        loop {
            // Empty list elements are legal (RFC 9110 section 5.6.1.2).
            while let [b',' | b' ' | b'\t', after @ ..] = rest {
                rest = after;
            }
            match Tag::parse(rest) {
                Some((tag, _)) if matches(tag) => return true,
                Some((_, after)) => rest = after,
                // The end, or text that is no tag: nothing behind it can be trusted.
                None => return false,
            }
        }
    })
}

/// An entity tag (RFC 9110 section 8.8.3).
#[derive(Clone, Copy)]
struct Tag<'a> {
    weak: bool,
    /// With its quotes.
    opaque: &'a [u8],
}

impl<'a> Tag<'a> {
    /// The tag at the start of `text`, and what follows it. A tag may hold commas, so lists cannot simply be split.
    fn parse(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (weak, text) = match text.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let inner = text.strip_prefix(b"\"")?;
        let close = inner.iter().position(|&byte| byte == b'"')?;
        let (opaque, rest) = text.split_at(close + 2);
        Some((Self { weak, opaque }, rest))
    }

    /// Strong comparison (8.8.3.2).
    fn strongly_is(self, etag: &[u8]) -> bool {
        !self.weak && self.opaque == etag
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    const ETAG: &str = "\"abc-3\"";
    const WHOLE: Verdict = Verdict::Proceed { range: false };
    const AS_ASKED: Verdict = Verdict::Proceed { range: true };

    fn check(lines: &[(&'static str, &str)], expected: Verdict) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(evaluate(&headers, ETAG), expected, "{lines:?}");
    }

    #[test]
    fn without_conditions() {
        check(&[], AS_ASKED);
        check(&[("range", "bytes=0-1")], AS_ASKED);
    }

    #[test]
    fn if_match_compares_strongly() {
        check(&[("if-match", ETAG)], AS_ASKED);
        check(&[("if-match", "*")], AS_ASKED);
        check(&[("if-match", "\"x\", \"y,z\" ,\"abc-3\"")], AS_ASKED);
        check(&[("if-match", "\"x\""), ("if-match", ETAG)], AS_ASKED);
        for other in ["\"x\"", "W/\"abc-3\"", "abc-3", "", "\"abc-3", "\"x\" junk \"abc-3\""] {
            check(&[("if-match", other)], Verdict::Failed);
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        for same in [ETAG, "W/\"abc-3\"", "*", "\"x\",W/\"abc-3\"", ",, \"abc-3\""] {
            check(&[("if-none-match", same)], Verdict::NotModified);
        }
        for other in ["\"x\"", "abc-3", "", "w/\"abc-3\"", "\"*\""] {
            check(&[("if-none-match", other)], AS_ASKED);
        }
    }

    #[test]
    fn if_range_needs_the_one_strong_tag() {
        check(&[("if-range", ETAG)], AS_ASKED);
        for other in
            ["\"x\"", "W/\"abc-3\"", "Sat, 29 Oct 1994 19:43:31 GMT", "", "*", "\"abc-3\", \"x\"", "abc-3"]
        {
            check(&[("if-range", other)], WHOLE);
        }
        check(&[("if-range", ETAG), ("if-range", ETAG)], WHOLE);
    }

    #[test]
    fn dates_are_ignored_because_there_is_none_to_compare() {
        for date in ["Sat, 29 Oct 1994 19:43:31 GMT", "Fri, 01 Jan 2100 00:00:00 GMT", "soon"] {
            check(&[("if-unmodified-since", date)], AS_ASKED);
            check(&[("if-modified-since", date)], AS_ASKED);
        }
    }

    #[test]
    fn precedence() {
        check(&[("if-match", "\"x\""), ("if-none-match", ETAG)], Verdict::Failed);
        check(&[("if-match", ETAG), ("if-none-match", ETAG), ("if-range", "\"x\"")], Verdict::NotModified);
        check(&[("if-match", ETAG), ("if-none-match", "\"x\""), ("if-range", "\"x\"")], WHOLE);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(value in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                for name in [IF_MATCH, IF_NONE_MATCH, IF_RANGE] {
                    let mut headers = HeaderMap::new();
                    headers.insert(name, value.clone());
                    let _ = evaluate(&headers, ETAG);
                }
            }
        }

        #[test]
        fn a_list_matches_when_one_member_is_the_tag(members in proptest::collection::vec("[a-c,]{0,2}", 0..6)) {
            let list: Vec<String> = members.iter().map(|member| format!("\"{member}\"")).collect();
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(&list.join(", ")).unwrap());
            let same = members.iter().any(|member| member == "a");
            prop_assert_eq!(evaluate(&headers, "\"a\"") == Verdict::NotModified, same);
        }
    }
}
