//! The block picker against virtual swarms: hours of network in milliseconds, the same every run.
//!
//! [`world`] is the network, the disk and libtorrent; every other module is a kind of trouble. Each test computes the
//! physical limit of its swarm and allows a small factor above it.

// One span that is waited for is the common case, not a slip.
#![allow(clippy::single_range_in_vec_init)]

#[path = "simulate/chooser.rs"]
mod chooser;
#[path = "simulate/lies.rs"]
mod lies;
#[path = "simulate/line.rs"]
mod line;
#[path = "simulate/play.rs"]
mod play;
#[path = "simulate/rivals.rs"]
mod rivals;
#[path = "simulate/seek.rs"]
mod seek;
#[path = "simulate/start.rs"]
mod start;
#[path = "simulate/table.rs"]
mod table;
#[path = "simulate/trouble.rs"]
mod trouble;
#[path = "simulate/world.rs"]
mod world;
