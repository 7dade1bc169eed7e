//! Files that somebody changed while no session had them: it is noticed, and what is wrong is fetched again.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};

use super::*;

/// Words of the log when files are not as they were left.
const NOTICED: &str = "not as they were left";

struct Stage {
    swarm: Swarm,
    storage: Folder,
    _folder: Folder,
}

/// A track that was played to its end, and a session that ended in order.
fn stage() -> Stage {
    let folder = Folder::new();
    let swarm = small_swarm(&folder, 2, 1_000_000, 20_000_000);
    let storage = Folder::new();
    let host = Host::start(&storage);
    whole(&host, &swarm, 0);
    drop(host);
    Stage { swarm, storage, _folder: folder }
}

impl Stage {
    fn track(&self) -> PathBuf {
        on_disk(&self.storage, &self.swarm, 0)
    }

    /// Plays the track in a new session. Answers its log.
    fn again(&self) -> Vec<String> {
        let host = Host::start(&self.storage);
        whole(&host, &self.swarm, 0);
        host.session.stop();
        std::mem::take(&mut *host.log.lock())
    }

    #[track_caller]
    fn is_noticed(&self) {
        let before = sent(&self.swarm);
        let log = self.again();
        assert!(log.iter().any(|line| line.contains(NOTICED)), "{log:#?}");
        assert!(sent(&self.swarm) > before, "nothing was fetched again");
        // And now it is as it should be.
        let log = self.again();
        assert!(!log.iter().any(|line| line.contains(NOTICED)), "{log:#?}");
    }
}

fn flip(path: &Path) {
    let file = File::options().read(true).write(true).open(path).expect("track");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 500_000).expect("read");
    file.write_all_at(&[byte[0] ^ 0x20], 500_000).expect("write");
}

#[test]
fn untouched_files_are_neither_checked_nor_fetched() {
    let stage = stage();
    go_away(&stage.swarm);
    let log = stage.again();
    assert!(!log.iter().any(|line| line.contains(NOTICED)), "{log:#?}");
}

#[test]
fn flipped_bytes() {
    let stage = stage();
    flip(&stage.track());
    stage.is_noticed();
}

/// A tool that keeps the time of modification, or a backup of the same length with its old time.
#[test]
fn flipped_bytes_under_the_old_time_of_modification() {
    let stage = stage();
    let modified = fs::metadata(stage.track()).and_then(|found| found.modified()).expect("time");
    flip(&stage.track());
    File::options().append(true).open(stage.track()).and_then(|f| f.set_modified(modified)).expect("time");
    stage.is_noticed();
}

#[test]
fn an_older_file_of_the_same_length_moved_into_place() {
    let stage = stage();
    let old = stage.storage.0.join("old");
    fs::write(&old, vec![7; fs::metadata(stage.track()).expect("track").len() as usize]).expect("old");
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(1_000_000);
    File::options().append(true).open(&old).and_then(|f| f.set_modified(long_ago)).expect("time");
    fs::rename(&old, stage.track()).expect("rename");
    stage.is_noticed();
}

#[test]
fn shortened() {
    let stage = stage();
    File::options().write(true).open(stage.track()).and_then(|f| f.set_len(300_000)).expect("cut");
    stage.is_noticed();
}

#[test]
fn deleted() {
    let stage = stage();
    fs::remove_file(stage.track()).expect("remove");
    stage.is_noticed();
}

#[test]
fn the_whole_folder_deleted() {
    let stage = stage();
    fs::remove_dir_all(stage.storage.0.join(key(&stage.swarm))).expect("remove");
    stage.is_noticed();
}

#[test]
fn a_folder_in_place_of_a_track() {
    let stage = stage();
    fs::remove_file(stage.track()).expect("remove");
    fs::create_dir(stage.track()).expect("folder");
    fs::write(stage.track().join("letter"), "dear").expect("letter");
    stage.is_noticed();
    let aside = stage.track().with_extension("flac.vz-aside-1");
    assert_eq!(fs::read_to_string(aside.join("letter")).expect("kept"), "dear");
}

#[test]
fn a_link_in_place_of_a_track_is_not_written_through() {
    let stage = stage();
    let elsewhere = Folder::new();
    let precious = elsewhere.0.join("precious");
    fs::write(&precious, "precious").expect("precious");
    fs::remove_file(stage.track()).expect("remove");
    symlink(&precious, stage.track()).expect("link");
    stage.is_noticed();
    assert_eq!(fs::read_to_string(&precious).expect("kept"), "precious");
}

#[test]
fn a_link_in_place_of_the_albums_folder_is_not_written_through() {
    let stage = stage();
    let elsewhere = Folder::new();
    let album = stage.track().parent().expect("album").to_owned();
    fs::remove_dir_all(&album).expect("remove");
    symlink(&elsewhere.0, &album).expect("link");
    stage.is_noticed();
    assert_eq!(fs::read_dir(&elsewhere.0).expect("elsewhere").count(), 0, "something was written outside");
}

/// As long as a link stands in place of the torrent's own folder there is no place for it; then there is one again.
#[test]
fn a_refused_home_is_tried_again() {
    for by_magnet in [false, true] {
        let folder = Folder::new();
        let swarm = small_swarm(&folder, 1, 300_000, 20_000_000);
        let (storage, elsewhere) = (Folder::new(), Folder::new());
        let place = storage.0.join(key(&swarm));
        symlink(&elsewhere.0, &place).expect("link");
        let host = Host::start(&storage);
        let magnet = swarm.magnet();
        let input = if by_magnet {
            Input { magnet: Some(&magnet), torrent: None }
        } else {
            Input { magnet: None, torrent: Some(&swarm.torrent().bytes) }
        };
        for _ in 0..2 {
            match host.prepare(input, 0, Role::Main) {
                Err(Error::Storage(text)) => assert!(text.contains("symbolic link"), "{text}"),
                other => panic!("{other:?}"),
            }
        }
        fs::remove_file(&place).expect("remove");
        let stream = host.prepare(input, 0, Role::Main).expect("a place again");
        play(host.session.http_port(), &host.path(&stream), &swarm, 0, 0);
        assert_eq!(
            fs::read_dir(&elsewhere.0).expect("elsewhere").count(),
            0,
            "something was written outside"
        );
    }
}
