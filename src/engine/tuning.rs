//! The settings file and the host's config -> what the parts of the engine are told.

use std::time::Duration;

use crate::bridge;
use crate::schedule::plan::Windows;
use crate::schedule::prebuffer::Bounds;
use crate::storage::{Encryption, LogLevel, ProxyKind, Scheduler, Settings};

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
    let nodes: Vec<String> =
        network.dht_bootstrap_nodes.iter().map(|node| format!("{}:{}", node.host, node.port)).collect();
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
