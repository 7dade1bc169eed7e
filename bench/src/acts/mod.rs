//! What is done in a row, one file for each kind of act. An act measures one candidate once.

mod album;
mod cached;
mod corrupt;
mod idle;
mod many;
mod restart;
mod scale;
mod seek;
mod start;
mod sustain;
mod tail;

use crate::{
    rows::{Candidate, Row},
    stage::Places,
};
use serde::Serialize;
use std::io;

/// What a number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Megabytes, 1,000,000 bytes each.
    Megabytes,
    /// Gigabytes a second.
    GigabytesPerSecond,
    /// A number of things, or a ratio.
    Plain,
}

/// One measured number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Its name; the first figure of a row is what the row is about.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// The number.
    pub value: f64,
    /// The best that physics allows, where that is known.
    pub limit: Option<f64>,
}

impl Figure {
    /// A time in seconds that cannot be shorter than `limit`.
    pub fn limited(name: &'static str, value: f64, limit: f64) -> Self {
        Self { name, unit: Unit::Seconds, value, limit: Some(limit) }
    }

    /// A number without a limit.
    pub fn new(name: &'static str, unit: Unit, value: f64) -> Self {
        Self { name, unit, value, limit: None }
    }

    /// A time in seconds.
    pub fn seconds(name: &'static str, value: f64) -> Self {
        Self::new(name, Unit::Seconds, value)
    }

    /// A plain number.
    pub fn plain(name: &'static str, value: f64) -> Self {
        Self::new(name, Unit::Plain, value)
    }
}

/// Bytes at the client over time: seconds and bytes.
pub type Curve = Vec<(f64, f64)>;

/// What one measurement gave.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// Its figures, the main one first.
    pub figures: Vec<Figure>,
    /// Bytes over time, where the act draws it.
    pub curve: Option<Curves>,
}

/// Bytes over time at the client, and the most that physics allows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Curves {
    /// What came.
    pub got: Curve,
    /// What could have come.
    pub limit: Curve,
}

impl From<Vec<Figure>> for Sample {
    fn from(figures: Vec<Figure>) -> Self {
        Self { figures, curve: None }
    }
}

/// A row's act, with its swarm running.
pub trait Act {
    /// Measures `candidate` once, in a fresh process and with nothing on disk but what the row is about. `repeat`
    /// counts from 0.
    ///
    /// # Errors
    /// When the candidate failed: no answer, wrong bytes, too late.
    fn measure(&mut self, candidate: Candidate, repeat: usize) -> io::Result<Sample>;
}

type Open = fn(&Places, &Row) -> io::Result<Box<dyn Act>>;

/// Name of an act, its figures, how it is opened.
const ACTS: &[(&str, &[&str], Open)] = &[
    ("start", &["first", "prepare"], start::open_torrent),
    ("magnet", &["first", "prepare"], start::open_magnet),
    ("seek", &["first"], seek::open),
    ("seek-back", &["first"], seek::open_back),
    ("switch", &["first", "worst"], album::open_switch),
    ("next", &["first"], album::open_next),
    ("prefetch", &["stalls", "silence", "start", "background"], album::open_prefetch),
    ("sustain", &["stalls", "silence", "start"], sustain::open),
    ("tail", &["duration"], tail::open),
    ("cached-open", &["prepare", "middle"], restart::open),
    ("cached-cpu", &["cpu_per_gb"], cached::open_cpu),
    ("cached-16k", &["first", "p99"], cached::open_ranges),
    ("cached-throughput", &["throughput", "one_byte", "anonymous", "held"], cached::open_throughput),
    ("many", &["first", "stalls", "silence", "cpu", "anonymous", "threads", "descriptors"], many::open),
    ("idle", &["cpu", "wakeups", "anonymous", "threads"], idle::open),
    (
        "idle-torrents",
        &["cpu", "wakeups", "anonymous", "threads", "descriptors", "prepare"],
        scale::open_idle,
    ),
    ("position", &["update", "call", "pieces"], scale::open_positions),
    ("corrupt", &["whole", "waste"], corrupt::open),
    ("torrents", &["wrong", "right"], corrupt::open_torrents),
];

/// Whether some act is called so.
#[cfg(test)]
pub fn is_known(name: &str) -> bool {
    ACTS.iter().any(|(known, ..)| *known == name)
}

/// The figures of an act.
#[cfg(test)]
pub fn figures(name: &str) -> &'static [&'static str] {
    ACTS.iter().find(|(known, ..)| *known == name).map_or(&[], |(_, figures, _)| figures)
}

/// Starts the swarm of a row.
///
/// # Errors
/// When it does not start.
pub fn open(places: &Places, row: &Row) -> io::Result<Box<dyn Act>> {
    let (.., open) = ACTS
        .iter()
        .find(|(name, ..)| *name == row.act)
        .ok_or_else(|| io::Error::other(format!("{}: nobody does `{}`", row.name, row.act)))?;
    open(places, row)
}
