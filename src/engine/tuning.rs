//! The settings file and the host's config -> what the parts of the engine are told.

use std::net::IpAddr;
use std::time::Duration;

use crate::bridge;
use crate::schedule::plan::Windows;
use crate::schedule::prebuffer::Bounds;
use crate::storage::{Encryption, LogLevel, ProxyKind, Settings};

use super::Config;
use super::event_loop::Tuning;

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

#[cfg(test)]
mod tests {
    use super::*;

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
