//! What other threads want from the engine's thread, in order.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use crate::bridge::Bridge;
use crate::storage::{Home, Unpacked};
use crate::units::InfoHash;

use super::input::Source;
use super::mailbox::Mailbox;
use super::prepare::Prepare;
use super::waiter::Promise;
use super::{Error, FileEntry};

/// One wish.
pub enum Command {
    /// Prepare a stream.
    Prepare(Box<Prepare>),
    /// List a torrent's files; what was found on disk beside it.
    List(Box<Source>, Stored, Promise<Vec<FileEntry>>),
    /// Something about a stream is new: its position, its transfers.
    Changed(u64),
    /// A stream was released.
    Released(u64),
    /// A reader could not read what was verified; true: the file is not what it was.
    Unreadable(u64, String, bool),
    /// Drop idle torrents and make room; tells when it is done.
    Evict(Promise<()>),
    /// What the disk thread measured.
    Measured(Usage, Option<Promise<()>>),
    /// The disk thread has deleted a torrent's data.
    Removed(InfoHash),
    /// The disk thread is done with the part file of a torrent of the older engine.
    Unpacked(InfoHash, Result<Unpacked, Error>),
    /// An address has answered a probe.
    SpeaksUtp(SocketAddr),
    /// The disk thread could not write; the first time only, until it can again.
    DiskTrouble(Error),
    /// A torrent's resume data could not be written.
    Unsaved(InfoHash),
    /// Save what must be saved and end.
    Stop,
}

/// What is on the disk, in bytes of allocated blocks.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Every torrent, with its last use in nanoseconds since 1970.
    pub torrents: Vec<(InfoHash, u64, u64)>,
    /// What sessions that ran beside this one have left.
    pub abandoned: u64,
}

/// What storage knows about a torrent, looked up on the caller's thread.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Resume data.
    pub resume: Option<Vec<u8>>,
    /// The files look as they did when it was made; otherwise they have to be hashed.
    pub intact: bool,
    /// Where its files go, when its name is known.
    pub home: Option<Home>,
    /// Whether a part file of the older engine is to be moved there first.
    pub has_parts: bool,
}

/// The queue into the engine's thread.
#[derive(Default)]
pub struct Inbox {
    queue: Mailbox<Command>,
    bridge: OnceLock<Arc<Bridge>>,
}

impl Inbox {
    /// Whom to wake; set once, before the first command.
    pub fn connect(&self, bridge: Arc<Bridge>) {
        let _ = self.bridge.set(bridge);
    }

    /// Adds a command and wakes the engine; never blocks for longer than another push. After the engine has ended,
    /// a caller that would wait for an answer gets it here.
    pub fn push(&self, command: Command) {
        match self.queue.push(command) {
            Err(command) => command.refuse(),
            Ok(()) => {
                if let Some(bridge) = self.bridge.get() {
                    bridge.wake();
                }
            }
        }
    }

    /// Engine: takes everything.
    pub fn take(&self) -> Vec<Command> {
        self.queue.take()
    }

    /// Engine: ends. Nobody who pushed, or pushes from now on, waits for ever.
    pub fn close(&self) {
        self.queue.close().into_iter().for_each(Command::refuse);
    }
}

impl Command {
    /// Answers whoever waits: the session is ending.
    fn refuse(self) {
        match self {
            Self::Prepare(prepare) => prepare.waiter.finish(Err(Error::ShuttingDown)),
            Self::List(_, _, waiter) => waiter.finish(Err(Error::ShuttingDown)),
            Self::Evict(waiter) | Self::Measured(_, Some(waiter)) => waiter.finish(Err(Error::ShuttingDown)),
            Self::Changed(_)
            | Self::Released(_)
            | Self::Unreadable(..)
            | Self::Removed(_)
            | Self::Unpacked(..)
            | Self::Measured(_, None)
            | Self::SpeaksUtp(_)
            | Self::DiskTrouble(_)
            | Self::Unsaved(_)
            | Self::Stop => {}
        }
    }
}
