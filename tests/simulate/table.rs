//! Random swarms of every kind: ours against simpler ways. `make simulate SWARMS=5000` runs many and writes the table to
//! docs/simulated-swarms.md; the tests run a few hundred.

use std::fmt::Write as _;

use vozduxan::schedule::picker::Picker;
use vozduxan::schedule::plan::Windows;

use super::line::Line;
use super::rivals::Rival;
use super::start::start;
use super::world::{Chooser, Dice, MUSIC, World, main_stream};

/// Swarms where nothing else is said.
const SWARMS: u64 = 200;
/// Seconds of music that are played after the start.
const PLAYED: f64 = 12.0;

/// Two to nine peers, together 1.1 to 8 times as fast as the music, pieces of 16 KiB to 16 MiB. Some peers are silent
/// for a while, choke now and then, leave, or come late; the fastest is always there.
fn swarm(dice: &mut Dice) -> (u32, Vec<Line>) {
    let piece_len = 1u32 << (14 + (dice.roll() * 11.0) as u32);
    let count = 2 + (dice.roll() * 8.0) as usize;
    let mut lines: Vec<Line> =
        (0..count).map(|_| Line::new(dice.log(20e3..2e6), dice.log(0.01..0.3))).collect();
    // The fastest stays: what is left of the others may be too little to ever end.
    lines.sort_by(|a, b| b.rate.total_cmp(&a.rate));
    let sum: f64 = lines.iter().map(|line| line.rate).sum();
    let scale = MUSIC as f64 * dice.log(1.1..8.0) / sum;
    for (at, line) in lines.iter_mut().enumerate() {
        line.rate = (line.rate * scale).max(2e3);
        let fate = dice.roll();
        if fate < 0.1 {
            let from = dice.between(0.0..10.0);
            line.frozen = Some((from, from + dice.between(1.0..10.0)));
        } else if at > 0 && fate < 0.2 {
            line.choke_cycle = Some(dice.between(2.0..10.0));
        } else if at > 0 && fate < 0.25 {
            line.online = (0.0, dice.between(2.0..15.0));
        } else if at > 0 && fate < 0.3 {
            line.online = (dice.between(0.5..10.0), f64::MAX);
        }
    }
    (piece_len, lines)
}

/// What one way of choosing made of all swarms.
#[derive(Default)]
struct Row {
    starts: Vec<f64>,
    seeks: Vec<f64>,
    stalls: Vec<f64>,
    waste: f64,
}

impl Row {
    fn run<C: Chooser>(&mut self, chooser: C, piece_len: u32, lines: Vec<Line>) {
        // Long enough that no swarm gets to where the jump goes.
        let total = (MUSIC as f64 * (PLAYED + 20.0) * 8.0) as u64 + 8 * u64::from(piece_len);
        let steady = lines.iter().all(|line| {
            line.frozen.is_none() && line.choke_cycle.is_none() && line.online == (0.0, f64::MAX)
        });
        let rate: f64 = lines.iter().map(|line| line.rate).sum();
        let trip = lines.iter().map(|line| line.rtt).fold(f64::MAX, f64::min);
        let mut world = World::with(chooser, piece_len, total, lines);
        world.handling = 0.003;
        let (took, limit) = start(&mut world);
        self.starts.push(took / limit);
        self.stalls.push(world.play(&(0..total), 0, PLAYED, MUSIC, &[]));
        let target = world.layout.pieces() - 2;
        let at = world.layout.start_of(target);
        if steady && !world.has(target) {
            let sought = world.now;
            world.want(vec![main_stream(0..total, at, 1)]);
            let took = world.run(sought + 3000.0, |w| w.has(target)) - sought;
            self.seeks.push(took / (trip + f64::from(piece_len) / rate));
        }
        self.waste += world.waste();
    }

    fn stalled(&self) -> (usize, f64) {
        (self.stalls.iter().filter(|stall| **stall > 0.0).count(), self.stalls.iter().sum())
    }

    fn print(&self, name: &str) -> String {
        let three = |of: &[f64]| {
            format!("{:.2} / {:.2} / {:.1}", percentile(of, 50), percentile(of, 95), percentile(of, 100))
        };
        let (count, sum) = self.stalled();
        let mut line = String::new();
        write!(
            line,
            "| {name} | {} | {} | {count} of {}, {sum:.0} s | {:.3} |",
            three(&self.starts),
            three(&self.seeks),
            self.stalls.len(),
            self.waste / self.starts.len() as f64
        )
        .expect("a string takes it");
        line
    }
}

fn percentile(of: &[f64], percent: usize) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

#[test]
fn over_random_swarms_we_start_and_seek_sooner_and_stall_less_than_simpler_ways() {
    let swarms = std::env::var("SIMULATE_SWARMS").ok().and_then(|n| n.parse().ok()).unwrap_or(SWARMS);
    let (mut ours, mut sequential, mut windows) = (Row::default(), Row::default(), Row::default());
    for seed in 0..swarms {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.roll();
        let (piece_len, lines) = swarm(&mut dice);
        ours.run(Picker::new(Windows::default()), piece_len, lines.clone());
        if ours.starts.last().is_some_and(|ratio| *ratio > 2.5) {
            println!("seed {seed}: start at {:.2} times the limit", ours.starts[ours.starts.len() - 1]);
        }
        sequential.run(Rival::new(1, seed), piece_len, lines.clone());
        windows.run(Rival::new(20, seed), piece_len, lines);
    }
    let table = format!(
        "| {swarms} swarms | start / limit: median, 95 %, worst | seek / limit: the same | swarms with stalls, together | \
         received / kept |\n|---|---|---|---|---|\n{}\n{}\n{}\n",
        ours.print("vozduxan"),
        windows.print("20 pieces at random, as with deadlines"),
        sequential.print("in order"),
    );
    println!("{table}");
    if let Ok(path) = std::env::var("SIMULATE_TABLE") {
        let text = include_str!("table.md").replace("TABLE\n", &table);
        std::fs::write(path, text).expect("the table's file can be written");
    }
    for rival in [&sequential, &windows] {
        for percent in [50, 95] {
            assert!(
                percentile(&ours.starts, percent) <= percentile(&rival.starts, percent),
                "start, {percent} %"
            );
            assert!(
                percentile(&ours.seeks, percent) <= percentile(&rival.seeks, percent),
                "seek, {percent} %"
            );
        }
        assert!(ours.stalled().0 <= rival.stalled().0 && ours.stalled().1 <= rival.stalled().1, "stalls");
    }
    let median = percentile(&ours.starts, 50);
    assert!(median < 1.25, "the median start is {median:.2} times the limit");
    assert!(ours.waste / (swarms as f64) < 1.1, "waste {:.3}", ours.waste / swarms as f64);
}
