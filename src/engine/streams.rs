//! The streams: what a token stands for, where it is read, and which transfers a seek makes stale.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use subtle::ConstantTimeEq;

use crate::storage::DataFile;
use crate::units::{FileIndex, InfoHash};

use super::Stats;
use super::availability::Availability;
use super::inbox::{Command, Inbox};
use super::nudge::Nudge;
use super::progress::AtHand;
use super::token::{self, Secret};
use super::transfer::{Transfer, TransferEnd};

/// What all streams of one torrent share with their readers.
pub struct TorrentShared {
    /// Its identity.
    pub info_hash: InfoHash,
    /// Which pieces may be read.
    pub availability: Availability,
    /// Bytes per second, for `stream_stats`.
    pub rate: AtomicU32,
    /// Connected peers, for `stream_stats`.
    pub peers: AtomicU32,
}

/// An open stream.
pub struct Stream {
    /// Its number; never reused within a session.
    pub id: u64,
    /// The capability in the URL.
    pub token: String,
    secret: Secret,
    /// Its torrent.
    pub torrent: Arc<TorrentShared>,
    /// Its file.
    pub file: FileIndex,
    /// The file's bytes within the torrent.
    pub span: Range<u64>,
    /// Where the bytes are read from.
    pub data: Arc<DataFile>,
    /// Content type.
    pub mime: &'static str,
    /// Strong entity tag with its quotes.
    pub etag: String,
    /// Prepared as main, or promoted: counts up over the session, 0 for a background stream.
    pub main_serial: AtomicU64,
    /// Bytes that are reached by less than this from a transfer's position count as its window.
    pub window_len: u64,
    notified: AtomicI64,
    nudge: Nudge,
    /// Where in the file a read failed that the log told of, until it works there; [`NOWHERE`]: none did.
    failed_at: AtomicU64,
    closed: AtomicBool,
    transfers: Mutex<Vec<Arc<Transfer>>>,
    inbox: Arc<Inbox>,
}

/// No file reaches that far.
const NOWHERE: u64 = u64::MAX;
/// A position no host can notify.
const NEVER: i64 = i64::MIN;
/// The zones that players probe at both ends; reads there are no seeks.
const HEAD_ZONE: u64 = 256 * 1024;
const TAIL_ZONE: u64 = 1024 * 1024;
/// A transfer that was cut before it sent this much would be fatal for Chromium ("Format error").
const SPARED: u64 = 32 * 1024;
/// Hosts that compute bytes from playing time correct themselves by some; a shorter way back is no jump.
const STEP_BACK: u64 = 64 * 1024;
/// A blocked transfer younger than this may be a parallel probe, not a leftover.
const STALE_AFTER: Duration = Duration::from_secs(1);

/// What a new stream is made of.
pub struct NewStream {
    /// See [`Stream`].
    pub torrent: Arc<TorrentShared>,
    /// See [`Stream`].
    pub file: FileIndex,
    /// See [`Stream`].
    pub span: Range<u64>,
    /// See [`Stream`].
    pub data: Arc<DataFile>,
    /// See [`Stream`].
    pub mime: &'static str,
    /// See [`Stream`].
    pub main_serial: u64,
    /// See [`Stream`].
    pub window_len: u64,
}

impl Stream {
    /// Length of the file.
    pub fn len(&self) -> u64 {
        self.span.end - self.span.start
    }

    /// Host: playback is at `position` bytes of the file. Never blocks; the newest wins.
    pub fn notify(&self, position: i64) {
        let last = i64::try_from(self.len().saturating_sub(1)).unwrap_or(i64::MAX);
        let position = position.clamp(0, last);
        let last = self.notified.swap(position, Ordering::Relaxed);
        self.seek_to(u64::try_from(position).unwrap_or(0), u64::try_from(last).ok());
        self.changed();
    }

    /// A notified position that is a jump from the `last` one makes those transfers stale that are about other places.
    /// Playback that goes on never does: whoever reads far ahead of it, into its own buffer and the system's, is read by it.
    fn seek_to(&self, position: u64, last: Option<u64>) {
        let window = |from: u64| from..from.saturating_add(self.window_len);
        if let Some(last) = last
            && (last.saturating_sub(STEP_BACK)..window(last).end).contains(&position)
        {
            return;
        }
        let stale = |t: &Transfer| {
            // The first position: playback may be anywhere in what was read.
            let about =
                if last.is_some() { window(t.position()) } else { t.start()..window(t.position()).end };
            t.is_open_ended()
                && t.sent() >= SPARED
                && !window(position).contains(&t.position())
                && !about.contains(&position)
        };
        self.cut_if(&stale);
    }

    /// A new transfer begins at `start`. An open-ended one far from everything that is being served makes those stale
    /// that have been waiting for data for more than a second.
    pub fn add(&self, transfer: Arc<Transfer>, now: Instant) {
        if self.closed.load(Ordering::Acquire) {
            transfer.end(TransferEnd::Closed);
            return;
        }
        let start = transfer.position();
        let probe = start < HEAD_ZONE || start >= self.len().saturating_sub(TAIL_ZONE);
        let near = |t: &Arc<Transfer>| {
            let at = t.position();
            (at..at.saturating_add(self.window_len)).contains(&start)
        };
        let jump = transfer.is_open_ended() && !probe && !self.transfers.lock().iter().any(near);
        if jump {
            let new_window = start..start.saturating_add(self.window_len);
            let stale = |t: &Transfer| {
                t.is_open_ended()
                    && t.sent() >= SPARED
                    && !new_window.contains(&t.position())
                    && t.blocked_for(now) > STALE_AFTER
            };
            self.cut_if(&stale);
        }
        self.transfers.lock().push(Arc::clone(&transfer));
        // Closed in between: nobody else would end it.
        if self.closed.load(Ordering::Acquire) {
            transfer.end(TransferEnd::Closed);
        }
        // Bytes at hand are read without the engine; what that means for playback shows once enough was read.
        if transfer.is_blocked() {
            self.changed();
        }
    }

    /// A transfer is over.
    pub fn remove(&self, transfer: &Arc<Transfer>) {
        self.transfers.lock().retain(|t| !Arc::ptr_eq(t, transfer));
        if self.at_hand(transfer.position()) != AtHand::Whole {
            self.changed();
        }
    }

    /// What is at hand for a reader at `position`.
    pub fn at_hand(&self, position: u64) -> AtHand {
        let availability = &self.torrent.availability;
        let from = self.span.start + position;
        let ahead = from..from.saturating_add(self.window_len).min(self.span.end);
        if !availability.has(&ahead) {
            AtHand::Little
        } else if availability.has(&self.span) {
            AtHand::Whole
        } else {
            AtHand::Ahead
        }
    }

    /// A seek's effect on older transfers. Each carries its own mark and looks at it before every frame: a count for
    /// the whole stream could not spare probes.
    fn cut_if(&self, stale: &dyn Fn(&Transfer) -> bool) {
        let cut: Vec<Arc<Transfer>> = self.transfers.lock().iter().filter(|t| stale(t)).cloned().collect();
        for transfer in cut {
            transfer.end(TransferEnd::Superseded);
        }
    }

    /// Ends every transfer; later ones end at once.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let all: Vec<Arc<Transfer>> = self.transfers.lock().drain(..).collect();
        for transfer in all {
            transfer.end(TransferEnd::Closed);
        }
    }

    /// Tells the engine, once until it looks, that something about this stream is new.
    pub fn changed(&self) {
        if self.nudge.raise() {
            self.inbox.push(Command::Changed(self.id));
        }
    }

    /// Engine: looks at the stream now.
    pub fn look(&self) {
        self.nudge.look();
    }

    /// Engine: where the host says playback is.
    pub fn notified_position(&self) -> Option<u64> {
        u64::try_from(self.notified.load(Ordering::Relaxed)).ok()
    }

    /// Engine: the transfers in flight.
    pub fn transfers(&self) -> Vec<Arc<Transfer>> {
        self.transfers.lock().clone()
    }

    /// A reader could not read what was verified, at `position` of the file; `damaged`: because the file is not what it
    /// was. Players whose transfer was cut ask again, some of them at once: what the log told is not told again until
    /// that place can be read.
    pub fn unreadable(&self, position: u64, reason: String, damaged: bool) {
        let is_first =
            self.failed_at.compare_exchange(NOWHERE, position, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_first || damaged {
            self.inbox.push(Command::Unreadable(self.id, reason, damaged));
        }
    }

    /// A reader read these bytes of the file.
    pub fn was_read(&self, span: &Range<u64>) {
        let failed = self.failed_at.load(Ordering::Relaxed);
        if failed != NOWHERE && span.contains(&failed) {
            self.failed_at.store(NOWHERE, Ordering::Relaxed);
        }
    }
}

/// All open streams of a session.
pub struct Streams {
    table: RwLock<Vec<Arc<Stream>>>,
    next: AtomicU64,
    inbox: Arc<Inbox>,
}

impl Streams {
    /// None yet.
    pub fn new(inbox: Arc<Inbox>) -> Self {
        Self { table: RwLock::new(Vec::new()), next: AtomicU64::new(1), inbox }
    }

    /// Opens a stream under a fresh token.
    ///
    /// # Errors
    /// When the operating system's generator fails.
    pub fn open(&self, new: NewStream) -> Result<Arc<Stream>, getrandom::Error> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let token = token::fresh()?;
        let secret = Secret::of(&token).expect("fresh tokens have the length of tokens");
        let stream = Arc::new(Stream {
            id,
            token,
            secret,
            etag: format!("\"{}-{}\"", new.torrent.info_hash, new.file.0),
            torrent: new.torrent,
            file: new.file,
            span: new.span,
            data: new.data,
            mime: new.mime,
            main_serial: AtomicU64::new(new.main_serial),
            window_len: new.window_len,
            notified: AtomicI64::new(NEVER),
            nudge: Nudge::default(),
            failed_at: AtomicU64::new(NOWHERE),
            closed: AtomicBool::new(false),
            transfers: Mutex::new(Vec::new()),
            inbox: Arc::clone(&self.inbox),
        });
        self.table.write().push(Arc::clone(&stream));
        Ok(stream)
    }

    /// The stream behind a token. The time it takes does not depend on how much of the token is right.
    pub fn find(&self, token: &str) -> Option<Arc<Stream>> {
        let asked = Secret::of(token)?;
        let table = self.table.read();
        let mut found = None;
        for stream in table.iter() {
            if bool::from(stream.secret.ct_eq(&asked)) {
                found = Some(Arc::clone(stream));
            }
        }
        found
    }

    /// Takes a stream out; its transfers end.
    pub fn release(&self, token: &str) -> Option<Arc<Stream>> {
        let stream = self.find(token)?;
        self.table.write().retain(|s| s.id != stream.id);
        stream.close();
        Some(stream)
    }

    /// Takes all out.
    pub fn close_all(&self) {
        let all: Vec<Arc<Stream>> = self.table.write().drain(..).collect();
        all.iter().for_each(|stream| stream.close());
    }

    /// Live figures of a token.
    pub fn stats(&self, token: &str) -> Stats {
        self.find(token).map_or_else(Stats::default, |stream| Stats {
            download_rate: stream.torrent.rate.load(Ordering::Relaxed),
            peers: stream.torrent.peers.load(Ordering::Relaxed),
        })
    }
}
