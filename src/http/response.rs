//! From an outcome to a status line and fields. The only file with status codes and answer fields.
//!
//! Three answers are not made here but by hyper, for heads it cannot read: 400 (malformed), 414 (target too long), 431
//! (head too large). Date and Connection are hyper's as well.
//!
//! Two decisions:
//! - `Cache-Control: no-store`. With an ETag and a cache Chromium asks for closed ranges with If-Range, piece by piece;
//!   without one it asks `bytes=X-` once and plays on. The bytes lie on this machine already: a second copy gains nothing.
//! - Cross-origin reading is open to whoever holds a token, since the token is the permission and Web Audio is silent
//!   without it. Answers that need no token (404, 405, 421, …) carry no permission, so a foreign page cannot read
//!   whether a token, or this server, exists.

use std::ops::Range;

use hyper::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Response, StatusCode};

use super::Media;
use super::request::Refusal;

/// The methods of the one route.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
/// What a page may send: what players and `fetch` use with media.
const REQUEST_FIELDS: HeaderValue = HeaderValue::from_static(
    "Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, Cache-Control, Icy-MetaData",
);
/// What a page may read.
const EXPOSED_FIELDS: HeaderValue =
    HeaderValue::from_static("Accept-Ranges, Content-Length, Content-Range, ETag");
/// How long a browser may remember a preflight, in seconds. The answer never changes; Chromium caps it at 7200.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("86400");
/// The answer to a Private Network Access question.
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Everything a request can come to.
pub enum Outcome<'a> {
    /// The whole file.
    Whole(&'a dyn Media),
    /// One part, in file bytes, half-open, not empty.
    Part(&'a dyn Media, Range<u64>),
    /// The client's copy is current.
    NotModified(&'a dyn Media),
    /// The client wants another version of the file.
    ConditionFailed(&'a dyn Media),
    /// The range holds no byte of the file.
    Unsatisfiable(&'a dyn Media),
    /// A browser may send what it asked about.
    Preflight {
        /// It also asked about private addresses.
        private_network: bool,
    },
    /// The token is not that of an open stream.
    NoStream,
    /// Turned away before any stream was looked at.
    Refused(Refusal),
}

/// The answer's head; its body is the text for a person who reads it, empty where the file's bytes or nothing follow.
/// Content-Length is set here for both.
#[must_use]
pub fn render(outcome: &Outcome<'_>) -> Response<&'static str> {
    let (status, text) = status(outcome);
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(12);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match outcome {
        Outcome::Whole(media) => {
            describe(headers, *media);
            content(headers, *media, media.len());
        }
        Outcome::Part(media, span) => {
            describe(headers, *media);
            content(headers, *media, span.end - span.start);
            let range = format!("bytes {}-{}/{}", span.start, span.end - 1, media.len());
            insert_text(headers, CONTENT_RANGE, &range);
        }
        Outcome::NotModified(media) | Outcome::ConditionFailed(media) => describe(headers, *media),
        Outcome::Unsatisfiable(media) => {
            describe(headers, *media);
            insert_text(headers, CONTENT_RANGE, &format!("bytes */{}", media.len()));
        }
        Outcome::Preflight { private_network } => {
            allow_origin(headers);
            headers.insert(ALLOW, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_FIELDS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
            if *private_network {
                headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
            }
        }
        Outcome::Refused(Refusal::Method) => {
            headers.insert(ALLOW, METHODS);
        }
        // What follows is not read as a request: the connection ends after this answer.
        Outcome::Refused(Refusal::Content) => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Outcome::NoStream | Outcome::Refused(_) => {}
    }
    if !text.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    }
    response
}

/// The status code (RFC 9110 section 15) and the text.
fn status(outcome: &Outcome<'_>) -> (StatusCode, &'static str) {
    match outcome {
        Outcome::Whole(_) => (StatusCode::OK, ""),
        Outcome::Part(..) => (StatusCode::PARTIAL_CONTENT, ""),
        Outcome::NotModified(_) => (StatusCode::NOT_MODIFIED, ""),
        Outcome::Preflight { .. } => (StatusCode::NO_CONTENT, ""),
        Outcome::ConditionFailed(_) => {
            (StatusCode::PRECONDITION_FAILED, "This is another version of the file than If-Match names.\n")
        }
        Outcome::Unsatisfiable(_) => (
            StatusCode::RANGE_NOT_SATISFIABLE,
            "The file has no such bytes: see Content-Range for its length.\n",
        ),
        // One text for both: whether it was the path or the token is nobody's business.
        Outcome::NoStream | Outcome::Refused(Refusal::Path) => {
            (StatusCode::NOT_FOUND, "No such stream: prepare it, and use the URL as it was returned.\n")
        }
        Outcome::Refused(Refusal::Host) => {
            (StatusCode::BAD_REQUEST, "Exactly one Host is needed: use the URL as it was returned.\n")
        }
        Outcome::Refused(Refusal::Content) => {
            (StatusCode::BAD_REQUEST, "Requests here have no content: send a head only.\n")
        }
        Outcome::Refused(Refusal::Method) => {
            (StatusCode::METHOD_NOT_ALLOWED, "Only GET, HEAD and OPTIONS are answered here.\n")
        }
        Outcome::Refused(Refusal::Misdirected) => {
            (StatusCode::MISDIRECTED_REQUEST, "This server answers to its loopback address only.\n")
        }
    }
}

/// What holds for every answer about a file, with or without its bytes.
fn describe(headers: &mut HeaderMap, media: &dyn Media) {
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert_text(headers, ETAG, media.etag());
    allow_origin(headers);
}

/// What describes bytes of the file that follow, or would follow if this were not a HEAD.
fn content(headers: &mut HeaderMap, media: &dyn Media, len: u64) {
    headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    insert_text(headers, CONTENT_TYPE, media.mime());
}

fn allow_origin(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_FIELDS);
}

/// Leaves the field out when the text cannot stand in a head: an answer without it is still right.
fn insert_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{ReadKind, Reader};

    struct File;

    impl Media for File {
        fn len(&self) -> u64 {
            1000
        }
        fn mime(&self) -> &str {
            "audio/flac"
        }
        fn etag(&self) -> &str {
            "\"t-1\""
        }
        fn reader(&self, _span: Range<u64>, _kind: ReadKind) -> Box<dyn Reader> {
            unreachable!("a head needs no bytes")
        }
    }

    fn field<'a>(response: &'a Response<&'static str>, name: &str) -> Option<&'a str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    fn check(outcome: &Outcome<'_>, code: u16, fields: &[(&str, Option<&str>)]) {
        let response = render(outcome);
        assert_eq!(response.status().as_u16(), code);
        assert_eq!(field(&response, "x-content-type-options"), Some("nosniff"));
        for (name, expected) in fields {
            assert_eq!(field(&response, name), *expected, "{code} {name}");
        }
        // Bytes are never sent encoded: their positions are the file's.
        assert_eq!(field(&response, "content-encoding"), None);
        assert_eq!(field(&response, "transfer-encoding"), None);
    }

    #[test]
    fn answers_with_bytes() {
        let common = [
            ("accept-ranges", Some("bytes")),
            ("etag", Some("\"t-1\"")),
            ("content-type", Some("audio/flac")),
        ];
        check(&Outcome::Whole(&File), 200, &common);
        check(&Outcome::Whole(&File), 200, &[("content-length", Some("1000")), ("content-range", None)]);
        check(&Outcome::Part(&File, 10..20), 206, &common);
        let part = [("content-length", Some("10")), ("content-range", Some("bytes 10-19/1000"))];
        check(&Outcome::Part(&File, 10..20), 206, &part);
    }

    #[test]
    fn answers_about_the_file() {
        let none = [("etag", Some("\"t-1\"")), ("content-length", None), ("content-type", None)];
        check(&Outcome::NotModified(&File), 304, &none);
        check(&Outcome::ConditionFailed(&File), 412, &[("etag", Some("\"t-1\"")), ("content-range", None)]);
        let unsatisfiable = [("content-range", Some("bytes */1000")), ("accept-ranges", Some("bytes"))];
        check(&Outcome::Unsatisfiable(&File), 416, &unsatisfiable);
    }

    #[test]
    fn refusals() {
        let nothing = [("access-control-allow-origin", None), ("etag", None), ("accept-ranges", None)];
        for (refusal, code) in [
            (Refusal::Host, 400),
            (Refusal::Content, 400),
            (Refusal::Misdirected, 421),
            (Refusal::Method, 405),
            (Refusal::Path, 404),
        ] {
            check(&Outcome::Refused(refusal), code, &nothing);
        }
        check(&Outcome::Refused(Refusal::Method), 405, &[("allow", Some("GET, HEAD, OPTIONS"))]);
        check(&Outcome::Refused(Refusal::Content), 400, &[("connection", Some("close"))]);
        check(&Outcome::NoStream, 404, &nothing);
        let (path, token) = (render(&Outcome::Refused(Refusal::Path)), render(&Outcome::NoStream));
        assert_eq!((path.headers(), path.body()), (token.headers(), token.body()));
    }

    #[test]
    fn cross_origin() {
        let open = [
            ("access-control-allow-origin", Some("*")),
            ("access-control-expose-headers", Some("Accept-Ranges, Content-Length, Content-Range, ETag")),
        ];
        for outcome in [
            Outcome::Whole(&File),
            Outcome::Part(&File, 0..1),
            Outcome::NotModified(&File),
            Outcome::ConditionFailed(&File),
            Outcome::Unsatisfiable(&File),
        ] {
            let code = render(&outcome).status().as_u16();
            check(&outcome, code, &open);
        }
        let preflight = |private_network| render(&Outcome::Preflight { private_network });
        assert_eq!(preflight(false).status(), StatusCode::NO_CONTENT);
        assert_eq!(field(&preflight(false), "access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
        assert!(
            field(&preflight(false), "access-control-allow-headers")
                .is_some_and(|names| names.contains("Range"))
        );
        assert_eq!(field(&preflight(false), "access-control-max-age"), Some("86400"));
        assert_eq!(field(&preflight(false), "access-control-allow-private-network"), None);
        assert_eq!(field(&preflight(true), "access-control-allow-private-network"), Some("true"));
    }
}
