//! A thousand random swarms: ours against simpler ways. `--nocapture` prints the table.

use vozduxan::schedule::picker::Picker;
use vozduxan::schedule::plan::Windows;

use super::line::Line;
use super::rivals::Rival;
use super::start::start;
use super::world::{Chooser, Dice, MUSIC, World};

const SWARMS: u64 = 1000;
/// Seconds of music that are played after the start.
const PLAYED: f64 = 12.0;

/// Two to nine peers, together 1.1 to 8 times as fast as the music, some of them silent for a while.
fn swarm(dice: &mut Dice) -> (u32, Vec<Line>) {
    let piece_len = 1u32 << (16 + (dice.roll() * 5.0) as u32);
    let count = 2 + (dice.roll() * 8.0) as usize;
    let mut lines: Vec<Line> =
        (0..count).map(|_| Line::new(dice.log(20e3..2e6), dice.log(0.01..0.3))).collect();
    let sum: f64 = lines.iter().map(|line| line.rate).sum();
    let scale = MUSIC as f64 * dice.log(1.1..8.0) / sum;
    for line in &mut lines {
        line.rate = (line.rate * scale).max(2e3);
        if dice.roll() < 0.1 {
            let from = dice.between(0.0..10.0);
            line.frozen = Some((from, from + dice.between(1.0..10.0)));
        }
    }
    (piece_len, lines)
}

#[derive(Default)]
struct Row {
    starts: Vec<f64>,
    stalls: Vec<f64>,
    waste: f64,
}

impl Row {
    fn run<C: Chooser>(&mut self, chooser: C, piece_len: u32, lines: Vec<Line>) {
        // Long enough that no swarm gets to its end.
        let total = (MUSIC as f64 * (PLAYED + 20.0)) as u64 + 4 * u64::from(piece_len);
        let mut world = World::with(chooser, piece_len, total, lines);
        world.handling = 0.003;
        let (took, limit) = start(&mut world);
        self.starts.push(took / limit);
        self.stalls.push(world.play(&(0..total), 0, PLAYED, MUSIC, &[]));
        self.waste += world.waste();
    }

    fn start(&self, percent: usize) -> f64 {
        let mut sorted = self.starts.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
    }

    fn stalled(&self) -> (usize, f64) {
        (self.stalls.iter().filter(|stall| **stall > 0.0).count(), self.stalls.iter().sum())
    }

    fn print(&self, name: &str) {
        let (count, sum) = self.stalled();
        println!(
            "{name:<12} start p50 {:5.2}  p90 {:5.2}  p99 {:5.2}  worst {:6.2}   swarms with stalls {count:4}  stalled {sum:7.1} s   received/kept {:.3}",
            self.start(50),
            self.start(90),
            self.start(99),
            self.start(100),
            self.waste / self.starts.len() as f64
        );
    }
}

#[test]
fn over_a_thousand_swarms_we_start_sooner_and_stall_less_than_simpler_ways() {
    let (mut ours, mut sequential, mut windows) = (Row::default(), Row::default(), Row::default());
    for seed in 0..SWARMS {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.roll();
        let (piece_len, lines) = swarm(&mut dice);
        ours.run(Picker::new(Windows::default()), piece_len, lines.clone());
        sequential.run(Rival::new(1, seed), piece_len, lines.clone());
        windows.run(Rival::new(20, seed), piece_len, lines);
    }
    ours.print("ours");
    sequential.print("in order");
    windows.print("20 at random");
    for rival in [&sequential, &windows] {
        for percent in [50, 90, 99] {
            assert!(ours.start(percent) <= rival.start(percent), "start, p{percent}");
        }
        assert!(ours.stalled().0 <= rival.stalled().0 && ours.stalled().1 <= rival.stalled().1, "stalls");
    }
    assert!(ours.start(50) < 1.25, "the median start is {:.2} times the limit", ours.start(50));
    assert!(ours.waste / SWARMS as f64 * 0.9 < 1.0, "waste {:.3}", ours.waste / SWARMS as f64);
}
