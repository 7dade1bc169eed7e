//! One torrent as the engine's thread sees it: its place in libtorrent, its picker, its streams and who waits for it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::bridge::{self, Bridge, Event, EventKind};
use crate::media;
use crate::schedule::bits::Bits;
use crate::schedule::deadlines::Deadlines;
use crate::schedule::layout::BLOCK_LEN;
use crate::schedule::peer::PeerId;
use crate::schedule::picker::{Command, Input, Picker};
use crate::schedule::plan::{Demand, Rank, Windows};
use crate::storage::{DataFile, Home};
use crate::units::InfoHash;

use super::availability::Availability;
use super::info::Info;
use super::input::{Hashes, Meta};
use super::listener::Listener;
use super::meter::Meter;
use super::prepare::{self, Job};
use super::stranded::Stranded;
use super::streams::TorrentShared;
use super::trackers::Trackers;
use super::verdicts::Verdicts;
use super::waiter::Promise;
use super::wire::{order, wire};
use super::{FileEntry, file_entries};

/// Resume data is asked for at most this often while pieces come.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// A disk that refused data is tried again after this long.
pub const DISK_RETRY: Duration = Duration::from_secs(2);

/// See the module.
pub struct Torrent {
    /// Its number towards libtorrent.
    pub id: u32,
    /// Who it is.
    pub hashes: Hashes,
    /// Its name on disk; stays when a second hash becomes known.
    key: InfoHash,
    /// Its metadata, once known.
    pub meta: Option<Arc<Meta>>,
    /// Its metadata on the way.
    pub info: Info,
    /// Where its files go, once its name is known.
    pub home: Option<Home>,
    /// What was on disk is known; blocks may be asked for.
    pub checked: bool,
    /// When it was checked.
    pub checked_at: Option<Duration>,
    /// Data files that streams have used; one for all streams of a file, so that a file that takes its place is
    /// noticed.
    pub files: BTreeMap<u32, Arc<DataFile>>,
    /// What to ask of whom.
    pub picker: Picker,
    /// libtorrent asks for the blocks, by what this tells it; `None`: the picker does.
    pub deadlines: Option<Deadlines>,
    /// What readers see; exists from the check on.
    pub shared: Option<Arc<TorrentShared>>,
    /// Open streams.
    pub listeners: Vec<Listener>,
    /// Prepares that wait.
    pub jobs: Vec<Job>,
    /// Callers of `list_files` that wait for the metadata, with the time they called.
    pub lists: Vec<(Duration, Promise<Vec<FileEntry>>)>,
    /// All its peers are gone and somebody waits.
    pub stranded: Stranded,
    /// Since when nothing uses it.
    pub idle_since: Option<Duration>,
    /// Received blocks.
    pub meter: Meter,
    /// When it is looked at next although nothing happens.
    pub look_at: Option<Duration>,
    /// What trackers said.
    pub trackers: Trackers,
    /// It was added with the public trackers, before it was known whether it is private.
    pub is_public: bool,
    /// Why libtorrent stopped it, if it did.
    pub error: Option<String>,
    /// The disk failed while files were checked: what that check finds is not all that is there.
    pub check_failed: bool,
    /// Since when the disk refuses to take data.
    pub disk_trouble: Option<Duration>,
    /// A piece was wrong since it was added: libtorrent may have banned somebody.
    was_wrong: bool,
    /// When a piece was right last, and the bytes that had come until then.
    last_right: (Duration, u64),
    /// Copies of blocks, and which of them are right.
    pub(super) verdicts: Verdicts,
    /// Background streams wait: a main stream of another torrent needs the line.
    pub held_back: bool,
    /// The log says so already; until data comes through again.
    pub trouble_told: bool,
    /// First bytes of files whose name does not say what they are; torrent bytes.
    pub probes: Vec<Range<u64>>,
    /// A file warmed as the likely next track.
    pub warmed: Option<u32>,
    /// A file, and the track after it: looked for once, since all names are compared.
    next: Option<(usize, Option<usize>)>,
    unsaved: bool,
    /// Resume data was asked for and has not come.
    pub save_pending: bool,
    save_asked: Option<Duration>,
    out: Vec<Command>,
}

impl Torrent {
    /// A torrent that was just added.
    pub fn new(id: u32, hashes: Hashes, windows: Windows) -> Self {
        Self {
            id,
            key: hashes.key(),
            hashes,
            meta: None,
            info: Info::default(),
            home: None,
            checked: false,
            checked_at: None,
            files: BTreeMap::new(),
            picker: Picker::new(windows),
            deadlines: None,
            shared: None,
            listeners: Vec::new(),
            jobs: Vec::new(),
            lists: Vec::new(),
            stranded: Stranded::default(),
            idle_since: None,
            meter: Meter::default(),
            look_at: None,
            trackers: Trackers::default(),
            is_public: false,
            error: None,
            check_failed: false,
            disk_trouble: None,
            was_wrong: false,
            last_right: (Duration::ZERO, 0),
            verdicts: Verdicts::default(),
            held_back: false,
            trouble_told: false,
            probes: Vec::new(),
            warmed: None,
            next: None,
            unsaved: false,
            save_pending: false,
            save_asked: None,
            out: Vec::new(),
        }
    }

    /// Its name on disk.
    pub fn key(&self) -> InfoHash {
        self.key
    }

    /// Whether anything uses it.
    pub fn in_use(&self) -> bool {
        !self.listeners.is_empty() || !self.jobs.is_empty() || !self.lists.is_empty()
    }

    /// Whether nobody waits for anything of it: what happens may be looked at a few milliseconds later.
    pub fn is_at_ease(&self) -> bool {
        let is_waited_for = !self.jobs.is_empty() || !self.lists.is_empty() || !self.probes.is_empty();
        !is_waited_for && (self.listeners.is_empty() || self.checked && self.picker.waited() == 0)
    }

    /// Whether a main stream of it is short of music and being fed: others had better not take its line.
    pub fn is_hungry(&self) -> bool {
        self.meter.is_running() && self.picker.is_hungry() && self.listeners.iter().any(Listener::is_main)
    }

    /// Whether all peers are gone while data is missing: that somebody waits for, or, where libtorrent may have banned
    /// them all and tries none of them by itself, any of a stream's.
    pub fn is_stranded(&self) -> bool {
        let is_wanting = || self.listeners.iter().any(|listener| !listener.is_whole());
        self.picker.peers().0 == 0 && (!self.is_at_ease() || self.was_wrong && is_wanting())
    }

    /// Its metadata became known.
    pub fn set_meta(&mut self, meta: Arc<Meta>) {
        for (_, waiter) in self.lists.drain(..) {
            waiter.finish(Ok(file_entries(&meta)));
        }
        // A magnet may have named one hash of two; the other is known now. The name on disk stays.
        let all = meta.hashes();
        self.hashes.v1 = self.hashes.v1.or(all.v1);
        self.hashes.v2 = self.hashes.v2.or(all.v2);
        self.meta = Some(meta);
        self.info = Info::default();
    }

    /// It was added again under another number, where its data lies.
    pub fn moved(&mut self, id: u32, home: Home, windows: Windows) {
        self.id = id;
        self.home = Some(home);
        self.save_pending = false;
        self.picker = Picker::new(windows);
        self.verdicts.restart();
        self.was_wrong = false;
        self.checked = false;
    }

    /// Whether peers have sent enough wrong data since `begun`, and nothing else, to give up.
    pub fn is_fruitless(&self, begun: Duration, now: Duration) -> bool {
        let (at, bytes) = self.last_right;
        let piece_len = self.meta.as_ref().map_or(0, |meta| meta.layout.piece_len());
        self.was_wrong
            && prepare::is_fruitless(now.saturating_sub(begun.max(at)), self.meter.total() - bytes, piece_len)
    }

    /// Takes an event about peers, blocks and pieces; false when it is another kind.
    pub fn peer_event(&mut self, bridge: &Bridge, event: &mut Event, now: Duration) -> bool {
        let peer = PeerId(event.peer);
        let block = event.offset / BLOCK_LEN;
        let input = match event.kind {
            EventKind::PeerConnected => Input::Expected(peer),
            EventKind::PeerReady if event.offset == 1 => {
                self.picker.on(Input::Connected(peer), now);
                Input::AnswersAll(peer)
            }
            EventKind::PeerReady => Input::Connected(peer),
            EventKind::PeerGone => Input::Gone(peer),
            EventKind::PeerQueue => Input::Queue(peer, event.offset),
            EventKind::PeerChoke => Input::Choked(peer),
            EventKind::PeerUnchoke => Input::Unchoked(peer),
            EventKind::PeerHaveAll => Input::HasAll(peer),
            EventKind::PeerHaveNone => Input::HasBits(peer, Vec::new()),
            EventKind::PeerBitfield => Input::HasBits(peer, std::mem::take(&mut event.data)),
            EventKind::PeerHave => Input::Has(peer, event.piece),
            EventKind::Block | EventKind::BlockKept => {
                self.meter.add(event.length, now);
                // Blocks of unfinished pieces are kept over a restart too.
                self.unsaved |= event.kind == EventKind::Block;
                Input::Block { peer, piece: event.piece, block, len: event.length }
            }
            EventKind::Reject => Input::Rejected { peer, piece: event.piece, block },
            EventKind::PiecePassed => {
                self.unsaved = true;
                self.last_right = (now, self.meter.total());
                self.trouble_told = self.trouble_told && self.disk_trouble.is_some();
                Input::Passed(event.piece)
            }
            EventKind::PieceFailed => {
                self.was_wrong = true;
                if self.deadlines.is_some() {
                    // libtorrent asked for its blocks, and finds out itself whose fault it was.
                    self.picker.on(Input::Failed(event.piece), now);
                    return true;
                }
                self.verdicts.failed(bridge, self.id, &mut self.picker, event.piece, now);
                return true;
            }
            _ => return false,
        };
        self.picker.on(input, now);
        let Some(meta) = &self.meta else { return true };
        match event.kind {
            EventKind::Block | EventKind::BlockKept => {
                self.verdicts.block(bridge, self.id, &meta.layout, &mut self.picker, event, now);
            }
            EventKind::PiecePassed => {
                self.verdicts.passed(bridge, self.id, &meta.layout, &self.picker, event.piece);
                if let Some(shared) = &self.shared {
                    shared.availability.insert(event.piece);
                }
            }
            _ => {}
        }
        true
    }

    /// What was on disk is known now, for the first time or again.
    pub fn begin(&mut self, bits: &[u8], now: Duration) {
        let Some(meta) = &self.meta else { return };
        let have = Bits::from_wire(bits, meta.layout.pieces());
        self.picker.begin(meta.layout.clone(), have.clone());
        if let Some(deadlines) = &mut self.deadlines {
            deadlines.begin(&meta.layout);
        }
        // Before anybody is woken: a reader of the old descriptor would find the file damaged.
        self.files.values().for_each(|file| file.reopen());
        match &self.shared {
            Some(shared) => shared.availability.replace(have),
            None => {
                self.shared = Some(Arc::new(TorrentShared {
                    info_hash: self.key,
                    availability: Availability::new(meta.layout.clone(), have),
                    rate: 0.into(),
                    peers: 0.into(),
                }));
            }
        }
        self.checked = true;
        self.checked_at = Some(now);
        self.unsaved = true;
    }

    /// Lets go of the files that no stream reads.
    pub fn close_unread(&self) {
        for (index, file) in &self.files {
            if !self.listeners.iter().any(|l| l.stream.file.0 == *index) {
                file.close();
            }
        }
    }

    /// What is on disk is not known any more, until it was checked again.
    pub fn forget_files(&mut self) {
        self.checked = false;
        if let (Some(meta), Some(shared)) = (&self.meta, &self.shared) {
            shared.availability.replace(Bits::none(meta.layout.pieces()));
        }
    }

    /// Goes on after disk trouble: whatever was on its way is asked for again.
    pub fn recover(&mut self, bridge: &Bridge) {
        self.disk_trouble = None;
        self.check_failed = false;
        self.error = None;
        bridge.recover(self.id);
        if !self.checked {
            bridge.recheck(self.id);
            return;
        }
        if let Some(meta) = &self.meta {
            let have = self.picker.have().clone();
            self.picker.begin(meta.layout.clone(), have);
        }
    }

    /// Tells the picker what the streams want and sends what it answers. `sparing`: the cache is over its limit, only
    /// what is played is fetched.
    pub fn fetch(&mut self, bridge: &Bridge, warm_up: bool, sparing: bool, now: Duration) {
        self.picker.set_essential_only(sparing);
        let mut demands: Vec<(u64, Demand)> = Vec::new();
        let serial_of = |listener: &Listener| listener.stream.main_serial.load(Ordering::Relaxed);
        let newest = self.listeners.iter().map(serial_of).max().unwrap_or(0);
        for listener in &mut self.listeners {
            let serial = serial_of(listener);
            let wanted = if sparing {
                listener.spare_demands(newest, now)
            } else {
                vec![listener.demand(newest, now)]
            };
            demands.extend(wanted.into_iter().map(|demand| (serial, demand)));
        }
        if let Some(next) = self.next_track(warm_up).filter(|_| !sparing) {
            demands.push((0, next));
        }
        for span in &self.probes {
            let now = vec![span.clone()];
            let demand = Demand {
                rank: Rank::Main,
                file: span.clone(),
                position: span.start,
                now,
                byte_rate: None,
                ahead: Duration::ZERO,
            };
            demands.push((u64::MAX, demand));
        }
        // The newest main stream first.
        demands.sort_by_key(|(serial, _)| std::cmp::Reverse(*serial));
        let demands: Vec<Demand> = demands.into_iter().map(|(_, demand)| demand).collect();
        if let (Some(deadlines), Some(meta)) = (&mut self.deadlines, &self.meta) {
            let orders = deadlines.orders(&demands, &meta.layout, self.picker.have(), &self.picker.windows());
            let orders: Vec<bridge::PieceOrder> = orders.iter().map(order).collect();
            bridge.prioritize(self.id, &orders);
            self.picker.set_demands(demands, now);
            return;
        }
        self.picker.set_demands(demands, now);
        self.picker.pump(now, &mut self.out);
        if !self.out.is_empty() {
            let commands: Vec<bridge::Command> =
                self.out.drain(..).filter_map(|c| wire(&c, self.meta.as_deref())).collect();
            bridge.command(self.id, &commands);
        }
    }

    /// The next audio file, once the one that plays is whole or nearly over.
    fn next_track(&mut self, warm_up: bool) -> Option<Demand> {
        /// Less music than this left: the next track is likely to be asked for soon.
        const SOON: u64 = 30;
        self.warmed = None;
        let meta = self.meta.clone()?;
        if !warm_up {
            return None;
        }
        let playing = self
            .listeners
            .iter_mut()
            .filter(|l| l.is_main() && l.ready)
            .max_by_key(|l| l.stream.main_serial.load(Ordering::Relaxed))?;
        if !playing.is_whole() && playing.seconds_left() >= SOON {
            return None;
        }
        let current = playing.stream.file.0 as usize;
        let next = match self.next {
            Some((of, next)) if of == current => next,
            _ => {
                let paths: Vec<&str> = meta.info.files.iter().map(|file| file.path.as_str()).collect();
                self.next.insert((current, media::next_audio(&paths, current))).1
            }
        }?;
        let file = &meta.info.files[next];
        if file.pad || file.length == 0 || self.listeners.iter().any(|l| l.stream.file.0 as usize == next) {
            return None;
        }
        let span: Range<u64> = file.offset..file.offset + file.length;
        self.warmed = u32::try_from(next).ok();
        let head = span.start..span.end.min(span.start + 256 * 1024);
        Some(Demand {
            rank: Rank::Background,
            position: span.start,
            file: span,
            now: vec![head],
            byte_rate: None,
            ahead: Duration::ZERO,
        })
    }

    /// Resume data came, or could not be made.
    pub fn saved(&mut self, success: bool) {
        self.save_pending = false;
        self.unsaved |= !success;
    }

    /// Figures for `stream_stats`.
    pub fn publish(&mut self, now: Duration) {
        let rate = u32::try_from(self.meter.rate(now)).unwrap_or(u32::MAX);
        if let Some(shared) = &self.shared {
            shared.rate.store(rate, Ordering::Relaxed);
            shared.peers.store(u32::try_from(self.picker.peers().0).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
    }

    /// Asks for resume data when pieces came since the last time; not more often than every five seconds unless `now_or_never`.
    pub fn save(&mut self, bridge: &Bridge, now: Duration, now_or_never: bool) -> bool {
        let recent = self.save_asked.is_some_and(|at| at + SAVE_EVERY > now);
        if !self.unsaved || !self.checked || recent && !now_or_never {
            return false;
        }
        self.unsaved = false;
        self.save_pending = true;
        self.save_asked = Some(now);
        bridge.request_resume(self.id);
        true
    }

    /// When this torrent wants to be looked at although nothing happens.
    pub fn next_look(&self, now: Duration) -> Option<Duration> {
        /// Waiters' status texts and time limits.
        const WAITING: Duration = Duration::from_millis(200);
        /// Whether the line is free now.
        const HELD_BACK: Duration = Duration::from_millis(250);
        /// The shown rate falls.
        const RATE: Duration = Duration::from_millis(500);
        let mut look = self.picker.next_look(now);
        let mut at_most = |time: Duration| look = Some(look.map_or(time, |l: Duration| l.min(time)));
        if !self.jobs.is_empty() || !self.lists.is_empty() {
            at_most(now + WAITING);
        }
        for time in self.info.next_look(now).into_iter().chain(self.stranded.next_look()) {
            at_most(time);
        }
        if self.held_back {
            at_most(now + HELD_BACK);
        }
        for note in self.listeners.iter().filter_map(|l| l.next_note(now)) {
            at_most(note);
        }
        if let Some(since) = self.disk_trouble {
            at_most(since + DISK_RETRY);
        }
        if self.meter.is_running() {
            at_most(now + RATE);
        }
        if self.unsaved && self.checked {
            at_most(self.save_asked.map_or(now, |at| at + SAVE_EVERY).max(now + Duration::from_millis(10)));
        }
        look
    }
}
