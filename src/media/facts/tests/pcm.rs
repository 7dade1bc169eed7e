//! WAVE and AIFF.

use super::make::{aiff_common, chunk, filler, iff_chunk, wav_format};
use super::*;

fn riff(name: &[u8; 4], chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    [name, &(body.len() as u32 + 4).to_le_bytes()[..], b"WAVE", &body].concat()
}

#[test]
fn wave() {
    // An odd chunk in between: the next starts at an even offset.
    let file =
        riff(b"RIFF", &[wav_format(44_100), chunk(b"LIST", &[0; 33]), chunk(b"data", &filler(352_800))]);
    let facts = facts(Kind::Wav, &file);
    assert_eq!(facts.audio_start, 12 + 24 + 42 + 8);
    assert_eq!((facts.byte_rate, facts.duration), (ByteRate::Known(176_400), seconds(2.0)));
    assert_eq!((facts.tail, facts.seek_tail), (None, None));
}

#[test]
fn a_picture_before_the_data_is_jumped_over() {
    let file = riff(
        b"RIFF",
        &[wav_format(44_100), chunk(b"id3 ", &filler(2_700_000)), chunk(b"data", &filler(352_800))],
    );
    let (facts, asked) = from_head(Kind::Wav, &file);
    assert_eq!(facts.audio_start, 12 + 24 + 2_700_008 + 8);
    assert_eq!(asked, [(2_700_044, 8)]);
}

#[test]
fn wave_of_64_bits() {
    let sizes = [&400_000_u64.to_le_bytes()[..], &352_800_u64.to_le_bytes(), &[0; 12]].concat();
    let mut data = chunk(b"data", &filler(352_800));
    data[4..8].fill(0xFF);
    let file = riff(b"RF64", &[chunk(b"ds64", &sizes), wav_format(44_100), data, chunk(b"LIST", &[0; 3000])]);
    assert_eq!(facts(Kind::Wav, &file).duration, seconds(2.0));
}

#[test]
fn a_recording_that_was_cut_short_is_as_long_as_the_file() {
    for size in [0, u32::MAX, 900_000] {
        let mut data = chunk(b"data", &filler(352_800));
        data[4..8].copy_from_slice(&size.to_le_bytes());
        let facts = facts(Kind::Wav, &riff(b"RIFF", &[wav_format(44_100), data]));
        assert_eq!((facts.audio_start, facts.duration), (44, seconds(2.0)), "size {size}");
    }
}

fn form(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = chunks.concat();
    [b"FORM", &(body.len() as u32 + 4).to_be_bytes()[..], b"AIFF", &body].concat()
}

/// `len` bytes of samples, `offset` bytes behind the chunk's own fields.
fn sound(offset: u32, len: usize) -> Vec<u8> {
    let fields = [&offset.to_be_bytes()[..], &[0; 4], &vec![0; offset as usize], &filler(len)].concat();
    iff_chunk(b"SSND", &fields)
}

#[test]
fn aiff() {
    let facts = facts(Kind::Aiff, &form(&[aiff_common(88_200), sound(16, 352_800)]));
    assert_eq!(facts.audio_start, 12 + 26 + 16 + 16);
    assert_eq!((facts.byte_rate, facts.duration), (ByteRate::Known(176_400), seconds(2.0)));
    assert_eq!(facts.tail, None);
}

#[test]
fn aiff_that_describes_itself_last_has_a_tail() {
    let file = form(&[sound(0, 352_800), iff_chunk(b"NAME", b"odd"), aiff_common(88_200)]);
    let (facts, _) = from_head(Kind::Aiff, &file);
    assert_eq!((facts.audio_start, facts.byte_rate), (28, ByteRate::Known(176_400)));
    assert_eq!(facts.tail, Some(352_828..file.len() as u64));
}
