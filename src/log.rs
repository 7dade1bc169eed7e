//! Log lines: one line in, the host's sink out.
//!
//! A line is formatted on the thread that logs and handed to a thread of its own, `vz-log`, which calls the sink. So
//! a slow host callback never delays playback, lines never overlap, and no lock of ours is held while the host runs:
//! it may call back into the session from its callback.

use std::fmt::Arguments;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{JoinHandle, ThreadId};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// Where lines go. Called by one thread at a time.
pub type Sink = Box<dyn Fn(&str) + Send + Sync>;

/// Lines that may wait for a slow sink; more are counted and dropped, so that a stuck host costs no memory.
const QUEUE: usize = 4096;

enum Message {
    Line(String),
    Stop,
}

/// A handle that logs; cheap to clone.
#[derive(Clone)]
pub struct Logger {
    inner: Arc<Inner>,
}

struct Inner {
    queue: SyncSender<Message>,
    dropped: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
    thread_id: Mutex<Option<ThreadId>>,
}

impl Logger {
    /// Starts the thread that calls `sink`.
    ///
    /// # Errors
    /// When the system refuses the thread.
    pub fn start(sink: Arc<Sink>) -> std::io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let thread =
            std::thread::Builder::new().name("vz-log".into()).spawn(move || drain(&lines, sink.as_ref()))?;
        let id = thread.thread().id();
        let inner = Inner {
            queue,
            dropped: AtomicU64::new(0),
            thread: Mutex::new(Some(thread)),
            thread_id: Mutex::new(Some(id)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Logs one line; the `[vozduxan HH:MM:SS.mmm] ` prefix is added here. Never blocks.
    pub fn line(&self, text: Arguments<'_>) {
        let missed = self.inner.dropped.swap(0, Ordering::Relaxed);
        if missed > 0 {
            self.send(stamp(&format!("{missed} log lines were lost: the log callback is too slow")), missed);
        }
        self.send(stamp(&text.to_string()), 0);
    }

    fn send(&self, line: String, already_missed: u64) {
        if let Err(TrySendError::Full(_)) = self.inner.queue.try_send(Message::Line(line)) {
            self.inner.dropped.fetch_add(1 + already_missed, Ordering::Relaxed);
        }
    }

    /// Delivers what is queued and ends the thread. After this returns the sink is not called again.
    ///
    /// Called from inside the sink itself (a host that destroys its session in its log callback) it cannot wait for
    /// its own end: the thread then ends after that callback.
    pub fn stop(&self) {
        let thread = self.inner.thread.lock().take();
        let own = *self.inner.thread_id.lock() == Some(std::thread::current().id());
        if let Some(thread) = thread {
            if own {
                let _ = self.inner.queue.try_send(Message::Stop);
                return;
            }
            let _ = self.inner.queue.send(Message::Stop);
            // A panic inside a host's callback must not become ours.
            let _ = thread.join();
        }
    }
}

fn drain(lines: &Receiver<Message>, sink: &Sink) {
    while let Ok(Message::Line(line)) = lines.recv() {
        sink(&line);
    }
}

/// `[vozduxan HH:MM:SS.mmm] text`, one line, UTC.
#[must_use]
pub fn stamp(text: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (now.as_secs() % 86_400, now.subsec_millis());
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = text.replace(['\n', '\r', '\0'], " ");
    format!("[vozduxan {h:02}:{m:02}:{s:02}.{millis:03}] {text}")
}

/// Logs one line with `format!` syntax.
#[macro_export]
macro_rules! log_line {
    ($logger:expr, $($text:tt)*) => { $logger.line(format_args!($($text)*)) };
}
