//! The settings file and the host's config -> what the parts of the engine are told.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::bridge;
use crate::schedule::plan::Windows;
use crate::schedule::prebuffer::Bounds;
use crate::storage::{Encryption, LogLevel, ProxyKind, Scheduler, Settings};

use super::Config;
use super::dial::Means;
use super::event_loop::Tuning;
use super::reach::Ways;

/// Open trackers that take any torrent; used for torrents that are not private.
const PUBLIC_TRACKERS: [&str; 8] = [
    "udp://tracker.opentrackr.org:1337/announce",
    "udp://open.tracker.cl:1337/announce",
    "udp://tracker.openbittorrent.com:6969/announce",
    "udp://exodus.desync.com:6969/announce",
    "udp://open.stealth.si:80/announce",
    "udp://tracker.torrent.eu.org:451/announce",
    "udp://tracker.tiny-vps.com:6969/announce",
    "udp://explodie.org:6969/announce",
];

/// For the event loop.
pub fn tuning(settings: &Settings, config: &Config) -> Tuning {
    let stream = &settings.stream;
    let mut trackers = settings.network.extra_trackers.clone();
    if settings.network.public_trackers {
        trackers.extend(PUBLIC_TRACKERS.map(String::from));
    }
    Tuning {
        windows: Windows {
            urgent_pieces: stream.window_pieces,
            ahead_pieces: stream.lookahead_pieces,
            urgent_time: Duration::from_secs(u64::from(stream.urgent_seconds)),
        },
        deadlines: stream.scheduler == Scheduler::Deadlines,
        bounds: Bounds {
            min: u64::from(stream.prebuffer_min_bytes),
            max: u64::from(stream.prebuffer_max_bytes.max(stream.prebuffer_min_bytes)),
        },
        warm_up: stream.next_track_warmup,
        verbose: settings.log_level == LogLevel::Verbose,
        public_trackers: trackers,
        cache_max_bytes: settings.cache.max_bytes.unwrap_or(config.cache_max_bytes),
        cache_ttl: Duration::from_secs(u64::from(settings.cache.ttl_secs.unwrap_or(config.cache_ttl_secs))),
    }
}

/// For libtorrent.
pub fn network(settings: &Settings, config: &Config) -> bridge::Network {
    let network = &settings.network;
    let port = config.listen_port.unwrap_or(0);
    // libtorrent sends the DHT's datagrams through the proxy and looks these names up past it: with a proxy for peers, only
    // nodes given as addresses are used, and the DHT is otherwise entered through peers and its stored state.
    let by_proxy = network.proxy.as_ref().is_some_and(|proxy| proxy.proxy_peers);
    let is_address = |host: &str| host.parse::<IpAddr>().is_ok();
    let nodes: Vec<String> = network
        .dht_bootstrap_nodes
        .iter()
        .filter(|node| !by_proxy || is_address(&node.host))
        .map(ToString::to_string)
        .collect();
    let proxy = network.proxy.as_ref().map_or_else(bridge::Proxy::default, |proxy| bridge::Proxy {
        // settings_pack::proxy_type_t
        kind: match proxy.kind {
            ProxyKind::Socks5 => 2,
            ProxyKind::Socks5Auth => 3,
            ProxyKind::Http => 4,
            ProxyKind::HttpAuth => 5,
        },
        host: proxy.host.clone(),
        port: proxy.port,
        username: proxy.username.clone(),
        password: proxy.password.clone(),
        peers: proxy.proxy_peers,
        trackers: proxy.proxy_trackers,
    });
    bridge::Network {
        listen_interfaces: network
            .listen_interfaces
            .clone()
            .unwrap_or_else(|| format!("0.0.0.0:{port},[::]:{port}")),
        upload_limit: network.upload_limit,
        download_limit: network.download_limit,
        connections_limit: network.connections_limit,
        // settings_pack::enc_policy
        encryption: match network.encryption {
            Encryption::Forced => 0,
            Encryption::Enabled => 1,
            Encryption::Disabled => 2,
        },
        dht: network.dht,
        dht_bootstrap_nodes: nodes.join(","),
        lsd: network.lsd,
        upnp: network.upnp,
        utp: network.utp,
        proxy,
    }
}

/// How peers may be reached. Nothing of ours goes past a proxy: uTP goes through SOCKS 5 by libtorrent's hand or not at
/// all, and HTTP proxies carry no uTP (libtorrent would send it past them).
pub fn ways(settings: &Settings) -> Ways {
    let network = &settings.network;
    let proxy = network.proxy.as_ref().filter(|proxy| proxy.proxy_peers).map(|proxy| proxy.kind);
    let from = match &network.listen_interfaces {
        None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        Some(list) => listened(list),
    };
    let means = match proxy {
        _ if !network.utp => Means::TcpOnly,
        Some(ProxyKind::Http | ProxyKind::HttpAuth) => Means::TcpOnly,
        Some(ProxyKind::Socks5 | ProxyKind::Socks5Auth) => Means::Try,
        // Names of devices: a socket of ours cannot be kept on one without a right that hosts seldom have.
        None if from.is_empty() => Means::Try,
        None => Means::Probe,
    };
    Ways { means, from }
}

/// The addresses in libtorrent's `listen_interfaces` syntax: `address:port`, IPv6 in brackets, separated by commas; a
/// letter after the port is a flag. Names of devices are left out.
fn listened(list: &str) -> Vec<IpAddr> {
    let host =
        |entry: &str| entry.trim().rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']).to_owned());
    list.split(',').filter_map(host).filter_map(|host| host.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways_of(text: &str) -> Ways {
        let (settings, complaints) = Settings::parse(text);
        assert!(complaints.is_empty(), "{complaints:?}");
        ways(&settings)
    }

    #[test]
    fn probes_leave_from_where_libtorrent_listens() {
        assert_eq!(ways_of("").means, Means::Probe);
        assert_eq!(ways_of("").from.len(), 2);
        let some = ways_of("[network]\nlisten_interfaces = \"127.0.0.1:0,[::1]:6881\"");
        assert_eq!(some.from, ["127.0.0.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
        assert_eq!(ways_of("[network]\nlisten_interfaces = \"eth0:6881\"").means, Means::Try);
    }

    #[test]
    fn nothing_goes_past_a_proxy() {
        let proxy = |kind: &str, peers: bool| {
            let text = format!(
                "[network.proxy]\ntype = \"{kind}\"\nhost = \"h\"\nport = 1\nusername = \"u\"\nproxy_peers = {peers}"
            );
            ways_of(&text).means
        };
        assert_eq!(proxy("http", true), Means::TcpOnly);
        assert_eq!(proxy("http_auth", true), Means::TcpOnly);
        assert_eq!(proxy("socks5", true), Means::Try);
        assert_eq!(proxy("socks5", false), Means::Probe);
        assert_eq!(ways_of("[network]\nutp = false").means, Means::TcpOnly);
    }

    fn nodes(text: &str) -> String {
        let config =
            Config { storage_path: "/x".into(), cache_max_bytes: 1, cache_ttl_secs: 1, listen_port: None };
        network(&Settings::parse(text).0, &config).dht_bootstrap_nodes
    }

    #[test]
    fn with_a_proxy_no_name_is_looked_up_past_it() {
        let dht =
            "[network]\ndht_bootstrap_nodes = [\"router.example:1\", \"10.1.2.3:4\", \"[2001:db8::1]:5\"]\n";
        assert_eq!(nodes(dht), "router.example:1,10.1.2.3:4,[2001:db8::1]:5");
        let proxy = format!("{dht}[network.proxy]\ntype = \"socks5\"\nhost = \"127.0.0.1\"\nport = 9\n");
        assert_eq!(nodes(&proxy), "10.1.2.3:4,[2001:db8::1]:5");
        let trackers_only = format!("{proxy}proxy_peers = false\n");
        assert!(nodes(&trackers_only).contains("router.example"));
        assert_eq!(nodes("[network.proxy]\ntype = \"http\"\nhost = \"p\"\nport = 9\n"), "");
    }
}
