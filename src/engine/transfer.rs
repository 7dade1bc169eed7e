//! One HTTP transfer: a cursor over a file's verified bytes that waits, reads, and can be ended from outside.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;

use crate::http::{BoxFuture, Cut, Media, ReadKind, Reader, Source};
use crate::storage;

use super::ending::Ending;
use super::frames::{FRAME_LEN, Frame, Frames, PAGE_LEN};
use super::progress::Progress;
use super::streams::{Stream, Streams};

/// The first frame, small so that the first byte leaves at once.
const FIRST_FRAME: u64 = 16 * 1024;

/// Where a frame that begins at `position` of the file ends: at a page, so that the next one begins at one.
fn frame_end(position: u64, is_first: bool) -> u64 {
    let page = PAGE_LEN as u64;
    if is_first {
        // Up, so that a short range is one frame.
        (position + FIRST_FRAME).next_multiple_of(page)
    } else {
        (position + FRAME_LEN as u64) / page * page
    }
}

/// Why a transfer was ended from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEnd {
    /// The stream is gone.
    Closed,
    /// A seek made it stale.
    Superseded,
}

/// The music of a file.
#[derive(Clone, Copy, Debug)]
pub struct Music {
    /// Its first byte; before it are tags and pictures.
    pub start: u64,
    /// Bytes per second.
    pub rate: u64,
}

fn playing_time(bytes: u64, rate: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64)
}

/// What the engine sees of a transfer.
pub struct Transfer {
    kind: ReadKind,
    start: u64,
    end: u64,
    position: AtomicU64,
    /// Milliseconds since `born` when it began to wait for data, plus one; 0: it does not wait.
    blocked: AtomicU64,
    last_frame: AtomicU64,
    born: Instant,
    ending: Ending,
}

const CLOSED: u64 = 1;
const SUPERSEDED: u64 = 2;

fn cut(reason: u64) -> Cut {
    if reason == SUPERSEDED { Cut::Superseded } else { Cut::Closed }
}

impl Transfer {
    /// One that has handed over nothing.
    pub fn new(span: Range<u64>, kind: ReadKind) -> Self {
        Self {
            kind,
            start: span.start,
            end: span.end,
            position: AtomicU64::new(span.start),
            blocked: AtomicU64::new(0),
            last_frame: AtomicU64::new(0),
            born: Instant::now(),
            ending: Ending::default(),
        }
    }

    /// Whether it was asked for with an open end.
    pub fn is_open_ended(&self) -> bool {
        self.kind == ReadKind::OpenEnded
    }

    /// Its first byte.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The next byte of the file that it will hand over.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// One past its last byte.
    pub fn end_position(&self) -> u64 {
        self.end
    }

    /// Bytes handed over.
    pub fn sent(&self) -> u64 {
        self.position() - self.start
    }

    /// Whether it waits for data.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed) != 0
    }

    /// How long it has been waiting for data.
    pub fn blocked_for(&self, now: Instant) -> Duration {
        match self.blocked.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => now.saturating_duration_since(self.born + Duration::from_millis(since - 1)),
        }
    }

    /// While it waits for data: since when, or from when on, whoever hears what it handed over hears nothing, at
    /// `byte_rate` bytes per second of music. A player that was paused meanwhile hears it longer.
    pub fn falls_silent(&self, byte_rate: u64) -> Option<Instant> {
        let waits = self.blocked.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.born + playing_time(self.sent(), byte_rate).max(Duration::from_millis(waits)))
    }

    /// How much of the music that it handed over is still to be heard at `now`, by whoever plays it from its birth on.
    pub fn in_hand(&self, music: Music, now: Instant) -> Duration {
        let bytes = self.position().saturating_sub(self.start.max(music.start));
        (self.born + playing_time(bytes, music.rate)).saturating_duration_since(now)
    }

    /// When it last handed something over.
    pub fn last_frame(&self) -> Instant {
        self.born + Duration::from_micros(self.last_frame.load(Ordering::Relaxed))
    }

    /// Ends it; the first reason counts.
    pub fn end(&self, why: TransferEnd) {
        self.ending.end(match why {
            TransferEnd::Closed => CLOSED,
            TransferEnd::Superseded => SUPERSEDED,
        });
    }

    /// Whether it was ended from outside, and why.
    pub fn ended(&self) -> Option<Cut> {
        self.ending.reason().map(cut)
    }

    async fn until_ended(&self) -> Cut {
        cut(self.ending.until().await)
    }

    /// Whether it waits for data.
    pub fn set_blocked(&self, blocked: bool) {
        let since = if blocked { self.born.elapsed().as_millis() as u64 + 1 } else { 0 };
        self.blocked.store(since, Ordering::Relaxed);
    }

    /// It has handed over so much more.
    pub fn advance(&self, bytes: u64) {
        self.position.fetch_add(bytes, Ordering::Relaxed);
        self.last_frame.store(self.born.elapsed().as_micros() as u64, Ordering::Relaxed);
    }
}

/// What the server gets: the streams as its `Source`.
pub struct Gate {
    /// The open streams.
    pub streams: Arc<Streams>,
    /// The session's own runtime, for reads that may wait for the disk.
    pub runtime: Handle,
    /// Memory that all transfers share.
    pub frames: Arc<Frames>,
}

impl Source for Gate {
    fn open(&self, token: &str) -> Option<Arc<dyn Media>> {
        let stream = self.streams.find(token)?;
        Some(Arc::new(OpenFile { stream, runtime: self.runtime.clone(), frames: Arc::clone(&self.frames) }))
    }
}

struct OpenFile {
    stream: Arc<Stream>,
    runtime: Handle,
    frames: Arc<Frames>,
}

impl Media for OpenFile {
    fn len(&self) -> u64 {
        self.stream.len()
    }

    fn mime(&self) -> &str {
        self.stream.mime
    }

    fn etag(&self) -> &str {
        &self.stream.etag
    }

    fn reader(&self, span: Range<u64>, kind: ReadKind) -> Box<dyn Reader> {
        let progress = Progress::new(span.start);
        let transfer = Arc::new(Transfer::new(span, kind));
        // Known as waiting before the engine looks: the piece is wanted from this moment on.
        if self
            .stream
            .torrent
            .availability
            .readable_end(self.stream.span.start + transfer.start, self.stream.span.end)
            <= self.stream.span.start + transfer.start
        {
            transfer.set_blocked(true);
        }
        self.stream.add(Arc::clone(&transfer), Instant::now());
        Box::new(FileReader {
            stream: Arc::clone(&self.stream),
            runtime: self.runtime.clone(),
            frames: Arc::clone(&self.frames),
            transfer,
            progress,
        })
    }
}

struct FileReader {
    stream: Arc<Stream>,
    runtime: Handle,
    frames: Arc<Frames>,
    transfer: Arc<Transfer>,
    progress: Progress,
}

impl Drop for FileReader {
    fn drop(&mut self) {
        self.stream.remove(&self.transfer);
    }
}

impl Reader for FileReader {
    fn next(mut self: Box<Self>) -> BoxFuture<(Box<dyn Reader>, Result<Bytes, Cut>)> {
        Box::pin(async move {
            let result = self.frame().await;
            (self as Box<dyn Reader>, result)
        })
    }

    fn cancelled(&self) -> BoxFuture<()> {
        let transfer = Arc::clone(&self.transfer);
        Box::pin(async move {
            transfer.until_ended().await;
        })
    }
}

impl FileReader {
    async fn frame(&mut self) -> Result<Bytes, Cut> {
        let transfer = &*self.transfer;
        if let Some(cut) = transfer.ended() {
            return Err(cut);
        }
        let position = transfer.position();
        if position >= transfer.end_position() {
            return Ok(Bytes::new());
        }
        let at = self.stream.span.start + position;
        let availability = &self.stream.torrent.availability;
        let limit =
            self.stream.span.start + transfer.end_position().min(frame_end(position, transfer.sent() == 0));
        let mut generation = availability.generation();
        let mut end = availability.readable_end(at, limit);
        if end == at {
            transfer.set_blocked(true);
            self.stream.changed();
            tokio::select! {
                () = availability.readable(at) => {}
                cut = transfer.until_ended() => return Err(cut),
            }
            transfer.set_blocked(false);
            self.stream.changed();
            generation = availability.generation();
            end = availability.readable_end(at, limit);
        } else if transfer.is_blocked() {
            // It waited when it was asked for, and what it waited for came before this first look.
            transfer.set_blocked(false);
            self.stream.changed();
        }
        if end == at {
            // Taken back between the wake-up and the look: the next call waits again.
            return Box::pin(self.frame()).await;
        }
        // After the look at what is readable: it counts every piece that the read rests on.
        let revision = availability.revision();
        let bytes = self.read(position, (end - at) as usize, revision).await?;
        if availability.generation() != generation {
            // The file was found damaged meanwhile: what was read may be anything.
            return Box::pin(self.frame()).await;
        }
        // What was read counts only while the stream lives: a cut between the look and the read must win.
        if let Some(cut) = transfer.ended() {
            return Err(cut);
        }
        transfer.advance(bytes.len() as u64);
        let (stream, position) = (&self.stream, transfer.position());
        if self.progress.is_news(position, stream.window_len, || stream.at_hand(position)) {
            stream.changed();
        }
        Ok(bytes)
    }

    /// `len` bytes at `position`, at most [`FRAME_LEN`].
    async fn read(&self, position: u64, len: usize, revision: u64) -> Result<Bytes, Cut> {
        let mut frame = self.frames.take();
        let result = match self.stream.data.try_read_into(position, frame.room(len), revision) {
            Ok(true) => Ok(frame.into_bytes()),
            Ok(false) => self.read_waiting(position, len, frame).await,
            Err(error) => Err(error),
        };
        if result.is_ok() {
            self.stream.was_read(&(position..position + len as u64));
        }
        result.map_err(|error| {
            let text = error.to_string();
            // Only a file that is not what was verified makes a new check worth while.
            let is_damaged = matches!(error, storage::Error::Damaged { .. } | storage::Error::Missing { .. });
            self.stream.unreadable(position, text, is_damaged);
            Cut::Lost
        })
    }

    /// The same where it may take the disk's time.
    async fn read_waiting(
        &self,
        position: u64,
        len: usize,
        mut frame: Frame,
    ) -> Result<Bytes, storage::Error> {
        let data = Arc::clone(&self.stream.data);
        let read = self.runtime.spawn_blocking(move || {
            data.read_into(position, frame.room(len))?;
            Ok(frame.into_bytes())
        });
        let gone = |_| Err(storage::Error::Missing { path: self.stream.data.path().to_owned() });
        read.await.unwrap_or_else(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn silence_begins_when_the_music_that_was_read_is_over() {
        let transfer = Transfer::new(1000..1_000_000, ReadKind::OpenEnded);
        transfer.advance(300_000);
        assert_eq!(transfer.falls_silent(100_000), None, "nobody waits");
        transfer.set_blocked(true);
        assert_eq!(transfer.falls_silent(100_000), Some(transfer.born + Duration::from_secs(3)));
        // Faster music than it was read: silent since it waits.
        let at_once = transfer.falls_silent(u64::MAX).unwrap();
        assert!(at_once < transfer.born + Duration::from_secs(1));
    }

    #[test]
    fn in_hand_is_what_was_read_and_not_yet_heard() {
        let transfer = Transfer::new(1000..1_000_000, ReadKind::OpenEnded);
        transfer.advance(300_000);
        let after = |start, seconds| {
            transfer.in_hand(Music { start, rate: 100_000 }, transfer.born + Duration::from_secs(seconds))
        };
        assert_eq!([0, 1, 3, 9].map(|at| after(0, at)), [3, 2, 0, 0].map(Duration::from_secs));
        // A picture before the music plays for no time.
        assert_eq!(
            [101_000, 301_000, 900_000].map(|start| after(start, 0)),
            [2, 0, 0].map(Duration::from_secs)
        );
    }

    proptest! {
        #[test]
        fn frames_fit_and_end_at_pages(position in 0u64..1 << 40, is_first: bool) {
            let end = frame_end(position, is_first);
            prop_assert_eq!(end % PAGE_LEN as u64, 0);
            prop_assert!(end > position && end - position <= FRAME_LEN as u64);
            if is_first {
                prop_assert!(end - position >= FIRST_FRAME, "a short range takes one frame");
            }
        }
    }
}
