//! Real players against the whole engine on a real swarm, everything on loopback.
//!
//! A player is the only judge of what the engine serves: each has its own way of asking (`bytes=0-` and a jump to the
//! tail, closed ranges, two connections at once) and its own way of giving up. So each test below starts a program that
//! people use, lets it read a stream whose bytes are still on their way, and asks the program itself what it got:
//!
//! ```text
//!  shelf: one file of every kind -> swarm of one peer at a chosen rate
//!                                      |
//!  stage: a session with that torrent, a URL per track
//!                                      | HTTP
//!  ffprobe, ffmpeg   run to their end; their output is compared with what they say of the file on disk
//!  mpv               driven over its JSON socket; its samples are compared with those of the file on disk
//!  Chromium          driven by chromedriver; the page says what its audio element and its analyser saw
//! ```
//!
//! A test whose program is not installed says so and passes. Nothing here sleeps to let things happen: programs are
//! waited for through their exit, their sockets or their events, and [`host::PATIENCE`] bounds each wait.

mod browser;
mod decode;
#[path = "../support/host.rs"]
#[allow(dead_code, reason = "shared with tests that read the engine with a client of their own")]
mod host;
mod mpv;
mod mpv_ipc;
mod page;
mod probe;
mod program;
mod shelf;
mod stage;
mod webdriver;
