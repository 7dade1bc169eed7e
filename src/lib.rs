//! vozduxan: a torrent audio-streaming engine behind ten C functions.
//!
//! A host calls the functions of `abi`; the `engine` finds the torrent through libtorrent (`bridge`), decides with
//! the pure rules of `schedule` what to fetch first, and `http` serves verified bytes on loopback.
//!
//! | room | what it holds |
//! |---|---|
//! | `abi` | the ten C functions: convert in, one engine call, convert out |
//! | `engine` | the one thread that owns torrent state; prepare, streams, availability |
//! | `schedule` | pure rules: what to fetch next, when a stream is ready |
//! | `http` | HTTP/1.1 with Range (RFC 9110) on 127.0.0.1 |
//! | `storage` | where files live, resume data, eviction, the settings file |
//! | `bridge` | libtorrent through cxx |
//! | `os` | a leaf: the only place that names the operating system |
//! | `media`, `units`, `log`, `sync` | leaves: file types and header facts, index types, log lines, locks to wait with |
//!
//! `unsafe` may live in `abi` and `bridge` only.
#![deny(unsafe_code)]

#[allow(unsafe_code)]
pub mod abi;
// Open to `fuzz/` only: the parsers behind it are what it tries.
#[cfg(fuzzing)]
#[allow(unsafe_code)]
pub mod bridge;
#[cfg(not(fuzzing))]
#[allow(unsafe_code)]
mod bridge;
pub mod engine;
pub mod http;
pub mod log;
pub mod media;
mod os;
pub mod schedule;
pub mod storage;
mod sync;
pub mod units;
