//! libtorrent's settings for streaming, each with its reason. Names are those of settings_pack.hpp.

use super::ffi::raw::Setting;

/// A proxy for peers and trackers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// settings_pack::proxy_type_t: 0 none, 2 socks5, 3 socks5 with password, 4 http, 5 http with password.
    pub kind: i32,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User, for the kinds with a password.
    pub username: String,
    /// Password.
    pub password: String,
    /// Peer connections go through the proxy too.
    pub peers: bool,
    /// Tracker connections go through the proxy too.
    pub trackers: bool,
}

/// What the user may choose about the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// libtorrent's `listen_interfaces` syntax.
    pub listen_interfaces: String,
    /// Bytes per second; 0: no limit.
    pub upload_limit: u32,
    /// Bytes per second; 0: no limit.
    pub download_limit: u32,
    /// Most connections of the session.
    pub connections_limit: u32,
    /// settings_pack::enc_policy: 0 forced, 1 enabled, 2 disabled.
    pub encryption: i32,
    /// BEP 5.
    pub dht: bool,
    /// `host:port,host:port`.
    pub dht_bootstrap_nodes: String,
    /// BEP 14.
    pub lsd: bool,
    /// UPnP and NAT-PMP.
    pub upnp: bool,
    /// BEP 29.
    pub utp: bool,
    /// Where to send connections through.
    pub proxy: Proxy,
}

#[cfg(test)]
impl Network {
    /// One that only this process reaches, for tests that need no peers.
    pub fn unreachable() -> Self {
        Self {
            listen_interfaces: "127.0.0.1:0".into(),
            upload_limit: 0,
            download_limit: 0,
            connections_limit: 10,
            encryption: 1,
            dht: false,
            dht_bootstrap_nodes: String::new(),
            lsd: false,
            upnp: false,
            utp: false,
            proxy: Proxy::default(),
        }
    }
}

/// Bits of libtorrent's alert categories that are read: error, storage, tracker, status, DHT.
const ALERTS: i32 = (1 << 0) | (1 << 3) | (1 << 4) | (1 << 6) | (1 << 10);

/// The whole settings pack.
#[must_use]
pub fn settings(network: &Network) -> Vec<Setting> {
    let number = |name: &str, number: i32| Setting { name: name.into(), number, text: String::new() };
    let text = |name: &str, text: &str| Setting { name: name.into(), number: 0, text: text.into() };
    let limit = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let proxy = &network.proxy;
    vec![
        text("user_agent", concat!("vozduxan/", env!("CARGO_PKG_VERSION"))),
        text("listen_interfaces", &network.listen_interfaces),
        number("alert_mask", ALERTS),
        // Overflow loses alerts silently but for one message; nothing here posts that many.
        number("alert_queue_size", 10_000),
        // --- peers ---
        // The default drops every seed, and tells the others we want nothing more, the moment a torrent is whole.
        number("close_redundant_connections", 0),
        // Connections made at once when an announce or a resume brings addresses; later ones wait for the tick.
        number("torrent_connect_boost", 100),
        number("connection_speed", 200),
        number("smooth_connects", 0),
        // A dropped peer may be tried again after (failures + 1) times this many seconds; the default is 60.
        number("min_reconnect_time", 5),
        // Free a slot sooner than after 15 and 10 s.
        number("peer_connect_timeout", 7),
        number("handshake_timeout", 7),
        number("connections_limit", limit(network.connections_limit)),
        number("unchoke_slots_limit", 8),
        // uTP is tried before TCP for every unknown peer and costs a peer without it 3 s and a tick: TCP first, and
        // uTP when the engine says so (engine/dial.rs, cxx/dial.cc) or when others open it.
        number("enable_outgoing_utp", 0),
        number("enable_incoming_utp", i32::from(network.utp)),
        number("utp_connect_timeout", 1000),
        // The default limits TCP when there are uTP peers too.
        number("mixed_mode_algorithm", 0),
        // "enabled" opens in plaintext first: no round trip more. "forced" costs one.
        number("out_enc_policy", network.encryption),
        number("in_enc_policy", network.encryption),
        number("upload_rate_limit", limit(network.upload_limit)),
        number("download_rate_limit", limit(network.download_limit)),
        // --- libtorrent's own picker, for the "deadlines" scheduler only ---
        number("initial_picker_threshold", 0),
        number("auto_sequential", 0),
        number("whole_pieces_threshold", 0),
        // After one bad block a piece would be fetched again from a single peer. smart_ban finds the culprit anyway.
        number("use_parole_mode", 0),
        // --- disk ---
        // One disk thread: writes and hashes run in order, so a piece that passed is in the file.
        number("aio_threads", 1),
        number("hashing_threads", 1),
        // No data file is mapped: no SIGBUS in a host when a file shrinks.
        number("mmap_file_size_cutoff", i32::MAX),
        number("disk_write_mode", 0),
        // --- metadata ---
        // A peer may announce 30 MB of metadata by default.
        number("max_metadata_size", 10_000_000),
        // --- trackers and DHT ---
        number("announce_to_all_trackers", 1),
        number("announce_to_all_tiers", 1),
        number("stop_tracker_timeout", 1),
        number("enable_dht", i32::from(network.dht)),
        text("dht_bootstrap_nodes", &network.dht_bootstrap_nodes),
        // Lookups are slowed by the default of 8000 B/s.
        number("dht_upload_rate_limit", 50_000),
        number("dht_search_branching", 8),
        number("enable_lsd", i32::from(network.lsd)),
        number("enable_upnp", i32::from(network.upnp)),
        number("enable_natpmp", i32::from(network.upnp)),
        // --- proxy ---
        number("proxy_type", proxy.kind),
        text("proxy_hostname", &proxy.host),
        number("proxy_port", i32::from(proxy.port)),
        text("proxy_username", &proxy.username),
        text("proxy_password", &proxy.password),
        number("proxy_hostnames", 1),
        number("proxy_peer_connections", i32::from(proxy.peers)),
        number("proxy_tracker_connections", i32::from(proxy.trackers)),
    ]
}
