//! Torrents whose names want to be somewhere else: each is served by an honest peer, so that its files are really written.

use std::path::Path;

use vozduxan::abi::VozduxanError;
use vozduxan_swarm::bencode::Value;

use super::host::Host;
use super::make::{File, Made, single, tree, v1};

/// Long enough for a few pieces.
const LEN: usize = 50_000;
const PIECE: u32 = 16 * 1024;

/// Fetches every file that passes for audio, checks its bytes, and checks that nothing left the storage. Answers the
/// names that the engine shows.
fn fetch(case: &str, made: &Made) -> Vec<String> {
    let mut host = Host::start();
    let (_peer, tracker) = made.swarm();
    let torrent = made.bytes(Some(&tracker.url()));
    let files = host.list(&torrent).unwrap_or_else(|refused| panic!("{case}: {refused:?}"));
    let mut at = 0;
    let mut fetched = 0;
    for (index, (name, len)) in files.iter().enumerate() {
        assert!(!name.split('/').any(|part| matches!(part, "" | "." | "..")), "{case}: {name:?}");
        assert!(!name.contains(|c: char| c.is_control()), "{case}: {name:?}");
        let len = usize::try_from(*len).unwrap();
        match host.prepare(None, &torrent, i32::try_from(index).unwrap()) {
            Ok(stream) => {
                let bytes = host.get(&stream, None).rest();
                assert!(bytes == made.share.content[at..at + len], "{case}: wrong bytes of {name:?}");
                host.release(&stream);
                fetched += 1;
            }
            Err(refused) => {
                assert_eq!(refused.code, VozduxanError::VOZDUXAN_ERR_INVALID_FILE, "{case}: {refused:?}")
            }
        }
        at += len;
    }
    assert!(fetched > 0, "{case}: nothing was fetched, so nothing was tried");
    host.assert_contained(case);
    assert_links_stay(&host.storage(), case);
    // What was written is found again, by the same names.
    host.restart();
    assert_eq!(host.list(&torrent).as_ref(), Ok(&files), "{case}");
    host.destroy();
    host.assert_contained(case);
    files.into_iter().map(|(name, _)| name).collect()
}

/// libtorrent makes links where a torrent describes some: none of them leads out of the storage.
#[track_caller]
fn assert_links_stay(storage: &Path, case: &str) {
    for entry in tree(storage) {
        let Some((link, _)) = entry.split_once(" -> ") else { continue };
        if let Ok(target) = storage.join(link).canonicalize() {
            assert!(target.starts_with(storage.canonicalize().unwrap()), "{case}: {entry} leads out");
        }
    }
}

#[track_caller]
fn check(case: &str, files: &[File], expected: &[&str]) {
    assert_eq!(fetch(case, &v1(b"album", files, PIECE)), expected, "{case}");
}

#[test]
fn paths_that_climb() {
    check("..", &[File::new(&["..", "..", "secret.mp3"], LEN)], &["secret.mp3"]);
    check("deep", &[File::new(&["a", "..", "..", "..", "..", "..", "b.mp3"], LEN)], &["a/b.mp3"]);
    check("slashes in a part", &[File::new(&["../../secret.mp3"], LEN)], &["....secret.mp3"]);
    check(
        "dots",
        &[File::new(&[".", "a.mp3"], LEN), File::new(&["...", "b.mp3"], LEN)],
        &["a.mp3", ".../b.mp3"],
    );
}

#[test]
fn paths_that_are_absolute() {
    let folder = super::support::Folder::new();
    let target = folder.0.join("x.mp3");
    let parts: Vec<&str> = target.to_str().unwrap().split('/').collect();
    fetch("an absolute path in parts", &v1(b"album", &[File::new(&parts, LEN)], PIECE));
    fetch("an absolute path in one", &v1(b"album", &[File::new(&[target.to_str().unwrap()], LEN)], PIECE));
    fetch("an absolute name", &v1(target.to_str().unwrap().as_bytes(), &[File::new(&["x.mp3"], LEN)], PIECE));
    fetch("an absolute name, alone", &single(target.to_str().unwrap().as_bytes(), LEN, PIECE));
    assert!(!target.exists());
}

#[test]
fn names_of_the_torrent_that_climb() {
    for name in
        ["..", ".", "../..", "../secret.mp3", "..\\..", "beside/../../x", "/", ".vozduxan", "vozduxan.toml"]
    {
        fetch(name, &v1(name.as_bytes(), &[File::new(&["a.mp3"], LEN)], PIECE));
        // One file under such a name has no ending, so it is known by its bytes or refused.
        let made = single(format!("{name}.mp3").as_bytes(), LEN, PIECE);
        fetch(name, &made);
    }
}

#[test]
fn characters_that_systems_and_terminals_obey() {
    let names: [&[u8]; 12] = [
        b"a\0b.mp3",
        b"a\nb.mp3",
        b"\x1b[2Jb.mp3",
        b"a\x7fb.mp3",
        "\u{202e}3pm.exe.mp3".as_bytes(),
        b"\xff\xfe.mp3",
        b"\xed\xa0\x80.mp3",
        b"\xc0\xaf.mp3",
        b"CON.mp3",
        b"aux.mp3 ",
        b"a:b|c?.mp3",
        b"-rf.mp3",
    ];
    for name in names {
        let case = name.escape_ascii().to_string();
        fetch(&case, &v1(b"album", &[File::new(&[name], LEN), File::new(&["z.mp3"], LEN)], PIECE));
        fetch(&case, &v1(name, &[File::new(&["a.mp3"], LEN)], PIECE));
    }
}

#[test]
fn names_that_no_file_system_takes() {
    let long = "x".repeat(5000) + ".mp3";
    fetch("one long part", &v1(b"album", &[File::new(&[&long], LEN)], PIECE));
    fetch("a long name", &v1(long.as_bytes(), &[File::new(&["a.mp3"], LEN)], PIECE));
    fetch(
        "a long name in letters of four bytes",
        &v1("\u{1f3b5}".repeat(100).as_bytes(), &[File::new(&["a.mp3"], LEN)], PIECE),
    );
}

/// 4,096 bytes and more: the system refuses to open it, and that costs this torrent, not the engine.
#[test]
fn a_path_too_deep_is_an_error_that_names_it() {
    let host = Host::start();
    let mut deep: Vec<String> = (0..40).map(|n| format!("{n:0>120}")).collect();
    deep.push("a.mp3".into());
    let made = v1(b"album", &[File::new(&deep, LEN), File::new(&["b.mp3"], LEN)], PIECE);
    let (_peer, tracker) = made.swarm();
    let torrent = made.bytes(Some(&tracker.url()));
    let refused = host.prepare(None, &torrent, 0).expect_err("no system opens it");
    assert!(refused.message.contains("File name too long"), "{refused:?}");
    host.assert_contained("a deep path");
    // The engine goes on with other torrents.
    let other = v1(b"other", &[File::new(&["c.mp3"], LEN)], PIECE);
    let (_peer, tracker) = other.swarm();
    let stream = host.prepare(None, &other.bytes(Some(&tracker.url())), 0).unwrap();
    assert!(host.get(&stream, None).rest() == other.share.content[..]);
}

/// libtorrent cuts long names, but not where it replaces bytes that are no UTF-8 (found by fuzzing). No data could be
/// written under such a name, so nothing is fetched for it.
#[test]
fn a_long_name_that_is_no_utf8_is_refused() {
    let host = Host::start();
    let long = b"\xff".repeat(500);
    // Whole pieces: one that both files had a part in could not be written either.
    let len = 3 * PIECE as usize;
    let made = v1(b"album", &[File::new(&[&long], len), File::new(&["b.mp3"], len)], PIECE);
    let (_peer, tracker) = made.swarm();
    let torrent = made.bytes(Some(&tracker.url()));
    let refused = host.prepare(None, &torrent, 0).expect_err("no file system takes it");
    assert_eq!(refused.code, VozduxanError::VOZDUXAN_ERR_INVALID_FILE, "{refused:?}");
    assert!(refused.message.contains("file systems take 255"), "{refused:?}");
    // The file beside it is played.
    let stream = host.prepare(None, &torrent, 1).unwrap();
    assert!(host.get(&stream, None).rest() == made.share.content[len..]);
    host.assert_contained("a long name");
}

#[test]
fn two_files_of_one_name() {
    let names =
        fetch("twins", &v1(b"album", &[File::new(&["a.mp3"], LEN), File::new(&["a.mp3"], LEN)], PIECE));
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1], "they must not share a file on disk");
    let case = [File::new(&["A.mp3"], LEN), File::new(&["a.mp3"], LEN)];
    fetch("twins but for case", &v1(b"album", &case, PIECE));
    let climbing =
        [File::new(&["x", "..", "a.mp3"], LEN), File::new(&["x", "a.mp3"], LEN), File::new(&["a.mp3"], LEN)];
    fetch("twins after cleaning", &v1(b"album", &climbing, PIECE));
}

#[test]
fn a_file_and_a_folder_of_one_name() {
    for files in [
        [File::new(&["a.mp3"], LEN), File::new(&["a.mp3", "b.mp3"], LEN)],
        [File::new(&["a.mp3", "b.mp3"], LEN), File::new(&["a.mp3"], LEN)],
    ] {
        fetch("file and folder", &v1(b"album", &files, PIECE));
    }
}

/// BEP 47: `attr` with an l, and where it leads.
#[test]
fn symbolic_links() {
    let link = |path: &[&str], target: &[&str]| {
        File::new(path, 0).with("attr", Value::bytes("l")).with("symlink path", Value::path(target))
    };
    for target in [
        &["..", "..", "secret.mp3"][..],
        &["..", "..", "beside"],
        &["/etc"],
        &["", "etc", "passwd"],
        &["../../beside"],
        &["."],
        &[".."],
        &["d"],
        &["a.mp3"],
    ] {
        let case = format!("a link to {target:?}");
        // A file is to be written through the link.
        let files = [link(&["d"], target), File::new(&["d", "evil.mp3"], LEN), File::new(&["a.mp3"], LEN)];
        fetch(&case, &v1(b"album", &files, PIECE));
        // The torrent's own folder is one.
        let made = v1(b"album", &[link(&["l.mp3"], target), File::new(&["a.mp3"], LEN)], PIECE);
        fetch(&case, &made);
    }
}

/// Another program put a link where the torrent's folder would be: it leads out, so it is not followed by readers.
#[test]
fn a_link_that_was_put_into_the_storage_is_not_read() {
    let host = Host::start();
    let made = v1(b"album", &[File::new(&["secret.mp3"], 6)], PIECE);
    let folder =
        host.storage().join(made.info_hash().iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    std::fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(host.outer(), folder.join("album")).unwrap();
    // The hash is that of the secret, so libtorrent finds it whole; reading it is what must not happen.
    let made = made.changed(|_| {});
    let (_peer, tracker) = made.swarm();
    match host.prepare(None, &made.bytes(Some(&tracker.url())), 0) {
        Ok(stream) => assert_ne!(host.get(&stream, None).until_cut_bytes(), b"secret"),
        Err(refused) => assert_eq!(refused.code, VozduxanError::VOZDUXAN_ERR_INTERNAL, "{refused:?}"),
    }
}
