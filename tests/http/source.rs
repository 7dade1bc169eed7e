//! Files in memory whose bytes arrive on command, and a ledger of the readers over them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;
use vozduxan::http::{BoxFuture, Cut, Media, ReadKind, Reader, Source};

/// Bytes a reader hands over at once, at most, unless a file says otherwise.
const FRAME: u64 = 64 * 1024;

/// Longest a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The streams by token.
#[derive(Default)]
pub struct Memory {
    files: Mutex<HashMap<String, Arc<File>>>,
}

impl Memory {
    pub fn add(&self, token: &str, len: u64) -> Arc<File> {
        let bytes: Vec<u8> = (0..len).map(pattern).collect();
        let (arrived, _) = watch::channel(Arrived::default());
        let file = Arc::new(File {
            bytes: bytes.into(),
            arrived,
            ledger: Ledger::default(),
            frame: AtomicU64::new(FRAME),
        });
        self.files.lock().insert(token.to_owned(), Arc::clone(&file));
        file
    }

    /// The token is unknown from now on; transfers go on until they are cut.
    pub fn forget(&self, token: &str) {
        self.files.lock().remove(token);
    }
}

impl Source for Memory {
    fn open(&self, token: &str) -> Option<Arc<dyn Media>> {
        self.files.lock().get(token).map(|file| Arc::new(Opened(Arc::clone(file))) as Arc<dyn Media>)
    }
}

/// The byte at a position: no two places of a test file look alike for long.
fn pattern(at: u64) -> u8 {
    (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

pub struct File {
    pub bytes: Bytes,
    arrived: watch::Sender<Arrived>,
    pub ledger: Ledger,
    frame: AtomicU64,
}

#[derive(Default)]
struct Arrived {
    spans: Vec<Range<u64>>,
    cut: Option<Cut>,
}

impl Arrived {
    /// The end of what can be read at `at`, within `span`.
    fn end(&self, at: u64, span: &Range<u64>, frame: u64) -> Option<u64> {
        self.spans.iter().find(|it| it.contains(&at)).map(|it| it.end.min(span.end).min(at + frame))
    }
}

impl File {
    pub fn arrive(&self, span: Range<u64>) {
        self.arrived.send_modify(|arrived| arrived.spans.push(span));
    }

    /// How many bytes a reader hands over at once, at most.
    pub fn set_frame(&self, len: u64) {
        self.frame.store(len, Ordering::Relaxed);
    }

    pub fn cut(&self, cut: Cut) {
        self.arrived.send_modify(|arrived| arrived.cut = Some(cut));
    }

    pub fn slice(&self, span: Range<u64>) -> &[u8] {
        &self.bytes[span.start as usize..span.end as usize]
    }
}

/// What became of the readers of a file.
#[derive(Default)]
pub struct Ledger {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Readers made, by kind.
    pub open_ended: usize,
    pub bounded: usize,
    /// Readers not dropped yet.
    pub live: usize,
    /// Waits that have begun and found nothing.
    pub waiting: usize,
    /// Bytes handed over.
    pub pulled: u64,
}

impl Ledger {
    pub fn now(&self) -> Counts {
        *self.counts.lock()
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock());
        self.changed.notify_all();
    }

    /// Waits until the counts are as they should be, and tells how long it took.
    #[track_caller]
    pub fn until(&self, right: impl Fn(&Counts) -> bool) -> Duration {
        let start = Instant::now();
        let mut counts = self.counts.lock();
        while !right(&counts) {
            let late = self.changed.wait_until(&mut counts, start + PATIENCE).timed_out();
            assert!(!late, "this did not happen: {counts:?}");
        }
        start.elapsed()
    }
}

struct Opened(Arc<File>);

impl Media for Opened {
    fn len(&self) -> u64 {
        self.0.bytes.len() as u64
    }
    fn mime(&self) -> &str {
        "audio/flac"
    }
    fn etag(&self) -> &str {
        "\"0123-7\""
    }
    fn reader(&self, span: Range<u64>, kind: ReadKind) -> Box<dyn Reader> {
        assert!(span.start < span.end && span.end <= self.len(), "a reader's span lies inside the file");
        self.0.ledger.change(|counts| {
            match kind {
                ReadKind::OpenEnded => counts.open_ended += 1,
                ReadKind::Bounded => counts.bounded += 1,
            }
            counts.live += 1;
        });
        Box::new(MemoryReader { file: Arc::clone(&self.0), arrived: self.0.arrived.subscribe(), span })
    }
}

struct MemoryReader {
    file: Arc<File>,
    arrived: watch::Receiver<Arrived>,
    /// What is still to be read.
    span: Range<u64>,
}

impl MemoryReader {
    async fn read(&mut self) -> Result<Bytes, Cut> {
        let span = self.span.clone();
        if span.is_empty() {
            return Ok(Bytes::new());
        }
        let (at, frame) = (span.start, self.file.frame.load(Ordering::Relaxed));
        let nothing = self.arrived.borrow().end(at, &span, frame).is_none();
        if nothing {
            self.file.ledger.change(|counts| counts.waiting += 1);
        }
        let end = {
            let ready = |arrived: &Arrived| arrived.cut.is_some() || arrived.end(at, &span, frame).is_some();
            let arrived = self.arrived.wait_for(|arrived| ready(arrived)).await.map_err(|_| Cut::Closed)?;
            match arrived.cut {
                Some(cut) => return Err(cut),
                None => arrived.end(at, &span, frame).expect("wait_for saw it"),
            }
        };
        self.span.start = end;
        self.file.ledger.change(|counts| counts.pulled += end - at);
        Ok(self.file.bytes.slice(at as usize..end as usize))
    }
}

impl Reader for MemoryReader {
    fn next(mut self: Box<Self>) -> BoxFuture<(Box<dyn Reader>, Result<Bytes, Cut>)> {
        Box::pin(async move {
            let bytes = self.read().await;
            (self as Box<dyn Reader>, bytes)
        })
    }

    fn cancelled(&self) -> BoxFuture<()> {
        let mut arrived = self.arrived.clone();
        Box::pin(async move {
            if arrived.wait_for(|arrived| arrived.cut.is_some()).await.is_err() {
                std::future::pending().await
            }
        })
    }
}

impl Drop for MemoryReader {
    fn drop(&mut self) {
        self.file.ledger.change(|counts| counts.live -= 1);
    }
}
