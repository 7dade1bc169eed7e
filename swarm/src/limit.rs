//! What physics allows: the shortest times a client could reach on a swarm of given lines.
//!
//! Benchmarks report "times the limit". A hand-written client that wastes nothing comes within a few percent.

use std::time::Duration;

/// The shortest time from "add" to `bytes` in hand, with nothing connected yet: three round trips (connect,
/// handshake, request) and the bytes at the rate of the whole swarm. `rate_total` is in bytes per second; `bytes` are
/// those of the whole pieces that are needed, since a piece can only be checked whole. A magnet link first fetches
/// `magnet_info_bytes` of info dictionary (one more round trip); zero stands for a .torrent.
pub fn cold_start(rtt: Duration, rate_total: u64, bytes: u64, magnet_info_bytes: u64) -> Duration {
    let round_trips = if magnet_info_bytes > 0 { 4 } else { 3 };
    rtt * round_trips + transfer(rate_total, bytes + magnet_info_bytes)
}

/// The shortest time for `bytes` of whole pieces over live connections: one round trip and the bytes.
pub fn live(rtt: Duration, rate: u64, bytes: u64) -> Duration {
    rtt + transfer(rate, bytes)
}

/// `bytes` at `rate` bytes per second.
fn transfer(rate: u64, bytes: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_round_trips_and_bytes() {
        let rtt = Duration::from_millis(40);
        let check = |limit: Duration, microseconds| assert_eq!(limit.as_micros(), microseconds);
        check(cold_start(rtt, 4_000_000, 256 * 1024, 0), 120_000 + 65_536);
        check(cold_start(rtt, 4_000_000, 256 * 1024, 4_000), 160_000 + 65_536 + 1_000);
        check(live(rtt, 4_000_000, 256 * 1024), 40_000 + 65_536);
        check(cold_start(Duration::ZERO, 0, 2, 0), 2_000_000);
    }
}
