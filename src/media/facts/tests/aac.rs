use super::make::{adts_frame, filler, id3};
use super::*;

#[test]
fn the_first_frames_are_averaged() {
    let file: Vec<u8> =
        (0..200).flat_map(|frame| adts_frame(if frame % 2 == 0 { 300 } else { 500 })).collect();
    let facts = facts(Kind::Aac, &file);
    // 400 bytes per 1024 samples.
    assert_eq!(facts.byte_rate, ByteRate::Guessed(400 * 44_100 / 1024));
    assert_eq!((facts.audio_start, facts.duration), (0, None));
    assert_eq!(facts.tail, Some(79_872..80_000));
}

#[test]
fn music_starts_behind_the_tag() {
    let file = [id3(500, false), adts_frame(300).repeat(3)].concat();
    let facts = facts(Kind::Aac, &file);
    assert_eq!((facts.audio_start, facts.tail), (510, None));
    assert_eq!(facts.byte_rate, ByteRate::Guessed(300 * 44_100 / 1024));
}

#[test]
fn one_frame_alone_is_not_believed() {
    let file = [adts_frame(300), filler(300)].concat();
    assert_eq!(facts(Kind::Aac, &file).byte_rate, ByteRate::Guessed(32_000));
}
