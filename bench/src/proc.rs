//! What the kernel says of a process: memory, threads, descriptors, wake-ups, processor time. `/proc`, see proc(5).

use std::{fs, io};

/// One look at a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Memory of its own: heap, stacks, not files (RssAnon), in bytes.
    pub anonymous: u64,
    /// All of its memory that is in RAM (VmRSS), in bytes.
    pub resident: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// How often its threads have gone to sleep of their own so far, and so were woken; those of ended threads are lost.
    pub wakeups: u64,
    /// Processor time of the threads that live, in nanoseconds.
    pub cpu_nanos: u64,
}

/// Looks at process `pid`.
///
/// # Errors
/// When it is not there.
pub fn look(pid: u32) -> io::Result<Facts> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mut facts = Facts {
        anonymous: field(&status, "RssAnon").unwrap_or(0) * 1024,
        resident: field(&status, "VmRSS").unwrap_or(0) * 1024,
        threads: field(&status, "Threads").unwrap_or(0),
        descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64,
        ..Facts::default()
    };
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let folder = thread?.path();
        // A thread may end in between.
        let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
        facts.wakeups += field(&status, "voluntary_ctxt_switches").unwrap_or(0);
        let times = fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
        facts.cpu_nanos += times.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
    }
    Ok(facts)
}

/// Threads that ran or wanted to, on average over the last minute; 0 when the kernel does not say.
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// The number behind `name:` at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "nonvoluntary_ctxt_switches:\t9\nvoluntary_ctxt_switches:\t7\nRssAnon:\t     120 kB\n";
        assert_eq!(field(text, "voluntary_ctxt_switches"), Some(7));
        assert_eq!(field(text, "RssAnon"), Some(120));
        assert_eq!(field(text, "Rss"), None);
    }

    #[test]
    fn this_process_has_facts() {
        let facts = look(std::process::id()).unwrap();
        assert!(facts.resident > 0 && facts.threads > 0 && facts.descriptors > 0, "{facts:?}");
    }
}
