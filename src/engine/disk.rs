//! The thread that waits for the disk, so that the engine's does not: resume data, DHT state, measuring, deleting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::UNIX_EPOCH;

use parking_lot::Mutex;

use crate::storage::{Contents, Home, Store};
use crate::units::InfoHash;

use super::Error;
use super::inbox::{Command, Inbox, Usage};
use super::waiter::Promise;

/// One job; done in order.
pub enum Job {
    /// Write a torrent's resume data.
    SaveResume(InfoHash, Vec<u8>),
    /// Write the DHT's state.
    SaveDht(Vec<u8>),
    /// Remember that a torrent was in use now.
    Touch(InfoHash),
    /// Delete a torrent's data.
    Remove(InfoHash),
    /// Move what is in the older engine's part file to the torrent's files; the answer is a `Command::Unpacked`.
    Unpack(InfoHash, Home, Contents),
    /// Measure all torrents; the answer is a `Command::Measured`.
    Measure(Option<Promise<()>>),
    /// Delete what sessions that ran beside this one have left.
    RemoveAbandoned,
    /// All before this is done.
    Done(Promise<()>),
}

/// The way to the thread.
pub struct Disk {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Long jobs end early.
    stopping: Arc<AtomicBool>,
}

impl Disk {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn start(store: Arc<Store>, inbox: Arc<Inbox>) -> std::io::Result<Self> {
        let (jobs, queue) = channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = std::thread::Builder::new()
            .name("vz-disk".into())
            .spawn(move || work(&store, &inbox, &queue, &stop))?;
        Ok(Self { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)), stopping })
    }

    /// Adds a job.
    pub fn push(&self, job: Job) {
        if let Some(jobs) = &*self.jobs.lock() {
            let _ = jobs.send(job);
        }
    }

    /// Does what is queued and ends the thread.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        drop(self.jobs.lock().take());
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

fn work(store: &Store, inbox: &Inbox, queue: &Receiver<Job>, stop: &AtomicBool) {
    // A disk that is full stays so for a while: the first failure of a row is told, the others are not.
    let mut troubled = false;
    let mut tell = |answer: Result<(), crate::storage::Error>| {
        let failed = answer.is_err();
        if let Err(error) = answer
            && !troubled
        {
            inbox.push(Command::DiskTrouble(Error::Storage(error.to_string())));
        }
        troubled = failed;
        failed
    };
    while let Ok(job) = queue.recv() {
        match job {
            Job::SaveResume(torrent, bytes) => {
                if tell(store.save_resume(torrent, &bytes)) {
                    inbox.push(Command::Unsaved(torrent));
                }
            }
            Job::SaveDht(bytes) => {
                tell(store.save_dht_state(&bytes));
            }
            Job::Touch(torrent) => store.touch(torrent),
            Job::Remove(torrent) => {
                tell(store.remove_torrent(torrent));
                inbox.push(Command::Removed(torrent));
            }
            Job::Unpack(torrent, home, contents) => {
                let outcome = store.unpack_parts(&home, &contents, stop);
                let outcome = outcome.map_err(|error| Error::Storage(error.to_string()));
                inbox.push(Command::Unpacked(torrent, outcome));
            }
            Job::Measure(waiter) => inbox.push(Command::Measured(measure(store), waiter)),
            Job::RemoveAbandoned => {
                tell(store.remove_abandoned());
            }
            Job::Done(waiter) => waiter.finish(Ok(())),
        }
    }
}

fn measure(store: &Store) -> Usage {
    let torrents = store.torrents().unwrap_or_default();
    let torrents = torrents
        .into_iter()
        .map(|torrent| {
            let used = torrent.last_used.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            // Without resume data it is what a crash left of a deletion or a start. Its folder was changed by that, and
            // all of it would have to be hashed: it goes before what somebody played.
            let used = if torrent.has_resume { u64::try_from(used).unwrap_or(u64::MAX) } else { 0 };
            (torrent.info_hash, store.usage(torrent.info_hash).unwrap_or(0), used)
        })
        .collect();
    Usage { torrents, abandoned: store.abandoned().unwrap_or(0) }
}
