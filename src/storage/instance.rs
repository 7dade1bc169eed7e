//! Several sessions on one storage path.
//!
//! libtorrent takes for granted that nobody else writes its files. A user may start the player twice, and a host may
//! open two sessions on one path. The first gets the path itself; each later one a folder under it, with the same
//! names inside, so that none ever touches another's data. Whoever comes when the first is gone gets the path again.
//!
//! Ownership is a [`LockFile`]. It separates two sessions of one process as well as two processes, and the system gives
//! it back when a process dies in any way. The lock file is never deleted: a lock on a deleted file protects nothing.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::small::list;
use super::{Error, delete, layout};
use crate::os::{Kind, LockFile, Status};

/// Name of the lock file in the state folder of a root.
const LOCK: &str = "lock";
/// Names of the later sessions' roots begin with this, their number follows.
const ROOT: &str = "instance-";
/// More sessions than this on one path are refused: something is starting them in a loop.
const MOST: u32 = 1024;

/// One session's root, its own until dropped.
#[derive(Debug)]
pub(super) struct Instance {
    /// 0 has the storage path itself.
    pub(super) number: u32,
    pub(super) root: PathBuf,
    lock: Mutex<LockFile>,
}

impl Instance {
    /// Makes the state folder again when somebody deleted it during the session, lock included.
    pub(super) fn restore(&self) -> Result<(), Error> {
        let state = self.root.join(layout::STATE);
        let path = state.join(LOCK);
        let mut lock = self.lock.lock();
        if lock.is_at(&path).map_err(|source| Error::io("lock", &path, source))? {
            return Ok(());
        }
        std::fs::create_dir_all(&state).map_err(|source| Error::io("create", &state, source))?;
        let Some(new) = try_lock(&path)? else {
            let reason = "it was deleted and another session uses it now; restart this one".to_owned();
            return Err(Error::Unusable { path: self.root.clone(), reason });
        };
        *lock = new;
        Ok(())
    }
}

/// Takes the first root under `storage_path` that no living session holds. Creates what is missing.
pub(super) fn take(storage_path: &Path) -> Result<Instance, Error> {
    for number in 0..MOST {
        let root = match number {
            0 => storage_path.to_owned(),
            _ => storage_path.join(layout::STATE).join(format!("{ROOT}{number}")),
        };
        let state = root.join(layout::STATE);
        std::fs::create_dir_all(&state).map_err(|source| Error::io("create", &state, source))?;
        if let Some(lock) = try_lock(&state.join(LOCK))? {
            return Ok(Instance { number, root, lock: Mutex::new(lock) });
        }
    }
    let reason = format!("{MOST} sessions use it already; close some");
    Err(Error::Unusable { path: storage_path.to_owned(), reason })
}

/// Roots that sessions beside the first one have left and that nobody holds: nobody takes one while its value lives.
pub(super) fn abandoned(storage_path: &Path) -> Result<Vec<Instance>, Error> {
    let folder = storage_path.join(layout::STATE);
    // A link is not followed: what it leads to is not ours.
    let is_folder = |path: &Path| Status::at(path).is_ok_and(|status| status.kind == Kind::Folder);
    let mut found = Vec::new();
    for (name, _) in list(&folder)? {
        let number = name.strip_prefix(ROOT).and_then(|text| text.parse::<u32>().ok());
        let Some(number) = number.filter(|n| (1..MOST).contains(n) && name == format!("{ROOT}{n}")) else {
            continue;
        };
        let root = folder.join(&name);
        let state = root.join(layout::STATE);
        if is_folder(&root)
            && is_folder(&state)
            && let Some(lock) = try_lock(&state.join(LOCK))?
        {
            found.push(Instance { number, root, lock: Mutex::new(lock) });
        }
    }
    Ok(found)
}

/// Deletes all that is in a root but its lock.
pub(super) fn clear(instance: &Instance) -> Result<(), Error> {
    let state = instance.root.join(layout::STATE);
    for (folder, kept) in [(&instance.root, layout::STATE), (&state, LOCK)] {
        for (name, _) in list(folder)?.into_iter().filter(|(name, _)| name != kept) {
            delete::delete(folder, &name)?;
        }
    }
    Ok(())
}

/// The locked file; `None` when somebody else holds it.
fn try_lock(path: &Path) -> Result<Option<LockFile>, Error> {
    LockFile::take(path).map_err(|source| Error::io("lock", path, source))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::os::testing::{Scratch, lock_for_a_child, symlink};

    fn number(storage_path: &Path) -> (u32, Instance) {
        let instance = take(storage_path).unwrap();
        (instance.number, instance)
    }

    #[test]
    fn each_session_has_its_own_root_and_gives_it_back() {
        let path = Scratch::new();
        let (first, main) = number(&path);
        let (second, other) = number(&path);
        let (third, _another) = number(&path);
        assert_eq!((first, second, third), (0, 1, 2));
        assert_eq!(main.root, *path);
        assert_eq!(other.root, path.join(".vozduxan/instance-1"));
        assert!(other.root.join(".vozduxan").is_dir());

        drop(other);
        let (again, _other) = number(&path);
        assert_eq!(again, 1);
        drop(main);
        assert_eq!(number(&path).0, 0);
    }

    #[test]
    fn another_process_counts_and_its_death_frees_the_root() {
        let path = Scratch::new();
        drop(take(&path).unwrap());
        // `cat` holds the lock as its standard error and waits for input that never comes.
        let lock = lock_for_a_child(&path.join(".vozduxan/lock")).unwrap();
        let mut holder =
            Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(lock).spawn().unwrap();
        assert_eq!(number(&path).0, 1);

        holder.kill().unwrap();
        holder.wait().unwrap();
        assert_eq!(number(&path).0, 0);
    }

    #[test]
    fn threads_that_start_together_never_share() {
        let path = Scratch::new();
        let start = std::sync::Barrier::new(8);
        let mut instances: Vec<Instance> = std::thread::scope(|scope| {
            let session = || {
                start.wait();
                take(&path).unwrap()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(session)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        instances.sort_by_key(|instance| instance.number);
        instances.dedup_by_key(|instance| instance.number);
        assert_eq!(instances.len(), 8);
    }

    #[test]
    fn a_deleted_lock_file_is_made_again() {
        let path = Scratch::new();
        drop(take(&path).unwrap());
        std::fs::remove_file(path.join(".vozduxan/lock")).unwrap();
        let (first, _main) = number(&path);
        assert_eq!((first, number(&path).0), (0, 1));
    }

    #[test]
    fn a_folder_deleted_under_a_session_is_restored_with_its_lock() {
        let path = Scratch::new();
        let (_, main) = number(&path);
        main.restore().unwrap();
        std::fs::remove_dir_all(path.join(".vozduxan")).unwrap();
        main.restore().unwrap();
        assert_eq!(number(&path).0, 1, "the restored lock does not hold");

        std::fs::remove_dir_all(path.join(".vozduxan")).unwrap();
        let (usurper, _usurper) = number(&path);
        assert_eq!(usurper, 0);
        assert!(matches!(main.restore(), Err(Error::Unusable { .. })));
    }

    #[test]
    fn what_nobody_holds_is_cleared_and_nothing_else() {
        let path = Scratch::new();
        let outside = Scratch::new();
        let [_main, used, unused] = [0, 1, 2].map(|_| take(&path).unwrap());
        for root in [&used.root, &unused.root] {
            std::fs::create_dir(root.join("data")).unwrap();
            std::fs::write(root.join("data/track"), "x").unwrap();
            std::fs::write(root.join(".vozduxan/a.resume"), "x").unwrap();
        }
        let state = path.join(".vozduxan");
        std::fs::create_dir_all(outside.join(".vozduxan")).unwrap();
        symlink(&*outside, state.join("instance-7")).unwrap();
        std::fs::create_dir_all(state.join("instance-08/.vozduxan")).unwrap();
        assert_eq!(abandoned(&path).unwrap().len(), 0, "all are held");

        let (kept, left) = (used.root.clone(), unused.root.clone());
        drop(unused);
        let found = abandoned(&path).unwrap();
        let numbers: Vec<u32> = found.iter().map(|instance| instance.number).collect();
        assert_eq!(numbers, [2]);
        assert_eq!(number(&path).0, 3, "nobody takes it meanwhile");
        clear(&found[0]).unwrap();
        drop(found);
        assert!(kept.join("data/track").exists() && kept.join(".vozduxan/a.resume").exists());
        assert!(!left.join("data").exists() && !left.join(".vozduxan/a.resume").exists());
        assert!(outside.join(".vozduxan").exists());
        assert_eq!(number(&path).0, 2);
    }

    #[test]
    fn a_link_in_place_of_the_lock_is_not_followed() {
        let path = Scratch::new();
        std::fs::create_dir(path.join(".vozduxan")).unwrap();
        symlink("/dev/null", path.join(".vozduxan/lock")).unwrap();
        let error = take(&path).unwrap_err().to_string();
        assert!(error.starts_with("cannot lock "), "{error}");
    }
}
