//! What must hold for files cut anywhere, damaged anywhere, and here in any parts.

use std::cell::Cell;

use proptest::prelude::*;

use super::make::*;
use super::*;

/// A small file of each kind that is parsed, with everything in it that a parser branches on.
fn samples() -> Vec<(Kind, Vec<u8>)> {
    let vorbis = [
        ogg_page(1, 0, 2, &lacing(30), &vorbis_id(44_100, 128_000)),
        ogg_page(1, u64::MAX, 0, &[255; 3], &[]),
        ogg_page(1, 0, 1, &[lacing(40), lacing(300)].concat(), &[]),
        ogg_music(1, 2, 0..=9000),
    ];
    let opus = [
        ogg_page(9, 0, 2, &lacing(64), b"fishead\0"),
        ogg_page(1, 0, 2, &lacing(19), &opus_head(312)),
        ogg_page(1, 0, 0, &lacing(100), b"OpusTags"),
        ogg_music(1, 1, 0..=9000),
    ];
    let flac = [
        id3(30, false),
        b"fLaC".to_vec(),
        flac_block(false, 0, &stream_info(44_100, 9000)),
        flac_block(false, 3, &[0; 18]),
        flac_block(true, 6, &filler(60)),
        filler(900),
    ];
    let wav = [
        b"RIFF\0\0\0\0WAVE".to_vec(),
        wav_format(8000),
        chunk(b"LIST", &[0; 5]),
        chunk(b"data", &filler(900)),
    ];
    let aiff = [
        b"FORM\0\0\0\0AIFF".to_vec(),
        iff_chunk(b"SSND", &[vec![0; 8], filler(392)].concat()),
        iff_chunk(b"NAME", b"odd"),
        aiff_common(100),
    ];
    vec![
        (Kind::Mp3, [id3(40, true), xing_frame(b"Xing", 4, 1600), frame(&MP3_128, 417).repeat(2)].concat()),
        (Kind::Mp3, [vec![0; 30], vbri_frame(4, 1600), frame(&MP3_128, 417).repeat(2)].concat()),
        (Kind::Mp3, frame(&MP3_128, 417).repeat(3)),
        (Kind::Aac, [id3(10, false), adts_frame(200).repeat(4)].concat()),
        (Kind::Flac, flac.concat()),
        (Kind::Ogg, vorbis.concat()),
        (Kind::Ogg, opus.concat()),
        (Kind::Mp4, [ftyp(), moov(1000, 30, 40), atom(b"mdat", &filler(900))].concat()),
        (Kind::Mp4, [ftyp(), long_atom(b"mdat", &filler(900)), moov_v1(1000, 30)].concat()),
        (Kind::Wav, wav.concat()),
        (Kind::Aiff, aiff.concat()),
    ]
}

/// The kinds that are parsed, and one that is not.
const KINDS: [Kind; 8] =
    [Kind::Mp3, Kind::Aac, Kind::Flac, Kind::Ogg, Kind::Mp4, Kind::Wav, Kind::Aiff, Kind::Ape];

#[test]
fn every_sample_is_understood() {
    for (kind, file) in samples() {
        let facts = facts(kind, &file);
        assert_ne!(facts.byte_rate, first_guess(kind, file.len() as u64).byte_rate, "{kind:?}");
    }
}

#[test]
fn a_head_of_any_length_leads_to_the_same_end() {
    for (kind, file) in samples() {
        for here in 0..=file.len() as u64 {
            settle(kind, Held::head(&file, here));
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_examined_to_an_end() {
    for (kind, file) in samples() {
        for len in 0..file.len() {
            facts(kind, &file[..len]);
        }
    }
}

#[test]
fn hostile_chains_end_by_the_budget() {
    /// Answers every read with the same 8 bytes over and over, and counts.
    struct Pattern([u8; 8], Cell<u32>);
    impl Bytes for Pattern {
        fn get(&self, span: Range<u64>) -> Option<Cow<'_, [u8]>> {
            self.1.set(self.1.get() + 1);
            Some(Cow::Owned(span.map(|at| self.0[(at % 8) as usize]).collect()))
        }
    }
    let patterns =
        [*b"\0\0\0\x08free", *b"\0\0\0\x08moov", *b"\0\0\0\x08mdat", *b"\xff\xfb\x90\x64\xff\xfb\x90\x64"];
    for (kind, pattern) in KINDS.into_iter().flat_map(|kind| patterns.map(|pattern| (kind, pattern))) {
        for len in [1 << 40, u64::MAX] {
            let bytes = Pattern(pattern, Cell::new(0));
            let examination = examine(kind, len, &bytes);
            assert!(matches!(examination, Examination::Done(_)), "{kind:?} {pattern:?}");
            assert_sound(examination.facts(), len);
            assert!(bytes.1.get() <= 512, "{} reads", bytes.1.get());
        }
    }
}

/// Some spans of a file, as parts in thousandths.
fn spans() -> impl Strategy<Value = Vec<(u64, u64)>> {
    proptest::collection::vec((0..1000_u64, 1..300_u64), 0..5)
}

fn of_file(spans: &[(u64, u64)], len: u64) -> Vec<Range<u64>> {
    let at = |thousandth: u64| len * thousandth.min(1000) / 1000;
    spans.iter().map(|(start, len)| at(*start)..at(start + len)).filter(|span| !span.is_empty()).collect()
}

/// A sample with some bytes changed, preferably to those that mean much.
fn damaged() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    let byte = prop_oneof![Just(0), Just(0xFF), Just(0x80), Just(0x7F), Just(1), any::<u8>()];
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), byte), 0..12);
    (prop::sample::select(samples()), changes).prop_map(|((kind, mut file), changes)| {
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        (kind, file)
    })
}

/// Any bytes behind a magic that leads into a parser.
fn random() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    let magic = prop::sample::select(vec![
        &b""[..],
        b"ID3\x04\0\0\0\0\0\x05",
        b"fLaC",
        b"OggS\0\x02",
        b"RIFF\0\0\0\0WAVE",
        b"FORM\0\0\0\0AIFF",
        b"\0\0\0\x08ftyp",
        b"\xff\xfb",
        b"\xff\xf1",
    ]);
    let rest = proptest::collection::vec(any::<u8>(), 0..1500);
    (prop::sample::select(KINDS.to_vec()), magic, rest)
        .prop_map(|(kind, magic, rest)| (kind, [magic, &rest].concat()))
}

proptest! {
    /// Never a panic, an endless loop, a read or a need outside the file; whatever was here at first, and in
    /// whatever order the rest comes, the end is the same.
    #[test]
    fn any_file_is_examined_to_an_end((kind, file) in prop_oneof![damaged(), random()], here in spans()) {
        let here = of_file(&here, file.len() as u64);
        settle(kind, Held::new(&file, here));
    }

    /// Once done, done: bytes that come later change nothing.
    #[test]
    fn more_bytes_never_change_what_is_done(
        (kind, file) in prop_oneof![damaged(), random()], here in spans(), more in spans(),
    ) {
        let len = file.len() as u64;
        let mut held = Held::new(&file, of_file(&here, len));
        let before = look(kind, &held);
        held.here.extend(of_file(&more, len));
        let after = look(kind, &held);
        match before {
            Examination::Done(_) => prop_assert_eq!(before, after),
            Examination::Needs { so_far, .. } => {
                prop_assert!(after.facts().audio_start >= so_far.audio_start);
            }
        }
    }
}
