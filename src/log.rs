//! Log lines: one line in, the host's sink out.
//!
//! A line is formatted on the thread that logs and handed to a thread of its own, `vz-log`, which calls the sink. So
//! a slow host callback never delays playback, lines never overlap, and no lock of ours is held while the host runs:
//! it may call back into the session from its callback, even destroy it there.

use std::cell::Cell;
use std::fmt::Arguments;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// Where lines go. Called by one thread at a time.
pub type Sink = Box<dyn Fn(&str) + Send + Sync>;

/// Lines that may wait for a slow sink; more are counted and dropped, so that a stuck host costs no memory.
const QUEUE: usize = 4096;

/// How long [`Logger::stop`] goes on delivering what is queued. Destroying a session is bounded by 5 s, so a sink
/// that takes milliseconds per line must not be fed a whole queue of them.
const FLUSH: Duration = Duration::from_secs(1);

enum Message {
    Line(String),
    Stop,
}

/// A handle that logs; cheap to clone. When the last one is dropped the thread ends by itself.
#[derive(Clone)]
pub struct Logger {
    inner: Arc<Inner>,
}

struct Inner {
    queue: SyncSender<Message>,
    quiet: AtomicBool,
    dropped: AtomicU64,
    /// Set by the first stop: no line is delivered after this moment.
    stop_by: Arc<OnceLock<Instant>>,
    /// Held while the thread is joined, so that a second stop returns no earlier than the first.
    thread: Mutex<Option<JoinHandle<()>>>,
}

thread_local! {
    /// On a `vz-log` thread: the address of its logger's `stop_by`, which tells its own logger from any other.
    static DELIVERS_FOR: Cell<usize> = const { Cell::new(0) };
}

impl Logger {
    /// Starts the thread that calls `sink`.
    ///
    /// # Errors
    /// When the system refuses the thread.
    pub fn start(sink: Arc<Sink>) -> std::io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE);
        let stop_by = Arc::new(OnceLock::new());
        let until = Arc::clone(&stop_by);
        let thread = std::thread::Builder::new()
            .name("vz-log".into())
            .spawn(move || drain(&lines, &until, sink.as_ref()))?;
        let inner = Inner {
            queue,
            quiet: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
            stop_by,
            thread: Mutex::new(Some(thread)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Logs one line; the `[vozduxan HH:MM:SS.mmm] ` prefix is added here. Never blocks. After a stop: a no-op.
    pub fn line(&self, text: Arguments<'_>) {
        let missed = self.inner.dropped.swap(0, Ordering::Relaxed);
        if missed > 0
            && !self.queued(format_args!("{missed} log lines were lost: the log callback is too slow"))
        {
            self.inner.dropped.fetch_add(missed, Ordering::Relaxed);
        }
        if !self.queued(text) {
            self.inner.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Leaves out what [`Self::info`] is given.
    pub fn set_quiet(&self, quiet: bool) {
        self.inner.quiet.store(quiet, Ordering::Relaxed);
    }

    /// As [`Self::line`], for what is no warning: left out when the user wants a quiet log.
    pub fn info(&self, text: Arguments<'_>) {
        if !self.inner.quiet.load(Ordering::Relaxed) {
            self.line(text);
        }
    }

    /// Whether there was room for the line. A logger that was stopped has no use for it and counts as having room.
    fn queued(&self, text: Arguments<'_>) -> bool {
        let line = Message::Line(stamp(&text.to_string()));
        !matches!(self.inner.queue.try_send(line), Err(TrySendError::Full(_)))
    }

    /// Whether this is called from inside the sink, on the logger's thread.
    #[must_use]
    pub fn is_delivering(&self) -> bool {
        DELIVERS_FOR.get() == Arc::as_ptr(&self.inner.stop_by).addr()
    }

    /// Delivers what is queued, for a second at most, and ends the thread. After this returns the sink is not called
    /// again. It waits for a sink that is running: the host may free what the sink uses next.
    ///
    /// Called from inside the sink itself (a host that destroys its session in its log callback) it cannot wait for
    /// its own end: what is queued is dropped, no further line is delivered, and the thread ends when that call of
    /// the sink returns.
    pub fn stop(&self) {
        if self.is_delivering() {
            self.inner.stop_by.get_or_init(Instant::now);
            return;
        }
        let mut thread = self.inner.thread.lock();
        if let Some(thread) = thread.take() {
            self.inner.stop_by.get_or_init(|| Instant::now() + FLUSH);
            // Waits for room at worst; fails when the thread has already ended, which is what is wanted.
            let _ = self.inner.queue.send(Message::Stop);
            // A panic inside a host's callback must not become ours.
            let _ = thread.join();
        }
    }
}

fn drain(lines: &Receiver<Message>, stop_by: &Arc<OnceLock<Instant>>, sink: &Sink) {
    DELIVERS_FOR.set(Arc::as_ptr(stop_by).addr());
    while let Ok(Message::Line(line)) = lines.recv() {
        sink(&line);
        if stop_by.get().is_some_and(|end| Instant::now() >= *end) {
            return;
        }
    }
}

/// `[vozduxan HH:MM:SS.mmm] text`, one line, UTC. Control characters become spaces: names and messages come from
/// torrents, trackers and peers, and must neither fake a line nor steer the terminal that shows it.
#[must_use]
pub fn stamp(text: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (now.as_secs() % 86_400, now.subsec_millis());
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let text = text.replace(char::is_control, " ");
    format!("[vozduxan {h:02}:{m:02}:{s:02}.{millis:03}] {text}")
}

/// Logs one line that is no warning, with `format!` syntax.
#[macro_export]
macro_rules! log_info {
    ($logger:expr, $($text:tt)*) => { $logger.info(format_args!($($text)*)) };
}

/// Logs one line with `format!` syntax.
#[macro_export]
macro_rules! log_line {
    ($logger:expr, $($text:tt)*) => { $logger.line(format_args!($($text)*)) };
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

    use super::*;

    /// A sink that hands each line over and then waits for leave to return.
    fn gated() -> (Logger, Receiver<String>, Sender<()>) {
        let (lines, seen) = channel();
        let (leave, gate) = channel();
        let gate = Mutex::new(gate);
        let sink: Sink = Box::new(move |line| {
            let _ = lines.send(line.to_owned());
            let _ = gate.lock().recv();
        });
        (Logger::start(Arc::new(sink)).unwrap(), seen, leave)
    }

    /// A sink that collects.
    fn collecting() -> (Logger, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let sink: Sink = Box::new(move |line| kept.lock().push(body(line).to_owned()));
        (Logger::start(Arc::new(sink)).unwrap(), lines)
    }

    fn body(line: &str) -> &str {
        line.split_once("] ").unwrap().1
    }

    #[test]
    fn a_line_is_stamped_and_stays_one_line() {
        let line = stamp("two\nlines\0and \u{1b}[31mred");
        let (time, text) = line.strip_prefix("[vozduxan ").unwrap().split_once("] ").unwrap();
        assert_eq!(text, "two lines and  [31mred");
        assert_eq!(time.len(), "HH:MM:SS.mmm".len());
        assert_eq!(time.replace(|c: char| c.is_ascii_digit(), "9"), "99:99:99.999");
    }

    #[test]
    fn stop_delivers_what_is_queued_in_order_and_nothing_later() {
        let (log, lines) = collecting();
        for n in 0..100 {
            log.line(format_args!("{n}"));
        }
        log.stop();
        log.line(format_args!("too late"));
        log.stop();
        let expected: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        assert_eq!(*lines.lock(), expected);
    }

    #[test]
    fn lost_lines_are_counted_exactly() {
        let (log, seen, leave) = gated();
        log.line(format_args!("held"));
        assert_eq!(body(&seen.recv().unwrap()), "held");
        // The sink is busy and the queue empty: QUEUE lines fit, seven do not.
        for n in 0..QUEUE + 7 {
            log.line(format_args!("{n}"));
        }
        drop(leave);
        for n in 0..QUEUE {
            assert_eq!(body(&seen.recv().unwrap()), n.to_string());
        }
        log.line(format_args!("after"));
        assert_eq!(body(&seen.recv().unwrap()), "7 log lines were lost: the log callback is too slow");
        assert_eq!(body(&seen.recv().unwrap()), "after");
        log.stop();
    }

    #[test]
    fn a_sink_may_stop_its_own_logger_and_hears_no_more() {
        let (seen, lines) = channel();
        let own: Arc<OnceLock<Logger>> = Arc::default();
        let (ready, started) = channel::<()>();
        let started = Mutex::new(started);
        let logger = Arc::clone(&own);
        let sink: Sink = Box::new(move |line| {
            let _ = started.lock().recv();
            logger.get().unwrap().stop();
            let _ = seen.send(body(line).to_owned());
        });
        let log = own.get_or_init(|| Logger::start(Arc::new(sink)).unwrap());
        log.line(format_args!("first"));
        log.line(format_args!("second"));
        ready.send(()).unwrap();
        assert_eq!(lines.recv().unwrap(), "first");
        log.stop();
        // The sink is gone with its thread, and with it the sender: an end, not another line.
        assert!(lines.recv().is_err());
    }

    #[test]
    fn a_second_stop_returns_no_earlier_than_the_first() {
        let (log, seen, leave) = gated();
        log.line(format_args!("held"));
        seen.recv().unwrap();
        let ended = Mutex::new(seen);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    log.stop();
                    // The sink's sender is gone when no call of it can follow.
                    assert_eq!(ended.lock().try_recv(), Err(TryRecvError::Disconnected));
                });
            }
            leave.send(()).unwrap();
        });
    }

    #[test]
    fn dropping_every_handle_ends_the_thread() {
        let (log, seen, leave) = gated();
        drop(leave);
        log.line(format_args!("last"));
        drop(log);
        assert_eq!(body(&seen.recv().unwrap()), "last");
        assert!(seen.recv().is_err());
    }
}
