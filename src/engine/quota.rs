//! The cache limit: measured on the disk thread, decided by `storage::evict`, kept while playing.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::storage::{Entry, evict};
use crate::units::InfoHash;
use crate::{log_info, log_line};

use super::disk::Job as DiskJob;
use super::event_loop::Engine;
use super::inbox::Command;
use super::prepare::human;
use super::waiter::Promise;

/// Measured again after this many received bytes ...
const MEASURE_BYTES: u64 = 32 * 1024 * 1024;
/// ... but not more often than this.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

impl Engine {
    /// Drops torrents that nothing has used for longer than the TTL, then has the disk measured.
    pub(super) fn evict(&mut self, waiter: Promise<()>) {
        let now = self.now();
        let ttl = self.tuning.cache_ttl;
        let expired: Vec<u32> = self
            .torrents
            .iter()
            .filter(|(_, t)| !t.in_use() && t.idle_since.is_some_and(|since| now.saturating_sub(since) > ttl))
            .map(|(id, _)| *id)
            .collect();
        for id in &expired {
            self.bridge.remove(*id);
            self.torrents.remove(id);
        }
        if !expired.is_empty() {
            log_info!(
                self.log,
                "evicted {} idle torrents from the session; their data stays on disk",
                expired.len()
            );
        }
        self.disk.push(DiskJob::Measure(Some(waiter)));
    }

    /// A torrent whose data is being deleted must not be opened meanwhile: its files would vanish under it.
    pub(super) fn hold_while_deleting(&mut self, mut command: Command) -> Option<Command> {
        let (key, stored) = match &mut command {
            Command::Prepare(prepare) => (prepare.source.hashes.key(), &mut prepare.stored),
            Command::List(source, stored, _) => (source.hashes.key(), stored),
            _ => return Some(command),
        };
        let Some(held) = self.deleting.get_mut(&key) else { return Some(command) };
        // What was looked up before is not true any more.
        stored.resume = None;
        stored.has_parts = false;
        held.push(command);
        None
    }

    /// A torrent's data is gone: whoever wanted it meanwhile starts anew.
    pub(super) fn removed(&mut self, key: InfoHash) {
        for command in self.deleting.remove(&key).unwrap_or_default() {
            self.inbox.push(command);
        }
    }

    /// Has the disk measured when enough has come since the last time.
    pub(super) fn watch_quota(&mut self, now: Duration) {
        let received = self.received;
        let (at, before) = *self.measured_at.get_or_insert((now, received));
        let enough = self.over_limit || received - before > MEASURE_BYTES;
        if enough && received > before && now.saturating_sub(at) > MEASURE_EVERY {
            self.measured_at = Some((now, received));
            self.disk.push(DiskJob::Measure(None));
        }
    }

    /// The disk was measured: makes room if there is too much.
    pub(super) fn measured(&mut self, usage: &[(InfoHash, u64, u64)], waiter: Option<Promise<()>>) {
        let protected: BTreeSet<InfoHash> = self.protected();
        let entries: Vec<Entry<InfoHash>> = usage
            .iter()
            .map(|(id, allocated, last_used)| Entry {
                id: *id,
                allocated: *allocated,
                last_used: *last_used,
                protected: protected.contains(id),
            })
            .collect();
        let verdict = evict(&entries, self.tuning.cache_max_bytes);
        for victim in &verdict.victims {
            let there = self.torrents.iter().find(|(_, t)| t.key() == *victim).map(|(id, _)| *id);
            if let Some(id) = there {
                self.bridge.remove(id);
                self.torrents.remove(&id);
            }
            self.deleting.entry(*victim).or_default();
            self.disk.push(DiskJob::Remove(*victim));
            log_line!(
                self.log,
                "deleted the data of {victim}: the cache is over its limit of {}",
                human(self.tuning.cache_max_bytes)
            );
        }
        let over = verdict.still_over > 0;
        if over && !self.over_limit {
            log_line!(
                self.log,
                "warning: the cache is {} over its limit and all of it is in use: only what is played is fetched",
                human(verdict.still_over)
            );
        }
        if over != self.over_limit {
            self.over_limit = over;
            self.touched.extend(self.torrents.keys().copied());
        }
        if let Some(waiter) = waiter {
            self.disk.push(DiskJob::Done(waiter));
        }
    }
}
