//! What to delete when the disk is over its limit.
//!
//! The rule: what is in use stays; of the rest, what was used longest ago goes first, and no more of it than is
//! needed. A time to live needs no rule of its own here: whatever its length, the expired entries are the ones used
//! longest ago.

/// One torrent's data on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<Id> {
    /// Whose data this is; orders entries used at the same time.
    pub id: Id,
    /// Bytes in allocated blocks: what deleting it gives back.
    pub allocated: u64,
    /// When it was last in use. Any clock, as long as it is the same for all.
    pub last_used: u64,
    /// It has a stream, or is the warmed next track.
    pub protected: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<Id> {
    /// To be deleted, in this order.
    pub victims: Vec<Id>,
    /// Bytes over the limit that remain when all victims are gone: all the rest is protected. 0: under the limit.
    pub still_over: u64,
}

/// Chooses what to delete so that at most `max_bytes` stay.
#[must_use]
pub fn evict<Id: Copy + Ord>(entries: &[Entry<Id>], max_bytes: u64) -> Verdict<Id> {
    let total = entries.iter().fold(0_u64, |sum, entry| sum.saturating_add(entry.allocated));
    let mut over = total.saturating_sub(max_bytes);
    // What holds no blocks gives nothing back; its resume data still saves a start.
    let mut candidates: Vec<_> =
        entries.iter().filter(|entry| !entry.protected && entry.allocated > 0).collect();
    candidates.sort_unstable_by_key(|entry| (entry.last_used, entry.id));
    let mut victims = Vec::new();
    for entry in candidates {
        if over == 0 {
            break;
        }
        victims.push(entry.id);
        over = over.saturating_sub(entry.allocated);
    }
    Verdict { victims, still_over: over }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(id: u32, allocated: u64, last_used: u64, protected: bool) -> Entry<u32> {
        Entry { id, allocated, last_used, protected }
    }

    #[track_caller]
    fn check(entries: &[Entry<u32>], max_bytes: u64, victims: &[u32], still_over: u64) {
        assert_eq!(evict(entries, max_bytes), Verdict { victims: victims.to_vec(), still_over });
    }

    #[test]
    fn under_the_limit_nothing_goes() {
        check(&[], 0, &[], 0);
        check(&[entry(1, 10, 0, false), entry(2, 5, 0, false)], 15, &[], 0);
    }

    #[test]
    fn the_longest_unused_goes_first_and_no_more_than_needed() {
        let entries = [entry(1, 10, 300, false), entry(2, 10, 100, false), entry(3, 10, 200, false)];
        check(&entries, 29, &[2], 0);
        check(&entries, 10, &[2, 3], 0);
    }

    #[test]
    fn what_is_in_use_stays_and_the_rest_is_reported() {
        let entries = [entry(1, 50, 1, true), entry(2, 10, 2, false), entry(3, 0, 0, false)];
        check(&entries, 20, &[2], 30);
    }

    #[test]
    fn sums_beyond_u64_do_not_wrap_to_under_the_limit() {
        let entries = [entry(1, u64::MAX, 1, false), entry(2, u64::MAX, 2, true)];
        check(&entries, 5, &[1], 0);
    }

    /// The definition: again and again the oldest that may go, until it fits.
    fn naive(mut entries: Vec<Entry<u32>>, max_bytes: u64) -> Verdict<u32> {
        let mut victims = Vec::new();
        loop {
            let total: u64 = entries.iter().map(|entry| entry.allocated).sum();
            let may_go = entries.iter().filter(|entry| !entry.protected && entry.allocated > 0);
            let oldest = may_go.min_by_key(|entry| (entry.last_used, entry.id)).map(|entry| entry.id);
            match oldest {
                Some(id) if total > max_bytes => {
                    victims.push(id);
                    entries.retain(|entry| entry.id != id);
                }
                _ => return Verdict { victims, still_over: total.saturating_sub(max_bytes) },
            }
        }
    }

    fn some_entries() -> impl Strategy<Value = Vec<Entry<u32>>> {
        let one = (0_u64..100, 0_u64..8, any::<bool>());
        proptest::collection::vec(one, 0..12).prop_map(|list| {
            let number = |(id, (allocated, used, protected))| entry(id, allocated, used, protected);
            (0..).zip(list).map(number).collect()
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(entries in some_entries(), max_bytes in 0_u64..600) {
            prop_assert_eq!(evict(&entries, max_bytes), naive(entries, max_bytes));
        }

        #[test]
        fn never_takes_what_is_in_use(entries in some_entries(), max_bytes in 0_u64..600) {
            let verdict = evict(&entries, max_bytes);
            let in_use = |id: &u32| entries.iter().any(|entry| entry.id == *id && entry.protected);
            prop_assert!(!verdict.victims.iter().any(in_use));
        }

        #[test]
        fn the_expired_go_before_the_rest(entries in some_entries(), max_bytes in 0_u64..600, expired in 0_u64..8) {
            let used = |id: &u32| entries.iter().find(|entry| entry.id == *id).map(|entry| entry.last_used);
            let victims = evict(&entries, max_bytes).victims;
            let fresh_taken = victims.iter().any(|id| used(id) >= Some(expired));
            let expired_left = entries.iter().any(|entry| {
                entry.last_used < expired && !entry.protected && entry.allocated > 0 && !victims.contains(&entry.id)
            });
            prop_assert!(!(fresh_taken && expired_left));
        }
    }
}
