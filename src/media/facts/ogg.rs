//! Ogg (RFC 3533): pages of up to 65,307 bytes, the first of which name the codec, the next ones hold its
//! setup (and often a picture), and the last of which says how long it all was.
//!
//! Pages are hopped over by the sums in their headers. Setup is over when the codec's number of header
//! packets has ended: all codecs here start music on a page of its own.

use super::flac::StreamInfo;
use super::reader::{Reader, Stop, be, le};
use super::{Facts, duration};

/// Bytes of a page header before its segment table.
const HEADER_LEN: u64 = 27;

/// The header flag of a logical stream's first page.
const FIRST_PAGE: u8 = 2;

/// The granule position of a page on which no packet ends.
const NO_GRANULE: u64 = u64::MAX;

pub(super) fn examine(file: &Reader<'_>, facts: &mut Facts) -> Result<(), Stop> {
    let mut page = Page::read(file, 0)?;
    let mut found = None;
    // Every logical stream's first page comes before any second one (RFC 3533, section 4).
    while page.is_first {
        if found.is_none() {
            found = Codec::read(file, &page)?.map(|codec| (codec, page.serial));
        }
        facts.audio_start = file.advance(page.start, page.len)?;
        page = Page::read(file, facts.audio_start)?;
    }
    let (codec, serial) = found.ok_or(Stop::Malformed)?;
    facts.note_guess(codec.nominal_rate);
    // The first page held the first packet.
    let mut packets = 1;
    while page.serial != serial || !codec.is_music(packets, &page) {
        if page.serial == serial {
            packets += page.packets_ended;
        }
        facts.audio_start = file.advance(page.start, page.len)?;
        page = Page::read(file, facts.audio_start)?;
    }
    facts.audio_start = page.start;
    let music_len = file.len - page.start;
    if codec.stream_info.is_some_and(|info| info.note(music_len, facts)) {
        return Ok(());
    }
    let Some(tail) = facts.tail.clone() else { return Ok(()) };
    let start = tail.start.max(page.start);
    let end = file.span(start, tail.end.saturating_sub(start))?;
    let samples = last_granule(&end, serial).and_then(|granule| granule.checked_sub(codec.pre_skip));
    if let Some(duration) = samples.and_then(|samples| duration(samples, codec.sample_rate)) {
        facts.note_duration(music_len, duration);
    }
    Ok(())
}

/// What a page header says.
struct Page {
    /// File offset of its header.
    start: u64,
    /// Bytes of header and body.
    len: u64,
    /// Bytes of header and segment table.
    header_len: u64,
    serial: u64,
    granule: u64,
    is_first: bool,
    packets_ended: u64,
}

impl Page {
    fn read(file: &Reader<'_>, start: u64) -> Result<Self, Stop> {
        let header: [u8; HEADER_LEN as usize] = file.array(start)?;
        // Capture pattern, then version 0.
        if !header.starts_with(b"OggS\0") {
            return Err(Stop::Malformed);
        }
        let segment_count = u64::from(header[26]);
        let segments = match segment_count {
            0 => Default::default(),
            count => file.span(start + HEADER_LEN, count)?,
        };
        let body_len: u64 = segments.iter().copied().map(u64::from).sum();
        Ok(Self {
            start,
            len: HEADER_LEN + segment_count + body_len,
            header_len: HEADER_LEN + segment_count,
            serial: le(&header[14..18]),
            granule: le(&header[6..14]),
            is_first: header[5] & FIRST_PAGE != 0,
            // A segment of less than 255 bytes ends a packet.
            packets_ended: segments.iter().filter(|len| **len < 255).count() as u64,
        })
    }
}

/// What the first packet of an audio stream says.
struct Codec {
    /// Packets before the music; `None`: as many as end at granule position 0.
    header_packets: Option<u64>,
    /// Granules per second.
    sample_rate: u64,
    /// Granules before the first that is heard.
    pre_skip: u64,
    /// Bytes per second that the encoder aimed at; 0: not told.
    nominal_rate: u64,
    /// FLAC in Ogg says by itself how long it is.
    stream_info: Option<StreamInfo>,
}

impl Codec {
    /// The codec of the stream that starts with `page`; `None`: a skeleton, pictures, unknown.
    fn read(file: &Reader<'_>, page: &Page) -> Result<Option<Self>, Stop> {
        let body = page.start + page.header_len;
        let Some(name) = file.array_if_any::<8>(body)? else { return Ok(None) };
        let plain =
            Self { header_packets: None, sample_rate: 0, pre_skip: 0, nominal_rate: 0, stream_info: None };
        Ok(match &name {
            // Vorbis I, 4.2.2: version 4, channels 1, rate 4, highest bit rate 4, nominal bit rate 4.
            [1, b'v', b'o', b'r', b'b', b'i', b's', _] => {
                let fields: [u8; 17] = file.array(body + 7)?;
                let nominal = u32::from_le_bytes([fields[13], fields[14], fields[15], fields[16]]);
                Some(Self {
                    header_packets: Some(3),
                    sample_rate: le(&fields[5..9]),
                    // Signed; negative means not set.
                    nominal_rate: u64::try_from(nominal.cast_signed()).unwrap_or(0) / 8,
                    ..plain
                })
            }
            // RFC 7845, 5.1: version 1, channels 1, pre-skip 2; granules are always of 48 kHz.
            b"OpusHead" => Some(Self {
                header_packets: Some(2),
                sample_rate: 48_000,
                pre_skip: le(&file.array::<2>(body + 10)?),
                ..plain
            }),
            // RFC 9639, 10.1: version 2, header packets behind this one 2, `fLaC`, block header 4,
            // STREAMINFO.
            [0x7F, b'F', b'L', b'A', b'C', ..] => {
                let others = be(&file.array::<2>(body + 7)?);
                let stream_info = StreamInfo::read(file, body + 17)?;
                Some(Self {
                    header_packets: (others > 0).then_some(others + 1),
                    sample_rate: stream_info.sample_rate,
                    stream_info: Some(stream_info),
                    ..plain
                })
            }
            // The Speex manual, table 7.1: rate at 36, extra header packets at 68.
            b"Speex   " => {
                let (rate, extra): ([u8; 4], [u8; 4]) = (file.array(body + 36)?, file.array(body + 68)?);
                Some(Self { header_packets: Some(2 + le(&extra)), sample_rate: le(&rate), ..plain })
            }
            _ => None,
        })
    }

    /// Whether `page` is music, after `packets` ended on the pages before it.
    fn is_music(&self, packets: u64, page: &Page) -> bool {
        match self.header_packets {
            Some(count) => packets >= count,
            None => page.granule != 0 && page.granule != NO_GRANULE,
        }
    }
}

/// The granule position of the stream's last page in `end`, the last bytes of the file.
fn last_granule(end: &[u8], serial: u64) -> Option<u64> {
    (0..end.len()).rev().find_map(|at| {
        let page = &end[at..];
        let header =
            page.first_chunk::<{ HEADER_LEN as usize }>().filter(|header| header.starts_with(b"OggS\0"))?;
        let segments = page.get(HEADER_LEN as usize..)?.get(..usize::from(header[26]))?;
        let body_len: usize = segments.iter().copied().map(usize::from).sum();
        // Music may contain the capture pattern; it does not also end where the file or the next page does.
        let behind = page.get(HEADER_LEN as usize + segments.len() + body_len..)?;
        let granule = le(&header[6..14]);
        let counts = le(&header[14..18]) == serial && granule != NO_GRANULE;
        (counts && (behind.is_empty() || behind.starts_with(b"OggS\0"))).then_some(granule)
    })
}
