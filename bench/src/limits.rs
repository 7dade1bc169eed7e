//! How many bytes have to come before a reader can have any: whole pieces, since only a whole piece can be checked.

use std::{ops::Range, time::Duration};
use vozduxan_swarm::{limit, torrent::Torrent};

/// Bytes of the pieces that cover `range` of file number `file` (libtorrent's index). Pad files are never sent.
pub fn needed(torrent: &Torrent, file: usize, range: Range<u64>) -> u64 {
    let entry = &torrent.files[file];
    let piece_len = u64::from(torrent.piece_len);
    let from = entry.torrent_offset + range.start.min(entry.len);
    let to = entry.torrent_offset + range.end.min(entry.len);
    if from >= to {
        return 0;
    }
    let pieces = from / piece_len * piece_len..(to.div_ceil(piece_len) * piece_len).min(torrent.total_len);
    let pads = torrent.files.iter().filter(|file| file.pad).map(|pad| {
        let end = (pad.torrent_offset + pad.len).min(pieces.end);
        end.saturating_sub(pad.torrent_offset.max(pieces.start))
    });
    pieces.end - pieces.start - pads.sum::<u64>()
}

/// The shortest time from nothing to `bytes` of whole pieces: three round trips (connect, handshake, request) and the
/// bytes at the rate of the whole swarm. `info_len`: length of the info dictionary that a magnet link fetches first,
/// one more round trip; 0 with a .torrent. A `rate` of 0 is no limit.
pub fn cold(rtt: Duration, rate: u64, bytes: u64, info_len: u64) -> f64 {
    limit::cold_start(rtt, unlimited(rate), bytes, info_len).as_secs_f64()
}

/// The shortest time with peers connected: one round trip and the bytes.
pub fn live(rtt: Duration, rate: u64, bytes: u64) -> f64 {
    limit::live(rtt, unlimited(rate), bytes).as_secs_f64()
}

fn unlimited(rate: u64) -> u64 {
    if rate == 0 { u64::MAX } else { rate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vozduxan_swarm::torrent::TorrentFile;

    const PIECE: u64 = 16 * 1024;

    fn torrent(files: &[(u64, bool)]) -> Torrent {
        let mut offset = 0;
        let mut entries = Vec::new();
        for &(len, pad) in files {
            entries.push(TorrentFile { path: "a/b".into(), torrent_offset: offset, len, pad });
            offset += len;
        }
        Torrent {
            bytes: Vec::new(),
            name: "a".into(),
            v1: None,
            v2: None,
            piece_len: PIECE as u32,
            total_len: offset,
            info_len: 0,
            files: entries,
        }
    }

    #[test]
    fn whole_pieces_are_needed() {
        let one = torrent(&[(10 * PIECE + 5, false)]);
        for (range, bytes) in [
            (0..1, PIECE),
            (0..PIECE, PIECE),
            (0..PIECE + 1, 2 * PIECE),
            (PIECE - 1..PIECE + 1, 2 * PIECE),
            (10 * PIECE..10 * PIECE + 1, 5),
            (9 * PIECE..99 * PIECE, PIECE + 5),
            (3..3, 0),
        ] {
            assert_eq!(needed(&one, 0, range.clone()), bytes, "{range:?}");
        }
    }

    #[test]
    fn tracks_share_pieces_and_pads_cost_nothing() {
        let album = torrent(&[(PIECE / 2, false), (PIECE, false)]);
        assert_eq!(needed(&album, 1, 0..1), PIECE);
        assert_eq!(needed(&album, 1, 0..PIECE), PIECE + PIECE / 2);
        let padded = torrent(&[(100, false), (PIECE - 100, true), (PIECE, false)]);
        assert_eq!(needed(&padded, 0, 0..100), 100);
        assert_eq!(needed(&padded, 2, 0..1), PIECE);
    }

    #[test]
    fn the_rows_that_are_known_by_heart() {
        let rtt = Duration::from_millis(40);
        assert!((cold(rtt, 4_000_000, 256 * 1024, 0) - 0.1855).abs() < 0.001);
        assert!((cold(2 * rtt, 1_200_000, 4 << 20, 0) - 3.735).abs() < 0.001);
        assert!((live(rtt, 4_000_000, 256 * 1024) - 0.1055).abs() < 0.001);
        assert!(live(Duration::ZERO, 0, 1 << 30) < 1e-6);
    }
}
