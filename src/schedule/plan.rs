//! From streams to an order of pieces: who is served first, and how far ahead.
//!
//! | tier | pieces from the position | purpose |
//! |---|---|---|
//! | 0 | what a player or a start waits for | now, from all peers |
//! | 1 | the next 20, at most 30 s of music | due soon |
//! | 2 | up to 60 | look-ahead |
//! | 3 | the rest of the file | background |
//!
//! The main stream's tiers 0 to 2 go first, then what background streams need to start, then the rest of the main
//! file, then the rest of the others. A piece that two streams want counts once, at its best place.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use super::bits::Bits;
use super::layout::Layout;

/// How soon a piece is needed; smaller is sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Somebody waits for it.
    Now,
    /// Due within the urgent window.
    Urgent,
    /// Look-ahead.
    Ahead,
    /// The rest of the file.
    Rest,
}

/// Whose turn it is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// What the listener hears.
    Main,
    /// What may be heard next.
    Background,
}

/// What one stream wants. Offsets are torrent bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Main before background.
    pub rank: Rank,
    /// The file.
    pub file: Range<u64>,
    /// Where playback is.
    pub position: u64,
    /// Waited for now, most wanted first; may lie anywhere in the file.
    pub now: Vec<Range<u64>>,
    /// Bytes per second of music, when known.
    pub byte_rate: Option<u64>,
}

/// How far the tiers reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Pieces of tier 1.
    pub urgent_pieces: u32,
    /// Pieces of tiers 1 and 2 together.
    pub ahead_pieces: u32,
    /// Tier 1 ends after this much music, however few pieces that are.
    pub urgent_time: Duration,
}

impl Default for Windows {
    fn default() -> Self {
        Self { urgent_pieces: 20, ahead_pieces: 60, urgent_time: Duration::from_secs(30) }
    }
}

/// A piece to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// The piece.
    pub piece: u32,
    /// Its best tier over all streams.
    pub tier: Tier,
    /// Time until playback reaches it, where that is known.
    pub due: Option<Duration>,
}

/// An order of pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Tiers 0 to 2, first wanted first, each piece once, without pieces at hand.
    pub wants: Vec<Want>,
    /// Tier 3 in order; may overlap `wants` and pieces at hand.
    pub rest: Vec<Range<u32>>,
}

impl Plan {
    /// Whether a piece is in tiers 0 to 2.
    #[must_use]
    pub fn tier_of(&self, piece: u32) -> Option<Tier> {
        self.wants.iter().find(|want| want.piece == piece).map(|want| want.tier)
    }
}

/// The plan for all streams of one torrent.
#[must_use]
pub fn plan(demands: &[Demand], layout: &Layout, have: &Bits, windows: &Windows) -> Plan {
    let mut plan = Plan::default();
    let mut seen = HashSet::new();
    let of = |rank: Rank| demands.iter().filter(move |demand| demand.rank == rank);
    let mut add = |demand: &Demand, tiers: &[Tier]| {
        for want in wants_of(demand, layout, windows, tiers) {
            if !have.contains(want.piece) && seen.insert(want.piece) {
                plan.wants.push(want);
            }
        }
    };
    // Tier by tier over the streams of one rank, so that two listeners share.
    for tier in [Tier::Now, Tier::Urgent, Tier::Ahead] {
        of(Rank::Main).for_each(|demand| add(demand, &[tier]));
    }
    for tier in [Tier::Now, Tier::Urgent] {
        of(Rank::Background).for_each(|demand| add(demand, &[tier]));
    }
    of(Rank::Main).for_each(|demand| plan.rest.extend(rest_of(demand, layout)));
    of(Rank::Background).for_each(|demand| plan.rest.extend(rest_of(demand, layout)));
    plan
}

fn wants_of(demand: &Demand, layout: &Layout, windows: &Windows, tiers: &[Tier]) -> Vec<Want> {
    let file = layout.pieces_of(&demand.file);
    let last = file.end;
    let first = layout.piece_at(demand.position).max(file.start);
    let due = |piece: u32| {
        let distance = layout.start_of(piece).saturating_sub(demand.position);
        let seconds = |rate: u64| distance as f64 / rate.max(1) as f64;
        demand.byte_rate.map(|rate| Duration::try_from_secs_f64(seconds(rate)).unwrap_or(Duration::MAX))
    };
    let mut wants = Vec::new();
    for tier in tiers {
        match tier {
            Tier::Now => {
                for span in &demand.now {
                    wants.extend(layout.pieces_of(span).map(|piece| Want {
                        piece,
                        tier: Tier::Now,
                        due: Some(Duration::ZERO),
                    }));
                }
            }
            Tier::Urgent | Tier::Ahead => {
                let end = last.min(first.saturating_add(windows.ahead_pieces));
                for piece in first..end {
                    let late = due(piece).is_some_and(|due| due > windows.urgent_time);
                    let urgent = piece - first < windows.urgent_pieces && !late;
                    let own = if urgent { Tier::Urgent } else { Tier::Ahead };
                    if own == *tier {
                        wants.push(Want { piece, tier: own, due: due(piece) });
                    }
                }
            }
            Tier::Rest => {}
        }
    }
    wants
}

/// From the position to the end, then from the beginning.
fn rest_of(demand: &Demand, layout: &Layout) -> [Range<u32>; 2] {
    let file = layout.pieces_of(&demand.file);
    let at = layout.piece_at(demand.position).clamp(file.start, file.end.max(file.start));
    [at..file.end, file.start..at]
}

#[cfg(test)]
mod tests {
    // One span that is waited for is the common case, not a slip.
    #![allow(clippy::single_range_in_vec_init)]

    use super::*;
    use proptest::prelude::*;

    fn layout() -> Layout {
        Layout::new(100, 100_000).expect("a torrent")
    }

    fn demand(rank: Rank, file: Range<u64>, position: u64) -> Demand {
        Demand { rank, file, position, now: Vec::new(), byte_rate: None }
    }

    #[test]
    fn a_main_stream_gets_its_three_tiers_in_order() {
        let mut main = demand(Rank::Main, 0..50_000, 1000);
        main.now = vec![1000..1001];
        let plan = plan(&[main], &layout(), &Bits::none(1000), &Windows::default());
        assert_eq!(plan.wants[0], Want { piece: 10, tier: Tier::Now, due: Some(Duration::ZERO) });
        assert_eq!(plan.wants.len(), 60);
        assert_eq!(plan.tier_of(29), Some(Tier::Urgent));
        assert_eq!(plan.tier_of(30), Some(Tier::Ahead));
        assert_eq!(plan.rest, vec![10..500, 0..10]);
    }

    #[test]
    fn tier_1_ends_after_thirty_seconds_of_music() {
        let mut main = demand(Rank::Main, 0..50_000, 0);
        main.byte_rate = Some(10); // 10 s a piece
        let plan = plan(&[main], &layout(), &Bits::none(1000), &Windows::default());
        assert_eq!(plan.tier_of(3), Some(Tier::Urgent));
        assert_eq!(plan.tier_of(4), Some(Tier::Ahead));
        assert_eq!(plan.wants[3].due, Some(Duration::from_secs(30)));
    }

    #[test]
    fn the_background_starts_after_the_main_window_and_before_the_rest() {
        let mut next = demand(Rank::Background, 50_000..60_000, 50_000);
        next.now = vec![50_000..50_300];
        let plan = plan(
            &[next, demand(Rank::Main, 0..50_000, 0)],
            &layout(),
            &Bits::none(1000),
            &Windows::default(),
        );
        assert_eq!(plan.wants[59].piece, 59);
        assert_eq!(plan.wants[60].piece, 500);
        assert_eq!(plan.rest[0], 0..500);
    }

    proptest! {
        #[test]
        fn pieces_are_unique_missing_and_inside_a_file(
            streams in prop::collection::vec((any::<bool>(), 0u64..90_000, 1u64..20_000, 0u64..110_000, 0u64..500), 1..4),
            have in prop::collection::btree_set(0u32..1000, 0..400),
        ) {
            let layout = layout();
            let mut bits = Bits::none(1000);
            have.iter().for_each(|i| { bits.insert(*i); });
            let demands: Vec<Demand> = streams.into_iter().map(|(main, start, len, position, rate)| {
                let file = start..(start + len).min(100_000);
                let inside = position.clamp(file.start, file.end - 1);
                // The position may be nonsense.
                Demand { rank: if main { Rank::Main } else { Rank::Background }, now: vec![inside..inside + 1], position, file, byte_rate: (rate > 0).then_some(rate) }
            }).collect();
            let plan = plan(&demands, &layout, &bits, &Windows::default());
            let mut seen = HashSet::new();
            for want in &plan.wants {
                prop_assert!(seen.insert(want.piece));
                prop_assert!(!have.contains(&want.piece));
                prop_assert!(demands.iter().any(|d| layout.pieces_of(&d.file).contains(&want.piece)));
            }
            // Whatever is missing of a file is in the plan somewhere.
            for demand in &demands {
                for piece in layout.pieces_of(&demand.file) {
                    prop_assert!(plan.rest.iter().any(|range| range.contains(&piece)));
                }
            }
        }
    }
}
