//! Seeders: real libtorrent sessions that offer one torrent and never connect out.
//!
//! A seeder is told that the files are whole (seed mode) and not to look (no hash checks), so it starts at once, and
//! one that was given damaged copies of the files keeps offering them like an honest peer. Clients never see a
//! seeder's address: they are given its proxy's.

use crate::{audio::Noise, bridge::ffi, torrent::Torrent};
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddrV4},
    os::unix::fs::FileExt,
    path::Path,
};

/// The unit peers request and damage is measured in.
pub const BLOCK_LEN: u64 = 16 * 1024;

/// A running seeder. Dropping it ends its session, which takes some tens of milliseconds.
pub struct Seeder {
    session: cxx::UniquePtr<ffi::Seeder>,
}

/// What a seeder has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeederStats {
    /// It still offers the whole torrent.
    pub seeding: bool,
    /// Bytes of pieces sent, without protocol overhead.
    pub payload_up: u64,
    /// Connected peers.
    pub peers: u32,
}

impl Seeder {
    /// Offers `torrent`, whose files lie below `folder` under their torrent paths. Returns when TCP and uTP listen.
    /// About `send_buffer` bytes are kept ready to send on each connection.
    ///
    /// # Errors
    /// When the session cannot be started; the text is libtorrent's.
    pub fn start(torrent: &Torrent, folder: &Path, send_buffer: usize) -> io::Result<Self> {
        let send_buffer = u32::try_from(send_buffer).unwrap_or(u32::MAX).min(1 << 28);
        let folder = folder.to_str().ok_or_else(|| io::Error::other("the folder's path is not UTF-8"))?;
        let session = ffi::start_seeder(&torrent.bytes, folder, send_buffer)
            .map_err(|error| io::Error::other(format!("starting a seeder: {error}")))?;
        Ok(Self { session })
    }

    /// Where it listens, TCP and uTP.
    pub fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.session.port())
    }

    /// Mute: takes requests as before and never answers them, until told otherwise. What was taken while mute stays
    /// unanswered.
    pub fn set_mute(&self, mute: bool) {
        self.session.set_mute(mute);
    }

    /// What it has done so far.
    ///
    /// # Errors
    /// When the session lost its torrent, which would be a bug.
    pub fn stats(&self) -> io::Result<SeederStats> {
        let stats =
            self.session.stats().map_err(|error| io::Error::other(format!("asking a seeder: {error}")))?;
        Ok(SeederStats { seeding: stats.seeding, payload_up: stats.payload_up, peers: stats.peers })
    }

    /// Begins to end the session and returns at once; dropping waits for the end. For ending many together.
    pub fn begin_stop(&mut self) {
        self.session.pin_mut().begin_stop();
    }
}

/// Whether block number `block` of the torrent's byte space is one of the damaged `fraction` (0 to 1) for `seed`.
pub fn is_damaged(block: u64, fraction: f64, seed: u64) -> bool {
    // 53 bits fill a double's mantissa.
    let draw = (Noise::new(seed ^ 0xbad_b10c).word(block) >> 11) as f64 / (1u64 << 53) as f64;
    draw < fraction
}

/// Copies `torrent`'s files from `source` to `copy` and damages the given fraction of its 16 KiB blocks, which ones
/// being decided by `seed`. One byte of each damaged block is wrong, anywhere in it. Returns the number of them.
///
/// # Errors
/// When files cannot be copied.
pub fn damaged_copy(
    torrent: &Torrent,
    source: &Path,
    copy: &Path,
    fraction: f64,
    seed: u64,
) -> io::Result<u64> {
    let place = Noise::new(seed ^ 0x9_1ace);
    let mut damaged = 0;
    for file in torrent.files.iter().filter(|file| !file.pad) {
        let target = copy.join(&file.path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(source.join(&file.path), &target)?;
        let handle = fs::File::options().read(true).write(true).open(&target)?;
        let (start, end) = (file.torrent_offset, file.torrent_offset + file.len);
        // A block that two files share is damaged in the file that holds its beginning.
        for block in start.div_ceil(BLOCK_LEN)..end.div_ceil(BLOCK_LEN) {
            if !is_damaged(block, fraction, seed) {
                continue;
            }
            let from = block * BLOCK_LEN;
            let room = (end - from).min(BLOCK_LEN);
            let file_offset = from - start + place.word(block) % room;
            let mut byte = [0];
            handle.read_exact_at(&mut byte, file_offset)?;
            handle.write_all_at(&[byte[0] ^ 0x5a], file_offset)?;
            damaged += 1;
        }
    }
    Ok(damaged)
}
