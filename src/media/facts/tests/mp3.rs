use super::make::{MP3_128, MP3_192, filler, frame, id3, vbri_frame, xing_frame};
use super::*;

/// `count` frames of 128 kbit/s.
fn music(count: usize) -> Vec<u8> {
    frame(&MP3_128, 417).repeat(count)
}

#[test]
fn constant_bit_rate_is_read_from_two_frames() {
    let file = music(40);
    let facts = facts(Kind::Mp3, &file);
    assert_eq!(facts.audio_start, 0);
    assert_eq!(facts.byte_rate, ByteRate::Known(16_000));
    assert_eq!(facts.duration, seconds(417.0 * 40.0 / 16_000.0));
    // No ID3v2 tag: players look for an ID3v1 one.
    assert_eq!(facts.tail, Some(16_552..16_680));
}

#[test]
fn a_picture_of_2_7_mb_is_jumped_over() {
    let file = [id3(2_700_000, false), music(40)].concat();
    let (facts, asked) = from_head(Kind::Mp3, &file);
    assert_eq!((facts.audio_start, facts.tail), (2_700_010, None));
    assert_eq!(facts.byte_rate, ByteRate::Known(16_000));
    assert_eq!(asked[0], (2_700_010, 10), "is there another tag?");
    assert!(asked.iter().map(|(_, len)| len).sum::<u64>() < 4096, "{asked:?}");
}

#[test]
fn before_the_picture_is_here_the_start_is_known() {
    let file = [id3(2_700_000, false), music(40)].concat();
    let head = look(Kind::Mp3, &Held::head(&file, 1024));
    assert_eq!(head.facts().audio_start, 2_700_010);
    assert_eq!(head.facts().byte_rate, ByteRate::Guessed(40_000));
}

#[test]
fn several_tags_and_a_footer() {
    let file = [id3(200, true), id3(50, false), music(5)].concat();
    assert_eq!(facts(Kind::Mp3, &file).audio_start, 220 + 60);
}

#[test]
fn padding_and_chance_syncs_behind_the_tag_are_passed_over() {
    let mut padding = vec![0; 5000];
    padding[100..104].copy_from_slice(&MP3_128);
    padding[2046..2050].copy_from_slice(&MP3_192);
    let file = [id3(200, false), padding, music(5)].concat();
    assert_eq!(facts(Kind::Mp3, &file).audio_start, 5210);
}

#[test]
fn frames_and_bytes_of_a_variable_rate() {
    for name in [b"Xing", b"Info"] {
        // 1000 frames of 1152 samples in 500,000 bytes, of which the first are here.
        let file = [id3(90, false), xing_frame(name, 1000, 500_000), music(30)].concat();
        let facts = facts(Kind::Mp3, &file);
        assert_eq!(facts.audio_start, 100);
        assert_eq!(facts.duration, Some(Duration::from_nanos(26_122_448_979)));
        assert_eq!(facts.byte_rate, ByteRate::Known(19_140));
    }
    let file = [vbri_frame(1000, 500_000), music(30)].concat();
    assert_eq!(facts(Kind::Mp3, &file).byte_rate, ByteRate::Known(19_140));
}

#[test]
fn a_summary_without_bytes_uses_the_file_s() {
    let mut first = xing_frame(b"Xing", 31, 0);
    first[43] = 1;
    let file = [first, music(30)].concat();
    // 31 frames of 417 bytes, 1152 samples each.
    assert_eq!(facts(Kind::Mp3, &file).byte_rate, ByteRate::Known(417 * 44_100 / 1152));
}

#[test]
fn a_variable_rate_without_a_summary_stays_a_guess() {
    let file = [frame(&MP3_128, 417), frame(&MP3_192, 626), music(3)].concat();
    let facts = facts(Kind::Mp3, &file);
    assert_eq!((facts.audio_start, facts.byte_rate, facts.duration), (0, ByteRate::Guessed(40_000), None));
}

#[test]
fn what_is_no_mp3_costs_a_bounded_search() {
    let file = filler(400_000);
    let (facts, asked) = settle(Kind::Mp3, Held::new(&file, vec![]));
    assert_eq!((facts.audio_start, facts.byte_rate), (0, ByteRate::Guessed(40_000)));
    assert!(asked.last().is_some_and(|(at, len)| at + len <= 128 * 1024), "{:?}", asked.last());
}

#[test]
fn a_tag_longer_than_the_file_moves_nothing() {
    let file = &id3(70_000, false)[..20_000];
    assert_eq!(facts(Kind::Mp3, file).audio_start, 0);
}
