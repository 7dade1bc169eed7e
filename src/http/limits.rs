//! What clients may take from the host: descriptors, memory, time.

use std::time::Duration;

use crate::os;

/// The bounds of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at once. One more, and the one idle longest is closed; when none is idle, the new one is.
    pub connections: usize,
    /// Most time from a head's first byte to its last. A local client needs microseconds.
    pub head: Duration,
    /// Most time without a request, from the accept on or from the end of an answer on. Players come back within
    /// seconds; browsers keep a connection for minutes and reconnect without a word.
    pub idle: Duration,
    /// Most bytes of a head, at least 8192 (hyper's minimum). Players send 100 to 600; browsers cookies for `localhost`.
    pub head_len: usize,
}

/// Connections served at once where the system allows them: an idle one costs about 12 KiB.
const MOST_CONNECTIONS: usize = 4096;

impl Default for Limits {
    /// At most half the process's descriptors: the rest is for the host, the swarm and the files.
    fn default() -> Self {
        let descriptors = os::most_descriptors().unwrap_or(u64::MAX);
        let half = usize::try_from(descriptors / 2).unwrap_or(usize::MAX);
        Self {
            connections: half.clamp(1, MOST_CONNECTIONS),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            head_len: 16 * 1024,
        }
    }
}
