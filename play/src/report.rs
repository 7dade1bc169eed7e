//! What is printed: lines, one line that is redrawn where stdout is a terminal, checks, and the table at the end.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::time::{Duration, Instant};

/// Width of the progress bar, in characters.
const BAR_WIDTH: usize = 24;
/// How often a changing line is printed where it cannot be redrawn.
const PLAIN_SPACING: Duration = Duration::from_secs(1);

/// Collects and prints what happens.
pub struct Report {
    terminal: bool,
    /// A line is on the screen that the next one replaces.
    open: bool,
    /// When a changing line was last printed on something that is not a terminal.
    plain_at: Option<Instant>,
    times: Vec<(String, Duration)>,
    right: u32,
    wrong: Vec<String>,
}

impl Report {
    /// Prints to stdout.
    pub fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        Self { terminal, open: false, plain_at: None, times: Vec::new(), right: 0, wrong: Vec::new() }
    }

    /// Prints a line that stays.
    pub fn line(&mut self, text: &str) {
        self.close();
        println!("{text}");
    }

    /// Prints a line that the next one replaces; where it cannot be replaced, at most one a second.
    pub fn passing(&mut self, text: &str) {
        if self.terminal {
            print!("\r\x1b[K{}", cut(text));
            self.open = true;
            // A terminal that is gone is no reason to stop.
            let _ = io::stdout().flush();
        } else if self.plain_at.is_none_or(|at| at.elapsed() >= PLAIN_SPACING) {
            self.plain_at = Some(Instant::now());
            println!("{text}");
        }
    }

    /// A progress bar: `progress` is from 0 to 1.
    pub fn progress(&mut self, progress: f32, status: &str) {
        self.passing(&bar(progress, status));
    }

    /// Keeps a time for the table, and prints it.
    pub fn time(&mut self, what: &str, time: Duration) {
        self.line(&format!("   {what}: {}", human_time(time)));
        self.times.push((what.to_owned(), time));
    }

    /// Prints whether something is as it should be; answers whether it is. `Err` says what is instead.
    pub fn check(&mut self, what: &str, result: Result<(), String>) -> bool {
        match result {
            Ok(()) => {
                self.right += 1;
                self.line(&format!("   ok     {what}"));
                true
            }
            Err(why) => {
                self.line(&format!("   WRONG  {what}: {why}"));
                self.wrong.push(what.to_owned());
                false
            }
        }
    }

    /// Whether no check failed, and there was one.
    pub fn all_right(&self) -> bool {
        self.wrong.is_empty() && self.right > 0
    }

    /// Prints the table of times and the verdict.
    pub fn summary(&mut self) {
        self.line("");
        let table = table(&self.times);
        self.line(table.trim_end());
        let verdict = if self.all_right() {
            format!("All {} checks ok.", self.right)
        } else {
            format!("{} ok, WRONG: {}", self.right, self.wrong.join("; "))
        };
        self.line(&verdict);
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            print!("\r\x1b[K");
        }
        self.plain_at = None;
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

/// `[######......] 50 %  status`
fn bar(progress: f32, status: &str) -> String {
    let progress = progress.clamp(0.0, 1.0);
    let full = (progress * BAR_WIDTH as f32) as usize;
    format!("   [{}{}] {:3.0} %  {status}", "#".repeat(full), ".".repeat(BAR_WIDTH - full), progress * 100.0)
}

/// What fits on a line that is to be redrawn: a wrapped line could not be replaced.
fn cut(text: &str) -> String {
    text.chars().take(79).collect()
}

fn table(times: &[(String, Duration)]) -> String {
    let width = times.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
    times.iter().fold(String::new(), |mut out, (what, time)| {
        let _ = writeln!(out, "   {what:width$}  {:>9}", human_time(*time));
        out
    })
}

/// `0.42 ms`, `12.3 ms`, `345 ms`, `6.78 s`: three digits.
pub fn human_time(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    match ms {
        ..9.995 => format!("{ms:.2} ms"),
        ..99.95 => format!("{ms:.1} ms"),
        ..999.5 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1000.0),
    }
}

/// `512 B`, `20.0 KB`, `10.6 MB`: powers of ten.
pub fn human_bytes(bytes: u64) -> String {
    let number = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} KB", number / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", number / 1e6),
        1_000_000_000.. => format!("{:.1} GB", number / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits() {
        let human = |us| human_time(Duration::from_micros(us));
        assert_eq!([human(4), human(999), human(9_994)], ["0.00 ms", "1.00 ms", "9.99 ms"]);
        assert_eq!([human(9_995), human(99_949), human(99_951)], ["10.0 ms", "99.9 ms", "100 ms"]);
        assert_eq!([human(999_499), human(999_500), human(61_000_000)], ["999 ms", "1.00 s", "61.00 s"]);
    }

    #[test]
    fn bytes_are_scaled() {
        let human = [0, 999, 1_000, 10_584_044, 3_000_000_000].map(human_bytes);
        assert_eq!(human, ["0 B", "999 B", "1.0 KB", "10.6 MB", "3.0 GB"]);
    }

    #[test]
    fn bars_are_as_full_as_they_say() {
        for (progress, full) in
            [(-1.0, 0), (0.0, 0), (0.5, BAR_WIDTH / 2), (1.0, BAR_WIDTH), (7.0, BAR_WIDTH)]
        {
            assert_eq!(bar(progress, "").matches('#').count(), full, "{progress}");
            assert_eq!(bar(progress, "").find(']'), Some(4 + BAR_WIDTH), "{progress}");
        }
        assert_eq!(bar(f32::NAN, "").find(']'), Some(4 + BAR_WIDTH));
    }

    #[test]
    fn one_wrong_check_is_enough() {
        let mut report = Report::new();
        assert!(!report.all_right(), "nothing was checked");
        report.check("a", Ok(()));
        assert!(report.all_right());
        report.check("b", Err("no".into()));
        report.check("c", Ok(()));
        assert!(!report.all_right());
    }
}
