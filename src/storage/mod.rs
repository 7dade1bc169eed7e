//! Files on disk: where a torrent's data goes, what is known about it, how it is read and when it is deleted.
//!
//! libtorrent writes the data; this room decides the folder it writes to, keeps its resume data and DHT state, and
//! reads what it wrote. The engine says which torrents are in use and asks [`evict()`] what to delete; nothing is
//! deleted here on its own account.
//!
//! Four promises, each with a file of its own:
//! - nobody else writes where we write: another session on the same path gets another root (`instance`), another
//!   torrent of the same name another folder (`layout`);
//! - nothing outside the root is written, read or deleted (`beneath`, `delete`);
//! - after a crash at any moment each small file is the old one or the new one (`atomic`);
//! - resume data is believed only while the files look as they did when it was made (`stamps`, `resume`).
//!
//! All calls here may wait for the disk, except [`DataFile::try_read_into`]; none holds a lock while it does so, except the
//! rare restoring of a deleted state folder.

mod atomic;
mod beneath;
mod clear;
mod delete;
mod error;
mod evict;
mod instance;
mod layout;
mod parts;
mod read;
mod resume;
mod settings;
mod small;
mod stamps;
#[cfg(test)]
pub(crate) mod testing {
    //! Folders for the tests of the rooms above.
    pub(crate) use crate::os::testing::Scratch;
}
#[cfg(test)]
mod tests;
mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use parking_lot::Mutex;

pub use error::Error;
pub use evict::{Entry, Verdict, evict};
pub use parts::{ContentFile, Contents, Unpacked};
pub use read::DataFile;
pub use settings::{
    Cache, Complaint, Encryption, HostPort, LogLevel, Network, Proxy, ProxyKind, Scheduler, Settings, Stream,
};

use crate::units::InfoHash;
use instance::Instance;
use layout::{Claims, Layout, Place, StateFile};
use small::{list, load, read_settings};

/// The files of one session. Dropping it lets another session have its root.
#[derive(Debug)]
pub struct Store {
    /// As the host named it, made absolute.
    storage_path: PathBuf,
    layout: Layout,
    instance: Instance,
    claims: Mutex<Claims>,
    /// Torrents whose files were looked at in this session; see `stamps`.
    looked_at: Mutex<BTreeSet<InfoHash>>,
}

/// Where the data of one torrent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    info_hash: InfoHash,
    save_path: PathBuf,
    /// The torrent's name, when data of the earlier engine is used in place.
    adopted: Option<String>,
}

impl Home {
    /// libtorrent's `save_path`: absolute. libtorrent makes it when it writes.
    #[must_use]
    pub fn save_path(&self) -> &Path {
        &self.save_path
    }

    /// Whether data of the earlier engine is used in place. As long as there is no resume data, libtorrent has to
    /// check it first.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        self.adopted.is_some()
    }
}

/// A torrent of which something is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub info_hash: InfoHash,
    /// Whether there is resume data, and so metadata.
    pub has_resume: bool,
    /// When its resume data was last written or [`Store::touch`] called.
    pub last_used: SystemTime,
}

impl Store {
    /// Makes the directory if needed, makes sure that it can be written, and takes a root in it that no other session
    /// uses. Sweeps what crashes left.
    ///
    /// # Errors
    /// `Unusable` with the reason in plain words.
    pub fn open(storage_path: &Path) -> Result<Self, Error> {
        let unusable = |error: &dyn std::fmt::Display| Error::Unusable {
            path: storage_path.to_owned(),
            reason: error.to_string(),
        };
        // The host may change its working directory later.
        let path = std::path::absolute(storage_path).map_err(|error| unusable(&error))?;
        fs::create_dir_all(&path).map_err(|error| unusable(&plain(&error)))?;
        let instance = instance::take(&path).map_err(|error| match error {
            Error::Io { source, .. } => unusable(&plain(&source)),
            error @ Error::Unusable { .. } => error,
            error => unusable(&error),
        })?;
        let layout = Layout::new(instance.root.clone());
        for folder in [layout.root(), &layout.state()] {
            probe(folder).map_err(|error| unusable(&plain(&error)))?;
            atomic::sweep(folder).map_err(|error| unusable(&error))?;
        }
        let claims = read_claims(&layout).map_err(|error| unusable(&error))?;
        Ok(Self {
            storage_path: path,
            layout,
            instance,
            claims: Mutex::new(claims),
            looked_at: Mutex::default(),
        })
    }

    /// The folder everything of this session is under: the storage path, or for a session that found it taken a
    /// folder in it.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// 0: this session has the storage path to itself; otherwise the number of its folder.
    #[must_use]
    pub fn instance(&self) -> u32 {
        self.instance.number
    }

    /// The settings file, shared by all sessions on the path. Defaults when there is none.
    #[must_use]
    pub fn settings(&self) -> (Settings, Vec<Complaint>) {
        let unread = |problem| {
            let complaint = Complaint { line: 0, key: String::new(), problem };
            (Settings::default(), vec![complaint])
        };
        match read_settings(&self.storage_path.join(layout::SETTINGS)) {
            Ok(text) => Settings::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (Settings::default(), Vec::new()),
            Err(error) => unread(format!("cannot be read ({error}); all defaults are used")),
        }
    }

    /// Where a torrent is saved as long as its name is not known. Nothing may be written there before
    /// [`Self::home`] was asked.
    #[must_use]
    pub fn nameless_save_path(&self, info_hash: InfoHash) -> PathBuf {
        self.layout.own(info_hash)
    }

    /// Decides where the data of a torrent is, for good. `name`: the torrent's own, as libtorrent cleaned it.
    ///
    /// # Errors
    /// `Refused` when somebody put a link where the torrent's folder goes: libtorrent would write through it. Otherwise
    /// when the decision cannot be written down.
    pub fn home(&self, info_hash: InfoHash, name: &str) -> Result<Home, Error> {
        let own = self.layout.own(info_hash);
        if own.is_symlink() {
            return Err(Error::refused(
                own,
                "a symbolic link is in place of the torrent's folder; remove it",
            ));
        }
        // No link: what it names may be anybody's.
        let is_real = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| !found.is_symlink());
        let own_exists = own.exists();
        // Of a torrent that was only fetched ahead the older engine left nothing but the part file.
        let name_exists = layout::check(name).is_ok() && is_real(&self.layout.root().join(name));
        let left = name_exists || self.has_parts(info_hash);

        let mut claims = self.claims.lock();
        if layout::place(info_hash, name, own_exists, left, &claims) == Place::Own {
            return Ok(Home { info_hash, save_path: own, adopted: None });
        }
        let is_new = claims.insert(info_hash, name.to_owned()).is_none();
        drop(claims);
        if is_new && let Err(error) = self.save_state(&layout::adopted_name(info_hash), name.as_bytes()) {
            self.claims.lock().remove(&info_hash);
            return Err(error);
        }
        let save_path = self.layout.root().to_owned();
        Ok(Home { info_hash, save_path, adopted: Some(name.to_owned()) })
    }

    /// Whether the older engine left a part file of this torrent.
    #[must_use]
    pub fn has_parts(&self, info_hash: InfoHash) -> bool {
        let path = self.layout.root().join(layout::parts_name(info_hash));
        fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
    }

    /// libtorrent names the part file of a torrent with two hashes after the second; here everything has the name of
    /// the first. Renames it, if there is one. To be called before [`Self::home`].
    pub fn rename_parts(&self, second: InfoHash, first: InfoHash) {
        if self.has_parts(second) && !self.has_parts(first) {
            let path = |hash| self.layout.root().join(layout::parts_name(hash));
            // What fails costs a download and nothing else.
            let _ = fs::rename(path(second), path(first));
        }
    }

    /// Moves what the older engine left in a part file to the torrent's own files and deletes the part file. Takes as
    /// long as copying takes; ends early once `stop` is set. Only for adopted data without resume data, and nobody
    /// else may use the files meanwhile: libtorrent must get the torrent afterwards, and check it.
    ///
    /// # Errors
    /// What could not be read or written. What was moved until then stays, the part file too.
    pub fn unpack_parts(
        &self,
        home: &Home,
        contents: &Contents,
        stop: &AtomicBool,
    ) -> Result<Unpacked, Error> {
        let parts = layout::parts_name(home.info_hash);
        if home.adopted.is_none() {
            return Err(Error::refused(parts, "the torrent's files are elsewhere"));
        }
        for file in contents.files() {
            self.data_file(home, &file.path)?;
        }
        let unpacked = parts::unpack(self.layout.root(), &parts, contents, stop)?;
        if matches!(unpacked, Unpacked::Done(_)) {
            delete::delete(self.layout.root(), &parts)?;
        }
        Ok(unpacked)
    }

    /// A file of a torrent, for reading. `relative`: its path under the save path, as libtorrent says it. Opens
    /// nothing yet.
    ///
    /// # Errors
    /// `Refused` for a path that is not plain, or that would leave the torrent's own data.
    pub fn data_file(&self, home: &Home, relative: &str) -> Result<DataFile, Error> {
        layout::check(relative)?;
        let relative = match &home.adopted {
            None => format!("{}/{relative}", home.info_hash),
            Some(name) if relative.split('/').next() == Some(name) => relative.to_owned(),
            Some(_) => return Err(Error::refused(relative, "it belongs to another torrent")),
        };
        DataFile::new(self.layout.root(), relative)
    }

    /// Every torrent of which this root holds anything, by info-hash.
    ///
    /// # Errors
    /// When the root cannot be listed.
    pub fn torrents(&self) -> Result<Vec<Known>, Error> {
        let mut known = BTreeMap::new();
        let state = self.layout.state();
        for (name, time) in list(&state)? {
            match layout::state_file(&name) {
                Some(StateFile::Resume(id)) => note(&mut known, id, true, time),
                Some(StateFile::Adopted(id)) => note(&mut known, id, false, time),
                None => {}
            }
        }
        for (name, time) in list(self.layout.root())? {
            if let Some(id) = layout::info_hash(&name) {
                note(&mut known, id, false, time);
            }
        }
        Ok(known.into_values().collect())
    }

    /// Bytes in allocated blocks of all that belongs to a torrent.
    ///
    /// # Errors
    /// When something cannot be looked at.
    pub fn usage(&self, info_hash: InfoHash) -> Result<u64, Error> {
        let mut total = usage::allocated(&self.layout.own(info_hash))?;
        for name in [layout::resume_name(info_hash), layout::files_name(info_hash)] {
            total += usage::allocated(&self.layout.state().join(name))?;
        }
        // Also where the data is not adopted: nothing else would ever delete it.
        total += usage::allocated(&self.layout.root().join(layout::parts_name(info_hash)))?;
        let adopted = self.claims.lock().get(&info_hash).cloned();
        if let Some(name) = adopted {
            total += usage::allocated(&self.layout.root().join(name))?;
        }
        Ok(total)
    }

    /// Bytes in allocated blocks of what sessions that ran beside the first one have left. Only for that one: whoever
    /// has the path itself answers for all that is in it. 0 for others.
    ///
    /// # Errors
    /// When something cannot be looked at.
    pub fn abandoned(&self) -> Result<u64, Error> {
        let roots =
            if self.instance.number == 0 { instance::abandoned(&self.storage_path)? } else { Vec::new() };
        roots.iter().map(|root| usage::allocated(&root.root)).sum()
    }

    /// Deletes that.
    ///
    /// # Errors
    /// Names what could not be deleted.
    pub fn remove_abandoned(&self) -> Result<(), Error> {
        if self.instance.number == 0 {
            instance::abandoned(&self.storage_path)?.iter().try_for_each(instance::clear)?;
        }
        Ok(())
    }

    /// Bytes that may still be written on the disk.
    ///
    /// # Errors
    /// When the root is gone.
    pub fn free_space(&self) -> Result<u64, Error> {
        usage::free_space(self.layout.root())
    }

    /// Deletes all that belongs to a torrent, adopted data included. libtorrent must have let go of it. Stops at the
    /// first failure; what is left is still known and can be deleted later.
    ///
    /// # Errors
    /// Names what could not be deleted.
    pub fn remove_torrent(&self, info_hash: InfoHash) -> Result<(), Error> {
        // In this order a crash leaves data without resume data, which is checked, and never the other way round.
        self.forget_resume(info_hash)?;
        delete::delete(self.layout.root(), &info_hash.to_string())?;
        delete::delete(self.layout.root(), &layout::parts_name(info_hash))?;
        let adopted = self.claims.lock().get(&info_hash).cloned();
        if let Some(name) = adopted {
            delete::delete(self.layout.root(), &name)?;
            self.forget_state(&layout::adopted_name(info_hash))?;
            self.claims.lock().remove(&info_hash);
        }
        Ok(())
    }

    /// DHT state as last saved here or, for a later session that has none of its own yet, by the first one.
    /// libtorrent judges its content: the earlier engine could leave half a file.
    #[must_use]
    pub fn load_dht_state(&self) -> Option<Vec<u8>> {
        let from = |folder| load(folder, layout::DHT_STATE).ok().flatten();
        from(self.layout.root()).or_else(|| from(&self.storage_path))
    }

    /// Replaces the DHT state, durably and whole.
    ///
    /// # Errors
    /// The old state is still there then.
    pub fn save_dht_state(&self, bytes: &[u8]) -> Result<(), Error> {
        self.save(self.layout.root(), layout::DHT_STATE, bytes)
    }

    fn save_state(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.save(&self.layout.state(), name, bytes)
    }

    fn save(&self, folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
        match atomic::write(folder, name, bytes) {
            // Somebody emptied the directory during the session.
            Err(Error::Missing { .. }) => {
                self.instance.restore()?;
                atomic::write(folder, name, bytes)
            }
            answer => answer,
        }
    }

    fn forget_state(&self, name: &str) -> Result<(), Error> {
        match delete::delete(&self.layout.state(), name) {
            Err(Error::Missing { .. }) => Ok(()),
            answer => answer,
        }
    }
}

/// Adds one trace of a torrent to what is known about it.
fn note(known: &mut BTreeMap<InfoHash, Known>, info_hash: InfoHash, has_resume: bool, time: SystemTime) {
    let trace = Known { info_hash, has_resume, last_used: time };
    let entry = known.entry(info_hash).or_insert(trace);
    // The time of the resume file is the one that is kept up; others stand in where there is none.
    if has_resume || !entry.has_resume {
        *entry = Known { has_resume: has_resume || entry.has_resume, ..trace };
    }
}

/// Who adopted what, from the last session. A file with anything but a plain name in it is not ours.
fn read_claims(layout: &Layout) -> Result<Claims, Error> {
    let mut claims = Claims::new();
    for (name, _) in list(&layout.state())? {
        if let Some(StateFile::Adopted(id)) = layout::state_file(&name) {
            let bytes = load(layout.root(), &format!("{}/{name}", layout::STATE))?.unwrap_or_default();
            match String::from_utf8(bytes) {
                Ok(adopted) if layout::may_be_adopted(&adopted) => claims.insert(id, adopted),
                _ => None,
            };
        }
    }
    Ok(claims)
}

/// Makes and removes a file. A full disk is no reason to refuse: what is on it can be played.
fn probe(folder: &Path) -> io::Result<()> {
    match atomic::probe(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            Ok(())
        }
        answer => answer,
    }
}

/// The usual reasons in words that say what to do; the system's own words for the rest.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "there is a file where a directory should be; choose another path or move the file".into()
        }
        io::ErrorKind::PermissionDenied => "no permission to write there; choose another path".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only; choose another path".into(),
        _ => error.to_string(),
    }
}
