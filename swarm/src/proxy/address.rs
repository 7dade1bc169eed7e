//! A loopback address of its own for every peer.
//!
//! Linux answers on all of 127.0.0.0/8. Clients keep one connection per address and judge peers by address, so peers
//! that shared 127.0.0.1 would not look like a swarm.

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU32, Ordering},
};

/// A loopback address that this process has not used, and that other processes hardly ever use at the same time.
/// Never 127.0.0.x, where services live, and never a last byte of 0 or 255.
pub fn fresh() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // An odd multiplier spreads neighbouring process ids over the 24 bits.
        let place = std::process::id().wrapping_mul(0x9e_3779).wrapping_add(number) & 0xff_ffff;
        let [_, b, c, d] = place.to_be_bytes();
        if (b, c) != (0, 0) && d != 0 && d != 255 {
            return Ipv4Addr::new(127, b, c, d);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn addresses_differ_and_are_loopback() {
        let seen: HashSet<Ipv4Addr> = (0..2000).map(|_| fresh()).collect();
        assert_eq!(seen.len(), 2000);
        assert!(seen.iter().all(|ip| ip.is_loopback() && ip.octets()[..3] != [127, 0, 0]));
    }
}
