//! Results as text.

use crate::{
    acts::Unit,
    results::{CandidateResult, RowResult},
};
use std::fmt::Write as _;

/// The line above all rows.
pub fn header() -> String {
    format!(
        "{:<18} {:<12} {:<10} {:>10}  {:<22} {:>10} {:>7} {:>10}  {}",
        "row", "figure", "candidate", "median", "range", "limit", "×limit", "target", "verdict"
    )
}

/// A row's lines: for each figure one line of each candidate.
pub fn lines(result: &RowResult) -> String {
    let mut out = String::new();
    let mut names: Vec<&str> = Vec::new();
    for figure in result.candidates.iter().flat_map(|candidate| &candidate.figures) {
        if !names.contains(&figure.name) {
            names.push(figure.name);
        }
    }
    let mut row = result.row.name.as_str();
    for name in names {
        let mut label = name;
        for candidate in &result.candidates {
            let Some(line) = line(candidate, name) else { continue };
            let _ = writeln!(out, "{row:<18} {label:<12} {line}");
            (row, label) = ("", "");
        }
    }
    for candidate in &result.candidates {
        for text in &candidate.failures {
            let _ = writeln!(out, "{row:<18} {:<12} {:<10} FAILED: {text}", "", candidate.candidate.name());
            row = "";
        }
    }
    out
}

fn line(result: &CandidateResult, name: &str) -> Option<String> {
    let figure = result.figures.iter().find(|figure| figure.name == name)?;
    let show = |value: f64| human(value, figure.unit);
    let shown = |value: Option<f64>| value.map_or_else(String::new, show);
    let range = format!("[{} .. {}]", show(figure.summary.min), show(figure.summary.max));
    let ratio = figure.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let verdict = match (figure.impossible, figure.passes()) {
        (1.., _) => "LIMIT WRONG",
        (_, Some(true)) => "ok",
        (_, Some(false)) => "MISSED",
        (_, None) => "",
    };
    let beside = figure.beside.map_or_else(String::new, |beside| {
        format!(", {} of nginx's (target {})", digits(beside.times), digits(beside.target))
    });
    let line = format!(
        "{:<10} {:>10}  {range:<22} {:>10} {ratio:>7} {:>10}  {verdict}{beside}",
        result.candidate.name(),
        show(figure.summary.median),
        shown(figure.limit),
        shown(figure.target),
    );
    Some(line.trim_end().to_owned())
}

/// A number with three digits that count, and its unit.
pub fn human(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Seconds if value == 0.0 => "0 s".into(),
        Unit::Seconds if value.abs() < 1e-3 => format!("{} us", digits(value * 1e6)),
        Unit::Seconds if value.abs() < 1.0 => format!("{} ms", digits(value * 1e3)),
        Unit::Seconds => format!("{} s", digits(value)),
        Unit::Megabytes => format!("{} MB", digits(value)),
        Unit::GigabytesPerSecond => format!("{} GB/s", digits(value)),
        Unit::Plain => digits(value),
    }
}

fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size < 10.0 && value.fract() != 0.0 => format!("{value:.2}"),
        size if size < 100.0 && value.fract() != 0.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        acts::Figure,
        rows::{self, Candidate},
    };

    #[test]
    fn numbers_are_short() {
        for (value, unit, text) in [
            (0.1855, Unit::Seconds, "186 ms"),
            (0.0123, Unit::Seconds, "12.3 ms"),
            (0.00022, Unit::Seconds, "220 us"),
            (3.736, Unit::Seconds, "3.74 s"),
            (0.0, Unit::Seconds, "0 s"),
            (24.26, Unit::Megabytes, "24.3 MB"),
            (1.0, Unit::Plain, "1"),
            (1.044, Unit::Plain, "1.04"),
        ] {
            assert_eq!(human(value, unit), text);
        }
    }

    #[test]
    fn a_row_names_itself_once_and_failures_are_told() {
        let row = rows::table().unwrap().swap_remove(0);
        let sample = |value| Ok(vec![Figure::limited("first", value, 0.1)].into());
        let candidates = vec![
            CandidateResult::new(&row, false, Candidate::Engine, vec![sample(0.3)]),
            CandidateResult::new(&row, false, Candidate::Naive, vec![sample(0.05), Err("no peers".into())]),
            CandidateResult::new(&row, false, Candidate::Nginx, vec![sample(0.2)]),
        ];
        let row = rows::Row { nginx: [("first".to_owned(), 2.0)].into(), ..row };
        let result = RowResult::new(row, candidates);
        let text = lines(&result);
        assert_eq!(text.matches("start1").count(), 1, "{text}");
        for part in ["MISSED", "LIMIT WRONG", "FAILED: no peers", "300 ms", "1.50 of nginx's (target 2)"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
