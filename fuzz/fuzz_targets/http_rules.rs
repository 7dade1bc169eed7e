//! Request head, conditions and Range: from any text to an answer that keeps its own promises.
//!
//! The input's lines: method, target, version, then fields.
#![no_main]

use std::ops::Range;

use hyper::header::{HeaderMap, HeaderName, HeaderValue, RANGE};
use hyper::{Method, Uri, Version};
use libfuzzer_sys::fuzz_target;
use vozduxan::http::conditions::{Verdict, evaluate};
use vozduxan::http::range::{Selection, select};
use vozduxan::http::request::{Head, Route, route};
use vozduxan::http::response::{Outcome, render};
use vozduxan::http::{Media, ReadKind, Reader};

const PORT: u16 = 8123;

struct File(u64);

impl Media for File {
    fn len(&self) -> u64 {
        self.0
    }
    fn mime(&self) -> &str {
        "audio/flac"
    }
    fn etag(&self) -> &str {
        "\"0123456789abcdef0123456789abcdef01234567-3\""
    }
    fn reader(&self, _: Range<u64>, _: ReadKind) -> Box<dyn Reader> {
        unreachable!("no byte is read here")
    }
}

fuzz_target!(|data: &[u8]| {
    let (len, text) = match data.split_first_chunk::<8>() {
        Some((len, text)) => (u64::from_le_bytes(*len), text),
        None => return,
    };
    // Small files have the edges.
    let len = if len & 1 == 0 { len >> 1 } else { (len >> 1) % 300 };
    let mut lines = text.split(|byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let Ok(method) = Method::from_bytes(next()) else { return };
    let Ok(target) = Uri::try_from(next()) else { return };
    let version = if next() == b"0" { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) =
            (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(&line[colon + 1..]));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let head = Head { method: &method, target: &target, version, headers: &headers, has_content: false };
    let file = File(len);
    match route(&head, PORT) {
        Ok(Route::Get { token } | Route::Head { token }) => {
            assert!(!token.is_empty() && token.len() <= 127 && !token.contains(['/', '?']));
        }
        Ok(Route::Preflight { .. }) => {}
        Err(refusal) => {
            let status = render(&Outcome::Refused(refusal)).status().as_u16();
            assert!(matches!(status, 400 | 404 | 405 | 421), "{status}");
        }
    }
    let verdict = evaluate(&headers, file.etag());
    let Some(value) = headers.get(RANGE) else { return };
    match (verdict, select(value.as_bytes(), len)) {
        (Verdict::Proceed { range: true }, Selection::Part { span, .. }) => {
            assert!(span.start < span.end && span.end <= len);
            let answer = render(&Outcome::Part(&file, span.clone()));
            let field = |name: &str| answer.headers()[name].to_str().unwrap_or_default().to_owned();
            assert_eq!(field("content-length"), (span.end - span.start).to_string());
            assert_eq!(field("content-range"), format!("bytes {}-{}/{len}", span.start, span.end - 1));
        }
        (Verdict::Proceed { .. }, Selection::Unsatisfiable) => {
            assert_eq!(
                render(&Outcome::Unsatisfiable(&file)).headers()["content-range"],
                format!("bytes */{len}")
            );
        }
        _ => {}
    }
});
