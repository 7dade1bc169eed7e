//! Resume data: kept whole (`atomic`), and believed only while the files look as they did when it was made (`stamps`).

use std::fs::{self, File};
use std::path::PathBuf;

use super::small::load;
use super::stamps::{self, GRACE, Look};
use super::{Error, Store, layout};
use crate::os::times;
use crate::units::InfoHash;

impl Store {
    /// Resume data as saved, metadata included; `None` when there is none. libtorrent judges its content.
    ///
    /// # Errors
    /// When there is some that cannot be read; it is as good as none.
    pub fn load_resume(&self, info_hash: InfoHash) -> Result<Option<Vec<u8>>, Error> {
        load(self.layout.root(), &format!("{}/{}", layout::STATE, layout::resume_name(info_hash)))
    }

    /// Whether this resume data is as it was saved and a torrent's files are still what it was made from. If not, its
    /// metadata counts and its pieces do not. One look at each file, no hashing of them.
    #[must_use]
    pub fn is_intact(&self, info_hash: InfoHash, resume: &[u8]) -> bool {
        let Some((then, at)) = self.last_look(info_hash) else { return false };
        if !then.resume.contains(&stamps::sum(resume)) {
            return false;
        }
        let now = stamps::look(self.layout.root(), &self.tops(info_hash));
        now.is_ok_and(|now| stamps::is_intact(&then, at, &now))
    }

    /// Replaces a torrent's resume data, durably and whole, after all that it speaks of is on the disk.
    ///
    /// # Errors
    /// The old data is still there then.
    pub fn save_resume(&self, info_hash: InfoHash, bytes: &[u8]) -> Result<(), Error> {
        let before = self.last_look(info_hash).map(|(look, _)| look);
        let files = stamps::look(self.layout.root(), &self.tops(info_hash))?;
        stamps::flush(self.layout.root(), before.as_ref(), &files)?;
        // First how the files look: a crash between the two leaves older resume data, which names fewer pieces.
        let older = self.load_resume(info_hash).ok().flatten().unwrap_or_default();
        let look = Look { files, grace: GRACE, resume: [stamps::sum(bytes), stamps::sum(&older)] };
        self.save_state(&layout::files_name(info_hash), &stamps::to_bytes(&look))?;
        self.looked_at.lock().insert(info_hash);
        self.save_state(&layout::resume_name(info_hash), bytes)
    }

    /// libtorrent has let go of all files: from now on no change of theirs is its own. For the end of the session.
    ///
    /// # Errors
    /// The first of them; the others are sealed all the same.
    pub fn seal(&self) -> Result<(), Error> {
        let looked_at = std::mem::take(&mut *self.looked_at.lock());
        looked_at.into_iter().map(|info_hash| self.seal_one(info_hash)).fold(Ok(()), Result::and)
    }

    fn seal_one(&self, info_hash: InfoHash) -> Result<(), Error> {
        let Some((then, at)) = self.last_look(info_hash) else { return Ok(()) };
        let files = stamps::look(self.layout.root(), &self.tops(info_hash))?;
        if !stamps::is_intact(&then, at, &files) {
            // Not by libtorrent: it stays as it is, and the next session will see it.
            return Ok(());
        }
        stamps::flush(self.layout.root(), Some(&then), &files)?;
        let look = Look { files, grace: 0, resume: then.resume };
        self.save_state(&layout::files_name(info_hash), &stamps::to_bytes(&look))
    }

    /// Forgets a torrent's resume data, metadata included: libtorrent refused it, or it names pieces that are not
    /// there any more. The torrent's data stays.
    ///
    /// # Errors
    /// When it is there and cannot be deleted.
    pub fn forget_resume(&self, info_hash: InfoHash) -> Result<(), Error> {
        self.looked_at.lock().remove(&info_hash);
        self.forget_state(&layout::resume_name(info_hash))?;
        self.forget_state(&layout::files_name(info_hash))
    }

    /// Remembers that a torrent was used just now. Without resume data there is nothing to remember it on.
    pub fn touch(&self, info_hash: InfoHash) {
        let path = self.layout.state().join(layout::resume_name(info_hash));
        if let Ok(file) = File::options().append(true).open(path) {
            // Only the order of eviction hangs on it.
            let _ = times::touch(&file);
        }
    }

    /// The last look at a torrent's files, and when it was, in seconds since 1970 by the clock that files are
    /// stamped with.
    fn last_look(&self, info_hash: InfoHash) -> Option<(Look, i64)> {
        let name = format!("{}/{}", layout::STATE, layout::files_name(info_hash));
        let at = times::modified(&fs::symlink_metadata(self.layout.root().join(&name)).ok()?);
        let bytes = load(self.layout.root(), &name).ok()??;
        Some((stamps::from_bytes(&bytes)?, at))
    }

    /// What belongs to a torrent directly under the root.
    fn tops(&self, info_hash: InfoHash) -> Vec<PathBuf> {
        let adopted = self.claims.lock().get(&info_hash).cloned();
        [Some(info_hash.to_string()), adopted].into_iter().flatten().map(PathBuf::from).collect()
    }
}
