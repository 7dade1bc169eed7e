//! Results for people and programs: a table, `bench.json`, plots.

pub mod svg;
pub mod table;

use crate::{options::Options, results::RowResult};
use serde_json::json;
use std::{fs, io};

/// Writes `bench.json` and the plots. `load`: the machine's before the first row.
///
/// # Errors
/// When they cannot be written.
pub fn write(options: &Options, load: f64, results: &[RowResult]) -> io::Result<()> {
    let all = json!({
        "repeats": options.repeats,
        "overrides": options.overrides,
        "machine": { "cores": std::thread::available_parallelism().map_or(0, usize::from), "load": load },
        "rows": results,
    });
    fs::write(options.out.join("bench.json"), serde_json::to_vec_pretty(&all)?)?;
    for result in results {
        if let Some(plot) = svg::bytes_over_time(result) {
            fs::write(options.out.join(format!("bytes-{}.svg", result.row.name)), plot)?;
        }
    }
    if let Some(plot) = svg::first_bytes(results) {
        fs::write(options.out.join("first-bytes.svg"), plot)?;
    }
    Ok(())
}
