//! The table of rows, `bench/rows.toml`, and what the command line changes in it.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};
use vozduxan_swarm::Kind;

/// The table, as it was when the program was built.
const TABLE: &str = include_str!("../rows.toml");

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Candidate {
    /// The engine, through its C functions.
    Engine,
    /// libtorrent by hand.
    Naive,
    /// The engine with `[stream] scheduler = "deadlines"`.
    Deadlines,
    /// nginx with sendfile, on the same file.
    Nginx,
}

impl Candidate {
    /// Its name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Naive => "naive",
            Self::Deadlines => "deadlines",
            Self::Nginx => "nginx",
        }
    }
}

/// Which hashes a row's torrent has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hashes {
    /// SHA-1 over pieces that run across files.
    #[default]
    V1,
    /// SHA-256 trees per file.
    V2,
    /// Both.
    Hybrid,
}

impl From<Hashes> for Kind {
    fn from(hashes: Hashes) -> Self {
        match hashes {
            Hashes::V1 => Self::V1,
            Hashes::V2 => Self::V2,
            Hashes::Hybrid => Self::Hybrid,
        }
    }
}

/// One row. `rows.toml` says what the fields mean.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its name on the command line.
    pub name: String,
    /// One line for people.
    pub what: String,
    /// What is done.
    pub act: String,
    /// Who is measured.
    #[serde(default = "engine_and_naive")]
    pub candidates: Vec<Candidate>,
    /// All but the engine are measured once only.
    #[serde(default)]
    pub long: bool,
    /// Measurements at most when all rows are run; no bound when absent.
    pub most: Option<usize>,
    /// Number of peers.
    #[serde(default = "one")]
    pub peers: usize,
    /// Bytes per second of each peer; 0 is no limit.
    #[serde(default)]
    pub rate: u64,
    /// Round trip in milliseconds.
    #[serde(default)]
    pub rtt_ms: u64,
    /// Peers answer TCP.
    #[serde(default = "yes")]
    pub tcp: bool,
    /// Peers answer uTP.
    #[serde(default = "yes")]
    pub utp: bool,
    /// The torrent's hashes.
    #[serde(default)]
    pub kind: Hashes,
    /// Piece length in KiB.
    #[serde(default = "quarter")]
    pub piece_kib: u32,
    /// Number of torrents.
    #[serde(default = "one")]
    pub torrents: usize,
    /// Number of tracks.
    #[serde(default = "one")]
    pub tracks: usize,
    /// Length of each track in units of 1000 bytes.
    #[serde(default)]
    pub track_kb: usize,
    /// Length of the act in seconds.
    #[serde(default)]
    pub seconds: u64,
    /// The worst median that passes, by figure.
    #[serde(default)]
    pub targets: BTreeMap<String, f64>,
    /// What the engine's median has to be as a multiple of nginx's in the same run, by figure.
    #[serde(default)]
    pub nginx: BTreeMap<String, f64>,
    /// Limits in the table's own swarm, by figure, to scale targets with in another one.
    #[serde(default)]
    pub limits: BTreeMap<String, f64>,
}

fn engine_and_naive() -> Vec<Candidate> {
    vec![Candidate::Engine, Candidate::Naive]
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

fn quarter() -> u32 {
    256
}

impl Row {
    /// Round trip.
    pub fn rtt(&self) -> Duration {
        Duration::from_millis(self.rtt_ms)
    }

    /// Bytes per second of all peers of one torrent.
    pub fn rate_total(&self) -> u64 {
        self.rate * self.peers as u64
    }

    /// Length of each track in bytes.
    pub fn track_len(&self) -> usize {
        self.track_kb * 1000
    }

    /// Length of the act.
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

/// What the command line puts in the place of a row's own values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Overrides {
    /// Bytes per second of each peer.
    pub rate: Option<u64>,
    /// Round trip in milliseconds.
    pub rtt_ms: Option<u64>,
    /// Number of peers.
    pub peers: Option<usize>,
    /// Piece length in KiB.
    pub piece_kib: Option<u32>,
    /// Length of each track in units of 1000 bytes.
    pub track_kb: Option<usize>,
    /// Length of the act in seconds.
    pub seconds: Option<u64>,
    /// The torrent's hashes.
    pub kind: Option<Hashes>,
}

impl Overrides {
    /// The row with these values in it.
    pub fn apply(&self, row: &Row) -> Row {
        let mut row = row.clone();
        row.rate = self.rate.unwrap_or(row.rate);
        row.rtt_ms = self.rtt_ms.unwrap_or(row.rtt_ms);
        row.peers = self.peers.unwrap_or(row.peers);
        row.piece_kib = self.piece_kib.unwrap_or(row.piece_kib);
        row.track_kb = self.track_kb.unwrap_or(row.track_kb);
        row.seconds = self.seconds.unwrap_or(row.seconds);
        row.kind = self.kind.unwrap_or(row.kind);
        row
    }
}

/// All rows, in the table's order.
///
/// # Errors
/// The text names what is wrong in the table.
pub fn table() -> Result<Vec<Row>, String> {
    parse(TABLE)
}

fn parse(text: &str) -> Result<Vec<Row>, String> {
    #[derive(Deserialize)]
    struct Table {
        row: Vec<Row>,
    }
    let table: Table = toml::from_str(text).map_err(|error| format!("bench/rows.toml: {error}"))?;
    Ok(table.row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acts;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_is_whole() {
        let rows = table().unwrap();
        let names: BTreeSet<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names.len(), rows.len(), "two rows have one name");
        for row in &rows {
            assert!(acts::is_known(&row.act), "{}: nobody does `{}`", row.name, row.act);
            assert!(row.candidates.contains(&Candidate::Engine), "{}", row.name);
            assert!(row.piece_kib.is_power_of_two(), "{}", row.name);
            for figure in row.targets.keys() {
                assert!(acts::figures(&row.act).contains(&figure.as_str()), "{}: {figure}", row.name);
            }
        }
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let row = "[[row]]\nname = \"a\"\nwhat = \"b\"\nact = \"start\"\n";
        assert_eq!(parse(row).unwrap().len(), 1);
        let error = parse(&format!("{row}rtt = 4\n")).unwrap_err();
        assert!(error.contains("rtt"), "{error}");
    }

    #[test]
    fn overrides_replace_only_what_they_name() {
        let row = table().unwrap().swap_remove(0);
        assert_eq!(Overrides::default().apply(&row), row);
        let changed = Overrides { rate: Some(7), ..Overrides::default() }.apply(&row);
        assert_eq!((changed.rate, changed.rtt_ms), (7, row.rtt_ms));
    }
}
