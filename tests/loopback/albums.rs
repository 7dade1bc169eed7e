//! Whole albums: every kind of torrent, changes of track, liars.

use super::*;
use std::sync::atomic::{AtomicBool, Ordering};
use vozduxan::engine::Prepared;

fn audio_files(swarm: &vozduxan_swarm::Swarm) -> Vec<usize> {
    let audio =
        |path: &std::path::Path| path.extension().is_some_and(|e| e == "flac" || e == "mp3" || e == "wav");
    swarm.files().iter().filter(|f| f.len > 0 && audio(&f.torrent_path)).map(|f| f.index).collect()
}

fn every_audio_file_comes_out(kind: Kind) {
    let folder = Folder::new();
    let swarm =
        swarm(&folder, kind, 64, Album::awkward(5, 700_001), &[peer(6_000_000, 10), peer(6_000_000, 10)]);
    let storage = Folder::new();
    let host = Host::start(&storage);
    let input = Input { magnet: None, torrent: Some(&swarm.torrent().bytes) };
    let list = host.session.list_files(input).expect("list");
    assert_eq!(list.len(), swarm.torrent().files.len());
    for (entry, file) in list.iter().zip(&swarm.torrent().files) {
        assert_eq!(entry.len, file.len);
        assert!(file.pad || file.path.ends_with(&entry.name), "{} for {}", entry.name, file.path.display());
    }
    let files = audio_files(&swarm);
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        let stream = host.prepare_torrent(&swarm, file);
        let mut answer = get(host.session.http_port(), &host.path(&stream), None);
        assert_eq!(answer.status, 200);
        let bytes = answer.rest();
        assert_eq!(bytes.len() as u64, stream.file_len);
        same_as_source(&swarm, file, 0, &bytes);
        host.session.release(&stream.token);
    }
    for file in swarm
        .torrent()
        .files
        .iter()
        .enumerate()
        .filter(|(_, f)| !f.pad && f.path.extension().is_some_and(|e| e == "jpg" || e == "cue"))
        .map(|(i, _)| i)
    {
        assert!(matches!(host.prepare(input, file, Role::Main), Err(Error::InvalidFile(_))));
    }
}

#[test]
fn every_audio_file_of_a_v1_torrent_comes_out_byte_for_byte() {
    every_audio_file_comes_out(Kind::V1);
}

#[test]
fn every_audio_file_of_a_v2_torrent_comes_out_byte_for_byte() {
    every_audio_file_comes_out(Kind::V2);
}

#[test]
fn every_audio_file_of_a_hybrid_torrent_comes_out_byte_for_byte() {
    every_audio_file_comes_out(Kind::Hybrid);
}

/// Opens a track as main, reads its first 32 KiB, then releases the old one. Milliseconds to the bytes.
fn switch(host: &Host, swarm: &vozduxan_swarm::Swarm, to: usize, old: &Prepared) -> (Prepared, u128) {
    let t = Instant::now();
    let stream = host.prepare_torrent(swarm, to);
    let head = get(host.session.http_port(), &host.path(&stream), None).take(32 * 1024);
    let took = ms(t);
    same_as_source(swarm, to, 0, &head);
    host.session.release(&old.token);
    (stream, took)
}

#[test]
fn tracks_of_one_torrent_change_at_once() {
    let folder = Folder::new();
    let peers = [peer(1_000_000, 60), peer(1_000_000, 60), peer(1_000_000, 60)];
    let swarm = swarm(&folder, Kind::V1, 256, Album::flac(12, 5_000_000), &peers);
    let files = audio_files(&swarm);
    let storage = Folder::new();
    let host = Host::start(&storage);
    let mut stream = host.prepare_torrent(&swarm, files[0]);
    let mut times = Vec::new();
    for to in [6, 2, 9, 4, 11] {
        // Some of the track is heard before the next is asked for.
        get(host.session.http_port(), &host.path(&stream), None).take(400_000);
        let (next, took) = switch(&host, &swarm, files[to], &stream);
        stream = next;
        times.push(took);
    }
    println!("switch: {times:?} ms");
    // After a track has finished and the swarm is silent, a far track still starts at once.
    let whole = get(host.session.http_port(), &host.path(&stream), None).rest();
    same_as_source(&swarm, files[11], 0, &whole);
    let (_, took) = switch(&host, &swarm, files[7], &stream);
    println!("switch after the end: {took} ms");
}

#[test]
fn liars_never_get_a_byte_through() {
    // Copies of blocks are compared; what is right a SHA-1 says, or the root of a tree.
    for kind in [Kind::V1, Kind::Hybrid, Kind::V2] {
        liars(kind);
    }
}

#[test]
fn libtorrents_own_deadlines_outlive_a_liar() {
    let folder = Folder::new();
    let liar = PeerSpec { corrupt: 0.2, ..peer(1_200_000, 20) };
    let peers = [liar, peer(1_200_000, 20), peer(1_200_000, 20)];
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(1, 3_000_000), &peers);
    let file = swarm.files()[0].index;
    let storage = Folder::new();
    let host = Host::start_with(&storage, "[stream]\nscheduler = \"deadlines\"");
    let stream = host.prepare_torrent(&swarm, file);
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    assert_eq!(bytes.len() as u64, stream.file_len);
    same_as_source(&swarm, file, 0, &bytes);
}

fn liars(kind: Kind) {
    let folder = Folder::new();
    let liar = PeerSpec { corrupt: 0.2, ..peer(1_200_000, 40) };
    let peers = [liar.clone(), liar, peer(1_200_000, 40), peer(1_200_000, 40)];
    let swarm = swarm(&folder, kind, 256, Album::flac(1, 16_000_000), &peers);
    assert!(swarm.peers()[0].damaged_blocks() > 100);
    let file = swarm.files()[0].index;
    let storage = Folder::new();
    let host = Host::start(&storage);
    let t = Instant::now();
    let stream = host.prepare_torrent(&swarm, file);
    let bytes = get(host.session.http_port(), &host.path(&stream), None).rest();
    let received: u64 = swarm.peers().iter().map(|p| p.proxy.counts().down_bytes).sum();
    println!("corrupt {kind:?}: whole file in {} ms, waste {:.2}", ms(t), received as f64 / 16e6);
    assert_eq!(bytes.len() as u64, stream.file_len);
    same_as_source(&swarm, file, 0, &bytes);
}

#[test]
fn a_newer_main_prepare_cancels_the_older_one() {
    let folder = Folder::new();
    // Nobody serves: prepares wait until something ends them.
    let swarm = swarm(&folder, Kind::V1, 256, Album::flac(2, 1_000_000), &[]);
    let files = audio_files(&swarm);
    let storage = Folder::new();
    let host = Host::start(&storage);
    let waits = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let input = Input { magnet: None, torrent: Some(&swarm.torrent().bytes) };
            let seen = host.session.prepare(input, files[0] as i32, Role::Main, &mut |_, _| {
                waits.store(true, Ordering::Release);
            });
            (seen.map(|_| ()), Instant::now())
        });
        while !waits.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        let second = scope.spawn(|| {
            let input = Input { magnet: None, torrent: Some(&swarm.torrent().bytes) };
            host.prepare(input, files[1], Role::Main).map(|_| ())
        });
        let (result, _) = first.join().expect("first");
        assert_eq!(result, Err(Error::Superseded));
        assert!(!second.is_finished());
        host.session.stop();
        assert_eq!(second.join().expect("second"), Err(Error::ShuttingDown));
    });
}

#[test]
fn a_background_stream_becomes_the_main_one_when_it_is_read() {
    let folder = Folder::new();
    let swarm = swarm(&folder, Kind::V1, 256, Album::flac(3, 3_000_000), &[peer(3_000_000, 20)]);
    let files = audio_files(&swarm);
    let storage = Folder::new();
    let host = Host::start(&storage);
    let main = host.prepare_torrent(&swarm, files[0]);
    let input = Input { magnet: None, torrent: Some(&swarm.torrent().bytes) };
    let next = host.prepare(input, files[2], Role::Background).expect("background");
    // Played without a second prepare, while the first is still open.
    let bytes = get(host.session.http_port(), &host.path(&next), None).rest();
    same_as_source(&swarm, files[2], 0, &bytes);
    host.session.release(&main.token);
    host.session.release(&next.token);
}

#[test]
fn a_background_stream_of_another_torrent_waits_while_the_main_one_is_short() {
    let folders = [Folder::new(), Folder::new(), Folder::new()];
    // Slower than the music: the main stream is short all the time.
    let slow = swarm(&folders[0], Kind::V1, 64, Album::flac(1, 8_000_000), &[peer(60_000, 20)]);
    let album = Album { name: "Other".into(), seed: 7, ..Album::flac(2, 3_000_000) };
    let quick = swarm(&folders[1], Kind::V1, 64, album, &[peer(2_000_000, 20)]);
    let host = Host::start(&folders[2]);
    let main = host.prepare_torrent(&slow, slow.files()[0].index);
    let mut answer = get(host.session.http_port(), &host.path(&main), None);
    answer.take(1000);
    let input = Input { magnet: None, torrent: Some(&quick.torrent().bytes) };
    let next =
        host.prepare(input, quick.files()[0].index, Role::Background).expect("OK after 8 s at the latest");
    let taken = quick.peers()[0].proxy.counts().down_bytes;
    // A handshake, but not the one piece that its start wants.
    assert!(taken < 30_000, "{taken} bytes were taken from the main stream's line");
    // Played, it is a main stream itself.
    let bytes = get(host.session.http_port(), &host.path(&next), None).rest();
    same_as_source(&quick, quick.files()[0].index, 0, &bytes);
    // And like any other it has the track after it warmed, though its own prepare ended before its start was there.
    host.session.release(&main.token);
    let deadline = Instant::now() + host::PATIENCE;
    while quick.peers()[0].proxy.counts().down_bytes < next.file_len + 256 * 1024 {
        assert!(Instant::now() < deadline, "nothing of the next track was fetched");
        std::thread::yield_now();
    }
}

#[test]
fn a_torrent_file_ends_the_wait_for_its_magnets_metadata() {
    let folder = Folder::new();
    // Nobody is there to give the metadata.
    let swarm = swarm(&folder, Kind::V1, 64, Album::flac(1, 300_000), &[]);
    let storage = Folder::new();
    let host = Host::start(&storage);
    let magnet = swarm.magnet();
    let waits = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let input = Input { magnet: Some(&magnet), torrent: None };
            host.session.prepare(input, swarm.files()[0].index as i32, Role::Background, &mut |_, _| {
                waits.store(true, Ordering::Release);
            })
        });
        while !waits.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        let listed = scope.spawn(|| host.session.list_files(Input { magnet: Some(&magnet), torrent: None }));
        let given = Input { magnet: None, torrent: Some(&swarm.torrent().bytes) };
        // Answered from its own bytes; what counts is that the engine gets them.
        let error = host.prepare(given, swarm.files()[0].index, Role::Background);
        assert!(error.is_ok(), "a background prepare answers after 8 s: {error:?}");
        let files = listed.join().expect("listed").expect("the list comes without a peer");
        assert_eq!(files.len(), swarm.torrent().files.len());
        let stream = waiting.join().expect("waiting").expect("the prepare ends as a background one does");
        assert_eq!(stream.file_len, swarm.files()[0].len);
    });
}
