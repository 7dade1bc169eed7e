use super::make::{lacing, ogg_music, ogg_page, opus_head, stream_info, vorbis_id};
use super::*;

const SERIAL: u32 = 0xCAFE;
const FIRST: u8 = 2;

fn first_page(packet: &[u8]) -> Vec<u8> {
    ogg_page(SERIAL, 0, FIRST, &lacing(packet.len()), packet)
}

#[test]
fn opus_counts_48_khz_behind_its_pre_skip() {
    let setup = [first_page(&opus_head(312)), ogg_page(SERIAL, 0, 0, &lacing(600), b"OpusTags")].concat();
    let music = ogg_music(SERIAL, 200, 960..=480_312);
    let facts = facts(Kind::Ogg, &[setup.clone(), music.clone()].concat());
    assert_eq!(facts.audio_start, setup.len() as u64);
    assert_eq!(facts.duration, seconds(10.0));
    assert_eq!(facts.byte_rate, ByteRate::Known(music.len() as u64 / 10));
}

#[test]
fn before_the_tail_is_here_the_facts_are_usable() {
    let setup = [
        first_page(&vorbis_id(44_100, 160_000)),
        ogg_page(SERIAL, 0, 0, &[lacing(60), lacing(3500)].concat(), b"\x03vorbis"),
    ]
    .concat();
    let file = [setup.clone(), ogg_music(SERIAL, 300, 0..=441_000)].concat();
    let len = file.len() as u64;
    let Examination::Needs { span, so_far } = look(Kind::Ogg, &Held::head(&file, 65_536)) else {
        panic!("the tail is not here")
    };
    assert_eq!(so_far.audio_start, setup.len() as u64);
    assert_eq!(so_far.byte_rate, ByteRate::Guessed(20_000));
    assert_eq!((Some(span), so_far.tail), (Some(len - 131_072..len), Some(len - 131_072..len)));
    assert_eq!(facts(Kind::Ogg, &file).duration, seconds(10.0));
}

#[test]
fn a_picture_in_the_comments_is_hopped_over_page_by_page() {
    // 2.7 MB in pages of 255 full segments, then the end of the comments and the codebooks.
    let full = ogg_page(SERIAL, u64::MAX, 0, &[255; 255], &[]);
    let setup = [
        first_page(&vorbis_id(44_100, -1)),
        full.repeat(42),
        ogg_page(SERIAL, 0, 1, &[lacing(60), lacing(3500)].concat(), &[]),
    ]
    .concat();
    let file = [setup.clone(), ogg_music(SERIAL, 300, 0..=441_000)].concat();
    let (facts, asked) = from_head(Kind::Ogg, &file);
    assert_eq!(facts.audio_start, setup.len() as u64);
    let headers: u64 = asked.iter().map(|(_, len)| *len).filter(|len| *len < 1000).sum();
    assert!(headers < 20_000, "{headers} bytes of headers");
}

#[test]
fn flac_in_ogg_says_its_length_itself() {
    let packet = [&b"\x7fFLAC\x01\0\0\x01fLaC\0\0\0\x22"[..], &stream_info(44_100, 441_000)].concat();
    let setup = [first_page(&packet), ogg_page(SERIAL, 0, 0, &lacing(100), &[])].concat();
    let file = [setup.clone(), ogg_music(SERIAL, 400, 0..=441_000)].concat();
    let (facts, asked) = from_head(Kind::Ogg, &file);
    assert_eq!((facts.audio_start, facts.duration), (setup.len() as u64, seconds(10.0)));
    assert_eq!(asked, []);
}

#[test]
fn flac_in_ogg_with_an_unknown_number_of_headers() {
    let packet = [&b"\x7fFLAC\x01\0\0\0fLaC\0\0\0\x22"[..], &stream_info(44_100, 0)].concat();
    let setup = [first_page(&packet), ogg_page(SERIAL, 0, 0, &lacing(100), &[]).repeat(3)].concat();
    let file = [setup.clone(), ogg_music(SERIAL, 10, 0..=441_000)].concat();
    let facts = facts(Kind::Ogg, &file);
    assert_eq!((facts.audio_start, facts.duration), (setup.len() as u64, seconds(10.0)));
}

#[test]
fn speex_with_an_extra_header() {
    let mut packet = b"Speex   1.2".to_vec();
    packet.resize(80, 0);
    packet[36..40].copy_from_slice(&16_000_u32.to_le_bytes());
    packet[68..72].copy_from_slice(&1_u32.to_le_bytes());
    let setup = [first_page(&packet), ogg_page(SERIAL, 0, 0, &lacing(100), &[]).repeat(2)].concat();
    let file = [setup.clone(), ogg_music(SERIAL, 10, 0..=32_000)].concat();
    let facts = facts(Kind::Ogg, &file);
    assert_eq!((facts.audio_start, facts.duration), (setup.len() as u64, seconds(2.0)));
}

#[test]
fn other_streams_in_the_file_are_passed_over() {
    let skeleton = ogg_page(7, 0, FIRST, &lacing(64), b"fishead\0");
    let setup = [
        skeleton,
        first_page(&opus_head(0)),
        ogg_page(7, 0, 0, &lacing(30), &[]),
        ogg_page(SERIAL, 0, 0, &lacing(600), b"OpusTags"),
    ]
    .concat();
    let music = [ogg_music(SERIAL, 50, 0..=240_000), ogg_page(7, 999_999, 4, &lacing(10), &[])].concat();
    let facts = facts(Kind::Ogg, &[setup.clone(), music].concat());
    assert_eq!((facts.audio_start, facts.duration), (setup.len() as u64, seconds(5.0)));
}

#[test]
fn the_capture_pattern_within_music_is_no_page() {
    let setup = [first_page(&opus_head(0)), ogg_page(SERIAL, 0, 0, &lacing(600), b"OpusTags")].concat();
    let fake = [b"OggS\0\0", &999_999_999_u64.to_le_bytes()[..], &SERIAL.to_le_bytes()].concat();
    let last = ogg_page(SERIAL, 480_000, 4, &[200], &fake);
    let file = [setup, ogg_music(SERIAL, 100, 0..=470_000), last].concat();
    assert_eq!(facts(Kind::Ogg, &file).duration, seconds(10.0));
}

#[test]
fn pictures_alone_are_left_at_the_guess() {
    let file = [first_page(b"\x80theora\x03\x02\x01"), ogg_music(SERIAL, 10, 0..=100)].concat();
    let facts = facts(Kind::Ogg, &file);
    assert_eq!((facts.byte_rate, facts.duration), (ByteRate::Guessed(32_000), None));
}
