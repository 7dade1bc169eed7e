//! What a stream wants, by what its file's first bytes say and by who is heard.

use std::cell::Cell;
use std::time::Duration;

use super::*;
use crate::engine::availability::Availability;
use crate::engine::inbox::Inbox;
use crate::engine::streams::{NewStream, Streams, TorrentShared};
use crate::engine::transfer::Gate;
use crate::http::{ReadKind, Source};
use crate::media::MediaType;
use crate::schedule::bits::Bits;
use crate::schedule::layout::Layout;
use crate::schedule::prebuffer::Bounds;
use crate::storage::Store;
use crate::storage::testing::Scratch;
use crate::units::{FileIndex, InfoHash};

const PIECE: u32 = 256 * 1024;
/// The file lies at the torrent's second piece.
const BEFORE: u64 = PIECE as u64;
const LEN: u64 = 8_000_000;

/// A stream of which nothing is here.
fn listener(name: &str, main_serial: u64) -> (Scratch, Listener) {
    let (folder, _, listener) = listener_of(name, main_serial, 60 * u64::from(PIECE));
    (folder, listener)
}

/// The same with all streams, which are this one, and so much planned ahead of playback.
fn listener_of(name: &str, main_serial: u64, window_len: u64) -> (Scratch, Streams, Listener) {
    let folder = Scratch::new();
    let store = Store::open(&folder).expect("storage");
    let home = store.home(InfoHash([7; 20]), name).expect("a home");
    let layout = Layout::new(PIECE, BEFORE + LEN).expect("a torrent");
    let have = Bits::none(layout.pieces());
    let torrent = TorrentShared {
        info_hash: InfoHash([7; 20]),
        availability: Availability::new(layout, have),
        rate: 0.into(),
        peers: 0.into(),
    };
    let media = MediaType::by_name(name).expect("audio");
    let streams = Streams::new(Arc::new(Inbox::default()));
    let stream = streams
        .open(NewStream {
            torrent: Arc::new(torrent),
            file: FileIndex(0),
            span: BEFORE..BEFORE + LEN,
            data: Arc::new(store.data_file(&home, name).expect("a name")),
            mime: media.mime,
            main_serial,
            window_len,
        })
        .expect("a token");
    (folder, streams, Listener::new(stream, Head::new(media, LEN)))
}

/// A transfer from a byte on that has handed over so many.
fn reader(stream: &Stream, from: u64, sent: u64) -> Arc<Transfer> {
    let transfer = Arc::new(Transfer::new(from..LEN, ReadKind::OpenEnded));
    transfer.advance(sent);
    stream.add(Arc::clone(&transfer), Instant::now());
    transfer
}

/// The first bytes of an M4A whose index is at its end.
fn index_last(index: u64) -> Vec<u8> {
    let mut file = Vec::from(*b"\0\0\0\x10ftypM4A \0\0\0\0");
    let music = u32::try_from(LEN - 16 - index).expect("a short file");
    file.extend(music.to_be_bytes());
    file.extend(b"mdat");
    file
}

#[test]
fn an_index_at_the_end_is_foreseen_from_the_first_block_and_nobody_waits_for_it() {
    let (_folder, mut listener) = listener("a.m4a", 1);
    let bounds = Bounds::default();
    let first = index_last(100_000);
    let looks = Cell::new(0);
    let foresee = |listener: &mut Listener, here: usize| {
        let stream = Arc::clone(&listener.stream);
        listener.head.foresee(&stream, Duration::ZERO, &|span| {
            looks.set(looks.get() + 1);
            let (start, end) = ((span.start - BEFORE) as usize, (span.end - BEFORE) as usize);
            (end <= here).then(|| first[start..end].to_vec())
        });
    };
    let tail = LEN - 100_000;
    let beside = |listener: &Listener| listener.head.need(None, 1, &bounds).beside;
    let before = listener.head.need(None, 1, &bounds);
    foresee(&mut listener, 0);
    assert!(!beside(&listener).iter().any(|span| span.start >= tail), "nothing came");
    foresee(&mut listener, first.len());
    assert!(beside(&listener).contains(&(tail..LEN)), "{:?}", beside(&listener));
    // A guess is no reason to wait, and no fact.
    assert_eq!(listener.head.need(None, 1, &bounds).required, before.required);
    assert_eq!(listener.head.audio_start(), 0);
    // The next to be seen is the index's own header: as long as that is not here, blocks cost one look each.
    looks.set(0);
    foresee(&mut listener, first.len());
    assert_eq!(looks.get(), 1);
}

/// A broken disk takes seconds to say so, and the engine's thread waits for it.
#[test]
fn a_header_that_cannot_be_read_is_left_alone_for_two_seconds() {
    let (folder, mut listener) = listener("a.m4a", 1);
    let tail = LEN - 100_000;
    let stream = Arc::clone(&listener.stream);
    let mut sees_the_index = |at: f64| {
        listener.head.update(&stream, Duration::from_secs_f64(at));
        listener.head.foresee(&stream, Duration::from_secs_f64(at), &|_| None);
        listener.head.need(None, 1, &Bounds::default()).beside.iter().any(|span| span.start >= tail)
    };
    // Verified, and gone.
    stream.torrent.availability.insert(1);
    assert!(!sees_the_index(10.0));
    let home = Store::open(&folder).expect("storage").home(InfoHash([7; 20]), "a.m4a").expect("a home");
    let path = home.save_path().join("a.m4a");
    std::fs::create_dir_all(home.save_path()).expect("a folder");
    std::fs::write(&path, index_last(100_000)).expect("a file");
    std::fs::File::options().write(true).open(&path).expect("the file").set_len(LEN).expect("its length");
    assert!(!sees_the_index(11.9), "it was read again too soon");
    assert!(sees_the_index(12.0));
}

#[test]
fn a_long_index_that_nobody_has_verified_is_fetched_in_part() {
    let (_folder, mut listener) = listener("a.m4a", 1);
    let first = index_last(5_000_000);
    let stream = Arc::clone(&listener.stream);
    listener.head.foresee(&stream, Duration::ZERO, &|span| {
        let (start, end) = ((span.start - BEFORE) as usize, (span.end - BEFORE) as usize);
        first.get(start..end).map(<[u8]>::to_vec)
    });
    let need = listener.head.need(None, 1, &Bounds::default());
    let most: u64 = need.beside.iter().map(|span| span.end - span.start).max().expect("the index");
    assert_eq!(most, 2 * 1024 * 1024);
}

#[test]
fn what_stands_still_behind_a_newer_one_is_not_heard_any_more() {
    let (_folder, mut listener) = listener("a.mp3", 1);
    let rank = |listener: &mut Listener, newest: u64, at: f64| {
        listener.demand(newest, Duration::from_secs_f64(at)).rank
    };
    assert_eq!(rank(&mut listener, 2, 0.0), Rank::Main);
    assert_eq!(rank(&mut listener, 2, 4.9), Rank::Main);
    assert_eq!(rank(&mut listener, 2, 5.1), Rank::Background);
    // The newest may be paused as long as anybody likes.
    assert_eq!(rank(&mut listener, 1, 6.0), Rank::Main);
    assert_eq!(rank(&mut listener, 2, 7.0), Rank::Background);
    // It plays on.
    listener.stream.notify(1_000_000);
    assert_eq!(rank(&mut listener, 2, 8.0), Rank::Main);
    assert_eq!(rank(&mut listener, 2, 12.9), Rank::Main);
    assert_eq!(rank(&mut listener, 2, 13.1), Rank::Background);
    // Its start is waited for.
    listener.starting = vec![0..1000];
    assert_eq!(rank(&mut listener, 2, 14.0), Rank::Main);
    assert_eq!(rank(&mut listener, 2, 30.0), Rank::Main);
}

#[test]
fn who_reads_faster_than_it_plays_does_not_wait() {
    let (_folder, mut listener) = listener("a.mp3", 1);
    let transfer = Arc::new(Transfer::new(0..LEN, ReadKind::OpenEnded));
    let rate = listener.head.byte_rate();
    let demand = |listener: &mut Listener| listener.demand(1, Duration::ZERO);
    transfer.set_blocked(true);
    listener.stream.add(Arc::clone(&transfer), Instant::now());
    assert_eq!(demand(&mut listener).now, [BEFORE..BEFORE + WAITING_SPAN]);
    assert_eq!(demand(&mut listener).ahead, Duration::ZERO);
    // Less than what lets a player be at ease.
    transfer.advance(rate);
    assert_eq!(demand(&mut listener).now, [BEFORE + rate..BEFORE + rate + WAITING_SPAN]);
    // Minutes.
    transfer.advance(100 * rate);
    let Demand { now, ahead, position, .. } = demand(&mut listener);
    assert_eq!((now, position), (vec![], BEFORE + 101 * rate));
    assert!(ahead > Duration::from_secs(90) && ahead <= Duration::from_secs(101), "{ahead:?}");
    // In so small steps that plans last.
    assert_eq!(ahead.as_millis() % 250, 0);
    // Where the host says what is heard, the way from there is all the music in hand.
    listener.stream.notify(0);
    let Demand { now, ahead, position, .. } = demand(&mut listener);
    assert_eq!((now, ahead, position), (vec![], Duration::ZERO, BEFORE));
    // Who reads behind what is heard does not get it by the way.
    listener.stream.notify(LEN as i64 / 2 + 1_000_000);
    assert_eq!(demand(&mut listener).now.len(), 1);
    // Even so it is what its host plays; and while only the necessary is fetched, it goes on.
    listener.stream.main_serial.store(0, Ordering::Relaxed);
    assert_eq!(listener.spare_demands(1, Duration::ZERO).len(), 1);
}

/// Positions of a host that reports them once a second, while a reader with a large buffer is far ahead of them.
#[test]
fn playback_that_goes_on_ends_no_transfer_and_a_jump_does() {
    let (_folder, _, listener) = listener_of("a.mp3", 1, 1_000_000);
    let stream = &listener.stream;
    let reader = |from, sent| reader(stream, from, sent);
    let at = |position: u64| i64::try_from(position).expect("small");
    // The first that is reported: somewhere in what was read.
    let far = reader(0, 7_000_000);
    for position in [100_000, 140_000, 180_000, 1_100_000] {
        stream.notify(at(position));
        assert!(far.ended().is_none(), "playback went on to {position}");
    }
    // Hosts that compute bytes from time correct themselves.
    stream.notify(1_090_000);
    assert!(far.ended().is_none());
    // Back, by more than that: the reader is far from what is wanted now.
    stream.notify(0);
    assert!(far.ended().is_some());
    stream.remove(&far);
    // Forward, beyond all that was planned for. Who reads there goes on, who has sent almost nothing too.
    let (near, young) = (reader(4_000_000, 100_000), reader(1_500_000, 1000));
    let old = reader(0, 1_200_000);
    stream.notify(4_050_000);
    assert!(near.ended().is_none() && young.ended().is_none());
    assert!(old.ended().is_some());
}

/// A player's buffer may be larger than all that is planned ahead of what is heard.
#[test]
fn who_has_playbacks_place_behind_it_does_not_wait_however_far_ahead_it_is() {
    let (_folder, _, mut listener) = listener_of("a.mp3", 1, 1_000_000);
    reader(&listener.stream, 0, 5_000_000).set_blocked(true);
    listener.stream.notify(1_000_000);
    assert_eq!(listener.demand(1, Duration::ZERO).now, []);
    // Another one, that has read none of what is heard now, waits.
    reader(&listener.stream, 2_500_000, 2_000_000).set_blocked(true);
    assert_eq!(listener.demand(1, Duration::ZERO).now.len(), 1);
}

/// The first place that a host reports is no jump for whoever is about to read it, or has; for the others it is.
#[test]
fn the_first_position_ends_only_transfers_that_are_elsewhere() {
    let (_folder, _, listener) = listener_of("a.mp3", 1, 1_000_000);
    let stream = &listener.stream;
    let reader = |from, sent| reader(stream, from, sent);
    let [has_it, will, behind_it, far_before] =
        [reader(0, 7_000_000), reader(3_000_000, 900_000), reader(6_500_000, 50_000), reader(0, 50_000)];
    stream.notify(4_000_000);
    assert!(has_it.ended().is_none() && will.ended().is_none());
    assert!(behind_it.ended().is_some() && far_before.ended().is_some());
}

#[test]
fn a_piece_that_comes_before_the_first_look_leaves_nobody_waiting() {
    let (_folder, streams, listener) = listener_of("a.mp3", 1, LEN);
    let stream = &listener.stream;
    std::fs::create_dir_all(stream.data.path().parent().expect("a folder")).expect("a folder");
    std::fs::write(stream.data.path(), vec![7; PIECE as usize]).expect("a file");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let gate = Gate { streams: Arc::new(streams), runtime: runtime.handle().clone(), frames: Arc::default() };
    let media = gate.open(&stream.token).expect("the stream");
    let reader = media.reader(0..LEN, ReadKind::OpenEnded);
    let [transfer] = <[_; 1]>::try_from(stream.transfers()).ok().expect("one");
    assert!(transfer.is_blocked(), "its piece is not here");
    stream.torrent.availability.insert(1);
    let (_reader, bytes) = runtime.block_on(reader.next());
    assert!(!bytes.expect("it is here").is_empty());
    assert!(!transfer.is_blocked());
}
