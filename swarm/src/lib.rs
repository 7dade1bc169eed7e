//! A real torrent swarm on loopback, for tests, benchmarks and demonstrations.
//!
//! A client under test should meet what it will meet outside: real BitTorrent peers, behind lines of a certain rate at
//! a certain distance, some of them slow, silent or lying. Yet everything has to stay on this machine and be the same
//! on every run. So:
//!
//! ```text
//!  album (generated) -> torrent        tracker ---- hands out the proxies' addresses only
//!        |                                 ^
//!        v                                 |
//!  seeder (libtorrent) <-> proxy: line, delay, faults <-> client under test
//!  127.0.0.1:p             127.x.y.z:q, TCP and uTP
//! ```
//!
//! | room | what it holds |
//! |---|---|
//! | `audio` | audio files out of noise: WAV, FLAC, MP3, and others through ffmpeg |
//! | `album` | folders of them |
//! | `bencode` | bencoded values, right or wrong |
//! | `torrent` | .torrent bytes and magnet links |
//! | `seeder` | libtorrent sessions that only give |
//! | `proxy` | lines, delays and faults between a seeder and its clients |
//! | `raw` | peers that say anything, message by message |
//! | `tracker` | an HTTP tracker |
//! | `dht` | a distributed hash table of a few nodes |
//! | `builder` | all of it together: [`Swarm`] |
//! | `limit` | the shortest times physics allows |
//! | `client` | a plain libtorrent client, to try a swarm with |
//! | `bridge` | libtorrent through cxx; the only room with `unsafe` |

#![deny(unsafe_code)]

pub mod album;
pub mod audio;
pub mod bencode;
#[allow(unsafe_code)]
mod bridge;
pub mod builder;
pub mod client;
pub mod dht;
pub mod limit;
pub mod proxy;
pub mod raw;
pub mod seeder;
pub mod torrent;
pub mod tracker;

pub use album::{Album, TrackFormat};
pub use builder::{Peer, PeerSpec, SourceFile, Swarm};
pub use proxy::TcpMode;
pub use torrent::{Kind, TorrentSpec};
