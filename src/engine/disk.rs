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
use super::inbox::{Command, Inbox};
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
    let trouble =
        |error: crate::storage::Error| inbox.push(Command::DiskTrouble(Error::Storage(error.to_string())));
    while let Ok(job) = queue.recv() {
        match job {
            Job::SaveResume(torrent, bytes) => {
                if let Err(error) = store.save_resume(torrent, &bytes) {
                    trouble(error);
                }
            }
            Job::SaveDht(bytes) => {
                if let Err(error) = store.save_dht_state(&bytes) {
                    trouble(error);
                }
            }
            Job::Touch(torrent) => store.touch(torrent),
            Job::Remove(torrent) => {
                if let Err(error) = store.remove_torrent(torrent) {
                    trouble(error);
                }
                inbox.push(Command::Removed(torrent));
            }
            Job::Unpack(torrent, home, contents) => {
                let outcome = store.unpack_parts(&home, &contents, stop);
                let outcome = outcome.map_err(|error| Error::Storage(error.to_string()));
                inbox.push(Command::Unpacked(torrent, outcome));
            }
            Job::Measure(waiter) => inbox.push(Command::Measured(measure(store), waiter)),
            Job::Done(waiter) => waiter.finish(Ok(())),
        }
    }
}

fn measure(store: &Store) -> Vec<(InfoHash, u64, u64)> {
    let Ok(known) = store.torrents() else { return Vec::new() };
    known
        .into_iter()
        .map(|torrent| {
            let used = torrent.last_used.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
            (torrent.info_hash, store.usage(torrent.info_hash).unwrap_or(0), used)
        })
        .collect()
}
