//! Before a torrent of the older engine gets into the session, what lies in its part file is moved to its files
//! (`Store::unpack_parts`, on the disk thread). Until that is done libtorrent must not have the torrent at that place:
//! it would check files that are being filled, and write to them at the same time.
//!
//! So callers who want such a torrent are held back and go on afterwards, in their order. A torrent that is in the
//! session by magnet waits where it was added, which is elsewhere, and is moved afterwards.

use crate::storage::{ContentFile, Contents, Home, Unpacked};
use crate::units::InfoHash;
use crate::{log_info, log_line};

use super::Error;
use super::disk::Job as DiskJob;
use super::event_loop::Engine;
use super::inbox::Command;
use super::input::{Hashes, Meta};
use super::prepare::human;

/// A torrent whose part file the disk thread is taking apart.
pub(super) struct Unpacking {
    hashes: Hashes,
    home: Home,
    /// Who wants it, in order.
    held: Vec<Command>,
}

impl Unpacking {
    pub(super) fn key(&self) -> InfoHash {
        self.hashes.key()
    }
}

impl Engine {
    /// Gives a command back unless it has to wait for a part file; begins with that if nobody has yet.
    pub(super) fn hold_while_unpacking(&mut self, mut command: Command) -> Option<Command> {
        let (source, stored) = match &mut command {
            Command::Prepare(prepare) => (&prepare.source, &mut prepare.stored),
            Command::List(source, stored, _) => (&**source, stored),
            _ => return Some(command),
        };
        if self.torrents.values().any(|torrent| torrent.hashes.same(&source.hashes)) {
            return Some(command);
        }
        let begun = self.unpacking.iter().position(|one| one.hashes.same(&source.hashes));
        let at = match (begun, &source.meta, &stored.home) {
            (Some(at), _, _) => at,
            (None, Some(meta), Some(home)) if stored.has_parts => {
                self.unpack(source.hashes.clone(), meta, home.clone())
            }
            _ => return Some(command),
        };
        // What was looked up before will not be true any more.
        stored.has_parts = false;
        if let Command::Prepare(prepare) = &command {
            prepare.waiter.tell(0.15, || "Moving what the older engine fetched ahead…".into());
        }
        self.unpacking[at].held.push(command);
        None
    }

    /// A magnet's torrent turned out to lie at `home`: whether it has to wait for a part file before it moves there.
    pub(super) fn unpack_before_move(&mut self, id: u32, home: &Home) -> bool {
        let Some(torrent) = self.torrents.get(&id) else { return false };
        let key = torrent.key();
        if self.unpacking.iter().any(|one| one.home == *home) {
            return true;
        }
        let Some(meta) = torrent.meta.clone().filter(|_| home.is_adopted() && self.store.has_parts(key))
        else {
            return false;
        };
        let hashes = torrent.hashes.clone();
        self.unpack(hashes, &meta, home.clone());
        true
    }

    fn unpack(&mut self, hashes: Hashes, meta: &Meta, home: Home) -> usize {
        let holds_data = |file: &&crate::bridge::FileInfo| !file.pad && !file.symlink;
        let files = meta.info.files.iter().filter(holds_data);
        let files = files.map(|file| ContentFile {
            path: file.disk_path.clone(),
            offset: file.offset,
            length: file.length,
        });
        let contents = Contents::new(meta.info.piece_length, meta.info.piece_count, files.collect());
        self.disk.push(DiskJob::Unpack(hashes.key(), home.clone(), contents));
        self.unpacking.push(Unpacking { hashes, home, held: Vec::new() });
        self.unpacking.len() - 1
    }

    /// The disk thread is done with a part file, for better or worse: what it moved is there, and libtorrent checks it.
    pub(super) fn unpacked(&mut self, key: InfoHash, outcome: Result<Unpacked, Error>) {
        match outcome {
            Ok(Unpacked::Done(bytes)) => {
                log_info!(self.log, "moved {} of {key} out of the older engine's part file", human(bytes));
            }
            Ok(Unpacked::Foreign) => {
                log_line!(
                    self.log,
                    "warning: the part file of {key} is not one of this torrent; it is not used"
                );
            }
            Ok(Unpacked::Stopped) => {}
            Err(error) => {
                log_line!(self.log, "warning: not all of the part file of {key} could be used: {error}");
            }
        }
        let Some(at) = self.unpacking.iter().position(|one| one.key() == key) else { return };
        let Unpacking { hashes, home, held } = self.unpacking.remove(at);
        // By any of its hashes: a hybrid that was added by its second one keeps that as its key.
        let waits = self.torrents.iter().find(|(_, t)| t.hashes.same(&hashes) && t.home.is_none());
        if let Some(id) = waits.map(|(id, _)| *id) {
            self.move_to(id, home);
        }
        held.into_iter().for_each(|command| self.command(command));
    }

    /// The session ends: the inbox, which is closed, answers those who were held back.
    pub(super) fn refuse_held(&mut self) {
        let unpacking = std::mem::take(&mut self.unpacking).into_iter().flat_map(|one| one.held);
        let deleting = std::mem::take(&mut self.deleting).into_values().flat_map(|deletion| deletion.held);
        unpacking.chain(deleting).for_each(|command| self.inbox.push(command));
    }
}
