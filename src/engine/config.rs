//! What the host chose at create.

use std::path::PathBuf;

/// What the host chose at create; zeros already replaced by defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Directory for torrent data, metadata, resume data and DHT state. Created when missing.
    pub storage_path: PathBuf,
    /// Most bytes on disk, counted in allocated blocks.
    pub cache_max_bytes: u64,
    /// Seconds without a token after which `evict` drops a torrent from the libtorrent session.
    pub cache_ttl_secs: u32,
    /// BitTorrent port; `None`: the OS picks.
    pub listen_port: Option<u16>,
}

/// `cache_max_bytes` when the host passes 0: 50 GB.
pub const DEFAULT_CACHE_MAX_BYTES: u64 = 50 * 1000 * 1000 * 1000;
/// `cache_ttl_secs` when the host passes 0.
pub const DEFAULT_CACHE_TTL_SECS: u32 = 3600;
