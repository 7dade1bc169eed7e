//! What the measurements of a row say together: medians, ratios to the limit, verdicts.

use crate::{
    acts::{Curves, Sample, Unit},
    rows::{Candidate, Row},
    stats::{self, Summary},
};
use serde::Serialize;

/// All of a row.
#[derive(Debug, Clone, Serialize)]
pub struct RowResult {
    /// The row, as the command line left it.
    pub row: Row,
    /// Its candidates, in the row's order.
    pub candidates: Vec<CandidateResult>,
}

/// What one candidate reached.
#[derive(Debug, Clone, Serialize)]
pub struct CandidateResult {
    /// Who.
    pub candidate: Candidate,
    /// Figures, the main one first.
    pub figures: Vec<FigureResult>,
    /// What went wrong, one text for each measurement that failed.
    pub failures: Vec<String>,
    /// Bytes over time of the first measurement.
    pub curve: Option<Curves>,
}

/// One figure over all measurements.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FigureResult {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Median and range.
    pub summary: Summary,
    /// Each measurement.
    pub values: Vec<f64>,
    /// The median of the limits, which differ where places do.
    pub limit: Option<f64>,
    /// The median of each measurement's ratio to its own limit.
    pub ratio: Option<f64>,
    /// What the median has to reach; of the engine only.
    pub target: Option<f64>,
    /// Measurements that were better than their limit, which cannot be.
    pub impossible: usize,
    /// How it compares with nginx in the same run; of the engine only, where the table asks for it.
    pub beside: Option<Beside>,
}

/// A median as a multiple of nginx's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Beside {
    /// How many times nginx's it is.
    pub times: f64,
    /// The worst that passes.
    pub target: f64,
    /// Whether that is met: at least the target for a rate, at most for what is spent.
    pub met: bool,
}

impl FigureResult {
    /// Whether all targets are met; `None` without one. The smaller figure is the better one everywhere that has a target
    /// of its own.
    pub fn passes(&self) -> Option<bool> {
        let own = self.target.map(|target| self.summary.median <= target);
        let beside = self.beside.map(|beside| beside.met);
        own.into_iter().chain(beside).reduce(|a, b| a && b)
    }
}

impl CandidateResult {
    /// Sums up what was measured. `changed`: the row is not as in the table, so that targets have to be scaled.
    pub fn new(
        row: &Row,
        changed: bool,
        candidate: Candidate,
        measured: Vec<Result<Sample, String>>,
    ) -> Self {
        let mut samples = Vec::new();
        let mut failures = Vec::new();
        for one in measured {
            match one {
                Ok(sample) => samples.push(sample),
                Err(text) => failures.push(text),
            }
        }
        let mut figures: Vec<FigureResult> = Vec::new();
        for first in samples.iter().flat_map(|sample| &sample.figures) {
            if figures.iter().any(|figure| figure.name == first.name) {
                continue;
            }
            let same = samples.iter().flat_map(|sample| &sample.figures).filter(|one| one.name == first.name);
            let (values, limits): (Vec<f64>, Vec<Option<f64>>) =
                same.map(|one| (one.value, one.limit)).unzip();
            let pairs = || values.iter().zip(&limits).filter_map(|(value, limit)| Some((*value, (*limit)?)));
            let ratios: Vec<f64> = pairs().map(|(value, limit)| value / limit).collect();
            let limits: Vec<f64> = pairs().map(|(_, limit)| limit).collect();
            let Some(summary) = stats::summary(&values) else { continue };
            let limit = stats::summary(&limits).map(|summary| summary.median);
            let target =
                if candidate == Candidate::Engine { target(row, changed, first.name, limit) } else { None };
            figures.push(FigureResult {
                name: first.name,
                unit: first.unit,
                summary,
                limit,
                ratio: stats::summary(&ratios).map(|summary| summary.median),
                target,
                impossible: ratios.iter().filter(|ratio| **ratio < 1.0).count(),
                beside: None,
                values,
            });
        }
        let curve = samples.into_iter().find_map(|sample| sample.curve);
        Self { candidate, figures, failures, curve }
    }

    /// Whether everything was measured and every target met.
    pub fn passes(&self) -> bool {
        self.failures.is_empty() && self.figures.iter().all(|figure| figure.passes() != Some(false))
    }
}

impl RowResult {
    /// Puts the candidates of a row together and compares the engine with nginx where the row says so.
    pub fn new(row: Row, mut candidates: Vec<CandidateResult>) -> Self {
        for (name, target) in &row.nginx {
            let nginx = candidates.iter().find(|result| result.candidate == Candidate::Nginx);
            let nginx = nginx.and_then(|result| result.figures.iter().find(|figure| figure.name == name));
            let Some(nginx) = nginx.map(|figure| figure.summary.median) else { continue };
            let engines = candidates.iter_mut().filter(|result| result.candidate == Candidate::Engine);
            for figure in engines.flat_map(|result| &mut result.figures).filter(|figure| figure.name == name)
            {
                let times = figure.summary.median / nginx;
                let met = match figure.unit {
                    Unit::GigabytesPerSecond => times >= *target,
                    Unit::Seconds | Unit::Megabytes | Unit::Plain => times <= *target,
                };
                figure.beside = Some(Beside { times, target: *target, met });
            }
        }
        Self { row, candidates }
    }

    /// Whether the engine meets the row's targets.
    pub fn passes(&self) -> bool {
        let mut engines = self.candidates.iter().filter(|result| result.candidate == Candidate::Engine);
        engines.all(CandidateResult::passes)
    }

    /// Whether somebody was better than physics allows, so that the limit or the swarm is wrong.
    pub fn impossible(&self) -> bool {
        self.candidates.iter().flat_map(|result| &result.figures).any(|figure| figure.impossible > 0)
    }
}

/// A place whose limit is this much above the table's is another place: its target is as many times its limit.
const ELSEWHERE: f64 = 1.1;

/// The target of a figure. In another swarm than the table's it is as many times the limit as in the table's; where
/// the table knows no limit, there is none then.
fn target(row: &Row, changed: bool, name: &str, limit: Option<f64>) -> Option<f64> {
    let target = *row.targets.get(name)?;
    let scale = row.limits.get(name).zip(limit).map(|(table, limit)| limit / table);
    if target == 0.0 || !changed && scale.is_none_or(|scale| scale < ELSEWHERE) {
        return Some(target);
    }
    Some(target * scale?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{acts::Figure, rows};

    fn row() -> Row {
        let mut row = rows::table().unwrap().swap_remove(0);
        row.targets = [("first".into(), 0.2), ("stalls".into(), 0.0)].into();
        row.limits = [("first".into(), 0.1)].into();
        row
    }

    fn sample(first: f64, limit: f64) -> Result<Sample, String> {
        Ok(vec![Figure::limited("first", first, limit), Figure::plain("stalls", 0.0)].into())
    }

    #[test]
    fn medians_ratios_and_targets() {
        let measured = vec![sample(0.3, 0.1), sample(0.15, 0.1), sample(0.19, 0.1)];
        let result = CandidateResult::new(&row(), false, Candidate::Engine, measured);
        let first = &result.figures[0];
        assert_eq!((first.summary.median, first.limit, first.target), (0.19, Some(0.1), Some(0.2)));
        assert!((first.ratio.unwrap() - 1.9).abs() < 1e-9);
        assert!(result.passes());
        let slow = CandidateResult::new(&row(), false, Candidate::Engine, vec![sample(0.21, 0.1)]);
        assert!(!slow.passes());
        let naive = CandidateResult::new(&row(), false, Candidate::Naive, vec![sample(0.21, 0.1)]);
        assert_eq!(naive.figures[0].target, None);
    }

    #[test]
    fn another_swarm_has_another_target() {
        let result = CandidateResult::new(&row(), true, Candidate::Engine, vec![sample(0.5, 0.3)]);
        assert!((result.figures[0].target.unwrap() - 0.6).abs() < 1e-9);
        // Nothing is nothing everywhere.
        assert_eq!(result.figures[1].target, Some(0.0));
        let unknown = Row { limits: Default::default(), ..row() };
        let result = CandidateResult::new(&unknown, true, Candidate::Engine, vec![sample(0.5, 0.3)]);
        assert_eq!(result.figures[0].target, None);
    }

    #[test]
    fn a_place_that_needs_more_has_more_time() {
        let result = CandidateResult::new(&row(), false, Candidate::Engine, vec![sample(0.3, 0.2)]);
        assert!((result.figures[0].target.unwrap() - 0.4).abs() < 1e-9);
        let result = CandidateResult::new(&row(), false, Candidate::Engine, vec![sample(0.3, 0.105)]);
        assert_eq!(result.figures[0].target, Some(0.2));
    }

    #[test]
    fn what_cannot_be_is_noticed_and_failures_fail() {
        let quick =
            CandidateResult::new(&row(), false, Candidate::Naive, vec![sample(0.2, 0.1), sample(0.09, 0.1)]);
        assert_eq!(quick.figures[0].impossible, 1);
        let result = RowResult::new(row(), vec![quick]);
        assert!(result.impossible());
        let failed =
            CandidateResult::new(&row(), false, Candidate::Engine, vec![sample(0.1, 0.1), Err("x".into())]);
        assert!(!failed.passes() && failed.figures.len() == 2);
    }

    #[test]
    fn the_engine_is_compared_with_nginx_of_the_same_run() {
        let beside = |name: &'static str, unit, engine: f64, nginx: f64, target: f64| {
            let row = Row { targets: [].into(), nginx: [(name.to_owned(), target)].into(), ..row() };
            let one = |who, value| {
                CandidateResult::new(&row, false, who, vec![Ok(vec![Figure::new(name, unit, value)].into())])
            };
            let candidates = vec![one(Candidate::Engine, engine), one(Candidate::Nginx, nginx)];
            let result = RowResult::new(row.clone(), candidates);
            assert_eq!(result.candidates[1].figures[0].beside, None);
            (result.candidates[0].figures[0].beside.unwrap().times, result.passes())
        };
        // A rate is to be large, what is spent is to be small.
        assert_eq!(beside("throughput", Unit::GigabytesPerSecond, 1.5, 2.0, 0.8), (0.75, false));
        assert_eq!(beside("throughput", Unit::GigabytesPerSecond, 1.8, 2.0, 0.8), (0.9, true));
        assert_eq!(beside("cpu_per_gb", Unit::Seconds, 0.75, 0.5, 2.0), (1.5, true));
        assert_eq!(beside("cpu_per_gb", Unit::Seconds, 1.5, 0.5, 2.0), (3.0, false));
        // Where nginx was not measured there is nothing to compare with.
        let row = Row { nginx: [("first".to_owned(), 1.0)].into(), ..row() };
        let alone = CandidateResult::new(&row, false, Candidate::Engine, vec![sample(0.15, 0.1)]);
        assert!(RowResult::new(row, vec![alone]).passes());
    }
}
