//! The one thread that owns torrent state, `vz-engine`: it waits for events of libtorrent and commands of other
//! threads, applies each, and lets every torrent that was touched act.
//!
//! Nothing here waits for the network, and for the disk only where bytes were just written. A panic in one round is
//! logged and costs that round, not the session.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bridge::{Bridge, Event, EventKind};
use crate::log::Logger;
use crate::log_line;
use crate::schedule::plan::Windows;
use crate::schedule::prebuffer::Bounds;
use crate::storage::Store;
use crate::units::InfoHash;

use super::disk::{Disk, Job as DiskJob};
use super::inbox::{Command, Inbox, Stored};
use super::input::Source;
use super::prepare::{Job, Prepare};
use super::quota::Deletion;
use super::reach::Reach;
use super::streams::Streams;
use super::telling::narrate;
use super::torrent::{DISK_RETRY, Torrent};
use super::unpacking::Unpacking;
use super::waiter::Promise;
use super::{Error, Role};

/// Longest sleep, so that a lost wake-up could never last.
const LONGEST: Duration = Duration::from_secs(30);
/// How long events gather while nobody waits for anything. Every block is an event, and at 40 MB/s they are one each
/// 0.4 ms; peers have requests for more than this before they run dry (`schedule/pace.rs`).
const GATHER: Duration = Duration::from_millis(5);
/// How long the end waits for resume data.
const LAST_SAVE: Duration = Duration::from_millis(1500);

/// What the settings file and the host's config decide for the loop.
pub struct Tuning {
    /// The tiers' reach.
    pub windows: Windows,
    /// libtorrent's own picker and its deadlines fetch, not ours.
    pub deadlines: bool,
    /// The prebuffer's bounds.
    pub bounds: Bounds,
    /// Log peers and pieces.
    pub verbose: bool,
    /// Warm the next track.
    pub warm_up: bool,
    /// Trackers for torrents that are not private: the well-known ones and those the user added.
    pub public_trackers: Vec<String>,
    /// Most allocated bytes on disk.
    pub cache_max_bytes: u64,
    /// Idle time after which `evict` drops a torrent.
    pub cache_ttl: Duration,
}

/// See the module.
pub struct Engine {
    pub(super) bridge: Arc<Bridge>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) streams: Arc<Streams>,
    pub(super) store: Arc<Store>,
    pub(super) disk: Arc<Disk>,
    pub(super) log: Logger,
    pub(super) tuning: Tuning,
    pub(super) torrents: BTreeMap<u32, Torrent>,
    pub(super) touched: BTreeSet<u32>,
    pub(super) serial: u64,
    pub(super) over_limit: bool,
    /// When the disk was measured, and what had been received then.
    pub(super) measured_at: Option<(Duration, u64)>,
    /// Bytes received by all torrents, also those that are gone.
    pub(super) received: u64,
    /// Torrents whose data is being deleted, and who wants them meanwhile.
    pub(super) deleting: BTreeMap<InfoHash, Deletion>,
    /// Torrents that libtorrent has not let go of yet, and since when they are no more in the session.
    pub(super) leaving: BTreeMap<u32, (InfoHash, Duration)>,
    /// Callers of `evict` whose deletions are not with the disk thread yet.
    pub(super) evictions: Vec<Promise<()>>,
    /// Torrents whose part file is being taken apart, and who wants them meanwhile.
    pub(super) unpacking: Vec<Unpacking>,
    pub(super) next_id: u32,
    pub(super) reach: Reach,
    epoch: Instant,
    stopping: bool,
}

impl Engine {
    /// Ready to run. `epoch` is the zero of the engine's clock.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        bridge: Arc<Bridge>,
        inbox: Arc<Inbox>,
        streams: Arc<Streams>,
        store: Arc<Store>,
        disk: Arc<Disk>,
        log: Logger,
        tuning: Tuning,
        reach: Reach,
        epoch: Instant,
    ) -> Self {
        Self {
            bridge,
            inbox,
            streams,
            store,
            disk,
            log,
            tuning,
            torrents: BTreeMap::new(),
            touched: BTreeSet::new(),
            serial: 0,
            over_limit: false,
            measured_at: None,
            received: 0,
            deleting: BTreeMap::new(),
            unpacking: Vec::new(),
            leaving: BTreeMap::new(),
            evictions: Vec::new(),
            next_id: 1,
            reach,
            epoch,
            stopping: false,
        }
    }

    /// The engine's clock.
    pub(super) fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Runs until `Command::Stop`.
    pub fn run(mut self) {
        let mut events = Vec::new();
        while !self.stopping {
            let now = self.now();
            let looks = self.torrents.values().filter_map(|t| t.look_at);
            let look = looks.chain(self.reach.next_look()).chain(self.next_leaving()).min();
            let sleep = look.map_or(LONGEST, |at| at.saturating_sub(now)).min(LONGEST);
            // libtorrent's clock has milliseconds; rounding down would spin.
            let at_ease = self.torrents.values().all(Torrent::is_at_ease);
            let quiet = if at_ease { GATHER } else { Duration::ZERO };
            self.bridge.wait(quiet, sleep + Duration::from_micros(999));
            let round = catch_unwind(AssertUnwindSafe(|| self.round(&mut events)));
            if round.is_err() {
                events.clear();
                log_line!(self.log, "error: a defect in the engine's loop was caught; playback goes on");
            }
        }
        self.finish(&mut events);
    }

    fn round(&mut self, events: &mut Vec<Event>) {
        if let Err(why) = self.bridge.take_events(events) {
            log_line!(self.log, "error: libtorrent's events could not be read: {why}");
        }
        // One by one: what one panic loses must not be a verdict that is told once, or a caller's command.
        let mut defects = 0;
        for event in events.drain(..) {
            defects += u32::from(catch_unwind(AssertUnwindSafe(|| self.event(event))).is_err());
        }
        for command in self.inbox.take() {
            defects += u32::from(catch_unwind(AssertUnwindSafe(|| self.command(command))).is_err());
        }
        if defects > 0 {
            log_line!(self.log, "error: a defect in the engine was caught; playback goes on");
        }
        let now = self.now();
        self.reach_out(now);
        self.watch_leaving(now);
        let due: Vec<u32> = self
            .torrents
            .iter()
            .filter(|(id, t)| self.touched.contains(id) || t.look_at.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        self.touched.clear();
        for id in due {
            self.settle(id);
            if let Some(torrent) = self.torrents.get_mut(&id) {
                torrent.look_at = torrent.next_look(now);
            }
        }
    }

    /// Lets one torrent act on all that is new.
    fn settle(&mut self, id: u32) {
        let now = self.now();
        self.ask_for_metadata(id, now);
        self.advance_jobs(id, now);
        let hungry = self.torrents.iter().any(|(other, torrent)| *other != id && torrent.is_hungry());
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        if torrent.disk_trouble.is_some_and(|since| now.saturating_sub(since) >= DISK_RETRY) {
            torrent.recover(&self.bridge);
        }
        if torrent.checked && torrent.disk_trouble.is_none() {
            // Within a torrent the picker puts the main stream first; between torrents nobody else does.
            torrent.held_back = hungry && !torrent.listeners.is_empty();
            let sparing = self.over_limit || torrent.held_back;
            torrent.fetch(&self.bridge, self.tuning.warm_up, sparing, now);
        }
        if torrent.stranded.is_due(torrent.is_stranded(), now) {
            self.bridge.retry_givers(id, torrent.stranded.is_hopeless());
        }
        torrent.publish(now);
        self.tell(id, now);
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        torrent.save(&self.bridge, now, false);
        let idle = !torrent.in_use();
        torrent.idle_since = if idle { torrent.idle_since.or(Some(now)) } else { None };
        self.watch_quota(now);
    }

    pub(super) fn command(&mut self, command: Command) {
        let Some(command) = self.hold_while_deleting(command) else { return };
        let Some(command) = self.hold_while_unpacking(command) else { return };
        match command {
            Command::Prepare(prepare) => self.prepare(*prepare),
            Command::List(source, stored, waiter) => self.list(*source, stored, waiter),
            Command::Changed(stream) => {
                if let Some((id, _)) = self.find_stream(stream) {
                    self.look_at(id, stream);
                    self.touched.insert(id);
                }
            }
            Command::Released(stream) => self.released(stream),
            Command::Unreadable(stream, reason, damaged) => self.unreadable(stream, &reason, damaged),
            Command::Removed(key) => self.removed(key),
            Command::Unpacked(key, outcome) => self.unpacked(key, outcome),
            Command::Evict(waiter) => self.evict(waiter),
            Command::Measured(usage, waiter) => self.measured(&usage, waiter),
            Command::SpeaksUtp(address) => self.reach.answered(address, self.now()),
            Command::DiskTrouble(error) => {
                log_line!(self.log, "warning: {error}; what could not be saved is tried again")
            }
            Command::Unsaved(key) => {
                if let Some(torrent) = self.torrents.values_mut().find(|t| t.key() == key) {
                    torrent.saved(false);
                }
            }
            Command::Stop => self.stopping = true,
        }
    }

    pub(super) fn find_stream(&self, stream: u64) -> Option<(u32, usize)> {
        self.torrents.iter().find_map(|(id, torrent)| {
            torrent.listeners.iter().position(|l| l.stream.id == stream).map(|at| (*id, at))
        })
    }

    /// A stream's position or transfers changed: it may have become the one that is heard.
    fn look_at(&mut self, id: u32, stream: u64) {
        let serial = self.serial + 1;
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        let Some(listener) = torrent.listeners.iter_mut().find(|l| l.stream.id == stream) else { return };
        listener.stream.look();
        if !listener.is_main() && listener.is_played() {
            listener.stream.main_serial.store(serial, std::sync::atomic::Ordering::Relaxed);
            self.serial = serial;
        }
    }

    fn prepare(&mut self, prepare: Prepare) {
        let now = self.now();
        let id = match self.find_or_add(&prepare.source, &prepare.stored) {
            Ok(id) => id,
            Err(error) => return prepare.waiter.finish(Err(error)),
        };
        self.touched.insert(id);
        let main_serial = match prepare.role {
            Role::Main => {
                self.serial += 1;
                self.serial
            }
            Role::Background => 0,
        };
        let torrent = self.torrents.get_mut(&id).expect("just found or added");
        torrent.idle_since = None;
        if prepare.role == Role::Main {
            let superseded: Vec<Job> = std::mem::take(&mut torrent.jobs);
            for job in superseded {
                self.give_up(id, job, Error::Superseded);
            }
        }
        let torrent = self.torrents.get_mut(&id).expect("just found or added");
        let received_before = torrent.meter.total();
        let metadata_at = torrent.meta.is_some().then_some(now);
        torrent.jobs.push(Job { prepare, main_serial, metadata_at, stream: None, received_before });
    }

    fn list(&mut self, source: Source, stored: Stored, waiter: Promise<Vec<super::FileEntry>>) {
        match self.find_or_add(&source, &stored) {
            Ok(id) => {
                let now = self.now();
                let torrent = self.torrents.get_mut(&id).expect("just found or added");
                match &torrent.meta {
                    Some(meta) => waiter.finish(Ok(super::file_entries(meta))),
                    None => torrent.lists.push((now, waiter)),
                }
                self.touched.insert(id);
            }
            Err(error) => waiter.finish(Err(error)),
        }
    }

    fn event(&mut self, mut event: Event) {
        let now = self.now();
        if event.kind == EventKind::ListenFailed {
            log_line!(self.log, "warning: cannot listen for peers on {}", event.text);
            return;
        }
        if event.kind == EventKind::DhtBootstrap {
            // A torrent added before the DHT ran would wait 15 minutes for its turn to announce.
            self.torrents.keys().for_each(|id| self.bridge.announce_to_dht(*id));
            return self.save_dht();
        }
        self.note_connection(&event, now);
        self.metadata_news(&event, now);
        let id = event.torrent;
        if event.kind == EventKind::Gone {
            return self.gone(id);
        }
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        self.touched.insert(id);
        if self.tuning.verbose {
            narrate(&self.log, &event);
        }
        if matches!(event.kind, EventKind::Block | EventKind::BlockKept) {
            self.received += u64::from(event.length);
        }
        if torrent.peer_event(&self.bridge, &mut event, now) {
            return;
        }
        match event.kind {
            EventKind::MetadataReceived => self.metadata(id, now),
            EventKind::CheckingFiles => self.bridge.start_torrent(id),
            EventKind::FilesChecked => {
                if torrent.meta.is_none() {
                    self.metadata(id, now);
                }
                // Without a home it was checked at a place that is not its own.
                if let Some(torrent) = self.torrents.get_mut(&id).filter(|t| t.home.is_some()) {
                    if std::mem::take(&mut torrent.check_failed) {
                        // Pieces that could not be read passed for missing. While the disk is in trouble the next
                        // check waits for its end (`recover`).
                        if torrent.disk_trouble.is_none() {
                            self.bridge.recheck(id);
                        }
                        return;
                    }
                    torrent.begin(&event.data, now);
                    self.bridge.start_torrent(id);
                }
            }
            EventKind::MetadataFailed => {
                log_line!(
                    self.log,
                    "warning: a peer sent wrong metadata for {}: {}",
                    torrent.key(),
                    event.text
                );
            }
            // After an error of a file, which has been told and is tried again, it says so each time.
            EventKind::TorrentError if torrent.disk_trouble.is_none() => {
                log_line!(self.log, "error: libtorrent stopped {}: {}", torrent.key(), event.text);
                // Nothing starts it again: two magnets that turned out to be one torrent, for example.
                let text = format!("libtorrent stopped the torrent: {}; try again", event.text);
                self.refuse(id, &Error::Internal(text));
            }
            EventKind::FileError => {
                let what = if event.offset == 1 { "the disk is full" } else { "a file could not be used" };
                if !torrent.trouble_told {
                    torrent.trouble_told = true;
                    log_line!(
                        self.log,
                        "error: {what}: {}; what is here can be played, the rest is tried again",
                        event.text
                    );
                }
                torrent.check_failed |= !torrent.checked;
                // The first reason counts: what could not be written cannot be read or hashed either.
                if torrent.disk_trouble.replace(now).is_none() {
                    torrent.error = Some(format!("{what}: {}", event.text));
                }
            }
            EventKind::ResumeData => {
                torrent.saved(true);
                self.disk.push(DiskJob::SaveResume(torrent.key(), event.data));
            }
            EventKind::ResumeFailed => torrent.saved(false),
            EventKind::TrackerReply => torrent.trackers.replies += 1,
            EventKind::TrackerError => {
                torrent.trackers.failures += 1;
                torrent.trackers.last_error = Some(event.text);
            }
            EventKind::EventsLost => log_line!(self.log, "warning: libtorrent lost some of its events"),
            _ => {}
        }
    }

    /// Saves what must be saved, answers everybody who waits, and lets go.
    fn finish(mut self, events: &mut Vec<Event>) {
        let everything: Vec<u32> = self.torrents.keys().copied().collect();
        let mut waiting: BTreeSet<u32> = BTreeSet::new();
        let now = self.now();
        for id in everything {
            let Some(torrent) = self.torrents.get_mut(&id) else { continue };
            torrent.jobs.drain(..).for_each(|job| job.prepare.waiter.finish(Err(Error::ShuttingDown)));
            torrent.lists.drain(..).for_each(|(_, waiter)| waiter.finish(Err(Error::ShuttingDown)));
            torrent.save(&self.bridge, now, true);
            if torrent.save_pending {
                waiting.insert(id);
            }
        }
        self.inbox.close();
        self.refuse_held();
        let deadline = self.now() + LAST_SAVE;
        while !waiting.is_empty() && self.now() < deadline {
            self.bridge
                .wait(Duration::ZERO, deadline.saturating_sub(self.now()).min(Duration::from_millis(100)));
            let _ = self.bridge.take_events(events);
            for event in events.drain(..) {
                if matches!(event.kind, EventKind::ResumeData | EventKind::ResumeFailed) {
                    waiting.remove(&event.torrent);
                }
                if event.kind == EventKind::ResumeData
                    && let Some(torrent) = self.torrents.get(&event.torrent)
                {
                    self.disk.push(DiskJob::SaveResume(torrent.key(), event.data));
                }
            }
        }
        self.save_dht();
    }

    /// Stores the DHT's nodes. What was stored before stays when none is known: without a network nobody answered.
    fn save_dht(&self) {
        match self.bridge.dht_state() {
            Ok(state) if state.is_empty() => {}
            Ok(state) => self.disk.push(DiskJob::SaveDht(state)),
            Err(why) => log_line!(self.log, "warning: the DHT's state could not be saved: {why}"),
        }
    }

    /// The torrents that must not lose their data.
    pub(super) fn protected(&self) -> BTreeSet<InfoHash> {
        let in_use = self.torrents.values().filter(|t| t.in_use()).map(Torrent::key);
        in_use.chain(self.unpacking.iter().map(Unpacking::key)).collect()
    }
}
