//! A host that does whatever comes to its mind, on swarms that come and go, for half an hour or as long as one likes.
//!
//! ```text
//!  parent: stage                                   child: host
//!  swarms of six torrents; a thread freezes,  ◀──  one engine session, three users of it: prepare, seek, switch,
//!  drops, slows and sends away their peers         prefetch, list, release, evict; now and then it is destroyed
//!                                                  under them and started anew on the same folder
//! ```
//!
//! Every byte is compared with the source. The host has a process of its own so that its memory, threads and
//! descriptors are the engine's; they must not grow. A run is repeated with `--seed`.

mod gauge;
mod host;
mod http;
mod stage;
mod user;

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// What a run is told.
#[derive(Clone, Copy)]
pub struct Run {
    /// How long.
    pub time: Duration,
    /// Where the dice start.
    pub seed: u64,
}

/// Tells the child where the stage is; set by the parent only.
const STAGE: &str = "VOZDUXAN_SOAK_STAGE";

fn main() -> ExitCode {
    let run = match parse(std::env::args().skip(1)) {
        Ok(run) => run,
        Err(why) => {
            eprintln!("{why}\nusage: vozduxan-soak [--seconds N] [--seed N]");
            return ExitCode::from(2);
        }
    };
    let result = match std::env::var_os(STAGE) {
        Some(folder) => host::run(folder.as_ref(), run),
        None => parent(run),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("soak failed (--seed {}): {why}", run.seed);
            ExitCode::FAILURE
        }
    }
}

fn parent(run: Run) -> Result<(), String> {
    println!("soak: {} s, --seed {}", run.time.as_secs(), run.seed);
    let stage =
        stage::Stage::build(run.seed).map_err(|error| format!("the swarms did not start: {error}"))?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(own)
        .args(["--seconds", &run.time.as_secs().to_string(), "--seed", &run.seed.to_string()])
        .env(STAGE, stage.folder())
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| format!("the host did not start: {error}"))?;
    let churn = stage.churn(run.seed);
    let status = child.wait().map_err(|error| error.to_string())?;
    println!("churn: {}", churn.stop());
    if status.success() { Ok(()) } else { Err(format!("the host ended with {status}")) }
}

fn parse(args: impl Iterator<Item = String>) -> Result<Run, String> {
    let mut run = Run { time: Duration::from_secs(1800), seed: fastrand::u64(..) };
    let mut args = args;
    while let Some(name) = args.next() {
        let value = args.next().and_then(|value| value.parse().ok());
        match (name.as_str(), value) {
            ("--seconds", Some(seconds)) => run.time = Duration::from_secs(seconds),
            ("--seed", Some(seed)) => run.seed = seed,
            _ => return Err(format!("{name}: unknown, or its number is missing")),
        }
    }
    Ok(run)
}
