//! The session: starts and ends the threads in a written-down order, and is what the ten functions call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Builder, Runtime};

use crate::bridge::{Bridge, inspect_resume};
use crate::http::{Limits, Server};
use crate::log::Logger;
use crate::storage::{self, LogLevel, Scheduler, Store};
use crate::{log_info, log_line};

use super::calls::Calls;
use super::disk::Disk;
use super::event_loop::Engine;
use super::frames::Frames;
use super::inbox::{Command, Inbox, Stored};
use super::input::{Input, Meta, Source};
use super::prepare::Prepare;
use super::reach::Reach;
use super::streams::Streams;
use super::transfer::Gate;
use super::tuning::{network, tuning, ways};
use super::waiter::{Promise, Waiter};
use super::{Config, Error, FileEntry, Prepared, Role, Stats, file_entries};

/// How long the end waits for callers that are still inside one of the functions.
const LAST_CALLS: Duration = Duration::from_millis(500);
/// How long the end waits for the runtime's tasks.
const LAST_TASKS: Duration = Duration::from_millis(500);
/// How long the end waits for libtorrent. A look-up of a host name cannot be ended and may take a dead name server's
/// time; libtorrent is left alone with it then.
const LAST_LIBTORRENT: Duration = Duration::from_millis(1800);

/// A running engine. All methods may be called from any thread, any number at once.
pub struct Session {
    inbox: Arc<Inbox>,
    streams: Arc<Streams>,
    store: Arc<Store>,
    disk: Arc<Disk>,
    server: Server,
    log: Logger,
    epoch: Instant,
    bridge: Arc<Bridge>,
    engine: Mutex<Option<JoinHandle<()>>>,
    runtime: Mutex<Option<Runtime>>,
    stopping: AtomicBool,
    calls: Calls,
}

impl Session {
    /// Creates the storage directory, binds the HTTP port and starts the threads. Order: storage, libtorrent, the
    /// runtime and the HTTP server, the disk thread, the engine's thread.
    ///
    /// # Errors
    /// `Storage` when the directory cannot be used; `Internal` when the system refuses a thread or a socket.
    pub fn start(config: Config, log: Logger) -> Result<Arc<Self>, Error> {
        let internal = |what: &str, why: &dyn std::fmt::Display| Error::Internal(format!("{what}: {why}"));
        let epoch = Instant::now();
        let store = Store::open(&config.storage_path).map_err(|error| Error::Storage(error.to_string()))?;
        let (settings, complaints) = store.settings();
        log.set_quiet(settings.log_level == LogLevel::Quiet);
        for complaint in &complaints {
            log_line!(log, "warning: {complaint}");
        }
        let own_picker = settings.stream.scheduler == Scheduler::Window;
        let dht_state = store.load_dht_state().unwrap_or_default();
        let bridge = Bridge::start(&network(&settings, &config), dht_state, own_picker)
            .map_err(|why| internal("libtorrent did not start", &why))?;
        let bridge = Arc::new(bridge);
        let store = Arc::new(store);
        let inbox = Arc::new(Inbox::default());
        inbox.connect(Arc::clone(&bridge));
        let streams = Arc::new(Streams::new(Arc::clone(&inbox)));
        let runtime = Builder::new_multi_thread()
            // One: where the system refuses a second worker, tokio panics with the first one running and then waits
            // for that one for ever, inside `build`. One serves a machine's players with ease: what waits for the
            // disk is on blocking threads.
            .worker_threads(1)
            .thread_name("vz-http")
            .enable_all()
            .build()
            .map_err(|error| internal("the HTTP server's threads did not start", &error))?;
        let gate = Gate {
            streams: Arc::clone(&streams),
            runtime: runtime.handle().clone(),
            frames: Arc::new(Frames::default()),
        };
        let server = Server::bind(runtime.handle(), Arc::new(gate), log.clone(), Limits::default())
            .map_err(|error| internal("no HTTP port on 127.0.0.1", &error))?;
        let disk = Disk::start(Arc::clone(&store), Arc::clone(&inbox))
            .map_err(|error| internal("the disk thread did not start", &error))?;
        let disk = Arc::new(disk);
        let engine = Engine::new(
            Arc::clone(&bridge),
            Arc::clone(&inbox),
            Arc::clone(&streams),
            Arc::clone(&store),
            Arc::clone(&disk),
            log.clone(),
            tuning(&settings, &config),
            Reach::start(&ways(&settings), runtime.handle(), &inbox),
            epoch,
        );
        let thread = std::thread::Builder::new()
            .name("vz-engine".into())
            .spawn(move || engine.run())
            .map_err(|error| internal("the engine's thread did not start", &error))?;
        log_info!(
            log,
            "session created: storage {}, http port {}, started in {} ms",
            store.root().display(),
            server.port(),
            epoch.elapsed().as_millis()
        );
        Ok(Arc::new(Self {
            inbox,
            streams,
            store,
            disk,
            server,
            log,
            epoch,
            bridge,
            engine: Mutex::new(Some(thread)),
            runtime: Mutex::new(Some(runtime)),
            stopping: AtomicBool::new(false),
            calls: Calls::default(),
        }))
    }

    /// Blocks until the stream can be played. `progress` is called on this thread only, with 0..=1, never going back.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn prepare(
        &self,
        input: Input<'_>,
        file: i32,
        role: Role,
        progress: &mut dyn FnMut(f32, &str),
    ) -> Result<Prepared, Error> {
        let _inside = self.calls.enter();
        self.refuse_when_stopping()?;
        let called = self.epoch.elapsed();
        let mut source = Source::parse(input)?;
        if let Some(meta) = &source.meta {
            super::prepare::check_file(meta, file)?;
        }
        let stored = self.look_up(&mut source)?;
        let waiter = Waiter::new("Connecting to the swarm…");
        let prepare = Prepare { source, stored, file, role, waiter: Promise::new(&waiter), called };
        self.inbox.push(Command::Prepare(Box::new(prepare)));
        let opened = waiter.wait(progress)?;
        progress(1.0, "Ready");
        let url = format!("http://127.0.0.1:{}/stream/{}", self.server.port(), opened.token);
        Ok(Prepared { url, token: opened.token, file_len: opened.file_len, mime: opened.mime })
    }

    /// Every file of the torrent, in its own order.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn list_files(&self, input: Input<'_>) -> Result<Vec<FileEntry>, Error> {
        let _inside = self.calls.enter();
        self.refuse_when_stopping()?;
        let mut source = Source::parse(input)?;
        let stored = self.look_up(&mut source)?;
        if let Some(meta) = &source.meta {
            return Ok(file_entries(meta));
        }
        let waiter = Waiter::new("");
        self.inbox.push(Command::List(Box::new(source), stored, Promise::new(&waiter)));
        waiter.wait(&mut |_, _| {})
    }

    fn refuse_when_stopping(&self) -> Result<(), Error> {
        if self.stopping.load(Ordering::Acquire) { Err(Error::ShuttingDown) } else { Ok(()) }
    }

    /// What storage knows of a torrent, on the caller's thread. Metadata found there makes a magnet as good as a
    /// .torrent file; resume data that cannot be used only costs time.
    ///
    /// # Errors
    /// `Storage` when there is no safe place for the torrent's files.
    fn look_up(&self, source: &mut Source) -> Result<Stored, Error> {
        let key = source.hashes.key();
        let resume = match self.store.load_resume(key) {
            Ok(resume) => resume,
            Err(error) => {
                log_line!(self.log, "warning: {error}");
                None
            }
        };
        let mut stored = Stored { resume, ..Stored::default() };
        if let Some(bytes) = &stored.resume {
            match inspect_resume(bytes).map_err(Error::Internal).and_then(Meta::new) {
                Ok(meta) if meta.hashes().same(&source.hashes) => {
                    source.meta.get_or_insert_with(|| Arc::new(meta));
                    stored.intact = self.store.is_intact(key, bytes);
                }
                Ok(_) => {
                    log_line!(
                        self.log,
                        "warning: stored resume data of {key} is of another torrent; not used"
                    );
                    stored.resume = None;
                }
                Err(error) => {
                    log_line!(
                        self.log,
                        "warning: stored resume data of {key} is not usable ({error}); not used"
                    );
                    stored.resume = None;
                }
            }
        }
        if let Some(meta) = &source.meta {
            if let Some(second) = meta.hashes().second() {
                self.store.rename_parts(second, key);
            }
            let unsafe_place = |error: storage::Error| Error::Storage(error.to_string());
            let home = self.store.home(key, &meta.info.name).map_err(unsafe_place)?;
            for moved in self.store.clear_way(&home, meta.data_files()).map_err(unsafe_place)? {
                log_line!(
                    self.log,
                    "warning: what was in place of a file of {key} is now {}",
                    moved.display()
                );
            }
            let unchecked = home.is_adopted() && stored.resume.is_none();
            stored.has_parts = unchecked && self.store.has_parts(key);
            stored.home = Some(home);
        }
        Ok(stored)
    }

    /// Tells where playback is, in bytes from the start of the file. Never blocks; any value is clamped.
    pub fn notify_position(&self, token: &str, position: i64) {
        if let Some(stream) = self.streams.find(token) {
            stream.notify(position);
        }
    }

    /// Ends a stream: its token is unknown and its transfers are cut when this returns.
    pub fn release(&self, token: &str) {
        if let Some(stream) = self.streams.release(token) {
            self.inbox.push(Command::Released(stream.id));
        }
    }

    /// Live figures; zeros for an unknown token.
    #[must_use]
    pub fn stats(&self, token: &str) -> Stats {
        self.streams.stats(token)
    }

    /// Drops torrents idle longer than the TTL and brings the disk under its limit.
    pub fn evict(&self) {
        let _inside = self.calls.enter();
        let waiter = Waiter::new("");
        self.inbox.push(Command::Evict(Promise::new(&waiter)));
        // Only the end of the session is an error here, and there is nobody to tell.
        let _ = waiter.wait(&mut |_, _| {});
    }

    /// The loopback port of the HTTP server.
    #[must_use]
    pub fn http_port(&self) -> u16 {
        self.server.port()
    }

    /// Ends libtorrent; false when it could not be waited for.
    fn shut_down_libtorrent(&self) -> bool {
        // A condition variable and not a channel: waiting on one of the standard library's leaves something behind on
        // the host's thread until that ends, which on its main thread is for ever.
        let ended = Arc::new((Mutex::new(false), Condvar::new()));
        let (bridge, done) = (Arc::clone(&self.bridge), Arc::clone(&ended));
        let end = std::thread::Builder::new().name("vz-end".into()).spawn(move || {
            bridge.shut_down();
            *done.0.lock() = true;
            done.1.notify_all();
        });
        let in_time = end.is_ok() && {
            let mut hold = ended.0.lock();
            ended.1.wait_while_for(&mut hold, |over| !*over, LAST_LIBTORRENT);
            *hold
        };
        match (end, in_time) {
            (Ok(end), true) => {
                let _ = end.join();
                true
            }
            (Ok(_), false) => {
                log_line!(
                    self.log,
                    "warning: libtorrent still waits for a look-up of a host name; its threads end when that does"
                );
                false
            }
            (Err(_), _) => {
                self.bridge.shut_down();
                true
            }
        }
    }

    /// Ends everything. Blocked calls return `ShuttingDown`; afterwards no thread of the session lives,
    /// but libtorrent's where a dead name server holds it up. Order: no new
    /// calls; streams and HTTP; the engine's loop, which answers all who wait and saves; libtorrent; the disk thread;
    /// the runtime; the log, last.
    pub fn stop(&self) {
        if self.stopping.swap(true, Ordering::AcqRel) {
            return;
        }
        let began = Instant::now();
        self.streams.close_all();
        self.server.stop();
        self.inbox.push(Command::Stop);
        let engine = self.engine.lock().take();
        if let Some(engine) = engine
            && engine.join().is_err()
        {
            log_line!(self.log, "error: the engine's thread ended by a defect");
        }
        self.inbox.close();
        let libtorrent_ended = self.shut_down_libtorrent();
        self.disk.stop();
        if libtorrent_ended && let Err(error) = self.store.seal() {
            log_line!(self.log, "warning: {error}; some files will be checked at the next start");
        }
        let runtime = self.runtime.lock().take();
        if let Some(runtime) = runtime {
            // Never dropped on the caller's thread: that may be a thread of another runtime.
            let end = std::thread::Builder::new()
                .name("vz-end".into())
                .spawn(move || runtime.shutdown_timeout(LAST_TASKS));
            if let Ok(end) = end {
                let _ = end.join();
            }
        }
        self.calls.wait_until_empty(LAST_CALLS);
        log_info!(self.log, "session destroyed in {} ms", began.elapsed().as_millis());
        self.log.stop();
    }
}
