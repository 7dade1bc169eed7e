//! Deleting a torrent's data while libtorrent still has some of it to write.

use super::shim::{Shim, Slot};
use super::*;

/// Every write takes its time, so that some wait when the torrent is deleted. None may make the file anew.
#[test]
fn a_deletion_waits_for_the_last_write() {
    child::serve_if_asked();
    let folders = [Folder::new(), Folder::new()];
    let swarm = small_swarm(&folders[0], 1, 3_000_000, 6_000_000);
    let small = {
        let album = Album { name: "Small".into(), seed: 5, ..Album::flac(1, 100_000) };
        super::swarm(&folders[1], Kind::V1, 64, album, &[peer(20_000_000)])
    };
    let (storage, shim) = (Folder::new(), Shim::new());
    let mut child = Child::start_with("removal::a_deletion_waits_for_the_last_write", &storage, |command| {
        shim.preload(command, &storage.0);
        command.env(child::CACHE, "600000");
    });
    // Something that is used later than the rest and fits.
    let torrent = torrent_file(&swarm);
    let stream = child.prepare(&torrent, 0).expect("prepare");
    let mut answer = child.get(&stream, 0);
    answer.take(700_000);
    shim.set(Slot::WriteDelayMs, 60);
    // Blocks come faster than they are written for a while.
    until("some come", || sent(&swarm) > 2_000_000);
    drop(answer);
    child.ask(&format!("release {}", stream.token));
    child.ask("evict");
    let place = storage.0.join(key(&swarm));
    assert!(!place.exists(), "evict returned before the data was gone");
    shim.set(Slot::WriteDelayMs, 0);
    let other = child.prepare(&torrent_file(&small), 0).expect("prepare");
    play(child.port, &format!("/stream/{}", other.token), &small, 0, 0);
    assert!(!place.exists(), "written again after it was deleted");
    // And it can be had again.
    let again = child.prepare(&torrent, 0).expect("prepare");
    play(child.port, &format!("/stream/{}", again.token), &swarm, 0, 0);
    child.end();
}
