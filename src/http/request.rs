//! From a request head to what is asked for (RFC 9110 sections 7 and 9, RFC 9112 section 3).
//!
//! Whoever sends the request is not trusted. A web page may reach this port by DNS rebinding, and then its Host names a
//! stranger: only the two names of the loopback address pass. Whoever passes still needs a token, and there is one
//! route: nothing here lists, and nothing changes state.

use hyper::header::HOST;
use hyper::{HeaderMap, Method, Uri, Version};

/// Longest token looked at, in bytes: `VozduxanStreamInfo::token` holds this many and a NUL.
pub const MAX_TOKEN_LEN: usize = 127;

/// A browser's question whether a public page may talk to a private address (Private Network Access).
const PRIVATE_NETWORK: &str = "access-control-request-private-network";
/// The only route.
const PREFIX: &str = "/stream/";

/// What the parser knows of a request.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Case-sensitive, as sent.
    pub method: &'a Method,
    /// The request target, in any of its four forms.
    pub target: &'a Uri,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// All fields.
    pub headers: &'a HeaderMap,
    /// Whether content follows the head (a Content-Length above 0 or any Transfer-Encoding).
    pub has_content: bool,
}

/// A request that will be looked at further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// GET of a stream.
    Get {
        /// As sent; whether it is known is not decided here.
        token: &'a str,
    },
    /// HEAD of a stream.
    Head {
        /// As sent.
        token: &'a str,
    },
    /// OPTIONS of a stream: a browser asks what a page may send. The token is not looked up, so the answer tells nothing
    /// about it.
    Preflight {
        /// The browser also asks whether a public page may talk to a private address.
        private_network: bool,
    },
}

/// Why a request is turned away without looking at any stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// HTTP/1.1 without Host, or more than one Host (RFC 9112 section 3.2).
    Host,
    /// The request is for another authority (RFC 9110 section 7.4).
    Misdirected,
    /// The request brings content. None of the methods here has a use for it, and skipping it is how two requests become
    /// three (RFC 9110 section 9.3.1).
    Content,
    /// Neither GET, HEAD nor OPTIONS, whatever the path.
    Method,
    /// No such route.
    Path,
}

/// Decides what a request asks for, on a server that listens on `port` of the loopback address.
///
/// HTTP/1.0 needs no Host: no browser speaks it, so no rebinding can come that way. If one is sent it has to fit.
///
/// # Errors
/// The first rule broken, in the order of [`Refusal`]'s variants.
pub fn route<'a>(head: &Head<'a>, port: u16) -> Result<Route<'a>, Refusal> {
    check_authority(head, port)?;
    if head.has_content {
        return Err(Refusal::Content);
    }
    let token = token(head.target);
    match *head.method {
        Method::GET => Ok(Route::Get { token: token.ok_or(Refusal::Path)? }),
        Method::HEAD => Ok(Route::Head { token: token.ok_or(Refusal::Path)? }),
        Method::OPTIONS => {
            token.ok_or(Refusal::Path)?;
            let asked = head.headers.get(PRIVATE_NETWORK);
            Ok(Route::Preflight { private_network: asked.is_some_and(|value| value == "true") })
        }
        _ => Err(Refusal::Method),
    }
}

/// Host, or the authority of an absolute-form target, which then replaces it (RFC 9112 section 3.2.2).
fn check_authority(head: &Head<'_>, port: u16) -> Result<(), Refusal> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => Some(host.as_bytes()),
        (None, _) if head.version == Version::HTTP_10 => None,
        (None, _) | (Some(_), Some(_)) => return Err(Refusal::Host),
    };
    let fits = match (head.target.scheme_str(), head.target.authority()) {
        (Some(scheme), Some(authority)) => scheme == "http" && is_ours(authority.as_str().as_bytes(), port),
        // Origin-form, asterisk-form, or CONNECT's authority-form, which no method here accepts.
        _ => host.is_none_or(|host| is_ours(host, port)),
    };
    if fits { Ok(()) } else { Err(Refusal::Misdirected) }
}

/// `127.0.0.1:port` or `localhost:port`; host names have no case (RFC 9110 section 4.2.3).
fn is_ours(authority: &[u8], port: u16) -> bool {
    let Some(colon) = authority.iter().rposition(|&byte| byte == b':') else { return false };
    let (name, digits) = (&authority[..colon], &authority[colon + 1..]);
    let known = name == b"127.0.0.1" || name.eq_ignore_ascii_case(b"localhost");
    // Compared as text: `08080` and `+8080` are not how anybody writes our port.
    known && digits == port.to_string().as_bytes()
}

/// The one path segment behind the prefix, if there is nothing else.
fn token(target: &Uri) -> Option<&str> {
    if target.query().is_some() {
        return None;
    }
    let token = target.path().strip_prefix(PREFIX)?;
    let sane = !token.is_empty() && token.len() <= MAX_TOKEN_LEN && !token.contains('/');
    sane.then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    const PORT: u16 = 8123;
    const OURS: &[&str] = &["127.0.0.1:8123"];

    fn ask(
        method: &str,
        target: &str,
        version: Version,
        hosts: &[&str],
    ) -> Result<(bool, Option<String>), Refusal> {
        let (method, target) =
            (Method::from_bytes(method.as_bytes()).unwrap(), target.parse::<Uri>().unwrap());
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        let head = Head { method: &method, target: &target, version, headers: &headers, has_content: false };
        route(&head, PORT).map(|route| match route {
            Route::Get { token } => (true, Some(token.to_owned())),
            Route::Head { token } => (false, Some(token.to_owned())),
            Route::Preflight { .. } => (false, None),
        })
    }

    fn get(target: &str, hosts: &[&str]) -> Result<String, Refusal> {
        ask("GET", target, Version::HTTP_11, hosts).map(|(_, token)| token.expect("a GET has a token"))
    }

    #[test]
    fn the_one_route() {
        assert_eq!(get("/stream/abc", OURS), Ok("abc".into()));
        assert_eq!(get("/stream/abc", &["localhost:8123"]), Ok("abc".into()));
        assert_eq!(get("/stream/abc", &["LocalHost:8123"]), Ok("abc".into()));
        assert_eq!(ask("HEAD", "/stream/abc", Version::HTTP_11, OURS), Ok((false, Some("abc".into()))));
        assert_eq!(ask("OPTIONS", "/stream/abc", Version::HTTP_11, OURS), Ok((false, None)));
    }

    #[test]
    fn other_paths() {
        let long = format!("/stream/{}", "a".repeat(MAX_TOKEN_LEN + 1));
        for target in [
            "/",
            "/stream",
            "/stream/",
            "/stream//",
            "/stream/abc/",
            "/stream/a/b",
            "/stream/abc?",
            "/stream/abc?x=1",
            "/Stream/abc",
            "//stream/abc",
            "/x/../stream/abc",
            "/favicon.ico",
            "*",
            &long,
        ] {
            assert_eq!(get(target, OURS), Err(Refusal::Path), "{target}");
            assert_eq!(ask("OPTIONS", target, Version::HTTP_11, OURS), Err(Refusal::Path), "{target}");
        }
    }

    #[test]
    fn other_methods_whatever_the_path() {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get", "PROPFIND"] {
            for target in ["/stream/abc", "/", "/nothing?x"] {
                assert_eq!(
                    ask(method, target, Version::HTTP_11, OURS),
                    Err(Refusal::Method),
                    "{method} {target}"
                );
            }
        }
        assert_eq!(ask("CONNECT", "127.0.0.1:8123", Version::HTTP_11, OURS), Err(Refusal::Method));
    }

    #[test]
    fn strangers() {
        for host in [
            "evil.example",
            "evil.example:8123",
            "127.0.0.1",
            "localhost",
            "127.0.0.1:8124",
            "127.0.0.1:08123",
            "127.0.0.1:+8123",
            "[::1]:8123",
            "127.0.0.2:8123",
            "localhost.:8123",
            "127.0.0.1:8123, x",
            "",
            ":8123",
            "a127.0.0.1:8123",
            "127.0.0.1:8123:8123",
            "0x7f.1:8123",
        ] {
            assert_eq!(get("/stream/abc", &[host]), Err(Refusal::Misdirected), "{host}");
        }
    }

    #[test]
    fn host_is_there_once() {
        assert_eq!(get("/stream/abc", &[]), Err(Refusal::Host));
        assert_eq!(get("/stream/abc", &["127.0.0.1:8123", "127.0.0.1:8123"]), Err(Refusal::Host));
        assert_eq!(get("/stream/abc", &["127.0.0.1:8123", "evil.example"]), Err(Refusal::Host));
        assert!(ask("GET", "/stream/abc", Version::HTTP_10, &[]).is_ok());
        assert_eq!(ask("GET", "/stream/abc", Version::HTTP_10, &["evil.example"]), Err(Refusal::Misdirected));
        assert_eq!(ask("GET", "/stream/abc", Version::HTTP_10, &["a", "a"]), Err(Refusal::Host));
    }

    #[test]
    fn an_absolute_target_replaces_host() {
        assert_eq!(get("http://127.0.0.1:8123/stream/abc", OURS), Ok("abc".into()));
        assert_eq!(get("http://127.0.0.1:8123/stream/abc", &["evil.example"]), Ok("abc".into()));
        assert_eq!(get("http://127.0.0.1:8123/stream/abc", &[]), Err(Refusal::Host));
        for target in [
            "http://evil.example/stream/abc",
            "https://127.0.0.1:8123/stream/abc",
            "http://127.0.0.1/stream/abc",
            "http://me@127.0.0.1:8123/stream/abc",
            "ftp://127.0.0.1:8123/stream/abc",
        ] {
            assert_eq!(get(target, OURS), Err(Refusal::Misdirected), "{target}");
        }
        assert_eq!(get("http://127.0.0.1:8123", OURS), Err(Refusal::Path));
    }

    #[test]
    fn content_is_refused() {
        let (method, target) = (Method::GET, "/stream/abc".parse::<Uri>().unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("127.0.0.1:8123"));
        let version = Version::HTTP_11;
        let head = Head { method: &method, target: &target, version, headers: &headers, has_content: true };
        assert_eq!(route(&head, PORT), Err(Refusal::Content));
    }

    #[test]
    fn the_private_network_question() {
        let (method, target) = (Method::OPTIONS, "/stream/abc".parse::<Uri>().unwrap());
        for (value, expected) in [(None, false), (Some("true"), true), (Some("false"), false)] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("127.0.0.1:8123"));
            if let Some(value) = value {
                headers.insert(PRIVATE_NETWORK, HeaderValue::from_static(value));
            }
            let version = Version::HTTP_11;
            let head =
                Head { method: &method, target: &target, version, headers: &headers, has_content: false };
            assert_eq!(route(&head, PORT), Ok(Route::Preflight { private_network: expected }));
        }
    }

    proptest! {
        #[test]
        fn only_the_two_names_pass(host in "[a-z0-9.:]{0,20}") {
            let fits = host == "127.0.0.1:8123" || host == "localhost:8123";
            prop_assert_eq!(get("/stream/abc", &[&host]).is_ok(), fits);
        }

        #[test]
        fn a_token_is_one_plain_segment(rest in "[a-zA-Z0-9/?._~%-]{0,12}") {
            if let Ok(token) = get(&format!("/stream/{rest}"), OURS) {
                prop_assert!(!token.is_empty() && !token.contains(['/', '?']));
                prop_assert_eq!(token, rest);
            }
        }
    }
}
