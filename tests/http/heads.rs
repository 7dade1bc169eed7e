//! Who is answered at all.

use super::Bench;
use super::client::{End, Head};

/// The answer to a raw request, whole, and how the connection ended.
fn raw(bench: &Bench, text: &str) -> (String, End) {
    let mut client = bench.connect();
    client.send(text);
    client.half_close();
    let (bytes, end) = client.rest();
    (String::from_utf8_lossy(&bytes).into_owned(), end)
}

fn raw_status(bench: &Bench, text: &str) -> u16 {
    let answer = raw(bench, text).0;
    answer.get(9..12).unwrap_or_else(|| panic!("no answer to {text:?}")).parse().unwrap()
}

#[test]
fn only_the_loopback_names() {
    let bench = Bench::new();
    bench.whole("t", 10);
    let port = bench.server.port();
    let status = |host: &str| raw_status(&bench, &format!("GET /stream/t HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert_eq!(status(&format!("127.0.0.1:{port}")), 200);
    assert_eq!(status(&format!("localhost:{port}")), 200);
    for host in ["evil.example", "127.0.0.1", "localhost", "[::1]", "127.0.0.1:1"] {
        assert_eq!(status(host), 421, "{host}");
    }
    assert_eq!(status(&format!("evil.example:{port}")), 421);
    let own = format!("Host: 127.0.0.1:{port}\r\n");
    assert_eq!(raw_status(&bench, "GET /stream/t HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(raw_status(&bench, &format!("GET /stream/t HTTP/1.1\r\n{own}{own}\r\n")), 400);
    assert_eq!(raw_status(&bench, "GET /stream/t HTTP/1.0\r\n\r\n"), 200);
    assert_eq!(raw_status(&bench, "GET /stream/t HTTP/1.0\r\nHost: evil.example\r\n\r\n"), 421);
    let absolute = format!("GET http://127.0.0.1:{port}/stream/t HTTP/1.1\r\n");
    assert_eq!(raw_status(&bench, &format!("{absolute}{own}\r\n")), 200);
    assert_eq!(raw_status(&bench, &format!("{absolute}Host: evil.example\r\n\r\n")), 200);
    assert_eq!(raw_status(&bench, &format!("GET http://evil.example/stream/t HTTP/1.1\r\n{own}\r\n")), 421);
}

#[test]
fn no_tunnel() {
    let bench = Bench::new();
    let own = format!("127.0.0.1:{}", bench.server.port());
    assert_eq!(raw_status(&bench, &format!("CONNECT {own} HTTP/1.1\r\nHost: {own}\r\n\r\n")), 405);
    assert_eq!(raw_status(&bench, &format!("OPTIONS * HTTP/1.1\r\nHost: {own}\r\n\r\n")), 404);
}

#[test]
fn only_the_one_route() {
    let bench = Bench::new();
    bench.whole("t", 10);
    let mut client = bench.connect();
    let mut answer = |line: &str| {
        let head = client.ask(line, &[]);
        let body = client.body(head.content_len());
        (head, body)
    };
    for path in [
        "/",
        "/stream",
        "/stream/",
        "/stream/t/",
        "/stream/t?",
        "/stream/t?a=b",
        "/stream/t/..",
        "/streams/t",
    ] {
        assert_eq!(answer(&format!("GET {path}")).0.status, 404, "{path}");
        assert_eq!(answer(&format!("OPTIONS {path}")).0.status, 404, "{path}");
    }
    for line in ["POST /stream/t", "DELETE /stream/t", "PUT /", "TRACE /nothing", "get /stream/t"] {
        let head = answer(line).0;
        assert_eq!((head.status, head.field("allow")), (405, Some("GET, HEAD, OPTIONS")), "{line}");
    }
}

#[test]
fn an_unknown_token_looks_like_an_unknown_path() {
    let bench = Bench::new();
    bench.whole("0123456789abcdef", 10);
    let mut client = bench.connect();
    let mut answer = |path: &str| {
        let (mut head, body) = {
            let head = client.ask(&format!("GET {path}"), &["Origin: http://evil.example"]);
            let body = client.body(head.content_len());
            (head, body)
        };
        head.fields.remove("date");
        (head, body)
    };
    let nowhere = answer("/nowhere");
    assert_eq!(nowhere.0.status, 404);
    assert_eq!(
        nowhere.0.field("access-control-allow-origin"),
        None,
        "strangers may not even read the refusal"
    );
    let long = "a".repeat(300);
    for token in ["0123456789abcdeg", "0", "0123456789abcdef0", "%30123456789abcdef", &long] {
        assert_eq!(answer(&format!("/stream/{token}")), nowhere, "{token}");
    }
    bench.source.forget("0123456789abcdef");
    assert_eq!(answer("/stream/0123456789abcdef"), nowhere);
}

#[test]
fn a_preflight_says_the_same_for_every_token() {
    let bench = Bench::new();
    let file = bench.whole("t", 10);
    let ask = |token: &str, fields: &[&str]| -> Head {
        let mut client = bench.connect();
        let mut head = client.ask(&format!("OPTIONS /stream/{token}"), fields);
        assert!(client.is_quiet());
        head.fields.remove("date");
        head
    };
    let fields = [
        "Origin: tauri://localhost",
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Headers: range",
    ];
    let known = ask("t", &fields);
    assert_eq!((known.status, known.field("access-control-allow-origin")), (204, Some("*")));
    assert_eq!(known.field("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    assert!(known.field("access-control-allow-headers").unwrap().contains("Range"));
    assert_eq!(known.field("access-control-allow-private-network"), None);
    assert_eq!(ask("unknown", &fields), known);
    let private = ask("t", &["Access-Control-Request-Private-Network: true"]);
    assert_eq!(private.field("access-control-allow-private-network"), Some("true"));
    assert_eq!(file.ledger.now(), Default::default());
}

/// A request with content must never make the server see a second request inside it.
#[test]
fn nothing_is_smuggled() {
    let bench = Bench::new();
    let bait = bench.whole("bait", 10);
    let port = bench.server.port();
    let hidden = format!("GET /stream/bait HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    let len = hidden.len();
    let own = format!("Host: 127.0.0.1:{port}\r\n");
    for (name, text) in [
        ("content on GET", format!("GET /stream/t HTTP/1.1\r\n{own}Content-Length: {len}\r\n\r\n{hidden}")),
        ("content on POST", format!("POST /stream/t HTTP/1.1\r\n{own}Content-Length: {len}\r\n\r\n{hidden}")),
        (
            "less content than said",
            format!("GET /stream/t HTTP/1.1\r\n{own}Content-Length: 9999\r\n\r\n{hidden}"),
        ),
        (
            "chunked content",
            format!(
                "GET /stream/t HTTP/1.1\r\n{own}Transfer-Encoding: chunked\r\n\r\n{len:x}\r\n{hidden}\r\n0\r\n\r\n"
            ),
        ),
        (
            "two lengths",
            format!(
                "GET /stream/t HTTP/1.1\r\n{own}Content-Length: 0\r\nContent-Length: {len}\r\n\r\n{hidden}"
            ),
        ),
        (
            "a list of lengths",
            format!("GET /stream/t HTTP/1.1\r\n{own}Content-Length: 0, {len}\r\n\r\n{hidden}"),
        ),
        ("a signed length", format!("GET /stream/t HTTP/1.1\r\n{own}Content-Length: +{len}\r\n\r\n{hidden}")),
        (
            "both framings",
            format!(
                "GET /stream/t HTTP/1.1\r\n{own}Content-Length: {len}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        (
            "both, other order",
            format!(
                "GET /stream/t HTTP/1.1\r\n{own}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        (
            "unknown coding",
            format!("GET /stream/t HTTP/1.1\r\n{own}Transfer-Encoding: xchunked\r\n\r\n{hidden}"),
        ),
        (
            "coding in HTTP/1.0",
            format!("GET /stream/t HTTP/1.0\r\n{own}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "space before colon",
            format!("GET /stream/t HTTP/1.1\r\n{own}Content-Length : {len}\r\n\r\n{hidden}"),
        ),
        (
            "folded line",
            format!("GET /stream/t HTTP/1.1\r\n{own}X: a\r\n Content-Length: {len}\r\n\r\n{hidden}"),
        ),
        (
            "expecting to go on",
            format!(
                "GET /stream/t HTTP/1.1\r\n{own}Expect: 100-continue\r\nContent-Length: {len}\r\n\r\n{hidden}"
            ),
        ),
    ] {
        let (answer, _) = raw(&bench, &text);
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "),
            "{name}: {answer}"
        );
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{name}: {answer}");
        assert_eq!(bait.ledger.now(), Default::default(), "{name}");
    }
}

#[test]
fn nonsense_ends_the_connection() {
    let bench = Bench::new();
    for text in [
        "\0\0\0\0",
        "GET\r\n\r\n",
        "GET /stream/t HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02",
    ] {
        let (answer, _) = raw(&bench, text);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{text:?}: {answer}");
    }
}
