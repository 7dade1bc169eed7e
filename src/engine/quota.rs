//! The cache limit: measured on the disk thread, decided by `storage::evict`, kept while playing.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::storage::{Entry, evict};
use crate::units::InfoHash;
use crate::{log_info, log_line};

use super::Error;
use super::disk::Job as DiskJob;
use super::event_loop::Engine;
use super::inbox::{Command, Usage};
use super::prepare::human;
use super::waiter::Promise;

/// libtorrent ends a removed torrent's disk operations within a stalled write's time; a deletion waits no longer.
const LETTING_GO: Duration = Duration::from_secs(10);

/// A torrent whose data is being deleted.
#[derive(Default)]
pub struct Deletion {
    /// The disk thread has been told; before that libtorrent has to let go.
    told: bool,
    /// Who wants the torrent meanwhile.
    pub(super) held: Vec<Command>,
}

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
        expired.iter().for_each(|id| self.let_go(*id));
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
        let Some(deletion) = self.deleting.get_mut(&key) else { return Some(command) };
        // What was looked up before is not true any more.
        stored.resume = None;
        stored.has_parts = false;
        deletion.held.push(command);
        None
    }

    /// Takes a torrent out of the session. libtorrent may still write what it has received.
    pub(super) fn let_go(&mut self, id: u32) {
        self.bridge.remove(id);
        if let Some(torrent) = self.torrents.remove(&id) {
            self.leaving.insert(id, (torrent.key(), self.now()));
        }
    }

    /// libtorrent has let go of a torrent, or was given up waiting for: what waited for it goes on.
    pub(super) fn gone(&mut self, id: u32) {
        let Some((key, _)) = self.leaving.remove(&id) else { return };
        self.delete_when_free(key);
    }

    /// Gives up on torrents that libtorrent should have let go of long ago.
    pub(super) fn watch_leaving(&mut self, now: Duration) {
        let late = |(id, (_, since)): (&u32, &(InfoHash, Duration))| {
            (now.saturating_sub(*since) >= LETTING_GO).then_some(*id)
        };
        let late: Vec<u32> = self.leaving.iter().filter_map(late).collect();
        late.into_iter().for_each(|id| self.gone(id));
    }

    /// When [`Self::watch_leaving`] has something to do.
    pub(super) fn next_leaving(&self) -> Option<Duration> {
        self.leaving.values().map(|(_, since)| *since + LETTING_GO).min()
    }

    fn delete_when_free(&mut self, key: InfoHash) {
        if self.leaving.values().any(|(leaving, _)| *leaving == key) {
            return;
        }
        if let Some(deletion) = self.deleting.get_mut(&key)
            && !std::mem::replace(&mut deletion.told, true)
        {
            self.disk.push(DiskJob::Remove(key));
        }
        self.answer_evictions();
    }

    /// Lets callers of `evict` return when all deletions are with the disk thread, which works in order.
    fn answer_evictions(&mut self) {
        if self.deleting.values().all(|deletion| deletion.told) {
            self.evictions.drain(..).for_each(|waiter| self.disk.push(DiskJob::Done(waiter)));
        }
    }

    /// A torrent's data is gone: whoever wanted it meanwhile starts anew.
    pub(super) fn removed(&mut self, key: InfoHash) {
        for mut command in self.deleting.remove(&key).unwrap_or_default().held {
            if let Command::Prepare(prepare) = &mut command
                && let Some(meta) = &prepare.source.meta
            {
                // Its old place may be nobody's now.
                match self.store.home(key, &meta.info.name) {
                    Ok(home) => prepare.stored.home = Some(home),
                    Err(error) => {
                        prepare.waiter.finish(Err(Error::Storage(error.to_string())));
                        continue;
                    }
                }
            }
            self.inbox.push(command);
        }
    }

    /// Has the disk measured when enough has come since the last time.
    pub(super) fn watch_quota(&mut self, now: Duration) {
        let received = self.received;
        let (at, before) = *self.measured_at.get_or_insert((now, received));
        // A small cache is full sooner.
        let enough = MEASURE_BYTES.min(self.tuning.cache_max_bytes / 16);
        let enough = self.over_limit || received - before > enough;
        if enough && received > before && now.saturating_sub(at) > MEASURE_EVERY {
            self.measured_at = Some((now, received));
            self.disk.push(DiskJob::Measure(None));
        }
    }

    /// The disk was measured: makes room if there is too much.
    pub(super) fn measured(&mut self, usage: &Usage, waiter: Option<Promise<()>>) {
        let protected: BTreeSet<InfoHash> = self.protected();
        let entries: Vec<Entry<InfoHash>> = usage
            .torrents
            .iter()
            .filter(|(id, ..)| !self.deleting.contains_key(id))
            .map(|(id, allocated, last_used)| Entry {
                id: *id,
                allocated: *allocated,
                last_used: *last_used,
                protected: protected.contains(id),
            })
            .collect();
        // What nobody will come back for goes first.
        let used: u64 = entries.iter().map(|entry| entry.allocated).sum();
        if usage.abandoned > 0 && used + usage.abandoned > self.tuning.cache_max_bytes {
            self.disk.push(DiskJob::RemoveAbandoned);
            log_line!(
                self.log,
                "deleted {} that sessions beside this one have left: the cache is over its limit of {}",
                human(usage.abandoned),
                human(self.tuning.cache_max_bytes)
            );
        }
        let verdict = evict(&entries, self.tuning.cache_max_bytes);
        for victim in &verdict.victims {
            let there = self.torrents.iter().find(|(_, t)| t.key() == *victim).map(|(id, _)| *id);
            if let Some(id) = there {
                self.let_go(id);
            }
            self.deleting.entry(*victim).or_default();
            self.delete_when_free(*victim);
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
        self.evictions.extend(waiter);
        self.answer_evictions();
    }
}
