//! From streams to an order of pieces: who is served first, and how far ahead.
//!
//! | tier | pieces from the position | purpose |
//! |---|---|---|
//! | 0 | what a player or a start waits for | now, from all peers |
//! | 1 | the next 20, at most 30 s of music | due soon |
//! | 2 | up to 60 | look-ahead |
//! | 3 | the rest of the file | background |
//!
//! The main streams' tiers 0 to 2 go first, then what background streams need to start, then the rest of the main
//! files, then the rest of the others. A piece that two streams want counts once, at its best place. Streams of one rank
//! share by due time: a window of one may hold megabytes, and the other would fall silent behind them. For a reader
//! that has music in hand, as all have that read faster than they play, that counts from when it will have been heard.

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
    /// Playback reaches `position` after this time: a player that reads faster than it plays has that much in hand.
    pub ahead: Duration,
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
    let mut add = |rank: Rank, tier: Tier| {
        let mut wants: Vec<Want> =
            of(rank).flat_map(|demand| wants_of(demand, layout, windows, tier)).collect();
        if tier != Tier::Now {
            // Stable: what is due together, or at no known time, keeps the streams' order.
            wants.sort_by_key(|want| want.due.unwrap_or_default());
        }
        plan.wants
            .extend(wants.into_iter().filter(|want| !have.contains(want.piece) && seen.insert(want.piece)));
    };
    for tier in [Tier::Now, Tier::Urgent, Tier::Ahead] {
        add(Rank::Main, tier);
    }
    for tier in [Tier::Now, Tier::Urgent] {
        add(Rank::Background, tier);
    }
    of(Rank::Main).for_each(|demand| plan.rest.extend(rest_of(demand, layout)));
    of(Rank::Background).for_each(|demand| plan.rest.extend(rest_of(demand, layout)));
    plan
}

fn wants_of(demand: &Demand, layout: &Layout, windows: &Windows, tier: Tier) -> Vec<Want> {
    let file = layout.pieces_of(&demand.file);
    let first = layout.piece_at(demand.position).max(file.start);
    let due = |piece: u32| {
        let distance = layout.start_of(piece).saturating_sub(demand.position);
        let seconds = |rate: u64| distance as f64 / rate.max(1) as f64;
        let after = |rate: u64| Duration::try_from_secs_f64(seconds(rate)).unwrap_or(Duration::MAX);
        demand.byte_rate.map(|rate| demand.ahead.saturating_add(after(rate)))
    };
    match tier {
        Tier::Now => {
            let pieces = demand.now.iter().flat_map(|span| layout.pieces_of(span));
            pieces.map(|piece| Want { piece, tier, due: Some(Duration::ZERO) }).collect()
        }
        Tier::Urgent | Tier::Ahead => {
            let pieces = first..file.end.min(first.saturating_add(windows.ahead_pieces));
            let want = |piece: u32| {
                let due = due(piece);
                let late = due.is_some_and(|due| due > windows.urgent_time);
                let urgent = piece - first < windows.urgent_pieces && !late;
                let own = if urgent { Tier::Urgent } else { Tier::Ahead };
                (own == tier).then_some(Want { piece, tier, due })
            };
            pieces.filter_map(want).collect()
        }
        Tier::Rest => Vec::new(),
    }
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
        Demand { rank, file, position, now: Vec::new(), byte_rate: None, ahead: Duration::ZERO }
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

    #[test]
    fn two_that_play_share_by_due_time() {
        let mut one = demand(Rank::Main, 0..50_000, 0);
        let mut other = demand(Rank::Main, 50_000..100_000, 50_000);
        one.byte_rate = Some(100); // a piece a second
        other.byte_rate = Some(50);
        let plan = plan(&[one, other], &layout(), &Bits::none(1000), &Windows::default());
        let first: Vec<u32> = plan.wants.iter().take(6).map(|want| want.piece).collect();
        assert_eq!(first, [0, 500, 1, 2, 501, 3]);
        let sorted = |tier| {
            let dues: Vec<_> =
                plan.wants.iter().filter(|want| want.tier == tier).map(|want| want.due).collect();
            dues.is_sorted()
        };
        assert!(sorted(Tier::Urgent) && sorted(Tier::Ahead));
    }

    #[test]
    fn who_has_read_ahead_stands_back_for_who_has_not() {
        let mut one = demand(Rank::Main, 0..50_000, 0);
        let mut other = demand(Rank::Main, 50_000..100_000, 50_000);
        (one.byte_rate, other.byte_rate) = (Some(100), Some(100));
        one.ahead = Duration::from_secs(3);
        let plan = plan(&[one, other], &layout(), &Bits::none(1000), &Windows::default());
        let first: Vec<u32> = plan.wants.iter().take(6).map(|want| want.piece).collect();
        assert_eq!(first, [500, 501, 502, 0, 503, 1]);
        assert_eq!(plan.wants[3].due, Some(Duration::from_secs(3)));
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
                Demand { rank: if main { Rank::Main } else { Rank::Background }, now: vec![inside..inside + 1], position, file, byte_rate: (rate > 0).then_some(rate), ahead: Duration::from_secs(rate % 7) }
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
