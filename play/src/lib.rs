//! `make play`: a small host of vozduxan that shows what it does, and checks it.
//!
//! ```text
//!  album (generated) -> loopback swarm --BitTorrent--> libvozduxan.a <--ten C functions-- this program
//!                                                            |
//!                                            HTTP, 127.0.0.1 +--> listener: reads at playback speed, compares
//!                                                            +--> mpv or ffplay, where there is a sound device
//! ```
//!
//! The program (`main.rs`, `tour.rs`, `host.rs`, `abi.rs`) is linked to the archive that CMake builds and knows nothing
//! else of the engine: it is a host like any other. It needs the feature `archive`. What is here works without it:
//!
//! | module | what it holds |
//! |---|---|
//! | `album` | the music that the demonstration plays, made on the spot |
//! | `http` | an HTTP client small enough to be above suspicion |
//! | `listener` | reading a stream at playback speed, with every byte compared |
//! | `options` | the command line |
//! | `report` | checks, times, and how they are printed |
//! | `sound` | an audio player for the ears |

#![forbid(unsafe_code)]

pub mod album;
pub mod http;
pub mod listener;
pub mod options;
pub mod report;
pub mod sound;
