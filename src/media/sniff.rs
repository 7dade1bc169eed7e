//! First bytes -> kind, for files whose name does not say, or lies.
//!
//! Being wrong here means handing a picture to a player as music, so a match of four bytes is believed only
//! where the field behind it fits too: `MAC ` begins English sentences, RIFF holds films and WebP pictures,
//! an MPEG sync is eleven bits that any compressed file contains. Containers that may hold films (Ogg, MP4,
//! Matroska, ASF) count only if the sound in them shows, and no picture does.

use super::frame::{Frame, Parse};
use super::id3;
use super::kind::{Kind, MediaType};

/// How many of a file's first bytes [`sniff`] wants: enough for a few frames or pages, and for the headers of
/// the containers that describe their tracks first. Fewer are taken, at the risk of not recognising.
pub const SNIFF_LEN: u64 = 16 * 1024;

/// Frames in a row before bytes are believed to be MPEG audio or ADTS: two could be chance in a large file's
/// start.
const FRAMES_TO_BELIEVE: usize = 3;

/// ID3v2 tags in a row that are looked behind.
const MAX_TAGS: usize = 8;

/// Media types of the ASF stream properties object (ASF specification, 10.4), and the header object itself
/// (10.1).
const ASF_HEADER: [u8; 16] = *b"\x30\x26\xB2\x75\x8E\x66\xCF\x11\xA6\xD9\x00\xAA\x00\x62\xCE\x6C";
const ASF_AUDIO: [u8; 16] = *b"\x40\x9E\x69\xF8\x4D\x5B\xCF\x11\xA8\xFD\x00\x80\x5F\x5C\x44\x2B";
const ASF_VIDEO: [u8; 16] = *b"\xC0\xEF\x19\xBC\x4D\x5B\xCF\x11\xA8\xFD\x00\x80\x5F\x5C\x44\x2B";

/// What a file's first bytes say it is; `None`: nothing that is known to be audio.
///
/// `head` starts at offset 0 and is [`SNIFF_LEN`] long, or as long as the file or what is here of it.
pub fn sniff(head: &[u8]) -> Option<Kind> {
    let body = behind_tags(head);
    let tagged = body.len() < head.len();
    // A tag alone is almost always an MP3's; players take it for one as well.
    by_magic(body).or(tagged.then_some(Kind::Mp3))
}

/// What a file is by its name and first bytes together. The bytes win where they are sure: a FLAC named
/// `.mp3` is served as FLAC. An empty `head` leaves the name alone.
pub fn identify(path: &str, head: &[u8]) -> Option<MediaType> {
    let named = MediaType::by_name(path);
    match named {
        Some(named) => match by_magic(behind_tags(head)) {
            Some(kind) if kind != named.kind => Some(kind.into()),
            _ => Some(named),
        },
        None => sniff(head).map(MediaType::from),
    }
}

/// What follows the ID3v2 tags; empty if that is not in `head`.
fn behind_tags(head: &[u8]) -> &[u8] {
    let mut rest = head;
    for _ in 0..MAX_TAGS {
        let Some(tag_len) = rest.first_chunk().and_then(id3::tag_len) else { break };
        rest = usize::try_from(tag_len).ok().and_then(|len| rest.get(len..)).unwrap_or_default();
    }
    rest
}

fn by_magic(head: &[u8]) -> Option<Kind> {
    let is = |magic: &[u8], at: usize| head.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let le16 = |at: usize| head.get(at..at + 2).map(|two| u16::from_le_bytes([two[0], two[1]]));
    let within = |low: u16, high: u16, at: usize| le16(at).is_some_and(|value| (low..=high).contains(&value));
    let kind = match head.first_chunk::<4>()? {
        // The first block is STREAMINFO, 34 bytes long (RFC 9639, 8.1); it may be the last.
        b"fLaC" if is(&[0, 0, 0, 34], 4) || is(&[0x80, 0, 0, 34], 4) => Kind::Flac,
        b"OggS" if ogg_audio(head) => Kind::Ogg,
        b"RIFF" | b"RF64" | b"BW64" if is(b"WAVE", 8) => Kind::Wav,
        b"FORM" if is(b"AIFF", 8) || is(b"AIFC", 8) => Kind::Aiff,
        _ if is(b"ftyp", 4) && mp4_audio(head) => Kind::Mp4,
        [0x1A, 0x45, 0xDF, 0xA3] if matroska_audio(head) => Kind::Matroska,
        [0x30, 0x26, 0xB2, 0x75] if is(&ASF_HEADER, 0) && shows(head, &ASF_AUDIO, &ASF_VIDEO) => Kind::Wma,
        // Version times 1000, far below two letters of text.
        b"MAC " if within(3000, 4999, 4) => Kind::Ape,
        b"wvpk" if within(0x402, 0x410, 8) => Kind::WavPack,
        // The length of this chunk, always 28.
        b"DSD " if is(&[28, 0, 0, 0, 0, 0, 0, 0], 4) => Kind::Dsf,
        b"FRM8" if is(b"DSD ", 12) => Kind::Dff,
        b"TTA1" if within(1, 3, 4) => Kind::Tta,
        b"MPCK" if is(b"SH", 4) || is(b"RG", 4) || is(b"EI", 4) => Kind::Musepack,
        [b'M', b'P', b'+', version] if version & 0xF == 7 => Kind::Musepack,
        b"caff" if is(&[0, 1], 4) => Kind::Caf,
        b"#!AM" if is(b"#!AMR\n", 0) || is(b"#!AMR-WB\n", 0) => Kind::Amr,
        [0xFF, ..] if frames_in_a_row(head, Frame::mpeg) => Kind::Mp3,
        [0xFF, ..] if frames_in_a_row(head, Frame::adts) => Kind::Aac,
        _ => return None,
    };
    Some(kind)
}

/// Whether `head` starts with three kindred frames, or with two of them and ends before the third.
fn frames_in_a_row<const N: usize>(head: &[u8], parse: Parse<N>) -> bool {
    let mut rest = head;
    let mut first: Option<Frame> = None;
    for seen in 0..FRAMES_TO_BELIEVE {
        let Some(header) = rest.first_chunk() else { return seen >= 2 };
        let Some(frame) = parse(header) else { return false };
        if first.is_some_and(|first| !first.is_kin_of(&frame)) {
            return false;
        }
        first = Some(frame);
        rest = usize::try_from(frame.len).ok().and_then(|len| rest.get(len..)).unwrap_or_default();
    }
    true
}

/// The first packet of the first page names the codec; one of sound alone is asked for.
fn ogg_audio(head: &[u8]) -> bool {
    const FIRST_PAGE: u8 = 2;
    let packet =
        head.get(26).and_then(|segments| head.get(27 + usize::from(*segments)..)).unwrap_or_default();
    head.get(4) == Some(&0)
        && head.get(5).is_some_and(|flags| flags & FIRST_PAGE != 0)
        && [&b"\x01vorbis"[..], b"OpusHead", b"\x7fFLAC", b"Speex   "]
            .iter()
            .any(|codec| packet.starts_with(codec))
}

/// The file type box lists Apple's audio brands; `isom` or `mp42` alone may be a film, `heic` is a picture.
fn mp4_audio(head: &[u8]) -> bool {
    let Some(size) = head.first_chunk().map(|size| u32::from_be_bytes(*size) as usize) else { return false };
    let brands = head.get(8..size.min(head.len())).unwrap_or_default();
    // Major brand, version, compatible brands: the version never spells a brand.
    size % 4 == 0
        && brands
            .chunks_exact(4)
            .any(|brand| [b"M4A ", b"M4B ", b"M4P ", b"F4A "].iter().any(|b| brand == *b))
}

/// A codec identifier (element 0x86, one byte of length) begins with `A_` for sound, `V_` for pictures.
fn matroska_audio(head: &[u8]) -> bool {
    let doc_type = |name: &[u8]| contains(&head[..head.len().min(64)], name);
    let codec = |prefix: &[u8; 2]| {
        head.windows(4).any(|four| four[0] == 0x86 && four[1] & 0x80 != 0 && four[2..] == prefix[..])
    };
    (doc_type(b"matroska") || doc_type(b"webm")) && codec(b"A_") && !codec(b"V_")
}

fn shows(head: &[u8], sound: &[u8], picture: &[u8]) -> bool {
    contains(head, sound) && !contains(head, picture)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests;
