//! Plots as SVG: bytes over time for a start, and the first byte of every row that has a limit.
//!
//! Each is one self-contained file with a white ground, readable in any browser.

use super::table::human;
use crate::{
    acts::{Curve, Unit},
    results::RowResult,
    rows::Candidate,
};
use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 120.0;
const RIGHT: f64 = 830.0;
const LIMIT_COLOUR: &str = "#999999";

fn colour(candidate: Candidate) -> &'static str {
    match candidate {
        Candidate::Engine => "#0868ac",
        Candidate::Naive => "#e6550d",
        Candidate::Deadlines => "#756bb1",
        Candidate::Nginx => "#31a354",
    }
}

/// Bytes at the client over time, of every candidate of a start, against the most that physics allows.
pub fn bytes_over_time(result: &RowResult) -> Option<String> {
    const TOP: f64 = 50.0;
    const BOTTOM: f64 = 400.0;
    let curves: Vec<_> =
        result.candidates.iter().filter_map(|c| Some((c.candidate, c.curve.as_ref()?))).collect();
    let limit = &curves.iter().max_by_key(|(_, curves)| curves.limit.len())?.1.limit;
    let end = |curve: &Curve| curve.last().copied().unwrap_or_default();
    let seconds = curves.iter().map(|(_, curves)| end(&curves.got).0).fold(0.0, f64::max);
    let bytes = curves.iter().map(|(_, curves)| end(&curves.got).1).fold(0.0, f64::max);
    if seconds <= 0.0 || bytes <= 0.0 {
        return None;
    }
    let x = |time: f64| LEFT + time.min(seconds) / seconds * (RIGHT - LEFT);
    let y = |size: f64| BOTTOM - size.min(bytes) / bytes * (BOTTOM - TOP);
    // A curve stays where it is until more bytes come, and ends where its measurement did.
    let steps = |curve: &Curve| {
        let mut points = String::new();
        let mut last = 0.0;
        for &(time, size) in curve.iter().take_while(|(time, _)| *time <= seconds) {
            let _ = write!(points, "{:.1},{:.1} {:.1},{:.1} ", x(time), y(last), x(time), y(size));
            last = size;
        }
        points
    };
    let mut out = begin(450.0, &format!("{}: bytes at the client over time", result.row.name));
    for part in 0..=4 {
        let part = f64::from(part) / 4.0;
        grid(&mut out, y(bytes * part));
        text(&mut out, LEFT - 8.0, y(bytes * part) + 4.0, "end", &human(bytes * part / 1e6, Unit::Megabytes));
        text(&mut out, x(seconds * part), BOTTOM + 18.0, "middle", &human(seconds * part, Unit::Seconds));
    }
    let mut legend = LEFT + 10.0;
    let mut line = |name: &str, colour: &str, curve: &Curve, out: &mut String| {
        let points = steps(curve);
        let _ = writeln!(out, "<polyline fill='none' stroke='{colour}' stroke-width='2' points='{points}'/>");
        key(out, legend, BOTTOM + 40.0, name, colour);
        legend += 130.0;
    };
    line("limit", LIMIT_COLOUR, limit, &mut out);
    for (candidate, curves) in &curves {
        line(candidate.name(), colour(*candidate), &curves.got, &mut out);
    }
    Some(out + "</svg>\n")
}

/// The main figure of each row that has a limit: one bar for each candidate and a mark at the limit, on a logarithmic
/// scale.
pub fn first_bytes(results: &[RowResult]) -> Option<String> {
    const BAR: f64 = 12.0;
    const TOP: f64 = 60.0;
    let mut rows = Vec::new();
    for result in results {
        let main = |c: &crate::results::CandidateResult| {
            let figure = c.figures.iter().find(|figure| figure.limit.is_some())?;
            Some((c.candidate, figure.summary.median, figure.limit?))
        };
        let bars: Vec<_> = result.candidates.iter().filter_map(main).collect();
        if !bars.is_empty() {
            rows.push((result.row.name.as_str(), bars));
        }
    }
    let values = || rows.iter().flat_map(|(_, bars)| bars).flat_map(|&(_, value, limit)| [value, limit]);
    let low = values().reduce(f64::min)?.log10().floor();
    let high = values().reduce(f64::max)?.log10().ceil().max(low + 1.0);
    let x = |value: f64| LEFT + (value.log10() - low) / (high - low) * (RIGHT - LEFT);

    let height: f64 = rows.iter().map(|(_, bars)| bars.len() as f64 * BAR + 14.0).sum();
    let mut out = begin(TOP + height + 50.0, "time to the first bytes, against the limit (logarithmic)");
    let mut decade = low;
    while decade <= high {
        let at = x(10f64.powf(decade));
        let end = TOP + height;
        let _ = writeln!(out, "<line x1='{at:.1}' y1='{TOP}' x2='{at:.1}' y2='{end}' stroke='#dddddd'/>");
        text(&mut out, at, end + 16.0, "middle", &human(10f64.powf(decade), Unit::Seconds));
        decade += 1.0;
    }
    let mut y = TOP;
    let mut seen: Vec<Candidate> = Vec::new();
    for (name, bars) in &rows {
        let tall = bars.len() as f64 * BAR;
        text(&mut out, LEFT - 8.0, y + tall / 2.0 + 4.0, "end", name);
        for (number, &(candidate, value, limit)) in bars.iter().enumerate() {
            if !seen.contains(&candidate) {
                seen.push(candidate);
            }
            let top = y + number as f64 * BAR;
            let (width, thick) = (x(value) - LEFT, BAR - 2.0);
            let colour = colour(candidate);
            let _ = writeln!(
                out,
                "<rect x='{LEFT}' y='{top:.1}' width='{width:.1}' height='{thick}' fill='{colour}'/>"
            );
            let at = x(limit);
            let end = top + BAR;
            let _ = writeln!(
                out,
                "<line x1='{at:.1}' y1='{top:.1}' x2='{at:.1}' y2='{end:.1}' stroke='black' stroke-width='2'/>"
            );
            if x(value) + 60.0 < WIDTH {
                text(&mut out, x(value) + 5.0, top + BAR - 2.0, "start", &human(value, Unit::Seconds));
            }
        }
        y += tall + 14.0;
    }
    let mut legend = LEFT;
    key(&mut out, legend, y + 40.0, "limit", "black");
    for candidate in seen {
        legend += 130.0;
        key(&mut out, legend, y + 40.0, candidate.name(), colour(candidate));
    }
    Some(out + "</svg>\n")
}

fn begin(height: f64, title: &str) -> String {
    let mut out = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' font-family='sans-serif' \
         font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n"
    );
    let _ = writeln!(out, "<text x='{LEFT}' y='26' font-size='15'>{}</text>", escape(title));
    out
}

fn grid(out: &mut String, y: f64) {
    let _ = writeln!(out, "<line x1='{LEFT}' y1='{y:.1}' x2='{RIGHT}' y2='{y:.1}' stroke='#dddddd'/>");
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let _ = writeln!(out, "<text x='{x:.1}' y='{y:.1}' text-anchor='{anchor}'>{}</text>", escape(text));
}

fn key(out: &mut String, x: f64, y: f64, name: &str, colour: &str) {
    let top = y - 9.0;
    let _ = writeln!(out, "<rect x='{x:.1}' y='{top:.1}' width='14' height='10' fill='{colour}'/>");
    text(out, x + 20.0, y, "start", name);
}

/// The three characters that XML gives a meaning in text.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        acts::{Curves, Figure, Sample},
        results::CandidateResult,
        rows,
    };

    fn result() -> RowResult {
        let row = rows::table().unwrap().swap_remove(0);
        let curve = Some(Curves { got: vec![(0.0, 0.0), (0.2, 5e5)], limit: vec![(0.0, 0.0), (0.1, 5e5)] });
        let sample = Sample { figures: vec![Figure::limited("first", 0.2, 0.1)], curve };
        let candidate = CandidateResult::new(&row, false, Candidate::Engine, vec![Ok(sample)]);
        RowResult::new(row, vec![candidate])
    }

    #[test]
    fn plots_have_their_curves_and_bars() {
        let plot = bytes_over_time(&result()).unwrap();
        assert_eq!(plot.matches("<polyline").count(), 2, "{plot}");
        assert!(plot.ends_with("</svg>\n") && !plot.contains("NaN"), "{plot}");
        let plot = first_bytes(&[result()]).unwrap();
        assert!(plot.contains("start1") && plot.contains("200 ms") && !plot.contains("NaN"), "{plot}");
    }

    #[test]
    fn nothing_to_plot_is_no_plot() {
        assert_eq!(first_bytes(&[]), None);
        let mut result = result();
        result.candidates[0].curve = None;
        assert_eq!(bytes_over_time(&result), None);
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("a<b & c>d"), "a&lt;b &amp; c&gt;d");
    }
}
