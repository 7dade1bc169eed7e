//! Open files and sockets of the process.

use rustix::process::{Resource, getrlimit};

/// How many the process may have at once; `None` when nobody limits it.
#[must_use]
pub fn most_descriptors() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_to_run_at_all() {
        assert!(most_descriptors().is_none_or(|most| most >= 16));
    }
}
