use proptest::prelude::*;

use super::*;

/// `header` followed by filler to a length of `len`, `count` times.
fn frames(header: &[u8], len: usize, count: usize) -> Vec<u8> {
    let mut frame = header.to_vec();
    frame.resize(len, 0x55);
    frame.repeat(count)
}

/// An ID3v2.4 tag of `len` bytes (less than 128) behind its header.
fn tag(len: u8) -> Vec<u8> {
    [&b"ID3\x04\0\0\0\0\0"[..], &[len], &vec![0; usize::from(len)]].concat()
}

fn ogg(packet: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\0\x02".to_vec();
    page.extend([0; 20]);
    page.extend([1, packet.len() as u8]);
    page.extend(packet);
    page
}

const MP3: [u8; 4] = [0xFF, 0xFB, 0x90, 0x64];
const ADTS: [u8; 7] = [0xFF, 0xF1, 0x50, 0x80, 0x2E, 0x7F, 0xFC];

fn audio() -> Vec<(Kind, Vec<u8>)> {
    vec![
        (Kind::Mp3, frames(&MP3, 417, 3)),
        (Kind::Mp3, frames(&MP3, 417, 2)),
        (Kind::Mp3, [tag(20), frames(&MP3, 417, 3)].concat()),
        (Kind::Mp3, tag(100)[..40].to_vec()),
        (Kind::Aac, frames(&ADTS, 371, 3)),
        (Kind::Aac, [tag(20), tag(3), frames(&ADTS, 371, 3)].concat()),
        (Kind::Flac, b"fLaC\0\0\0\x22\x10\0".to_vec()),
        (Kind::Flac, [tag(9), b"fLaC\x80\0\0\x22".to_vec()].concat()),
        (Kind::Ogg, ogg(b"OpusHead\x01\x02")),
        (Kind::Ogg, ogg(b"\x01vorbis\0\0\0\0\x02")),
        (Kind::Ogg, ogg(b"\x7fFLAC\x01\0")),
        (Kind::Ogg, ogg(b"Speex   1.2")),
        (Kind::Wav, b"RIFF\x24\x08\0\0WAVEfmt ".to_vec()),
        (Kind::Wav, b"RF64\xff\xff\xff\xffWAVEds64".to_vec()),
        (Kind::Aiff, b"FORM\0\0\x10\0AIFFCOMM".to_vec()),
        (Kind::Aiff, b"FORM\0\0\x10\0AIFCFVER".to_vec()),
        (Kind::Mp4, b"\0\0\0\x20ftypM4A \0\0\x02\0isomiso2M4A mp42".to_vec()),
        (Kind::Mp4, b"\0\0\0\x1cftypmp42\0\0\0\0mp42M4B isom".to_vec()),
        (Kind::Matroska, b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska\x86\x86A_FLAC".to_vec()),
        (Kind::Matroska, b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm\x86\x86A_OPUS".to_vec()),
        (Kind::Wma, [ASF_HEADER, ASF_AUDIO].concat()),
        (Kind::Ape, b"MAC \x96\x0f\0\0".to_vec()),
        (Kind::WavPack, b"wvpk\0\x10\0\0\x10\x04\0\0".to_vec()),
        (Kind::Dsf, b"DSD \x1c\0\0\0\0\0\0\0".to_vec()),
        (Kind::Dff, b"FRM8\0\0\0\0\0\0\x10\0DSD FVER".to_vec()),
        (Kind::Tta, b"TTA1\x01\0\x02\0".to_vec()),
        (Kind::Musepack, b"MPCKSH\x0f".to_vec()),
        (Kind::Musepack, b"MP+\x17\0".to_vec()),
        (Kind::Caf, b"caff\0\x01\0\0desc".to_vec()),
        (Kind::Amr, b"#!AMR\n\x3c".to_vec()),
    ]
}

#[test]
fn audio_is_recognised() {
    for (kind, head) in audio() {
        assert_eq!(sniff(&head), Some(kind), "{:?}", String::from_utf8_lossy(&head[..head.len().min(24)]));
    }
}

#[test]
fn what_only_looks_like_audio_is_not() {
    let mut different = frames(&MP3, 417, 1);
    different.extend(frames(&[0xFF, 0xFB, 0x94, 0x64], 384, 2));
    for head in [
        &b""[..],
        b"ID3",
        b"\xff\xd8\xff\xe0\0\x10JFIF\0",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        b"PK\x03\x04\x14\0\0\0",
        b"\xff\xfeT\0e\0x\0t\0",
        b"MAC addresses of the studio",
        b"MP3 files are in CD1",
        b"MPCK is a word",
        b"TTA1 timetable",
        b"RIFF\x24\x08\0\0WEBPVP8 ",
        b"RIFF\x24\x08\0\0AVI LIST",
        b"FORM\0\0\x10\0ILBMBMHD",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2",
        b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska\x86\x86V_VP9.\x86\x86A_OPUS",
        b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska",
        b"DSD is a format\0\0",
        b"fLaC is a magic word",
        &ogg(b"\x80theora\x03"),
        &ogg(b"fishead\0\x03"),
        &[ASF_HEADER, ASF_AUDIO, ASF_VIDEO].concat(),
        &frames(&MP3, 417, 1),
        &[frames(&MP3, 417, 2), b"anything but a frame".to_vec()].concat(),
        &different,
        &frames(&ADTS, 371, 1),
    ] {
        assert_eq!(sniff(head), None, "{:?}", String::from_utf8_lossy(&head[..head.len().min(24)]));
    }
}

#[test]
fn bytes_correct_the_name() {
    let mime = |path: &str, head: &[u8]| identify(path, head).map(|media_type| media_type.mime);
    let flac = b"fLaC\0\0\0\x22\x10\0";
    assert_eq!(mime("01.mp3", flac), Some("audio/flac"));
    assert_eq!(mime("01.mp3", b""), Some("audio/mpeg"));
    assert_eq!(mime("01.mp3", b"no music at all"), Some("audio/mpeg"));
    assert_eq!(mime("track", flac), Some("audio/flac"));
    assert_eq!(mime("track", b"no music at all"), None);
    // A tag is no contradiction, and a film that has Apple's audio brand keeps its name's type.
    assert_eq!(mime("01.flac", &tag(100)[..40]), Some("audio/flac"));
    assert_eq!(mime("01.mp4", b"\0\0\0\x14ftypM4A \0\0\x02\0M4A "), Some("video/mp4"));
}

proptest! {
    #[test]
    fn any_bytes_are_taken(head in proptest::collection::vec(any::<u8>(), 0..600)) {
        // Six hundred random bytes are not music; the chance of a magic with its second field is below 2^-40.
        prop_assert_eq!(sniff(&head), None);
    }

    #[test]
    fn cut_and_damaged_heads_are_taken(
        which in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let (kind, mut head) = which.get(&audio()).clone();
        let damaged = at.index(head.len());
        head[damaged] = byte;
        head.truncate(cut.index(head.len() + 1));
        // Nothing that begins as one kind turns into another by a single byte, but for tags, whose content
        // may go.
        let got = sniff(&head);
        prop_assert!(got.is_none() || got == Some(kind) || head.starts_with(b"ID3"), "{got:?} instead of {kind:?}");
    }
}
