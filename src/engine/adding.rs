//! How a torrent gets into the session: added with what is known of it, given its metadata, moved to where its data is.

use std::sync::Arc;
use std::time::Duration;

use crate::bridge::{AddOptions, Command, CommandKind, Event, EventKind};
use crate::log_line;
use crate::schedule::deadlines::Deadlines;
use crate::schedule::peer::PeerId;
use crate::storage::Home;

use super::Error;
use super::event_loop::Engine;
use super::inbox::Stored;
use super::input::{Meta, Source};
use super::torrent::Torrent;
use super::trackers;

impl Engine {
    /// The torrent's number in the session; added if it is not there.
    pub(super) fn find_or_add(&mut self, source: &Source, stored: &Stored) -> Result<u32, Error> {
        let found = self.torrents.iter().find(|(_, t)| t.hashes.same(&source.hashes)).map(|(id, _)| *id);
        if let Some(id) = found {
            let torrent = self.torrents.get_mut(&id).expect("just found");
            if let (None, Some(bytes)) = (&torrent.meta, &source.torrent) {
                // A .torrent while its magnet is resolving ends that wait.
                if !self.bridge.set_metadata(id, bytes) {
                    log_line!(
                        self.log,
                        "warning: libtorrent did not take the metadata given for {}",
                        torrent.key()
                    );
                }
            }
            self.add_sources(id, source);
            return Ok(id);
        }
        let id = self.next_id;
        self.next_id += 1;
        let mut torrent = Torrent::new(id, source.hashes.clone(), self.tuning.windows);
        torrent.deadlines = self.tuning.deadlines.then(Deadlines::default);
        torrent.home = stored.home.clone();
        if let Some(meta) = &source.meta {
            torrent.set_meta(Arc::clone(meta));
        }
        let save_path = match &torrent.home {
            Some(home) => home.save_path().to_owned(),
            None => self.store.nameless_save_path(torrent.key()),
        };
        let options = AddOptions {
            id,
            resume: stored.resume.clone().unwrap_or_default(),
            torrent: source.torrent.clone().unwrap_or_default(),
            magnet: source.magnet.clone().unwrap_or_default(),
            save_path: save_path.to_string_lossy().into_owned(),
            check_files: stored.resume.is_some() && !stored.intact,
            extra_trackers: self.trackers_for(source),
        };
        if options.check_files {
            log_line!(self.log, "the files of {} are not as they were left: checking them", torrent.key());
        }
        torrent.is_public = !options.extra_trackers.is_empty();
        let mut added = self.bridge.add(&options);
        let fell_back = added.is_err() && !options.resume.is_empty();
        if fell_back {
            // Damaged resume data must not keep a torrent from playing.
            log_line!(
                self.log,
                "warning: resume data of {} is not usable, its files are checked instead",
                torrent.key()
            );
            added = self.bridge.add(&AddOptions { resume: Vec::new(), ..options });
        }
        added.map_err(|why| Error::BadInput(format!("libtorrent refuses the torrent: {why}")))?;
        self.refuse_trackers(id)?;
        let by_magnet = source.torrent.is_none() && (stored.resume.is_none() || fell_back);
        if by_magnet {
            // What storage knew of it libtorrent does not: it asks peers, so the engine has to as well.
            torrent.meta = None;
            // Nothing to check: look for peers at once.
            self.bridge.start_torrent(id);
        }
        self.torrents.insert(id, torrent);
        if !by_magnet {
            self.add_sources(id, source);
        }
        Ok(id)
    }

    /// What a further magnet or .torrent file names beside the torrent itself: trackers and peers that this session, or
    /// the one that stored the torrent, may not know. A private torrent keeps to its own trackers.
    fn add_sources(&mut self, id: u32, source: &Source) {
        /// Peers of one link that are dialled at once.
        const MOST_PEERS: usize = 64;
        let Some(torrent) = self.torrents.get(&id) else { return };
        let private = |meta: &Option<Arc<Meta>>| meta.as_ref().is_some_and(|meta| meta.info.private_torrent);
        if private(&torrent.meta) || private(&source.meta) {
            return;
        }
        let own = &self.tuning.public_trackers;
        let known = self.bridge.trackers(id).unwrap_or_default();
        let room = (trackers::MOST + own.len()).saturating_sub(known.len());
        let new = source.trackers.iter().filter(|url| !known.contains(url) && trackers::is_harmless(url));
        let new: Vec<String> = new.take(room).cloned().collect();
        self.bridge.add_trackers(id, &new);
        for peer in source.peers.iter().take(MOST_PEERS) {
            self.bridge.dial(id, 0, *peer, false);
        }
    }

    /// Takes away the trackers that a torrent has no business with, before it is started. Those of the settings file are
    /// the user's own choice.
    fn refuse_trackers(&mut self, id: u32) -> Result<(), Error> {
        let own = &self.tuning.public_trackers;
        let mut refused = self.bridge.trackers(id).map_err(Error::Internal)?;
        refused.retain(|url| !own.contains(url) && !trackers::is_harmless(url));
        if refused.is_empty() {
            return Ok(());
        }
        log_line!(
            self.log,
            "warning: {} trackers of the torrent are not asked: they lead into the local network",
            refused.len()
        );
        self.bridge.remove_trackers(id, &refused).map_err(Error::Internal)
    }

    /// Public trackers never hear of a private torrent. Whether a magnet's torrent is private is known only with its
    /// metadata; one that names trackers gets by until then.
    fn trackers_for(&self, source: &Source) -> Vec<String> {
        let own_only = match (&source.meta, &source.magnet) {
            (Some(meta), _) => meta.info.private_torrent,
            (None, Some(magnet)) => magnet.contains("&tr=") || magnet.contains("?tr="),
            (None, None) => false,
        };
        if own_only { Vec::new() } else { self.tuning.public_trackers.clone() }
    }

    /// Adds a torrent again under a new number, where its data is: a magnet's turned out to lie elsewhere (a folder that
    /// the older engine left). Its files are checked there.
    pub(super) fn move_to(&mut self, id: u32, home: Home) {
        let new = self.next_id;
        self.next_id += 1;
        let Some(mut torrent) = self.torrents.remove(&id) else { return };
        let path = home.save_path().to_string_lossy().into_owned();
        match self.bridge.move_torrent(id, new, &path) {
            Ok(()) => torrent.moved(new, home, self.tuning.windows),
            Err(why) => {
                // It is in no session now, or in one place that is not its own. The next call adds it anew.
                self.torrents.insert(id, torrent);
                let text = format!("the torrent could not be opened in {path}: {why}; try again");
                return self.refuse(id, &Error::Internal(text));
            }
        }
        let number = torrent.id;
        self.torrents.insert(number, torrent);
        self.touched.insert(number);
    }

    /// News about metadata that peers have: takes it in and asks for more.
    pub(super) fn metadata_news(&mut self, event: &Event, now: Duration) {
        let peer = PeerId(event.peer);
        let id = event.torrent;
        let Some(torrent) = self.torrents.get_mut(&id).filter(|torrent| torrent.meta.is_none()) else {
            return;
        };
        match event.kind {
            EventKind::PeerMetadata => torrent.info.has(peer, event.offset),
            EventKind::MetadataRefused => torrent.info.refused(peer, now),
            EventKind::PeerGone => torrent.info.gone(peer),
            EventKind::MetadataBlock => {
                if let Some(whole) = torrent.info.block(peer, event.piece, event.offset, &event.data, now) {
                    let right = self.bridge.set_info(id, &whole);
                    torrent.info.tried(peer, right);
                    if right {
                        return;
                    }
                }
            }
            _ => return,
        }
        self.ask_for_metadata(id, now);
    }

    pub(super) fn ask_for_metadata(&mut self, id: u32, now: Duration) {
        let Some(torrent) = self.torrents.get_mut(&id).filter(|torrent| torrent.meta.is_none()) else {
            return;
        };
        let mut asked = Vec::new();
        torrent.info.pump(now, &mut asked);
        let ask = |(peer, block): (PeerId, u32)| Command {
            kind: CommandKind::Metadata,
            peer: peer.0,
            piece: block,
            offset: 0,
            length: 0,
        };
        let commands: Vec<Command> = asked.into_iter().map(ask).collect();
        self.bridge.command(id, &commands);
    }

    /// A torrent's files cannot be where they belong, or libtorrent stopped it. It leaves the session, so that nothing is
    /// written meanwhile and the next call tries again. Streams of it could never be read on: they end too.
    pub(super) fn refuse(&mut self, id: u32, error: &Error) {
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        let jobs = std::mem::take(&mut torrent.jobs);
        torrent.lists.drain(..).for_each(|(_, waiter)| waiter.finish(Err(error.clone())));
        let streams: Vec<String> = torrent.listeners.iter().map(|l| l.stream.token.clone()).collect();
        if jobs.is_empty() {
            log_line!(self.log, "error: {error}");
        }
        for job in jobs {
            self.give_up(id, job, error.clone());
        }
        for token in streams {
            self.streams.release(&token);
        }
        self.let_go(id);
    }

    /// A torrent's metadata became known: decides where its files go.
    pub(super) fn metadata(&mut self, id: u32, now: Duration) {
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        if torrent.meta.is_none() {
            let meta = match self.bridge.metadata(id).map_err(Error::Internal).and_then(Meta::new) {
                Ok(meta) => meta,
                Err(error) => {
                    torrent.error = Some(error.to_string());
                    return;
                }
            };
            torrent.set_meta(Arc::new(meta));
        }
        let (mut elsewhere, mut refused) = (None, None);
        if torrent.home.is_none()
            && let Some(meta) = &torrent.meta
        {
            if meta.info.private_torrent {
                // A magnet does not say so: until now it was everybody's.
                let own = if torrent.is_public { &*self.tuning.public_trackers } else { &[] };
                let kept = self.bridge.remove_trackers(id, own).and_then(|()| self.bridge.stop_gossip(id));
                kept.unwrap_or_else(|why| torrent.error = Some(why));
            } else {
                self.bridge.add_trackers(id, &self.tuning.public_trackers);
            }
            if let Some(second) = meta.hashes().second() {
                self.store.rename_parts(second, torrent.key());
            }
            let home = self.store.home(torrent.key(), &meta.info.name);
            match home.and_then(|home| self.store.clear_way(&home, meta.data_files()).map(|_| home)) {
                Ok(home) if home.save_path() != self.store.nameless_save_path(torrent.key()) => {
                    elsewhere = Some(home);
                }
                Ok(home) => torrent.home = Some(home),
                Err(error) => refused = Some(error),
            }
        }
        if let Some(error) = refused {
            return self.refuse(id, &Error::Storage(error.to_string()));
        }
        for job in &mut torrent.jobs {
            job.metadata_at.get_or_insert(now);
        }
        if let Some(home) = elsewhere
            && !self.unpack_before_move(id, &home)
        {
            self.move_to(id, home);
        }
    }
}

#[cfg(test)]
#[path = "adding_tests.rs"]
mod tests;
