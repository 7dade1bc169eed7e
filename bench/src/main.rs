//! `make bench`: how close the engine comes to what physics allows, and how far off others are.
//!
//! ```text
//!  this process: swarm (peers behind lines of fixed rate and delay), clock, HTTP client
//!        | BitTorrent          | HTTP                 | commands, line by line
//!        v                     v                      v
//!  bench_engine: libvozduxan.a behind its C functions         one process for each measurement
//!  bench_naive:  libtorrent by hand                           in turn, on the same swarm
//!  nginx:        an ordinary server, on the same file
//! ```
//!
//! A row of `rows.toml` names an act (`acts`), a swarm and targets. Each act measures each candidate in turn, several
//! times; `results` sums up, `report` shows. Every time is compared with a limit that nobody can beat (`limits`): a
//! figure that does beat it shows that the benchmark is wrong, and fails it. `docs/bench.md` is for the reader of
//! the results.

#![forbid(unsafe_code)]

mod acts;
mod host;
mod http;
mod limits;
mod nginx;
mod options;
mod player;
mod proc;
mod report;
mod results;
mod rows;
mod stage;
mod stats;

use options::Options;
use results::{CandidateResult, RowResult};
use rows::{Candidate, Row};
use stage::Places;
use std::{
    fs, io,
    process::ExitCode,
    time::{Duration, Instant},
};

/// A target is missed.
const MISSED: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// A figure beats its limit.
const IMPOSSIBLE: u8 = 3;
/// The load of the last minute for each core above which the machine does not measure but wait.
const BUSY: f64 = 0.5;
/// Who takes so long to fail is not asked again in that row.
const HOPELESS: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{}", options::USAGE);
        return ExitCode::SUCCESS;
    }
    let chosen =
        options::parse(arguments).and_then(|options| Ok((choose(&options, &rows::table()?)?, options)));
    let (rows, options) = match chosen {
        Ok(chosen) => chosen,
        Err(text) => {
            eprintln!("vozduxan-bench: {text}\n\n{}", options::USAGE);
            return ExitCode::from(USAGE);
        }
    };
    if options.list {
        rows.iter().for_each(|row| println!("{:<18} {}", row.name, row.what));
        return ExitCode::SUCCESS;
    }
    match run(&options, &rows) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("vozduxan-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The rows that were asked for, in the order of the request.
fn choose(options: &Options, table: &[Row]) -> Result<Vec<Row>, String> {
    if options.rows.is_empty() {
        return Ok(table.to_vec());
    }
    let find = |name: &String| {
        let row = table.iter().find(|row| row.name == *name);
        row.cloned().ok_or_else(|| format!("there is no row `{name}`: --list names them"))
    };
    options.rows.iter().map(find).collect()
}

fn run(options: &Options, rows: &[Row]) -> io::Result<ExitCode> {
    fs::create_dir_all(&options.out)?;
    let out = options.out.canonicalize()?;
    let places = Places { programs: options.programs.clone(), out };
    places.sweep()?;
    let load = proc::load();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if load > BUSY * cores as f64 {
        eprintln!("the machine is busy (load {load:.1} on {cores} cores): times will be too long");
    }
    println!("{}", report::table::header());
    let mut results = Vec::new();
    for row in rows {
        let begin = Instant::now();
        let changed = options.overrides.apply(row);
        let result = measure(options, &places, &changed, changed != *row)?;
        print!("{}", report::table::lines(&result));
        eprintln!("    ({} took {:.0} s)", row.name, begin.elapsed().as_secs_f64());
        results.push(result);
        // After each row: a run that is cut short has what it measured.
        report::write(options, load, &results)?;
    }
    let missed = results.iter().filter(|result| !result.passes()).count();
    let impossible: Vec<_> = results.iter().filter(|result| result.impossible()).collect();
    println!(
        "\n{} rows, {missed} of them miss a target; results are in {}",
        results.len(),
        options.out.display()
    );
    for result in &impossible {
        println!("limit wrong: a figure of {} is better than its limit allows", result.row.name);
    }
    Ok(match (impossible.is_empty(), missed) {
        (false, _) => ExitCode::from(IMPOSSIBLE),
        (_, 1..) => ExitCode::from(MISSED),
        _ => ExitCode::SUCCESS,
    })
}

/// Measures a row: each repeat has every candidate once, so that a change of the machine's mood meets all of them.
fn measure(options: &Options, places: &Places, row: &Row, changed: bool) -> io::Result<RowResult> {
    let wanted = |candidate: &Candidate| options.only.is_empty() || options.only.contains(candidate);
    let candidates: Vec<Candidate> = row.candidates.iter().copied().filter(wanted).collect();
    let mut act = acts::open(places, row)?;
    let mut measured = vec![Vec::new(); candidates.len()];
    let mut gone = Vec::new();
    let most = row.most.filter(|_| options.rows.is_empty()).unwrap_or(usize::MAX);
    for repeat in 0..options.repeats.min(most) {
        for (candidate, samples) in candidates.iter().zip(&mut measured) {
            let once = row.long && *candidate != Candidate::Engine;
            if (once && repeat > 0) || gone.contains(candidate) {
                continue;
            }
            let begin = Instant::now();
            let mut sample = act.measure(*candidate, repeat).map_err(|error| error.to_string());
            if *candidate == Candidate::Deadlines && !has_deadlines(places, row, repeat) {
                sample = Err("this engine has no scheduler of that name".into());
                gone.push(*candidate);
            }
            if sample.is_err() && begin.elapsed() > HOPELESS {
                gone.push(*candidate);
            }
            samples.push(sample);
            // The one before has ended; let its sockets and files go.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let result = |(candidate, samples)| CandidateResult::new(row, changed, candidate, samples);
    Ok(RowResult::new(row.clone(), candidates.into_iter().zip(measured).map(result).collect()))
}

/// Whether the engine took the scheduler that was asked for: it says so in its log when it did not.
fn has_deadlines(places: &Places, row: &Row, repeat: usize) -> bool {
    let log =
        fs::read_to_string(stage::log_path(places, row, Candidate::Deadlines, repeat)).unwrap_or_default();
    !log.contains("stream.scheduler")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_chosen_by_name() {
        let table = rows::table().unwrap();
        let names = |names: &[&str]| Options {
            rows: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Options::default()
        };
        assert_eq!(choose(&names(&[]), &table).unwrap().len(), table.len());
        let chosen = choose(&names(&["seek", "start1"]), &table).unwrap();
        assert_eq!((chosen[0].name.as_str(), chosen[1].name.as_str()), ("seek", "start1"));
        assert!(choose(&names(&["sek"]), &table).unwrap_err().contains("sek"));
    }
}
