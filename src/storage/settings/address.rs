//! Addresses as the settings file writes them.

use std::fmt;
use std::net::Ipv6Addr;

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address; an IPv6 address without its brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

impl fmt::Display for HostPort {
    /// `host:port`, `[v6]:port`: what libtorrent's `dht_bootstrap_nodes` takes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// `host:port` with a port from 1.
pub(super) fn host_port(text: &str) -> Result<HostPort, String> {
    let (host, port) = split(text)?;
    match port.parse::<u16>() {
        Ok(port) if port > 0 && is_host(host) => Ok(HostPort { host: host.to_owned(), port }),
        _ => Err(not_host_port(text)),
    }
}

/// libtorrent's `listen_interfaces`: `address-or-device:port`, the port followed by `s` (TLS) or `l` (local network
/// only) at will, separated by commas. Empty is allowed and means the default.
pub(super) fn listen_interfaces(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    for entry in text.split(',') {
        let (host, port) = split(entry.trim())?;
        let digits = port.trim_end_matches(['s', 'l']);
        if !is_host(host) || digits.parse::<u16>().is_err() || port.len() - digits.len() > 2 {
            return Err(format!("{entry:?} is not `address:port` or `device:port`"));
        }
    }
    Ok(())
}

/// A tracker's announce URL: `http`, `https` or `udp`.
pub(super) fn tracker(url: &str) -> Result<String, String> {
    let rest = ["http://", "https://", "udp://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let clean = !url.contains(|c: char| c.is_control() || c.is_whitespace());
    match rest {
        Some(rest) if clean && !rest.is_empty() && !rest.starts_with(['/', ':', '?', '#']) => {
            Ok(url.to_owned())
        }
        _ => Err(format!("{url:?} is not a tracker URL (http://, https:// or udp:// and a host)")),
    }
}

/// A host alone, or nothing.
pub(super) fn optional_host(text: &str) -> Result<(), String> {
    if text.is_empty() || is_host(text) {
        Ok(())
    } else {
        Err(format!("{text:?} is not a host name or address"))
    }
}

/// Any text without a NUL, which libtorrent's C strings cannot hold.
pub(super) fn any(text: &str) -> Result<(), String> {
    if text.contains('\0') { Err("it holds a NUL character".into()) } else { Ok(()) }
}

fn split(text: &str) -> Result<(&str, &str), String> {
    let parts = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:").filter(|(host, _)| host.contains(':')),
        None => text.rsplit_once(':').filter(|(host, _)| !host.contains(':')),
    };
    parts.ok_or_else(|| not_host_port(text))
}

fn not_host_port(text: &str) -> String {
    format!("{text:?} is not `host:port` (an IPv6 address goes in brackets)")
}

fn is_host(host: &str) -> bool {
    if host.contains(':') {
        // A zone (`fe80::1%eth0`) is libtorrent's to resolve.
        let address = host.split_once('%').map_or(host, |(address, _)| address);
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let good = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    !host.is_empty() && host.chars().all(good)
}
