//! Wrong data, as the engine's thread sees it: copies of blocks are collected, and a piece whose hash was wrong is put
//! together anew from them.
//!
//! At first libtorrent gets every block and the engine only a copy. From the first wrong piece on (`Keep`) it gets
//! whole pieces that were found right here: so it never sees a wrong one, and never bans the honest givers of the right
//! blocks in it. Hashing a piece of 256 KiB takes a fraction of a millisecond of this thread.
//!
//! Of a v2 torrent libtorrent would find the wrong blocks by itself, and bans their givers, who have mostly right ones:
//! there blocks are kept from the first on, until the torrent has shown itself right.

use std::ops::Range;
use std::time::Duration;

use super::hashes::Hashes;
use crate::bridge::{self, Bridge, Event, EventKind};
use crate::schedule::evidence::Evidence;
use crate::schedule::layout::{BLOCK_LEN, Layout};
use crate::schedule::peer::PeerId;
use crate::schedule::picker::{Input, Picker};

/// Copies of at most so many bytes are kept; beyond it new pieces go to libtorrent, and what is wrong is fetched again
/// as a whole.
const MOST: u64 = 64 * 1024 * 1024;
/// A torrent that has brought so many right bytes and none wrong is not watched any more.
const TRIAL: u64 = 8 * 1024 * 1024;

/// How blocks are watched; the numbers are those of the bridge's Watch command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Level {
    /// Not at all.
    Off = 0,
    /// Copied.
    #[default]
    Copy = 1,
    /// Those of new pieces are kept from libtorrent.
    Keep = 2,
}

/// See the module.
#[derive(Default)]
pub struct Verdicts {
    evidence: Evidence,
    level: Level,
    /// Once needed.
    hashes: Option<Hashes>,
    /// Bytes of pieces that passed.
    right: u64,
    /// New pieces go to libtorrent until some of those kept are decided.
    full: bool,
}

impl Verdicts {
    /// libtorrent has the torrent anew: nothing of it is kept back, and blocks are copied again.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// A block came, with its bytes if it is watched.
    pub fn block(
        &mut self,
        bridge: &Bridge,
        torrent: u32,
        layout: &Layout,
        picker: &mut Picker,
        event: &Event,
        now: Duration,
    ) {
        let Some(bytes) = event.bytes.as_ref() else { return };
        let kept = event.kind == EventKind::BlockKept;
        // A piece that was found right stands: its late copies have no verdict to come, and would be kept for ever.
        if (self.level == Level::Off && !kept) || picker.have().contains(event.piece) {
            return;
        }
        if kept && self.level == Level::Copy {
            // v2: the bridge began with it.
            self.level = Level::Keep;
            picker.set_keeps_evidence(true);
        }
        let block = event.offset / BLOCK_LEN;
        self.evidence.add(layout, event.piece, block, PeerId(event.peer), bytes.as_slice().to_vec(), kept);
        if kept {
            self.examine(bridge, torrent, picker, event.piece, now);
        }
        self.limit(bridge, torrent);
    }

    /// Bytes of pieces without a verdict, where all of a span are here and were copied. `span`: torrent offsets.
    pub fn copy(&self, layout: &Layout, span: Range<u64>) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut at = span.start;
        while at < span.end {
            let piece = layout.piece_at(at);
            let in_piece = at - layout.start_of(piece);
            let block = u32::try_from(in_piece / u64::from(BLOCK_LEN)).ok()?;
            let whole = self.evidence.copy(piece, block)?;
            let from = usize::try_from(in_piece % u64::from(BLOCK_LEN)).ok()?;
            let most = usize::try_from(span.end - at).unwrap_or(usize::MAX);
            let part = whole.get(from..)?;
            let part = &part[..part.len().min(most)];
            if part.is_empty() {
                return None;
            }
            bytes.extend_from_slice(part);
            at += part.len() as u64;
        }
        Some(bytes)
    }

    /// libtorrent found a piece right.
    pub fn passed(&mut self, bridge: &Bridge, torrent: u32, layout: &Layout, picker: &Picker, piece: u32) {
        self.evidence.close(piece, None);
        self.right += u64::from(layout.len_of(piece));
        let proven = match self.level {
            Level::Off => false,
            Level::Copy => self.right >= TRIAL,
            Level::Keep => self.right >= TRIAL && !picker.is_wary(),
        };
        if proven {
            if self.level == Level::Copy {
                self.evidence.clear();
            }
            // What is kept back goes on to its verdict.
            self.watch(bridge, torrent, Level::Off);
        }
        self.limit(bridge, torrent);
    }

    /// libtorrent found a piece wrong.
    pub fn failed(&mut self, bridge: &Bridge, torrent: u32, picker: &mut Picker, piece: u32, now: Duration) {
        let hashes = self.hashes.get_or_insert_with(|| Hashes::of(bridge, torrent));
        if matches!(hashes, Hashes::None) {
            // libtorrent finds wrong blocks by their own hashes.
            if self.level == Level::Copy {
                self.evidence.clear();
            }
            self.watch(bridge, torrent, Level::Off);
        } else {
            picker.set_keeps_evidence(true);
            self.watch(bridge, torrent, Level::Keep);
        }
        if self.evidence.refuted(piece) {
            self.examine(bridge, torrent, picker, piece, now);
        } else {
            picker.on(Input::Failed(piece), now);
        }
    }

    fn examine(&mut self, bridge: &Bridge, torrent: u32, picker: &mut Picker, piece: u32, now: Duration) {
        let hashes = self.hashes.get_or_insert_with(|| Hashes::of(bridge, torrent));
        let is_right = hashes.check(piece);
        if let Some(bytes) = picker.examine(&mut self.evidence, piece, now, is_right) {
            bridge.add_piece(torrent, piece, &bytes);
        }
    }

    /// Keeps memory within bounds.
    fn limit(&mut self, bridge: &Bridge, torrent: u32) {
        let bytes = self.evidence.bytes();
        match self.level {
            Level::Copy if bytes > MOST => {
                self.evidence.clear();
                self.watch(bridge, torrent, Level::Off);
            }
            Level::Keep if bytes > MOST => {
                self.full = true;
                self.watch(bridge, torrent, Level::Off);
            }
            Level::Off if self.full && bytes < MOST / 2 => {
                self.full = false;
                self.watch(bridge, torrent, Level::Keep);
            }
            _ => {}
        }
    }

    fn watch(&mut self, bridge: &Bridge, torrent: u32, level: Level) {
        if self.level != level {
            self.level = level;
            let kind = bridge::CommandKind::Watch;
            let command = bridge::Command { kind, peer: 0, piece: 0, offset: level as u32, length: 0 };
            bridge.command(torrent, &[command]);
        }
    }
}

#[cfg(test)]
mod tests {
    use cxx::CxxVector;

    use super::*;
    use crate::bridge::Network;
    use crate::schedule::bits::Bits;
    use crate::schedule::plan::Windows;

    const PIECE: u32 = 64 * 1024;

    /// A block as the bridge reports it.
    fn block(piece: u32) -> Event {
        let mut bytes = CxxVector::new();
        (0..BLOCK_LEN).for_each(|_| bytes.pin_mut().push(7));
        let (kind, text) = (EventKind::BlockKept, String::new());
        Event { kind, torrent: 1, peer: 1, piece, offset: 0, length: BLOCK_LEN, data: vec![], bytes, text }
    }

    #[test]
    fn late_copies_of_a_piece_that_is_right_are_not_kept() {
        let bridge = Bridge::start(&Network::unreachable(), Vec::new(), true).expect("libtorrent");
        let layout = Layout::new(PIECE, 4 * u64::from(PIECE)).expect("a torrent");
        let mut picker = Picker::new(Windows::default());
        let mut have = Bits::none(layout.pieces());
        have.insert(2);
        picker.begin(layout.clone(), have);
        let mut verdicts = Verdicts::default();
        for piece in [2, 3] {
            verdicts.block(&bridge, 1, &layout, &mut picker, &block(piece), Duration::ZERO);
        }
        assert!(verdicts.evidence.copy(2, 0).is_none(), "it is right already");
        assert!(verdicts.evidence.copy(3, 0).is_some(), "it has no verdict yet");
        assert_eq!(verdicts.evidence.bytes(), u64::from(BLOCK_LEN));
    }
}
