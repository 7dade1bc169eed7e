use super::make::{filler, flac_block, id3, stream_info};
use super::*;

const PADDING: u8 = 1;
const SEEK_TABLE: u8 = 3;
const PICTURE: u8 = 6;

/// Ten seconds of 44.1 kHz with the blocks given between STREAMINFO and the music.
fn flac(samples: u64, blocks: &[Vec<u8>], music_len: usize) -> Vec<u8> {
    let info = flac_block(false, 0, &stream_info(44_100, samples));
    [b"fLaC".to_vec(), info, blocks.concat(), flac_block(true, PADDING, &[0; 20]), filler(music_len)].concat()
}

#[test]
fn the_chain_is_followed_to_the_music() {
    let file = flac(441_000, &[flac_block(false, SEEK_TABLE, &[0; 36])], 900_000);
    let facts = facts(Kind::Flac, &file);
    assert_eq!(facts.audio_start, 4 + 38 + 40 + 24);
    assert_eq!(facts.duration, seconds(10.0));
    assert_eq!(facts.byte_rate, ByteRate::Known(90_000));
    assert_eq!((facts.seek_table, facts.tail, facts.seek_tail), (Some(true), None, None));
}

#[test]
fn without_a_seek_table_seeks_read_the_end() {
    let file = flac(441_000, &[flac_block(false, SEEK_TABLE, &[])], 900_000);
    let facts = facts(Kind::Flac, &file);
    let len = file.len() as u64;
    assert_eq!((facts.seek_table, facts.tail, facts.seek_tail), (Some(false), None, Some(len - 98_304..len)));
}

#[test]
fn a_picture_is_jumped_over_by_its_header() {
    let file = flac(441_000, &[flac_block(false, PICTURE, &filler(2_700_000))], 900_000);
    let held = Held::head(&file, 65_536);
    let Examination::Needs { span, so_far } = look(Kind::Flac, &held) else {
        panic!("the picture's end is not here")
    };
    assert_eq!(span, 2_700_046..2_700_050);
    assert_eq!(so_far.audio_start, 2_700_046);
    assert_eq!(so_far.duration, seconds(10.0));
    assert_eq!(so_far.byte_rate, ByteRate::Known(90_002));

    let (facts, asked) = settle(Kind::Flac, held);
    assert_eq!(facts.audio_start, 2_700_070);
    assert_eq!(facts.byte_rate, ByteRate::Known(90_000));
    assert_eq!(asked, [(2_700_046, 4)]);
}

#[test]
fn behind_an_id3_tag() {
    let file = [id3(1000, false), flac(441_000, &[], 900_000)].concat();
    assert_eq!(facts(Kind::Flac, &file).audio_start, 1010 + 66);
}

#[test]
fn an_encoder_that_did_not_know_the_length_leaves_a_better_guess() {
    let facts = facts(Kind::Flac, &flac(0, &[], 900_000));
    assert_eq!((facts.byte_rate, facts.duration), (ByteRate::Guessed(110_250), None));
}

#[test]
fn a_chain_that_leads_out_of_the_file_is_left() {
    let mut file = flac(441_000, &[], 900);
    // The padding block says it is 16 MB long.
    file[43..46].fill(0xFF);
    let facts = facts(Kind::Flac, &file);
    assert_eq!((facts.audio_start, facts.seek_table), (42, None));
}
