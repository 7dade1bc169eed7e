//! Which bytes an answer carries, and what it says about them.

use std::ops::Range;

use super::Bench;
use super::client::Client;

const LEN: u64 = 200_000;

/// `fields` must give status 206 with `span`, or 200 with everything.
fn check(client: &mut Client, file: &super::File, fields: &[&str], expected: Option<Range<u64>>) {
    let (head, body) = client.get("t", fields);
    assert_eq!(head.field("accept-ranges"), Some("bytes"), "{fields:?}");
    assert_eq!(head.field("etag"), Some("\"0123-7\""));
    assert_eq!(head.field("content-type"), Some("audio/flac"));
    assert_eq!(head.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(head.field("access-control-allow-origin"), Some("*"));
    assert_eq!(head.field("transfer-encoding"), None);
    assert_eq!(head.field("content-encoding"), None);
    assert!(head.field("date").is_some());
    match expected {
        Some(span) => {
            assert_eq!(head.status, 206, "{fields:?}");
            let range = format!("bytes {}-{}/{}", span.start, span.end - 1, file.bytes.len());
            assert_eq!(head.field("content-range"), Some(range.as_str()), "{fields:?}");
            assert!(body == file.slice(span), "{fields:?}: wrong bytes");
        }
        None => {
            assert_eq!(head.status, 200, "{fields:?}");
            assert_eq!(head.field("content-range"), None);
            assert!(body == file.bytes, "{fields:?}: wrong bytes");
        }
    }
    assert!(client.is_quiet(), "{fields:?}: longer than promised");
}

#[test]
fn whole_and_parts() {
    let bench = Bench::new();
    let file = bench.whole("t", LEN);
    let mut client = bench.connect();
    let mut check = |fields: &[&str], expected| check(&mut client, &file, fields, expected);
    check(&[], None);
    check(&["Range: bytes=0-"], Some(0..LEN));
    check(&["Range: bytes=0-1"], Some(0..2));
    check(&["Range: bytes=0-0"], Some(0..1));
    check(&["Range: bytes=199999-"], Some(LEN - 1..LEN));
    check(&["Range: bytes=100-999999999"], Some(100..LEN));
    check(&["Range: bytes=100-99999999999999999999999999"], Some(100..LEN));
    check(&["Range: bytes=-5"], Some(LEN - 5..LEN));
    check(&["Range: bytes=-200000"], Some(0..LEN));
    check(&["Range: bytes=-999999999999"], Some(0..LEN));
    check(&["range: BYTES=7-8"], Some(7..9));
    // What is no single byte range is ignored.
    for ignored in ["bytes=5-4", "bytes=x", "items=0-1", "bytes=0-1,5-6", "bytes=0-0,-1", "", "bytes=-"] {
        check(&[&format!("Range: {ignored}")], None);
    }
    check(&["Range: bytes=0-1", "Range: bytes=4-5"], None);
    // And what players send along.
    check(&["Icy-MetaData: 1", "Accept-Encoding: gzip", "TE: trailers"], None);
    check(
        &["Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"],
        None,
    );
}

#[test]
fn random_parts_against_the_bytes() {
    let bench = Bench::new();
    let file = bench.whole("t", LEN);
    let mut client = bench.connect();
    let mut seed = 42_u64;
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..300 {
        let first = random(LEN);
        let last = first + random(LEN);
        check(&mut client, &file, &[&format!("Range: bytes={first}-{last}")], Some(first..LEN.min(last + 1)));
    }
}

#[test]
fn no_such_bytes() {
    let bench = Bench::new();
    let file = bench.whole("t", LEN);
    let mut client = bench.connect();
    for range in ["bytes=200000-", "bytes=200000-300000", "bytes=-0", "bytes=99999999999999999999999-"] {
        let (head, _) = client.get("t", &[&format!("Range: {range}")]);
        assert_eq!((head.status, head.field("content-range")), (416, Some("bytes */200000")), "{range}");
    }
    assert_eq!(file.ledger.now().live, 0);
}

#[test]
fn an_empty_file() {
    let bench = Bench::new();
    let file = bench.whole("t", 0);
    let mut client = bench.connect();
    for (fields, status) in [(&[][..], 200), (&["Range: bytes=-5"], 200), (&["Range: bytes=0-"], 416)] {
        let (head, body) = client.get("t", fields);
        assert_eq!(head.status, status, "{fields:?}");
        assert_eq!(body.is_empty(), status == 200);
    }
    assert_eq!(file.ledger.now(), Default::default());
}

#[test]
fn conditions() {
    const OWN: &str = "\"0123-7\"";
    let bench = Bench::new();
    let file = bench.whole("t", 1000);
    let mut client = bench.connect();
    let part = "Range: bytes=10-19";
    let date = "Sat, 29 Oct 1994 19:43:31 GMT";
    check(&mut client, &file, &[part, &format!("If-Range: {OWN}")], Some(10..20));
    check(&mut client, &file, &[part, "If-Range: \"other\""], None);
    check(&mut client, &file, &[part, &format!("If-Range: W/{OWN}")], None);
    check(&mut client, &file, &[part, &format!("If-Range: {date}")], None);
    check(&mut client, &file, &["If-Range: \"other\"", "Range: bytes=5000-"], None);
    check(&mut client, &file, &[part, &format!("If-Match: {OWN}")], Some(10..20));
    check(&mut client, &file, &[part, "If-Match: *"], Some(10..20));
    check(&mut client, &file, &[part, &format!("If-Unmodified-Since: {date}")], Some(10..20));
    check(&mut client, &file, &[&format!("If-Modified-Since: {date}")], None);
    check(&mut client, &file, &["If-None-Match: \"other\""], None);
    let (failed, _) = client.get("t", &[part, "If-Match: \"other\""]);
    assert_eq!((failed.status, failed.field("content-range")), (412, None));
    for (line, fields) in [
        ("GET /stream/t", [part, "If-None-Match: \"0123-7\""]),
        ("HEAD /stream/t", ["X: y", "If-None-Match: *"]),
    ] {
        let head = client.ask(line, &fields);
        assert_eq!((head.status, head.field("etag")), (304, Some(OWN)));
        assert!(client.is_quiet());
    }
}

#[test]
fn who_chose_the_end() {
    let bench = Bench::new();
    let file = bench.whole("t", 1000);
    let mut client = bench.connect();
    for open_ended in [&[][..], &["Range: bytes=0-"], &["Range: bytes=500-"], &["Range: bytes=0-1,4-5"]] {
        client.get("t", open_ended);
    }
    for bounded in ["bytes=0-1", "bytes=0-999", "bytes=-10"] {
        client.get("t", &[&format!("Range: {bounded}")]);
    }
    let counts = file.ledger.now();
    assert_eq!((counts.open_ended, counts.bounded), (4, 3));
}

#[test]
fn head_is_get_without_the_bytes() {
    let bench = Bench::new();
    let file = bench.file("t", 1000);
    let mut client = bench.connect();
    let mut of_head = client.ask("HEAD /stream/t", &["Range: bytes=0-1"]);
    assert_eq!((of_head.status, of_head.content_len()), (200, 1000));
    assert!(client.is_quiet());
    assert_eq!(file.ledger.now(), Default::default(), "HEAD asks for no bytes");
    file.arrive(0..1000);
    let (mut of_get, _) = client.get("t", &[]);
    of_head.fields.remove("date");
    of_get.fields.remove("date");
    assert_eq!(of_head, of_get);
}
