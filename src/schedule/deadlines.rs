//! libtorrent's own way to fetch "this first": three tiers told as piece priorities and deadlines, once per position.
//!
//! Selected by `stream.scheduler = "deadlines"`. It is here to be compared with [`super::picker`], with every libtorrent
//! anew: libtorrent serves deadlines once a second, picks pieces of equal priority in random order, and lets a seek
//! wait behind the requests that are on their way.
//!
//! | pieces from the position | told as |
//! |---|---|
//! | the next 20, and what a reader waits for | deadline of 8 s |
//! | up to 60 | priority 6 |
//! | the rest of the file; background streams | priority 4, libtorrent's default |
//! | other files | priority 0: not fetched |

use super::bits::Bits;
use super::layout::Layout;
use super::plan::{Demand, Rank, Windows};

/// The one deadline, in milliseconds from the moment it is told.
pub const DEADLINE_MS: i32 = 8000;

/// A piece's standing with libtorrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Unwanted,
    Rest,
    Ahead,
    Due,
}

/// What libtorrent is to be told about a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The piece.
    pub piece: u32,
    /// libtorrent's download_priority_t, 0..=7.
    pub priority: u8,
    /// Milliseconds from now; `None`: no deadline.
    pub deadline_ms: Option<i32>,
    /// An earlier deadline is taken back.
    pub release: bool,
}

/// What libtorrent was told about one torrent.
#[derive(Clone, Debug, Default)]
pub struct Deadlines {
    told: Vec<Standing>,
    positions: Vec<u32>,
}

impl Deadlines {
    /// The torrent was added or checked anew: libtorrent is taken to want everything, without deadlines.
    pub fn begin(&mut self, layout: &Layout) {
        self.told = vec![Standing::Rest; layout.pieces() as usize];
        self.positions.clear();
    }

    /// What changed since the last call. When a main stream's position came to another piece, all its deadlines are
    /// told anew. Pieces at hand are never named.
    pub fn orders(
        &mut self,
        demands: &[Demand],
        layout: &Layout,
        have: &Bits,
        windows: &Windows,
    ) -> Vec<Order> {
        let wanted = standings(demands, layout, windows);
        let positions: Vec<u32> = mains(demands).map(|demand| layout.piece_at(demand.position)).collect();
        let moved = std::mem::replace(&mut self.positions, positions) != self.positions;
        let mut orders = Vec::new();
        for (piece, (told, wanted)) in (0u32..).zip(self.told.iter_mut().zip(wanted)) {
            let anew = moved && wanted == Standing::Due;
            if have.contains(piece) || (*told == wanted && !anew) {
                continue;
            }
            orders.push(Order {
                piece,
                priority: match wanted {
                    Standing::Unwanted => 0,
                    Standing::Rest => 4,
                    Standing::Ahead => 6,
                    Standing::Due => 7,
                },
                deadline_ms: (wanted == Standing::Due).then_some(DEADLINE_MS),
                release: *told == Standing::Due && wanted != Standing::Due,
            });
            *told = wanted;
        }
        orders
    }
}

fn mains(demands: &[Demand]) -> impl Iterator<Item = &Demand> {
    demands.iter().filter(|demand| demand.rank == Rank::Main)
}

/// The tiers of all streams, from nothing; the sooner one wins.
fn standings(demands: &[Demand], layout: &Layout, windows: &Windows) -> Vec<Standing> {
    let mut wanted = vec![Standing::Unwanted; layout.pieces() as usize];
    let mut put = |pieces: std::ops::Range<u32>, standing| {
        if let Some(slots) = wanted.get_mut(pieces.start as usize..pieces.end as usize) {
            slots.fill(standing);
        }
    };
    for demand in demands {
        put(layout.pieces_of(&demand.file), Standing::Rest);
    }
    for (reach, standing) in [(windows.ahead_pieces, Standing::Ahead), (windows.urgent_pieces, Standing::Due)]
    {
        for demand in mains(demands) {
            let file = layout.pieces_of(&demand.file);
            let first = layout.piece_at(demand.position).clamp(file.start, file.end);
            put(first..file.end.min(first.saturating_add(reach)), standing);
        }
    }
    for span in mains(demands).flat_map(|demand| &demand.now) {
        put(layout.pieces_of(span), Standing::Due);
    }
    wanted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init)]

    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use proptest::prelude::*;

    fn layout() -> Layout {
        Layout::new(100, 20_000).expect("a torrent")
    }

    fn demand(
        rank: Rank,
        file: std::ops::Range<u64>,
        position: u64,
        now: Vec<std::ops::Range<u64>>,
    ) -> Demand {
        Demand { rank, file, position, now, byte_rate: None, ahead: Duration::ZERO }
    }

    fn started() -> Deadlines {
        let mut deadlines = Deadlines::default();
        deadlines.begin(&layout());
        deadlines
    }

    #[test]
    fn the_three_tiers_are_told_as_the_table_says() {
        let main = demand(Rank::Main, 0..10_000, 500, vec![9_900..10_000]);
        let orders = started().orders(&[main], &layout(), &Bits::none(200), &Windows::default());
        let told: BTreeMap<u32, (u8, Option<i32>)> =
            orders.iter().map(|order| (order.piece, (order.priority, order.deadline_ms))).collect();
        assert_eq!(told.get(&0), None, "the rest of the file has libtorrent's default already");
        assert_eq!(told[&5], (7, Some(8000)));
        assert_eq!(told[&24], (7, Some(8000)));
        assert_eq!(told[&25], (6, None));
        assert_eq!(told[&64], (6, None));
        assert_eq!(told.get(&65), None);
        assert_eq!(told[&99], (7, Some(8000)), "a reader waits for the tail");
        assert_eq!(told[&100], (0, None), "another file");
    }

    #[test]
    fn a_position_in_another_piece_tells_all_deadlines_anew_and_releases_those_behind() {
        let mut deadlines = started();
        let at = |position| [demand(Rank::Main, 0..20_000, position, vec![])];
        let (layout, none, windows) = (layout(), Bits::none(200), Windows::default());
        deadlines.orders(&at(0), &layout, &none, &windows);
        assert_eq!(deadlines.orders(&at(50), &layout, &none, &windows), vec![], "the same piece");
        let orders = deadlines.orders(&at(100), &layout, &none, &windows);
        assert_eq!(orders.iter().filter(|order| order.deadline_ms.is_some()).count(), 20);
        assert!(orders.contains(&Order { piece: 0, priority: 4, deadline_ms: None, release: true }));
    }

    proptest! {
        #[test]
        fn what_was_told_adds_up_to_what_is_wanted(
            moves in prop::collection::vec((any::<bool>(), 0u64..20_000, 1u64..9_000, 0u64..20_000, 0u32..200), 1..12),
        ) {
            let (layout, windows) = (layout(), Windows::default());
            let mut deadlines = started();
            let mut have = Bits::none(200);
            // libtorrent's side: priority, and whether a deadline stands.
            let mut model = vec![(4u8, false); 200];
            for (main, start, len, position, got) in moves {
                let rank = if main { Rank::Main } else { Rank::Background };
                let file = start..(start + len).min(20_000);
                let demands = [demand(rank, file, position, vec![])];
                have.insert(got);
                for order in deadlines.orders(&demands, &layout, &have, &windows) {
                    prop_assert!(!have.contains(order.piece));
                    let slot = &mut model[order.piece as usize];
                    prop_assert_eq!(order.release, slot.1 && order.deadline_ms.is_none());
                    *slot = (order.priority, order.deadline_ms.is_some());
                }
                for (piece, wanted) in (0u32..).zip(standings(&demands, &layout, &windows)) {
                    if !have.contains(piece) {
                        prop_assert_eq!(model[piece as usize].1, wanted == Standing::Due);
                        prop_assert_eq!(model[piece as usize].0 == 0, wanted == Standing::Unwanted);
                    }
                }
            }
        }
    }
}
