//! Moves prepares along, and ends streams: the parts of the loop that callers wait for.

use std::sync::Arc;
use std::time::Duration;

use crate::media::{MediaType, SNIFF_LEN};
use crate::storage;
use crate::{log_info, log_line};

use super::disk::Job as DiskJob;
use super::event_loop::Engine;
use super::head::Head;
use super::listener::Listener;
use super::prepare::{
    BACKGROUND_LIMIT, Chosen, DATA_TIMEOUT, Job, METADATA_TIMEOUT, Opened, check_bytes, check_file, human,
};
use super::streams::{NewStream, Stream};
use super::torrent::Torrent;
use super::{Error, Role};

/// What one look at a job came to.
enum Step {
    Wait,
    Done(Result<(), Error>),
}

impl Engine {
    /// Looks at every job and every waiting list of a torrent.
    pub(super) fn advance_jobs(&mut self, id: u32, now: Duration) {
        self.refresh_heads(id, now);
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        torrent.probes.clear();
        let jobs = std::mem::take(&mut torrent.jobs);
        for mut job in jobs {
            match self.step(id, &mut job, now) {
                Step::Wait => {
                    if let Some(torrent) = self.torrents.get_mut(&id) {
                        torrent.jobs.push(job);
                    }
                }
                Step::Done(Ok(())) => self.ready(id, &job, now),
                Step::Done(Err(error)) => self.give_up(id, job, error),
            }
        }
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        let late = |called: &Duration| now.saturating_sub(*called) > METADATA_TIMEOUT;
        if torrent.lists.iter().any(|(called, _)| late(called)) {
            let text = no_metadata(torrent, self.bridge.dht_nodes());
            let (expired, left) =
                std::mem::take(&mut torrent.lists).into_iter().partition(|(called, _)| late(called));
            torrent.lists = left;
            let expired: Vec<_> = expired;
            expired
                .into_iter()
                .for_each(|(_, waiter)| waiter.finish(Err(Error::MetadataTimeout(text.clone()))));
        }
    }

    /// Lets the headers of open streams be read as far as they are here.
    fn refresh_heads(&mut self, id: u32, now: Duration) {
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        let Torrent { listeners, verdicts, meta: Some(meta), .. } = torrent else { return };
        for listener in listeners {
            listener.head.update(&listener.stream, now);
            listener.head.foresee(&listener.stream, now, &|span| verdicts.copy(&meta.layout, span));
        }
    }

    fn step(&mut self, id: u32, job: &mut Job, now: Duration) -> Step {
        let Some(torrent) = self.torrents.get_mut(&id) else {
            return Step::Done(Err(Error::Internal("the torrent is gone".into())));
        };
        let Some(meta) = torrent.meta.clone() else {
            if let Some(error) = &torrent.error {
                return Step::Done(Err(Error::Storage(error.clone())));
            }
            let waited = now.saturating_sub(job.prepare.called);
            if waited > METADATA_TIMEOUT {
                let text = no_metadata(torrent, self.bridge.dht_nodes());
                return Step::Done(Err(Error::MetadataTimeout(text)));
            }
            let share = 0.05 + 0.1 * waited.as_secs_f32() / METADATA_TIMEOUT.as_secs_f32();
            let peers = torrent.picker.peers().0;
            job.prepare.waiter.tell(share, || match peers {
                0 => format!("Finding peers… ({})", tracker_words(torrent)),
                n => format!("Getting the torrent's metadata from {n} peers…"),
            });
            return Step::Wait;
        };
        if job.stream.is_none() {
            let chosen = match check_file(&meta, job.prepare.file) {
                Ok(chosen) => chosen,
                Err(error) => return Step::Done(Err(error)),
            };
            if let (false, Some(error)) = (torrent.checked, &torrent.error) {
                return Step::Done(Err(Error::Storage(error.clone())));
            }
            if !torrent.checked {
                job.prepare.waiter.tell(0.15, || "Checking what is on disk…".into());
                return Step::Wait;
            }
            let media = match chosen.media.map_or_else(|| self.sniff(id, &chosen), |media| Ok(Some(media))) {
                Ok(Some(media)) => media,
                Ok(None) => return self.wait_for_data(id, job, now, u64::from(u16::MAX)),
                Err(error) => return Step::Done(Err(error)),
            };
            match self.open_stream(id, job, &chosen, media, now) {
                Ok(stream) => job.stream = Some(stream),
                Err(error) => return Step::Done(Err(error)),
            }
        }
        self.buffer(id, job, now)
    }

    fn open_stream(
        &mut self,
        id: u32,
        job: &Job,
        chosen: &Chosen,
        media: MediaType,
        now: Duration,
    ) -> Result<Arc<Stream>, Error> {
        let torrent = self.torrents.get_mut(&id).expect("the caller has it");
        let (Some(meta), Some(shared), Some(home)) =
            (torrent.meta.clone(), torrent.shared.clone(), torrent.home.clone())
        else {
            return Err(Error::Internal("the torrent is not ready".into()));
        };
        let file = &meta.info.files[chosen.index as usize];
        let span = file.offset..file.offset + file.length;
        let data = match torrent.files.get(&chosen.index) {
            Some(data) => Arc::clone(data),
            None => {
                let data = self.store.data_file(&home, &file.disk_path);
                Arc::new(data.map_err(|error| Error::Storage(error.to_string()))?)
            }
        };
        torrent.files.insert(chosen.index, Arc::clone(&data));
        let first = span.start..span.end.min(span.start + 1);
        // Opened while it is what was checked: a file that takes its place later is noticed by its identity.
        if file.length > 0 && shared.availability.has(&first) {
            match data.read(0, 1) {
                Ok(_) => {}
                Err(error @ (storage::Error::Damaged { .. } | storage::Error::Missing { .. })) => {
                    log_line!(self.log, "warning: {error}; checking the files of {} again", torrent.key());
                    torrent.forget_files();
                    self.bridge.recheck(id);
                }
                // A URL whose first byte cannot be read is of no use to a player, and the caller can be told why.
                Err(error) => return Err(Error::Storage(error.to_string())),
            }
        }
        let stream = self
            .streams
            .open(NewStream {
                torrent: shared,
                file: crate::units::FileIndex(chosen.index),
                data,
                mime: media.mime,
                main_serial: job.main_serial,
                window_len: u64::from(self.tuning.windows.ahead_pieces) * u64::from(meta.layout.piece_len()),
                span: span.clone(),
            })
            .map_err(|error| Error::Internal(format!("the system's random generator failed: {error}")))?;
        let mut listener = Listener::new(Arc::clone(&stream), Head::new(media, span.end - span.start));
        listener.head.update(&stream, now);
        torrent.listeners.push(listener);
        Ok(stream)
    }

    fn buffer(&mut self, id: u32, job: &mut Job, now: Duration) -> Step {
        let bounds = self.tuning.bounds;
        let Some(torrent) = self.torrents.get_mut(&id) else { return Step::Wait };
        let Some(stream) = job.stream.clone() else { return Step::Wait };
        let rate = torrent.meter.rate(now);
        let unchoked = torrent.picker.peers().1;
        let Some(listener) = torrent.listeners.iter_mut().find(|l| l.stream.id == stream.id) else {
            return Step::Done(Err(Error::Internal(
                "the stream was released while it was being prepared".into(),
            )));
        };
        let need = listener.head.need((rate > 0).then_some(rate), unchoked, &bounds);
        let base = stream.span.start;
        let here = |span: &std::ops::Range<u64>| {
            stream.torrent.availability.has(&(base + span.start..base + span.end))
        };
        if need.required.iter().all(here) {
            listener.starting = need.beside;
            listener.ready = true;
            return Step::Done(Ok(()));
        }
        let total: u64 = need.required.iter().map(|span| span.end - span.start).sum();
        listener.starting = need.required;
        listener.starting.extend(need.beside);
        self.wait_for_data(id, job, now, total)
    }

    /// Data is on its way: tells the caller, or gives up.
    fn wait_for_data(&mut self, id: u32, job: &Job, now: Duration, total: u64) -> Step {
        let Some(torrent) = self.torrents.get_mut(&id) else { return Step::Wait };
        if let Some(error) = &torrent.error {
            return Step::Done(Err(Error::Storage(error.clone())));
        }
        if !torrent.checked {
            // Again: a file was not what it was.
            job.prepare.waiter.tell(0.2, || "Checking what is on disk…".into());
            return Step::Wait;
        }
        let begun = job.metadata_at.max(torrent.checked_at).unwrap_or(job.prepare.called);
        let waited = now.saturating_sub(job.prepare.called);
        if job.prepare.role == Role::Background
            && let Some(stream) = &job.stream
            && waited > BACKGROUND_LIMIT
        {
            // When it is played later there is no second prepare to say so.
            torrent.listeners.iter_mut().filter(|l| l.stream.id == stream.id).for_each(|l| l.ready = true);
            return Step::Done(Ok(()));
        }
        let rate = torrent.meter.rate(now);
        let (peers, unchoked) = torrent.picker.peers();
        let received = torrent.meter.total() - job.received_before;
        let last_data = torrent.meter.last().unwrap_or_default();
        if now.saturating_sub(begun.max(last_data)) > DATA_TIMEOUT {
            let seconds = DATA_TIMEOUT.as_secs();
            return Step::Done(Err(Error::NoData(format!(
                "no data from the swarm for {seconds} s: {peers} peers connected, {} of them choke us, {}",
                peers - unchoked,
                tracker_words(torrent)
            ))));
        }
        if torrent.is_fruitless(begun, now) {
            return Step::Done(Err(Error::NoData(format!(
                "the swarm sends wrong data only ({}): no other peers were found, {}",
                human(received),
                tracker_words(torrent)
            ))));
        }
        let share = 0.2 + 0.75 * (received as f32 / total.max(1) as f32).min(1.0);
        job.prepare.waiter.tell(share, || match (peers, unchoked) {
            (0, _) => format!("Finding peers… ({})", tracker_words(torrent)),
            (n, 0) => format!("Waiting: {n} peers connected, none lets us download yet"),
            (n, _) => {
                let (here, all, rate) = (human(received.min(total)), human(total), human(rate));
                format!("Buffering {here} of {all} at {rate}/s from {n} peers")
            }
        });
        Step::Wait
    }

    /// What a file is whose name does not say it: its first bytes do, once they are here. `None`: they are not yet.
    fn sniff(&mut self, id: u32, chosen: &Chosen) -> Result<Option<MediaType>, Error> {
        let torrent = self.torrents.get_mut(&id).expect("the caller has it");
        let (Some(meta), Some(shared), Some(home)) = (&torrent.meta, &torrent.shared, &torrent.home) else {
            return Ok(None);
        };
        let file = &meta.info.files[chosen.index as usize];
        if file.length == 0 {
            return check_bytes(meta, chosen.index, &[]).map(Some);
        }
        let len = file.length.min(SNIFF_LEN);
        let head = file.offset..file.offset + len;
        if !shared.availability.has(&head) {
            torrent.probes.push(head);
            return Ok(None);
        }
        let read = self.store.data_file(home, &file.disk_path).and_then(|data| data.read(0, len as usize));
        let bytes = read.map_err(|error| Error::Storage(error.to_string()))?;
        check_bytes(meta, chosen.index, &bytes).map(Some)
    }

    /// The stream can be played.
    fn ready(&mut self, id: u32, job: &Job, now: Duration) {
        let (Some(torrent), Some(stream)) = (self.torrents.get(&id), &job.stream) else { return };
        let called = job.prepare.called;
        let metadata = job.metadata_at.unwrap_or(called).saturating_sub(called);
        let total = now.saturating_sub(called);
        log_info!(
            self.log,
            "stream ready: file {} of {}, {}, {}, metadata {} ms, buffered {} ms, {} peers",
            stream.file.0,
            torrent.key(),
            human(stream.len()),
            if job.main_serial > 0 { "main" } else { "background" },
            metadata.as_millis(),
            total.saturating_sub(metadata).as_millis(),
            torrent.picker.peers().0
        );
        job.prepare.waiter.finish(Ok(Opened {
            token: stream.token.clone(),
            file_len: stream.len(),
            mime: stream.mime,
        }));
    }

    /// A prepare failed: its stream must not stay.
    pub(super) fn give_up(&mut self, id: u32, job: Job, error: Error) {
        if let Some(stream) = &job.stream {
            self.streams.release(&stream.token);
            if let Some(torrent) = self.torrents.get_mut(&id) {
                torrent.listeners.retain(|l| l.stream.id != stream.id);
                torrent.close_unread();
            }
        }
        log_line!(self.log, "prepare failed: {error}");
        job.prepare.waiter.finish(Err(error));
    }

    /// A stream's token was released.
    pub(super) fn released(&mut self, stream: u64) {
        let Some((id, at)) = self.find_stream(stream) else { return };
        let now = self.now();
        self.touched.insert(id);
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        let listener = torrent.listeners.remove(at);
        torrent.close_unread();
        log_info!(self.log, "stream released: file {} of {}", listener.stream.file.0, torrent.key());
        torrent.save(&self.bridge, now, true);
        self.disk.push(DiskJob::Touch(torrent.key()));
        // What was in use may go now.
        if self.over_limit || self.measured_at.is_some_and(|(_, before)| self.received > before) {
            self.measured_at = Some((now, self.received));
            self.disk.push(DiskJob::Measure(None));
        }
    }

    /// A file cannot be read, or (`damaged`) is not what was verified: then everything of the torrent is hashed again,
    /// and playback of what is right goes on after that.
    pub(super) fn unreadable(&mut self, stream: u64, reason: &str, damaged: bool) {
        let Some((id, _)) = self.find_stream(stream) else { return };
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        let key = torrent.key();
        if !damaged {
            log_line!(self.log, "warning: a transfer of {key} was cut: {reason}");
        } else if torrent.checked {
            log_line!(self.log, "warning: {reason}; checking the files of {key} again");
            torrent.forget_files();
            self.bridge.recheck(id);
        }
    }
}

fn tracker_words(torrent: &Torrent) -> String {
    let trackers = &torrent.trackers;
    match (&trackers.last_error, trackers.replies) {
        (None, 0) => "no tracker has answered yet".into(),
        (Some(error), 0) => format!("{} tracker errors, the last: {error}", trackers.failures),
        (_, n) => format!("{n} tracker answers, {} errors", trackers.failures),
    }
}

fn no_metadata(torrent: &Torrent, dht_nodes: u32) -> String {
    format!(
        "Metadata timeout after {} s: {} peers connected, {}, {dht_nodes} DHT nodes; \
         try again, or use the .torrent file",
        METADATA_TIMEOUT.as_secs(),
        torrent.picker.peers().0,
        tracker_words(torrent)
    )
}
