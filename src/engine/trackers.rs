//! Which announce URLs of a torrent are followed, and what they came to.
//!
//! A tracker is asked with a GET request from this machine, and whoever wrote the torrent chose where. Behind this address
//! lie services that trust it: a router's pages, a printer, another program's API on loopback. Against those on loopback
//! libtorrent has a rule (`ssrf_mitigation`): the path has to begin with `/announce`. It looks at resolved addresses, so
//! no name gets around it; but not at the rest of the local network, and a path may climb out of `/announce` again. What
//! it does not look at is looked at here, on the URL alone.
//!
//! A name that a public DNS server resolves to an address of the local network (not of this machine) is not noticed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What trackers said so far.
#[derive(Default)]
pub struct Trackers {
    /// Answers.
    pub replies: u32,
    /// Failures.
    pub failures: u32,
    /// The last failure, in the tracker's or the system's words.
    pub last_error: Option<String>,
}

/// Trackers of a torrent that are asked, beside the user's own; `Shim::add` keeps to the same number.
pub const MOST: usize = 64;

/// Whether an announce URL may be asked. UDP trackers (BEP 15) always: what they are sent no other service understands.
#[must_use]
pub fn is_harmless(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return true;
    }
    let rest = url[scheme.len()..].trim_start_matches([':', '/', '\\']);
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let path = &target[..target.find(['?', '#']).unwrap_or(target.len())];
    is_announce(path) || !climbs(path) && !is_local(host_of(authority))
}

/// What trackers are asked by: `/announce`, `/announce.php`, `/announce/PASSKEY`.
fn is_announce(path: &str) -> bool {
    path.starts_with("/announce") && !climbs(path)
}

/// Whether a server could understand the path as one that goes up.
fn climbs(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    ["..", "%2e", "%2f", "%5c", "\\"].iter().any(|part| lower.contains(part))
}

/// Without user and port; an IPv6 address without its brackets.
fn host_of(authority: &str) -> &str {
    let host = authority.rsplit('@').next().unwrap_or_default();
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.split(':').next().unwrap_or_default()
}

/// Whether a host is on this machine or its network, as far as its name tells.
fn is_local(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => is_local_v4(address),
        Ok(IpAddr::V6(address)) => is_local_v6(address),
        Err(_) => {
            let last = host.rsplit('.').next().unwrap_or_default();
            // A name of one part belongs to the local network. A last part that begins with a digit is no domain, but an
            // address in one of the ways that only the C library knows: 127.1, 0x7f.1, 2130706433.
            !host.contains('.')
                || last.starts_with(|c: char| c.is_ascii_digit())
                || ["local", "localhost", "localdomain", "lan", "home", "internal", "intranet"]
                    .contains(&last)
                || host.ends_with(".home.arpa")
        }
    }
}

fn is_local_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    address.is_loopback() || address.is_private() || address.is_link_local() || a == 0 || shared || a >= 224
}

fn is_local_v6(address: Ipv6Addr) -> bool {
    let embedded = address.to_ipv4().is_some_and(is_local_v4);
    let first = address.segments()[0];
    let unique = first & 0xfe00 == 0xfc00;
    let link = first & 0xffc0 == 0xfe80;
    address.is_loopback() || address.is_unspecified() || address.is_multicast() || unique || link || embedded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_trackers_look_like() {
        for url in [
            "http://tracker.example.org/announce",
            "http://tracker.example.org:6969/announce?passkey=0123",
            "https://tracker.example.org/0123456789abcdef/announce",
            "http://tracker.example.org/scrape.php",
            "http://93.184.216.34:80/x",
            "http://[2001:db8::1]:80/x",
            "udp://192.168.1.1:6969/announce",
            "udp://router",
            "http://127.0.0.1:5000/announce",
            "http://192.168.1.9/announce.php?passkey=1",
            "http://nas/announce/0123",
            "http://localhost:80/announce",
        ] {
            assert!(is_harmless(url), "{url}");
        }
    }

    #[test]
    fn what_leads_into_the_local_network() {
        for host in [
            "127.0.0.1",
            "127.8.8.8",
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "239.0.0.1",
            "[::1]",
            "[::]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "[::127.0.0.1]",
            "localhost",
            "LOCALHOST.",
            "router",
            "nas.local",
            "x.localhost",
            "printer.lan",
            "fritz.home.arpa",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "0",
            "user@10.0.0.1",
            "user:secret@router",
            "",
        ] {
            for path in
                ["", "/", "/admin", "/cgi-bin/x?/announce", "/ANNOUNCE", "/x#/announce", "/announce/../admin"]
            {
                let url = format!("http://{host}{path}");
                assert!(!is_harmless(&url), "{url}");
                let url = format!("HTTPS://{host}:8080{path}");
                assert!(host.starts_with("user:") || !is_harmless(&url), "{url}");
            }
        }
        for url in
            ["http:192.168.1.1/x", "http:///192.168.1.1/x", "http://192.168.1.1\\x", "http:\\\\192.168.1.1/x"]
        {
            assert!(!is_harmless(url), "{url}");
        }
    }

    #[test]
    fn a_path_that_climbs_is_followed_nowhere() {
        for path in ["/announce/../x", "/announce%2f..%2fx", "/announce/%2E%2e/x", "/announce\\..\\x"] {
            let url = format!("http://tracker.example.org{path}");
            assert!(!is_harmless(&url), "{url}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(url in "(http|https|udp)?:?/{0,3}[-a-z0-9.:@\\[\\]/?#%\\\\é]{0,30}") {
            let _ = is_harmless(&url);
        }

        #[test]
        fn every_private_address_needs_announce(a: u8, b: u8, path in "/[b-z]{0,5}") {
            for address in [Ipv4Addr::new(10, a, b, 1), Ipv4Addr::new(192, 168, a, b), Ipv4Addr::new(127, a, b, 1)] {
                let url = format!("http://{address}{path}");
                prop_assert!(!is_harmless(&url));
                let url = format!("http://{address}/announce");
                prop_assert!(is_harmless(&url));
            }
        }
    }
}
