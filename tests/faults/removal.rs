//! Deleting a torrent's data while libtorrent still has some of it to write.

use super::shim::{Shim, Slot};
use super::*;

/// libtorrent is about to make a file of the torrent when its data is deleted. Without waiting it would make the file,
/// its folders too, after the deletion, and nobody would know of them.
#[test]
fn a_deletion_waits_for_the_last_write() {
    child::serve_if_asked();
    let folders = [Folder::new(), Folder::new()];
    let swarm = small_swarm(&folders[0], 2, 400_000, 6_000_000);
    let album = Album { name: "Other".into(), seed: 5, ..Album::flac(1, 60_000) };
    let other = super::swarm(&folders[1], Kind::V1, 64, album, &[peer(20_000_000)]);
    let (storage, shim) = (Folder::new(), Shim::new());
    let mut child = Child::start_with("removal::a_deletion_waits_for_the_last_write", &storage, |command| {
        shim.preload(command, &storage.0);
        command.env(child::CACHE, "100000");
    });
    shim.set(Slot::CreateDelayMs, 1500);
    let torrent = torrent_file(&swarm);
    let stream = child.prepare(&torrent, 0).expect("prepare");
    // So little music is left that the next track is warmed; its file is not there yet.
    until("the next track's file is to be made", || shim.get(Slot::Refused) >= 2);
    child.ask(&format!("release {}", stream.token));
    child.ask("evict");
    let place = storage.0.join(key(&swarm));
    assert!(!place.exists(), "evict returned before the data was gone");
    // libtorrent's one disk thread works in order: when this one is here, all that was before it is done.
    let stream = child.prepare(&torrent_file(&other), 0).expect("prepare");
    play(child.port, &format!("/stream/{}", stream.token), &other, 0, 0);
    assert!(!place.exists(), "written again after it was deleted");
    // And it can be had again.
    shim.set(Slot::CreateDelayMs, 0);
    let again = child.prepare(&torrent, 0).expect("prepare");
    play(child.port, &format!("/stream/{}", again.token), &swarm, 0, 0);
    child.end();
}
