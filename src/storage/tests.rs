//! The store as the engine uses it.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::small::SETTINGS_LIMIT;
use super::*;
use crate::os::testing::{Scratch, symlink};

const A: InfoHash = InfoHash([0xaa; 20]);
const B: InfoHash = InfoHash([0xbb; 20]);

fn open(path: &Path) -> Store {
    Store::open(path).unwrap()
}

fn unusable(path: &Path, words: &str) {
    let error = Store::open(path).unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

/// What libtorrent would do: writes a file under a save path.
fn download(home: &Home, relative: &str, bytes: &[u8]) {
    let path = home.save_path().join(relative);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = list(folder).unwrap().into_iter().map(|(name, _)| name).collect();
    names.sort();
    names
}

#[test]
fn the_directory_is_made_with_all_above_it() {
    let scratch = Scratch::new();
    let path = scratch.join("bt/vozduxan");
    let store = open(&path);
    assert_eq!((store.root(), store.instance()), (path.as_path(), 0));
    assert_eq!(names(&path), [".vozduxan"]);
    assert_eq!(names(&path.join(".vozduxan")), ["lock"]);
    assert!(store.free_space().unwrap() > 0);
}

#[test]
fn a_path_that_cannot_be_used_says_why() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "").unwrap();
    unusable(&scratch.join("file"), "a file where a directory should be");
    unusable(&scratch.join("file/below"), "a file where a directory should be");
    unusable(Path::new(""), "storage directory  cannot be used");
    unusable(Path::new("/proc/vozduxan"), "/proc/vozduxan cannot be used");

    fs::create_dir(scratch.join("dir")).unwrap();
    fs::write(scratch.join("dir/.vozduxan"), "").unwrap();
    unusable(&scratch.join("dir"), "a file where a directory should be");
}

#[test]
fn two_torrents_of_one_name_share_nothing() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let (a, b) = (store.home(A, "Album").unwrap(), store.home(B, "Album").unwrap());
    download(&a, "Album/1.flac", b"from a");
    download(&b, "Album/1.flac", b"from b");
    assert_ne!(a.save_path(), b.save_path());
    assert_eq!(a.save_path(), store.nameless_save_path(A));
    assert_eq!(store.data_file(&a, "Album/1.flac").unwrap().read(0, 6).unwrap(), "from a");
    assert_eq!(store.data_file(&b, "Album/1.flac").unwrap().read(0, 6).unwrap(), "from b");

    store.remove_torrent(A).unwrap();
    assert_eq!(store.data_file(&b, "Album/1.flac").unwrap().read(0, 6).unwrap(), "from b");
    assert!(!a.save_path().exists());
}

#[test]
fn data_of_the_earlier_engine_is_used_in_place_by_one_torrent_for_good() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("Album")).unwrap();
    fs::write(scratch.join("Album/1.flac"), "old data").unwrap();
    fs::write(scratch.join("single.mp3"), "one file").unwrap();
    let store = open(&scratch);
    let home = store.home(A, "Album").unwrap();
    assert!(home.is_adopted());
    assert_eq!(home.save_path(), &*scratch);
    assert_eq!(store.data_file(&home, "Album/1.flac").unwrap().read(0, 8).unwrap(), "old data");
    assert!(!store.home(B, "Album").unwrap().is_adopted());
    assert!(store.home(B, "single.mp3").unwrap().is_adopted());

    drop(store);
    let store = open(&scratch);
    assert!(!store.home(InfoHash([1; 20]), "Album").unwrap().is_adopted());
    assert_eq!(store.home(A, "Album").unwrap(), home);
}

#[test]
fn an_adopted_home_reads_nothing_but_its_own_name() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("Album")).unwrap();
    let store = open(&scratch);
    let home = store.home(A, "Album").unwrap();
    for path in [".vozduxan/lock", "Album2/x", "Albu", "../x", "Album/../x", "/Album/x", ""] {
        assert!(matches!(store.data_file(&home, path), Err(Error::Refused { .. })), "{path:?}");
    }
    let own = store.home(B, "New").unwrap();
    for path in ["../x", "/x", ""] {
        assert!(matches!(store.data_file(&own, path), Err(Error::Refused { .. })), "{path:?}");
    }
}

#[test]
fn a_link_in_the_storage_is_nobodys_data() {
    let elsewhere = Scratch::new();
    fs::write(elsewhere.join("1.flac"), "private").unwrap();
    let scratch = Scratch::new();
    symlink(&*elsewhere, scratch.join("Album")).unwrap();
    let store = open(&scratch);
    assert!(!store.home(A, "Album").unwrap().is_adopted());

    symlink(&*elsewhere, scratch.join(B.to_string())).unwrap();
    let error = store.home(B, "Album").unwrap_err().to_string();
    assert!(error.contains("symbolic link") && error.contains("remove it"), "{error}");
    store.remove_torrent(B).unwrap();
    store.home(B, "Album").unwrap();
    assert!(elsewhere.join("1.flac").exists());
}

#[test]
fn a_claim_that_is_not_ours_deletes_nothing() {
    let scratch = Scratch::new();
    drop(open(&scratch));
    fs::write(scratch.join("dht_state.dat"), "d1:ai1ee").unwrap();
    for name in ["dht_state.dat", "..", ".vozduxan", "a/b", ""] {
        fs::write(scratch.join(".vozduxan").join(layout::adopted_name(A)), name).unwrap();
        let store = open(&scratch);
        store.remove_torrent(A).unwrap();
        assert!(
            scratch.join("dht_state.dat").exists() && scratch.join(".vozduxan/lock").exists(),
            "{name:?}"
        );
    }
}

#[test]
fn resume_data_comes_back() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    assert_eq!(store.load_resume(A).unwrap(), None);
    store.forget_resume(A).unwrap();
    store.save_resume(A, b"d4:infodee").unwrap();
    store.save_resume(B, b"other").unwrap();
    drop(store);
    let store = open(&scratch);
    assert_eq!(store.load_resume(A).unwrap().unwrap(), b"d4:infodee");
    store.forget_resume(A).unwrap();
    assert_eq!(store.load_resume(A).unwrap(), None);
    assert_eq!(store.load_resume(B).unwrap().unwrap(), b"other");
}

#[test]
fn what_a_crash_left_half_written_is_swept_at_the_next_start() {
    let scratch = Scratch::new();
    drop(open(&scratch));
    let half = [scratch.join("dht_state.dat.7-7.vz-tmp"), scratch.join(".vozduxan/x.resume.7-8.vz-tmp")];
    half.iter().for_each(|path| fs::write(path, "half").unwrap());
    let _store = open(&scratch);
    assert!(half.iter().all(|path| !path.exists()));
}

#[test]
fn known_torrents_are_those_with_anything_on_disk() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("Album")).unwrap();
    fs::write(scratch.join("note.txt"), "").unwrap();
    let store = open(&scratch);
    store.home(A, "Album").unwrap();
    download(&store.home(B, "Other").unwrap(), "Other/1", b"x");
    store.save_resume(B, b"resume").unwrap();
    let resume = scratch.join(".vozduxan").join(layout::resume_name(B));
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    fs::File::options().append(true).open(&resume).unwrap().set_modified(long_ago).unwrap();

    let known = store.torrents().unwrap();
    let short: Vec<_> = known.iter().map(|torrent| (torrent.info_hash, torrent.has_resume)).collect();
    assert_eq!(short, [(A, false), (B, true)]);
    assert_eq!(known[1].last_used, long_ago);

    store.touch(B);
    store.touch(InfoHash([9; 20]));
    assert!(store.torrents().unwrap()[1].last_used > long_ago);

    store.remove_torrent(A).unwrap();
    store.remove_torrent(B).unwrap();
    assert_eq!(store.torrents().unwrap(), []);
    assert_eq!(names(&scratch), [".vozduxan", "note.txt"]);
    assert_eq!(names(&scratch.join(".vozduxan")), ["lock"]);
}

#[test]
fn a_part_file_alone_is_data_too() {
    let scratch = Scratch::new();
    let parts = |hash| scratch.join(layout::parts_name(hash));
    let store = open(&scratch);
    fs::write(parts(A), "x").unwrap();
    assert!(store.has_parts(A) && !store.has_parts(B));
    assert!(store.home(A, "Album").unwrap().is_adopted());
    // A link is not what the older engine left.
    symlink(parts(A), parts(B)).unwrap();
    assert!(!store.home(B, "Other").unwrap().is_adopted());
}

#[test]
fn a_part_file_that_cannot_be_used_counts_and_goes_with_its_torrent() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("Album")).unwrap();
    let parts = scratch.join(layout::parts_name(B));
    fs::write(&parts, [1; 50_000]).unwrap();
    fs::File::open(&parts).unwrap().sync_all().unwrap();
    let store = open(&scratch);
    store.home(A, "Album").unwrap();
    // The place for it is another torrent's.
    assert!(!store.home(B, "Album").unwrap().is_adopted());
    assert!(store.usage(B).unwrap() >= 50_000);
    store.remove_torrent(B).unwrap();
    assert!(!parts.exists() && scratch.join("Album").exists());
}

#[test]
fn a_part_file_has_the_name_of_the_first_hash_afterwards() {
    let scratch = Scratch::new();
    let parts = |hash| scratch.join(layout::parts_name(hash));
    let store = open(&scratch);
    fs::write(parts(B), "b").unwrap();
    store.rename_parts(B, A);
    assert_eq!(fs::read(parts(A)).unwrap(), b"b");
    assert!(!parts(B).exists());
    // One that is there already stays.
    fs::write(parts(B), "other").unwrap();
    store.rename_parts(B, A);
    assert_eq!(fs::read(parts(A)).unwrap(), b"b");
}

#[test]
fn a_part_file_is_emptied_into_adopted_data_only() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    fs::write(scratch.join(layout::parts_name(A)), "not one").unwrap();
    let own = Home { info_hash: A, save_path: scratch.join("x"), adopted: None };
    let none = std::sync::atomic::AtomicBool::new(false);
    let file = |path: &str| ContentFile { path: path.to_owned(), offset: 0, length: 1 };
    let contents = |path| Contents::new(16_384, 1, vec![file(path)]);
    assert!(matches!(store.unpack_parts(&own, &contents("Album/1"), &none), Err(Error::Refused { .. })));
    let home = store.home(A, "Album").unwrap();
    for outside in ["Other/1", "../1", "Album/../1"] {
        let answer = store.unpack_parts(&home, &contents(outside), &none);
        assert!(matches!(answer, Err(Error::Refused { .. })), "{outside}");
    }
    assert_eq!(store.unpack_parts(&home, &contents("Album/1"), &none).unwrap(), Unpacked::Foreign);
    assert!(store.has_parts(A));
    store.remove_torrent(A).unwrap();
    assert!(!store.has_parts(A));
}

#[test]
fn usage_counts_all_that_removal_gives_back() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("Album")).unwrap();
    fs::write(scratch.join("Album/1"), [1; 50_000]).unwrap();
    fs::write(scratch.join(layout::parts_name(A)), [1; 50_000]).unwrap();
    let store = open(&scratch);
    store.home(A, "Album").unwrap();
    store.save_resume(A, &[1; 50_000]).unwrap();
    download(&store.home(B, "Other").unwrap(), "Other/1", &[1; 50_000]);
    for file in ["Album/1", ".vozduxan", &layout::parts_name(A)] {
        fs::File::open(scratch.join(file)).unwrap().sync_all().unwrap();
    }
    assert!(store.usage(A).unwrap() >= 150_000);
    assert!(store.usage(B).unwrap() < 150_000);
    assert_eq!(store.usage(InfoHash([9; 20])).unwrap(), 0);
    store.remove_torrent(A).unwrap();
    assert_eq!(store.usage(A).unwrap(), 0);
    assert!(!scratch.join("Album").exists());
}

#[test]
fn dht_state_is_where_the_earlier_engine_left_it() {
    let scratch = Scratch::new();
    fs::write(scratch.join("dht_state.dat"), "d9:dht statedee").unwrap();
    let store = open(&scratch);
    assert_eq!(store.load_dht_state().unwrap(), b"d9:dht statedee");
    store.save_dht_state(b"newer").unwrap();
    assert_eq!(fs::read(scratch.join("dht_state.dat")).unwrap(), b"newer");

    // A second session begins with what the first one knew and never writes to it.
    let second = open(&scratch);
    assert_eq!(second.load_dht_state().unwrap(), b"newer");
    second.save_dht_state(b"second's").unwrap();
    assert_eq!(second.load_dht_state().unwrap(), b"second's");
    assert_eq!(store.load_dht_state().unwrap(), b"newer");
}

#[test]
fn no_dht_state_is_fine() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    assert_eq!(store.load_dht_state(), None);
    fs::create_dir(scratch.join("dht_state.dat")).unwrap();
    assert_eq!(store.load_dht_state(), None);
}

#[test]
fn sessions_on_one_path_keep_apart() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("Album")).unwrap();
    fs::write(scratch.join("vozduxan.toml"), "[network]\ndht = false").unwrap();
    let (first, second) = (open(&scratch), open(&scratch));
    let (one, two) = (first.home(A, "Album").unwrap(), second.home(A, "Album").unwrap());
    assert!(one.is_adopted() && !two.is_adopted());
    assert!(two.save_path().starts_with(second.root()));
    first.save_resume(A, b"first").unwrap();
    second.save_resume(A, b"second").unwrap();
    second.remove_torrent(A).unwrap();
    assert_eq!(first.load_resume(A).unwrap().unwrap(), b"first");
    assert!(scratch.join("Album").exists());
    assert!(!first.settings().0.network.dht && !second.settings().0.network.dht);
}

#[test]
fn a_directory_emptied_during_the_session_is_made_again() {
    let scratch = Scratch::new();
    let path = scratch.join("s");
    let store = open(&path);
    fs::remove_dir_all(&path).unwrap();
    assert!(matches!(store.free_space(), Err(Error::Missing { .. })));
    assert_eq!(store.torrents().unwrap(), []);
    store.forget_resume(A).unwrap();
    store.save_resume(A, b"again").unwrap();
    assert_eq!(store.load_resume(A).unwrap().unwrap(), b"again");
    assert_eq!(open(&path).instance(), 1, "the root was lost to another session");
}

#[test]
fn settings_are_read_when_there_are_some() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    assert_eq!(store.settings(), (Settings::default(), vec![]));
    fs::write(scratch.join("real.toml"), "[stream]\nwindow_pieces = 7").unwrap();
    symlink("real.toml", scratch.join("vozduxan.toml")).unwrap();
    assert_eq!(store.settings().0.stream.window_pieces, 7);
}

#[test]
fn settings_that_cannot_be_read_are_one_complaint() {
    let scratch = Scratch::new();
    let store = open(&scratch);
    let path = scratch.join("vozduxan.toml");
    let check = || {
        let (settings, complaints) = store.settings();
        assert_eq!(settings, Settings::default());
        assert_eq!(complaints.len(), 1);
        assert!(
            complaints[0].to_string().starts_with("vozduxan.toml: cannot be read ("),
            "{}",
            complaints[0]
        );
    };
    fs::create_dir(&path).unwrap();
    check();
    fs::remove_dir(&path).unwrap();
    fs::write(&path, b"[network]\n# \xff").unwrap();
    check();
    fs::write(&path, vec![b'\n'; SETTINGS_LIMIT as usize + 1]).unwrap();
    check();
}
