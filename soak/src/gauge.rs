//! What the process holds, and whether that grows.

/// One look at the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Anonymous memory in KiB (`RssAnon` of proc_pid_status(5)): file pages come and go with the cache.
    pub memory_kib: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

/// One of a sample's figures.
type Figure = fn(&Sample) -> u64;

/// Looks at this process.
pub fn sample() -> Sample {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim_start_matches(':').split_whitespace().next()?.parse().ok())
            .unwrap_or(0)
    };
    Sample {
        memory_kib: number("RssAnon"),
        threads: number("Threads"),
        descriptors: std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
    }
}

/// Whether the last third of the samples is above the middle third by more than comes and goes. The first third is
/// warming up.
///
/// # Errors
/// What grew, in words.
pub fn flat(samples: &[Sample]) -> Result<String, String> {
    let third = samples.len() / 3;
    if third == 0 {
        return Ok("too short to say whether anything grows".into());
    }
    let peak = |of: &[Sample], what: Figure| of.iter().map(what).max().unwrap_or(0);
    let mut told = Vec::new();
    let rows: [(&str, Figure, u64); 3] = [
        ("KiB of memory", |s| s.memory_kib, 16 * 1024),
        ("threads", |s| s.threads, 4),
        ("descriptors", |s| s.descriptors, 24),
    ];
    for (name, what, slack) in rows {
        let (before, after) =
            (peak(&samples[third..2 * third], what), peak(&samples[samples.len() - third..], what));
        if after > before + before / 8 + slack {
            return Err(format!("{name}: {before} in the middle, {after} in the end"));
        }
        told.push(format!("{name} {before} -> {after}"));
    }
    Ok(told.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(u64) -> u64) -> Vec<Sample> {
        (0..30).map(|at| Sample { memory_kib: memory(at), threads: 20, descriptors: 60 }).collect()
    }

    #[test]
    fn warming_up_is_no_growth_but_a_leak_is() {
        assert!(flat(&samples(|at| 50_000 + at.min(9) * 10_000)).is_ok());
        assert!(flat(&samples(|at| 50_000 + at * 5_000)).is_err());
    }

    #[test]
    fn this_process_has_memory_threads_and_descriptors() {
        let now = sample();
        assert!(now.memory_kib > 0 && now.threads > 0 && now.descriptors > 0, "{now:?}");
    }
}
