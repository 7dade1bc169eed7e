//! The harness: files of which only some bytes are here, and what must hold for every examination.

use std::borrow::Cow;
use std::ops::Range;

use super::*;

mod aac;
mod flac;
mod make;
mod mp3;
mod mp4;
mod ogg;
mod pcm;
mod properties;

/// A file of which some spans are here.
struct Held {
    file: Vec<u8>,
    here: Vec<Range<u64>>,
}

impl Held {
    fn new(file: &[u8], here: Vec<Range<u64>>) -> Self {
        Self { file: file.to_vec(), here }
    }

    /// The first `len` bytes are here.
    fn head(file: &[u8], len: u64) -> Self {
        Self::new(file, Vec::from_iter(Some(0..len)))
    }

    fn len(&self) -> u64 {
        self.file.len() as u64
    }

    fn holds(&self, span: &Range<u64>) -> bool {
        let mut at = span.start;
        while at < span.end {
            match self.here.iter().find(|here| here.contains(&at)) {
                Some(here) => at = here.end,
                None => return false,
            }
        }
        true
    }
}

impl Bytes for Held {
    fn get(&self, span: Range<u64>) -> Option<Cow<'_, [u8]>> {
        assert!(span.start < span.end && span.end <= self.len(), "{span:?} read from {} bytes", self.len());
        assert!(span.end - span.start <= 128 * 1024, "{span:?} is no small read");
        self.holds(&span).then(|| Cow::Borrowed(&self.file[span.start as usize..span.end as usize]))
    }
}

/// What holds for all facts about a file of `len` bytes.
fn assert_sound(facts: &Facts, len: u64) {
    assert!(facts.audio_start <= len, "{facts:?} of {len} bytes");
    assert!(facts.byte_rate.bytes_per_second() > 0, "{facts:?}");
    for span in [&facts.tail, &facts.seek_tail].into_iter().flatten() {
        assert!(span.start < span.end && span.end <= len, "{facts:?} of {len} bytes");
    }
}

/// Examines what is here, and checks the answer's form.
fn look(kind: Kind, held: &Held) -> Examination {
    let examination = examine(kind, held.len(), held);
    assert_sound(examination.facts(), held.len());
    if let Examination::Needs { span, .. } = &examination {
        assert!(span.start < span.end && span.end <= held.len(), "{span:?} asked of {} bytes", held.len());
        assert!(!held.holds(span), "{span:?} asked, and it is here");
    }
    examination
}

/// Starts with the spans given and brings what is asked for, until all is known. The last answer is what the
/// whole file gives; the spans are those that were asked for.
fn settle(kind: Kind, mut held: Held) -> (Facts, Vec<(u64, u64)>) {
    let whole = look(kind, &Held::head(&held.file, held.len()));
    let mut asked = Vec::new();
    let mut audio_start = 0;
    loop {
        let examination = look(kind, &held);
        assert!(examination.facts().audio_start >= audio_start, "the music starts earlier than was said");
        audio_start = examination.facts().audio_start;
        match &examination {
            Examination::Needs { span, .. } => {
                asked.push((span.start, span.end - span.start));
                held.here.push(span.clone());
                assert!(asked.len() <= 512, "it asks for ever");
            }
            Examination::Done(facts) => {
                assert_eq!(examination, whole, "more bytes change what was done");
                return (facts.clone(), asked);
            }
        }
    }
}

/// The facts about a whole file.
fn facts(kind: Kind, file: &[u8]) -> Facts {
    settle(kind, Held::new(file, vec![])).0
}

/// The facts, and what was asked for when the first 64 KiB are here.
fn from_head(kind: Kind, file: &[u8]) -> (Facts, Vec<(u64, u64)>) {
    settle(kind, Held::head(file, (64 * 1024).min(file.len() as u64)))
}

fn seconds(seconds: f64) -> Option<Duration> {
    Some(Duration::from_secs_f64(seconds))
}

#[test]
fn a_slice_is_the_file_s_beginning() {
    let head: &[u8] = b"0123456789";
    assert_eq!(Bytes::get(&head, 3..5).as_deref(), Some(&b"34"[..]));
    assert_eq!(Bytes::get(&head, 3..11), None);
}

#[test]
fn durations_are_exact_and_never_divide_by_zero() {
    assert_eq!(duration(441_000, 44_100), Some(Duration::from_secs(10)));
    assert_eq!(duration(22_050, 44_100), Some(Duration::from_millis(500)));
    assert_eq!(duration(1, 0), None);
    assert_eq!(duration(u64::MAX, u64::MAX), Some(Duration::from_secs(1)));
}

#[test]
fn what_cannot_be_true_is_not_believed() {
    let mut facts = first_guess(Kind::Mp3, 1000);
    let guess = facts.clone();
    facts.note_duration(1000, Duration::from_secs(3600));
    facts.note_duration(1000, Duration::from_nanos(1));
    facts.note_duration(1000, Duration::ZERO);
    facts.note_duration(u64::MAX, Duration::from_nanos(1));
    facts.note_guess(0);
    assert_eq!(facts, guess);
}

#[test]
fn the_first_guess_names_the_tails_that_players_read() {
    let tail = |kind, len| first_guess(kind, len).tail;
    assert_eq!(tail(Kind::Ogg, 1_000_000), Some(868_928..1_000_000));
    assert_eq!(tail(Kind::Ape, 1_000_000), Some(934_464..1_000_000));
    assert_eq!(tail(Kind::Ogg, 1000), Some(0..1000));
    assert_eq!(tail(Kind::Ogg, 0), None);
    for kind in [Kind::Mp3, Kind::Flac, Kind::Mp4, Kind::Wav, Kind::Aiff] {
        assert_eq!(tail(kind, 1_000_000), None, "{kind:?}");
    }
}

#[test]
fn a_tag_before_any_other_kind_is_skipped() {
    let file = [make::id3(300, false), b"TTA1\x01\0".to_vec(), make::filler(500)].concat();
    let facts = facts(Kind::Tta, &file);
    assert_eq!(facts, Facts { audio_start: 310, ..first_guess(Kind::Tta, file.len() as u64) });
}
