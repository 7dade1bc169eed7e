use super::make::{atom, filler, ftyp, long_atom, moov, moov_v1};
use super::*;

#[test]
fn index_first() {
    let head = [ftyp(), moov(1000, 10_000, 500), atom(b"free", &[0; 100])].concat();
    let facts = facts(Kind::Mp4, &[head.clone(), atom(b"mdat", &filler(320_000))].concat());
    assert_eq!(facts.audio_start, head.len() as u64 + 8);
    assert_eq!((facts.duration, facts.byte_rate), (seconds(10.0), ByteRate::Known(32_000)));
    assert_eq!(facts.tail, None);
}

#[test]
fn a_picture_in_the_index_is_jumped_over() {
    let head = [ftyp(), moov(1000, 10_000, 2_700_000)].concat();
    let (facts, asked) = from_head(Kind::Mp4, &[head.clone(), atom(b"mdat", &filler(320_000))].concat());
    let mdat = head.len() as u64;
    assert_eq!((facts.audio_start, facts.tail), (mdat + 8, None));
    assert_eq!(asked, [(mdat, 8)]);
}

#[test]
fn index_last_is_the_tail() {
    let front = [ftyp(), atom(b"free", &[]), atom(b"mdat", &filler(320_000))].concat();
    let file = [front.clone(), moov(1000, 10_000, 500)].concat();
    let held = Held::head(&file, 65_536);
    let (end, len) = (front.len() as u64, file.len() as u64);
    let Examination::Needs { span, so_far } = look(Kind::Mp4, &held) else { panic!("the index is not here") };
    assert_eq!(span, end..end + 8);
    assert_eq!((so_far.audio_start, so_far.tail), (28 + 8 + 8, Some(end..len)));

    let (facts, _) = settle(Kind::Mp4, held);
    assert_eq!((facts.audio_start, facts.tail), (44, Some(end..len)));
    assert_eq!((facts.duration, facts.byte_rate), (seconds(10.0), ByteRate::Known(32_000)));
}

#[test]
fn sizes_of_64_bits_and_times_of_version_1() {
    let file = [ftyp(), long_atom(b"mdat", &filler(320_000)), moov_v1(44_100, 441_000)].concat();
    let facts = facts(Kind::Mp4, &file);
    assert_eq!((facts.audio_start, facts.duration), (28 + 16, seconds(10.0)));
    assert_eq!(facts.byte_rate, ByteRate::Known(32_000));
}

#[test]
fn size_0_reaches_to_the_end() {
    let mut mdat = atom(b"mdat", &filler(320_000));
    mdat[..4].fill(0);
    let with_index = facts(Kind::Mp4, &[ftyp(), moov(1000, 10_000, 0), mdat.clone()].concat());
    assert_eq!((with_index.byte_rate, with_index.tail), (ByteRate::Known(32_000), None));
    let without = facts(Kind::Mp4, &[ftyp(), mdat].concat());
    assert_eq!((without.audio_start, without.duration, without.tail), (36, None, None));
}

#[test]
fn several_mdat_boxes_before_the_index() {
    let front = [ftyp(), atom(b"mdat", &filler(200_000)), atom(b"mdat", &filler(120_000))].concat();
    let file = [front.clone(), moov(1000, 10_000, 0)].concat();
    let facts = facts(Kind::Mp4, &file);
    assert_eq!((facts.audio_start, facts.byte_rate), (36, ByteRate::Known(32_000)));
    assert_eq!(facts.tail, Some(front.len() as u64..file.len() as u64));
}

#[test]
fn an_index_that_does_not_know_its_length() {
    for index in
        [moov(1000, u32::MAX, 0), moov_v1(1000, u64::MAX), moov(0, 10, 0), atom(b"moov", &filler(100))]
    {
        let facts = facts(Kind::Mp4, &[ftyp(), index.clone(), atom(b"mdat", &filler(1000))].concat());
        assert_eq!(facts.audio_start, 28 + index.len() as u64 + 8);
        assert_eq!((facts.byte_rate, facts.duration), (ByteRate::Guessed(40_000), None));
    }
}

#[test]
fn fragments_have_an_index_at_the_end() {
    let fragments =
        [atom(b"moof", &[0; 60]), atom(b"mdat", &filler(30_000)), atom(b"mfra", &[0; 59])].concat();
    let file = [ftyp(), moov(1000, 0, 0), fragments].concat();
    let (facts, len) = (facts(Kind::Mp4, &file), file.len() as u64);
    assert_eq!(facts.audio_start, len - 67 - 30_000);
    assert_eq!((facts.tail, facts.duration), (Some(len - 16_384..len), None));
}

#[test]
fn what_is_no_mp4_is_left_at_once() {
    let file = filler(1000);
    let (facts, asked) = settle(Kind::Mp4, Held::new(&file, vec![]));
    assert_eq!(facts, first_guess(Kind::Mp4, 1000));
    assert!(asked.len() <= 2, "{asked:?}");
}

#[test]
fn a_gap_behind_the_music_does_not_make_the_whole_file_a_tail() {
    /// 100 GB that begin with a little music; nothing else is ever here.
    struct Gap(Vec<u8>);
    impl Bytes for Gap {
        fn get(&self, span: Range<u64>) -> Option<Cow<'_, [u8]>> {
            self.0.get(span.start as usize..span.end as usize).map(Cow::Borrowed)
        }
    }
    let gap = Gap([ftyp(), atom(b"mdat", &filler(1000))].concat());
    let end = gap.0.len() as u64;
    let examination = examine(Kind::Mp4, 100_000_000_000, &gap);
    assert_eq!(examination.facts().tail, Some(end..end + 16 * 1024 * 1024));
}
