//! A torrent swarm on loopback.
