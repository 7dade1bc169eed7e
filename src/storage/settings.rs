//! The optional settings file, `storage_path/vozduxan.toml`.
//!
//! A host chooses five things in its `VozduxanConfig`; everything else has a default that needs no file. Who must
//! go through a proxy, stay on loopback in a test or save bandwidth writes the file. It is read once, at create.
//!
//! Nothing in the file can stop a session: an unknown key or a value that cannot be used becomes a [`Complaint`]
//! (line, key, what is wrong), the default is used and reading goes on. `vozduxan.example.toml` in the root of the
//! repository lists every key; a test holds it to these defaults.

mod address;
mod section;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::RangeInclusive;

pub use address::HostPort;
use section::Section;

/// Everything the file can say. `default()` is what holds without a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `[network]`
    pub network: Network,
    /// `[cache]`
    pub cache: Cache,
    /// `[stream]`
    pub stream: Stream,
    /// `[log] level`
    pub log_level: LogLevel,
}

/// `[network]`: how peers and trackers are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Interfaces in libtorrent's own syntax (`listen_interfaces` in its settings reference). `None`: every
    /// interface, on the port the host chose.
    pub listen_interfaces: Option<String>,
    /// `None`: no proxy.
    pub proxy: Option<Proxy>,
    /// Bytes per second to all peers; 0: no limit.
    pub upload_limit: u32,
    /// Bytes per second from all peers; 0: no limit.
    pub download_limit: u32,
    /// Most peer connections of the session.
    pub connections_limit: u32,
    /// Protocol encryption with peers.
    pub encryption: Encryption,
    /// Whether well-known open trackers are added to torrents that are not private.
    pub public_trackers: bool,
    /// Tracker URLs added to torrents that are not private.
    pub extra_trackers: Vec<String>,
    /// Whether the DHT (BEP 5) is used.
    pub dht: bool,
    /// Nodes through which the DHT is entered when no saved state helps; may be empty.
    pub dht_bootstrap_nodes: Vec<HostPort>,
    /// Whether peers are sought by multicast on the local network (BEP 14).
    pub lsd: bool,
    /// Whether the router is asked to forward the port, by UPnP and NAT-PMP.
    pub upnp: bool,
    /// Whether uTP (BEP 29) is used beside TCP.
    pub utp: bool,
}

/// `[network.proxy]`, when its type is not `none`.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// What the proxy speaks.
    pub kind: ProxyKind,
    /// Name or address; never empty.
    pub host: String,
    /// Port; never 0.
    pub port: u16,
    /// Never empty for the kinds that authenticate.
    pub username: String,
    /// May be empty.
    pub password: String,
    /// Whether peer connections go through it too.
    pub proxy_peers: bool,
    /// Whether tracker connections go through it too.
    pub proxy_trackers: bool,
}

impl fmt::Debug for Proxy {
    /// Without the password: this may end in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("kind", &self.kind)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("proxy_peers", &self.proxy_peers)
            .field("proxy_trackers", &self.proxy_trackers)
            .finish_non_exhaustive()
    }
}

/// Proxy protocols (libtorrent's `proxy_type_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// SOCKS5 (RFC 1928) without a password.
    Socks5,
    /// SOCKS5 with username and password (RFC 1929).
    Socks5Auth,
    /// HTTP CONNECT.
    Http,
    /// HTTP CONNECT with basic authentication.
    HttpAuth,
}

/// Protocol encryption (libtorrent's `enc_policy`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// Used when the peer likes it.
    #[default]
    Enabled,
    /// Peers without it are refused.
    Forced,
    /// Never used.
    Disabled,
}

/// `[cache]`: replaces the host's own choice where present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// Most bytes on disk, in allocated blocks. `None`: as the host says.
    pub max_bytes: Option<u64>,
    /// Seconds without a stream after which a torrent leaves the session. `None`: as the host says.
    pub ttl_secs: Option<u32>,
}

/// `[stream]`: what is fetched first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// How the tiers are handed to libtorrent.
    pub scheduler: Scheduler,
    /// Audio bytes that prepare waits for on a fast swarm.
    pub prebuffer_min_bytes: u32,
    /// Audio bytes that prepare waits for on a slow swarm; at least `prebuffer_min_bytes`.
    pub prebuffer_max_bytes: u32,
    /// Pieces from the playback position that are time-critical (tier 1 ends here).
    pub window_pieces: u32,
    /// Pieces from the playback position that are fetched before the background (tier 2 ends here); at least
    /// `window_pieces`.
    pub lookahead_pieces: u32,
    /// Seconds of music after which tier 1 ends too, when the bitrate is known.
    pub urgent_seconds: u32,
    /// Whether the next track of the torrent is warmed near the end of the playing one.
    pub next_track_warmup: bool,
}

/// How wanted pieces are handed to libtorrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheduler {
    /// A narrow window of wanted pieces in sequential order.
    #[default]
    Window,
    /// One deadline per tier-1 piece, set again with every position.
    Deadlines,
}

/// `[log] level`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Warnings only.
    Quiet,
    /// And a line per stream opened, ready, stalled, sought, released.
    #[default]
    Normal,
    /// And pieces and peers.
    Verbose,
}

/// One thing in the file that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Line in the file, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// Key with its section (`network.proxy.port`); empty when the file as a whole is meant.
    pub key: String,
    /// What is wrong and what is used instead.
    pub problem: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("vozduxan.toml")?;
        if self.line > 0 {
            write!(f, " line {}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ", {}", self.key)?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// libtorrent keeps rates and counts in a C `int`.
const RATE: RangeInclusive<u64> = 0..=i32::MAX as u64;
/// One connection cannot stream and be replaced; ten thousand is more than file descriptors usually allow.
const CONNECTIONS: RangeInclusive<u64> = 2..=10_000;
/// From less than any container's header to more than any player reads ahead.
const PREBUFFER: RangeInclusive<u64> = 4_096..=16 * 1024 * 1024;
const WINDOW: RangeInclusive<u64> = 1..=1_000;
const LOOKAHEAD: RangeInclusive<u64> = 1..=10_000;
const URGENT: RangeInclusive<u64> = 1..=600;

/// Long-lived public entries to the DHT, run by the authors of clients.
const BOOTSTRAP: [(&str, u16); 4] = [
    ("dht.libtorrent.org", 25401),
    ("router.bittorrent.com", 6881),
    ("router.utorrent.com", 6881),
    ("dht.transmissionbt.com", 6881),
];

impl Default for Network {
    fn default() -> Self {
        let node = |&(host, port): &(&str, u16)| HostPort { host: host.into(), port };
        Self {
            listen_interfaces: None,
            proxy: None,
            upload_limit: 0,
            download_limit: 0,
            connections_limit: 200,
            encryption: Encryption::Enabled,
            public_trackers: true,
            extra_trackers: Vec::new(),
            dht: true,
            dht_bootstrap_nodes: BOOTSTRAP.iter().map(node).collect(),
            lsd: true,
            upnp: true,
            utp: true,
        }
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self {
            scheduler: Scheduler::Window,
            prebuffer_min_bytes: 32_768,
            prebuffer_max_bytes: 524_288,
            window_pieces: 20,
            lookahead_pieces: 60,
            urgent_seconds: 30,
            next_track_warmup: true,
        }
    }
}

impl Settings {
    /// Reads the text of a settings file. Whatever it says, there are settings; complaints come in the order of lines.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<Complaint>) {
        let mut root = match Section::root(text) {
            Ok(root) => root,
            Err(complaint) => return (Self::default(), vec![complaint]),
        };
        let settings = Self {
            network: root.section("network", Network::read),
            cache: root.section("cache", Cache::read),
            stream: root.section("stream", Stream::read),
            log_level: root.section("log", LogLevel::read),
        };
        let mut complaints = root.finish();
        complaints.sort_by_key(|complaint| complaint.line);
        (settings, complaints)
    }
}

impl Network {
    fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let listen = section.text("listen_interfaces", address::listen_interfaces);
        let encryption = [
            ("enabled", Encryption::Enabled),
            ("forced", Encryption::Forced),
            ("disabled", Encryption::Disabled),
        ];
        Self {
            listen_interfaces: listen.filter(|text| !text.is_empty()),
            proxy: section.section("proxy", Proxy::read),
            upload_limit: section.number("upload_limit", RATE, default.upload_limit),
            download_limit: section.number("download_limit", RATE, default.download_limit),
            connections_limit: section.number("connections_limit", CONNECTIONS, default.connections_limit),
            encryption: section.choice("encryption", &encryption, default.encryption),
            public_trackers: section.flag("public_trackers", default.public_trackers),
            extra_trackers: section.list("extra_trackers", address::tracker, default.extra_trackers),
            dht: section.flag("dht", default.dht),
            dht_bootstrap_nodes: section.list(
                "dht_bootstrap_nodes",
                address::host_port,
                default.dht_bootstrap_nodes,
            ),
            lsd: section.flag("lsd", default.lsd),
            upnp: section.flag("upnp", default.upnp),
            utp: section.flag("utp", default.utp),
        }
    }
}

impl Proxy {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let kinds = [
            ("none", None),
            ("socks5", Some(ProxyKind::Socks5)),
            ("socks5_auth", Some(ProxyKind::Socks5Auth)),
            ("http", Some(ProxyKind::Http)),
            ("http_auth", Some(ProxyKind::HttpAuth)),
        ];
        let kind = section.choice("type", &kinds, None);
        let host = section.text("host", address::optional_host).unwrap_or_default();
        let port: u16 = section.number("port", 0..=65_535, 0);
        let username = section.text("username", address::any).unwrap_or_default();
        let password = section.text("password", address::any).unwrap_or_default();
        let proxy_peers = section.flag("proxy_peers", true);
        let proxy_trackers = section.flag("proxy_trackers", true);

        let kind = kind?;
        let authenticates = matches!(kind, ProxyKind::Socks5Auth | ProxyKind::HttpAuth);
        let missing = if host.is_empty() {
            "host"
        } else if port == 0 {
            "port"
        } else if authenticates && username.is_empty() {
            "username"
        } else {
            return Some(Self { kind, host, port, username, password, proxy_peers, proxy_trackers });
        };
        section.complain("type", &format!("this proxy needs a usable `{missing}` too; no proxy is used"));
        None
    }
}

impl Cache {
    fn read(section: &mut Section<'_>) -> Self {
        let max_bytes = section.number("max_bytes", 0..=i64::MAX as u64, 0_u64);
        let ttl_secs = section.number("ttl_secs", 0..=u64::from(u32::MAX), 0_u32);
        Self { max_bytes: (max_bytes > 0).then_some(max_bytes), ttl_secs: (ttl_secs > 0).then_some(ttl_secs) }
    }
}

impl Stream {
    fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        let schedulers = [("window", Scheduler::Window), ("deadlines", Scheduler::Deadlines)];
        let mut stream = Self {
            scheduler: section.choice("scheduler", &schedulers, default.scheduler),
            prebuffer_min_bytes: section.number(
                "prebuffer_min_bytes",
                PREBUFFER,
                default.prebuffer_min_bytes,
            ),
            prebuffer_max_bytes: section.number(
                "prebuffer_max_bytes",
                PREBUFFER,
                default.prebuffer_max_bytes,
            ),
            window_pieces: section.number("window_pieces", WINDOW, default.window_pieces),
            lookahead_pieces: section.number("lookahead_pieces", LOOKAHEAD, default.lookahead_pieces),
            urgent_seconds: section.number("urgent_seconds", URGENT, default.urgent_seconds),
            next_track_warmup: section.flag("next_track_warmup", default.next_track_warmup),
        };
        if stream.prebuffer_min_bytes > stream.prebuffer_max_bytes {
            let keys = ["prebuffer_min_bytes", "prebuffer_max_bytes"];
            section.complain_pair(keys, "the least is more than the most; both defaults are used");
            stream.prebuffer_min_bytes = default.prebuffer_min_bytes;
            stream.prebuffer_max_bytes = default.prebuffer_max_bytes;
        }
        if stream.window_pieces > stream.lookahead_pieces {
            let keys = ["window_pieces", "lookahead_pieces"];
            section.complain_pair(keys, "the window is longer than the look-ahead; both defaults are used");
            stream.window_pieces = default.window_pieces;
            stream.lookahead_pieces = default.lookahead_pieces;
        }
        stream
    }
}

impl LogLevel {
    fn read(section: &mut Section<'_>) -> Self {
        let levels = [("quiet", Self::Quiet), ("normal", Self::Normal), ("verbose", Self::Verbose)];
        section.choice("level", &levels, Self::default())
    }
}
