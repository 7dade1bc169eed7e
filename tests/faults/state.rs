//! Small files that are not what was written: cut, garbage, endless, of another torrent, no files at all.

use std::fs::{self, File};

use vozduxan_swarm::dht::Dht;

use super::*;

/// Plays a track to its end, ends the session, harms a state file of it, and plays it again with nobody to fetch from:
/// what is here must be found without resume data too.
fn harmed(extension: &str, harm: impl Fn(&Path)) {
    let folder = Folder::new();
    let swarm = small_swarm(&folder, 1, 600_000, 20_000_000);
    let storage = Folder::new();
    let host = Host::start(&storage);
    whole(&host, &swarm, 0);
    drop(host);
    go_away(&swarm);
    harm(&state(&storage, &swarm, extension));
    let host = Host::start(&storage);
    whole(&host, &swarm, 0);
}

/// Sessions mostly wait: one thread for each harm.
fn beside_each_other(harms: &[fn(&Path)], test: impl Fn(fn(&Path)) + Sync) {
    std::thread::scope(|scope| {
        for harm in harms {
            scope.spawn(|| test(*harm));
        }
    });
}

fn cut(path: &Path) {
    let len = fs::metadata(path).expect("state").len();
    File::options().write(true).open(path).and_then(|f| f.set_len(len / 2)).expect("cut");
}

fn garbage(path: &Path) {
    fs::write(path, [0xa5; 5000]).expect("garbage");
}

fn huge(path: &Path) {
    File::create(path).and_then(|f| f.set_len(8 << 30)).expect("huge");
}

fn folder(path: &Path) {
    fs::remove_file(path).expect("remove");
    fs::create_dir(path).expect("folder");
}

fn empty(path: &Path) {
    fs::write(path, "").expect("empty");
}

#[test]
fn resume_data_that_is_none() {
    beside_each_other(&[cut, garbage, huge, empty], |harm| harmed("resume", harm));
}

#[test]
fn a_folder_in_place_of_resume_data() {
    harmed("resume", folder);
}

#[test]
fn looks_that_are_none() {
    beside_each_other(&[cut, garbage, huge, empty, folder], |harm| harmed("files", harm));
}

/// One bit of the bit field that says which pieces are here. libtorrent believes it.
#[test]
fn a_flipped_bit_in_resume_data_names_no_piece_that_is_not_here() {
    let directory = Folder::new();
    let swarm = small_swarm(&directory, 1, 2_000_000, 500_000);
    let storage = Folder::new();
    let host = Host::start(&storage);
    let stream = host.prepare_torrent(&swarm, 0);
    get(host.session.http_port(), &host.path(&stream), None).take(300_000);
    go_away(&swarm);
    drop(host);
    let path = state(&storage, &swarm, "resume");
    let mut bytes = fs::read(&path).expect("resume");
    let words = b"6:pieces";
    // The last one: the info dictionary before it has one of its own.
    let at =
        bytes.windows(words.len()).rposition(|window| window == words).expect("a bit field") + words.len();
    let colon = at + bytes[at..].iter().position(|byte| *byte == b':').expect("a length");
    let len: usize = std::str::from_utf8(&bytes[at..colon]).expect("digits").parse().expect("a length");
    bytes[colon + len] |= 1;
    bytes[colon + len - 2] |= 1;
    fs::write(&path, bytes).expect("resume");

    come_back(&swarm);
    let host = Host::start(&storage);
    whole(&host, &swarm, 0);
}

#[test]
fn resume_data_of_another_torrent_names_no_pieces_of_this_one() {
    let folders = [Folder::new(), Folder::new()];
    let one = small_swarm(&folders[0], 1, 1_000_000, 20_000_000);
    let album = Album { seed: 9, ..Album::flac(1, 1_000_000) };
    let other = swarm(&folders[1], Kind::V1, 64, album, &[peer(300_000)]);
    let storage = Folder::new();
    let host = Host::start(&storage);
    whole(&host, &one, 0);
    // Of the other only the beginning is here; the file is as long as it will be.
    let stream = host.prepare_torrent(&other, 0);
    get(host.session.http_port(), &host.path(&stream), None).take(100_000);
    go_away(&other);
    drop(host);
    fs::copy(state(&storage, &one, "resume"), state(&storage, &other, "resume")).expect("copy");
    come_back(&other);
    let host = Host::start(&storage);
    whole(&host, &other, 0);
    assert_eq!(logged(&host, "is of another torrent"), 1, "{:#?}", host.log.lock());
}

#[test]
fn dht_state_that_is_none() {
    beside_each_other(&[cut, garbage, huge, empty, folder], |harm| {
        let dht = Dht::start(2).expect("nodes");
        let settings = format!(
            "[network]\nlisten_interfaces = \"127.0.0.1:0\"\ndht = true\ndht_bootstrap_nodes = [\"{}\"]\n\
             lsd = false\nupnp = false\npublic_trackers = false\n",
            dht.addresses()[0]
        );
        let storage = Folder::new();
        let path = storage.0.join("dht_state.dat");
        let host = Host::start_with_settings(&storage, &settings);
        until("the nodes are stored as soon as they are known", || path.exists());
        drop(host);
        harm(&path);
        let directory = Folder::new();
        let swarm = small_swarm(&directory, 1, 100_000, 20_000_000);
        whole(&Host::start_with_settings(&storage, &settings), &swarm, 0);
    });
}
