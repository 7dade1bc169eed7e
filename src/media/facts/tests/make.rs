//! Small files, built by the formats' specifications and not by the code under test.

use std::ops::RangeInclusive;

/// `len` bytes that are no header of anything.
pub fn filler(len: usize) -> Vec<u8> {
    vec![0x55; len]
}

/// An ID3v2.4 tag with `len` bytes behind its header, and a footer if wanted.
pub fn id3(len: usize, footer: bool) -> Vec<u8> {
    let size = [21, 14, 7, 0].map(|shift| (len >> shift & 0x7F) as u8);
    let flags = if footer { 0x10 } else { 0 };
    let mut tag = [b"ID3\x04\0", &[flags][..], &size, &vec![0xFF; len]].concat();
    if footer {
        tag.extend([b"3DI\x04\0", &[flags][..], &size].concat());
    }
    tag
}

/// 128 kbit/s, 44.1 kHz, joint stereo: 417 bytes, 26.12 ms.
pub const MP3_128: [u8; 4] = [0xFF, 0xFB, 0x90, 0x64];
/// The same at 192 kbit/s: 626 bytes.
pub const MP3_192: [u8; 4] = [0xFF, 0xFB, 0xB0, 0x64];

pub fn frame(header: &[u8], len: usize) -> Vec<u8> {
    [header, &filler(len - header.len())].concat()
}

/// A first frame with a Xing header: flags for frames and bytes, then both.
pub fn xing_frame(name: &[u8; 4], frames: u32, bytes: u32) -> Vec<u8> {
    let fields = [&name[..], &[0, 0, 0, 3], &frames.to_be_bytes(), &bytes.to_be_bytes()].concat();
    let mut frame = frame(&MP3_128, 417);
    frame[4..36].fill(0);
    frame[36..52].copy_from_slice(&fields);
    frame
}

/// A first frame with Fraunhofer's VBRI header.
pub fn vbri_frame(frames: u32, bytes: u32) -> Vec<u8> {
    let fields = [b"VBRI\0\x01\0\0\0\0", &bytes.to_be_bytes()[..], &frames.to_be_bytes()].concat();
    let mut frame = frame(&MP3_128, 417);
    frame[36..54].copy_from_slice(&fields);
    frame
}

/// An ADTS frame of `len` bytes: AAC LC, 44.1 kHz, stereo, no CRC.
pub fn adts_frame(len: usize) -> Vec<u8> {
    let header =
        [0xFF, 0xF1, 0x50, 0x80 | (len >> 11) as u8, (len >> 3) as u8, (len << 5) as u8 | 0x1F, 0xFC];
    frame(&header, len)
}

/// A FLAC metadata block.
pub fn flac_block(is_last: bool, block_type: u8, content: &[u8]) -> Vec<u8> {
    let len = (content.len() as u32).to_be_bytes();
    let head = if is_last { 0x80 | block_type } else { block_type };
    [&[head], &len[1..], content].concat()
}

/// STREAMINFO's 34 bytes for 16 bits stereo.
pub fn stream_info(sample_rate: u32, samples: u64) -> Vec<u8> {
    let bits = u128::from(sample_rate) << 44 | 1 << 41 | 15 << 36 | u128::from(samples);
    [&[0x10, 0, 0x10, 0, 0, 0, 0, 0, 0, 0][..], &bits.to_be_bytes()[8..], &[0xAA; 16]].concat()
}

/// An Ogg page of whole or part packets: `lacing` as in its segment table, the body filled to fit behind
/// `start`.
pub fn ogg_page(serial: u32, granule: u64, flags: u8, lacing: &[u8], start: &[u8]) -> Vec<u8> {
    let len: usize = lacing.iter().map(|len| usize::from(*len)).sum();
    let mut page = [b"OggS\0", &[flags][..], &granule.to_le_bytes(), &serial.to_le_bytes(), &[0; 8]].concat();
    page.push(lacing.len() as u8);
    page.extend(lacing);
    page.extend(start);
    page.extend(filler(len - start.len()));
    page
}

/// The 30 bytes of a Vorbis identification packet.
pub fn vorbis_id(sample_rate: u32, nominal_bits: i32) -> Vec<u8> {
    let rates = [&sample_rate.to_le_bytes()[..], &[0; 4], &nominal_bits.to_le_bytes(), &[0; 4]].concat();
    [&b"\x01vorbis\0\0\0\0\x02"[..], &rates, &[0xB8, 1]].concat()
}

/// The 19 bytes of an Opus identification packet.
pub fn opus_head(pre_skip: u16) -> Vec<u8> {
    [&b"OpusHead\x01\x02"[..], &pre_skip.to_le_bytes(), &48_000_u32.to_le_bytes(), &[0, 0, 0]].concat()
}

/// An MP4 box.
pub fn atom(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], name, content].concat()
}

/// An MP4 box with a 64-bit size.
pub fn long_atom(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 1], &name[..], &(content.len() as u64 + 16).to_be_bytes(), content].concat()
}

/// A movie header of version 0, then a track and a picture.
pub fn moov(time_scale: u32, units: u32, picture_len: usize) -> Vec<u8> {
    let mvhd = [&[0; 12][..], &time_scale.to_be_bytes(), &units.to_be_bytes(), &[0; 80]].concat();
    atom(
        b"moov",
        &[atom(b"mvhd", &mvhd), atom(b"trak", &filler(40)), atom(b"udta", &filler(picture_len))].concat(),
    )
}

/// A movie header of version 1.
pub fn moov_v1(time_scale: u32, units: u64) -> Vec<u8> {
    let mvhd =
        [&[1, 0, 0, 0], &[0; 16][..], &time_scale.to_be_bytes(), &units.to_be_bytes(), &[0; 80]].concat();
    atom(b"moov", &atom(b"mvhd", &mvhd))
}

pub fn ftyp() -> Vec<u8> {
    atom(b"ftyp", b"M4A \0\0\x02\0M4A mp42isom")
}

/// A RIFF chunk, padded to an even length.
pub fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut chunk = [name, &(content.len() as u32).to_le_bytes()[..], content].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// A `fmt ` chunk of 16 bits stereo PCM.
pub fn wav_format(sample_rate: u32) -> Vec<u8> {
    let fields =
        [&[1, 0, 2, 0][..], &sample_rate.to_le_bytes(), &(sample_rate * 4).to_le_bytes(), &[4, 0, 16, 0]];
    chunk(b"fmt ", &fields.concat())
}

/// An IFF chunk, padded to an even length.
pub fn iff_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut chunk = [name, &(content.len() as u32).to_be_bytes()[..], content].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

/// An AIFF COMM chunk of 16 bits stereo at 44.1 kHz, whose 80-bit float is 0x400E AC44 0000 0000 0000.
pub fn aiff_common(sample_frames: u32) -> Vec<u8> {
    let rate = [0x40, 0x0E, 0xAC, 0x44, 0, 0, 0, 0, 0, 0];
    iff_chunk(b"COMM", &[&[0, 2][..], &sample_frames.to_be_bytes(), &[0, 16], &rate].concat())
}

/// Lacing of one packet of `len` bytes that ends on the page.
pub fn lacing(len: usize) -> Vec<u8> {
    let mut lacing = vec![255; len / 255];
    lacing.push((len % 255) as u8);
    lacing
}

/// Pages of music: `count` pages of 20 packets each, with granules spread evenly over `granules`.
pub fn ogg_music(serial: u32, count: u64, granules: RangeInclusive<u64>) -> Vec<u8> {
    let step = (granules.end() - granules.start()) / count;
    let granule = |page: u64| if page == count { *granules.end() } else { granules.start() + step * page };
    (1..=count).flat_map(|page| ogg_page(serial, granule(page), 0, &[50; 20], &[])).collect()
}
