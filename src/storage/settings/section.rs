//! One table of the settings file, read key by key.
//!
//! Every reader takes a default and always answers; what it could not use it writes down. A key that nobody asked
//! for by the time the section ends is unknown, so the list of known keys cannot differ from the code that reads them.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Complaint;

/// A table and what was found wrong in it so far.
pub(super) struct Section<'t> {
    text: &'t str,
    /// `network.proxy`; empty for the whole file.
    name: String,
    /// What has not been asked for yet: key, line of the key, value. In the order of keys.
    entries: Vec<Entry<'t>>,
    /// Lines of the keys already read, for complaints about several keys together.
    read: Vec<(String, usize)>,
    complaints: Vec<Complaint>,
}

struct Entry<'t> {
    key: String,
    line: usize,
    value: Spanned<DeValue<'t>>,
}

impl<'t> Section<'t> {
    /// The whole file. One complaint when it is not TOML.
    pub(super) fn root(text: &'t str) -> Result<Self, Complaint> {
        match DeTable::parse(text) {
            Ok(table) => Ok(Self::new(text, String::new(), table.into_inner())),
            Err(error) => {
                let line = line_of(text, error.span().map_or(0, |span| span.start));
                let problem = format!("not TOML ({}); all defaults are used", error.message());
                Err(Complaint { line, key: String::new(), problem })
            }
        }
    }

    fn new(text: &'t str, name: String, table: DeTable<'t>) -> Self {
        let entry = |(key, value): (Spanned<_>, _)| {
            let line = line_of(text, key.span().start);
            let key: std::borrow::Cow<'_, str> = key.into_inner();
            Entry { key: key.into_owned(), line, value }
        };
        let entries = table.into_iter().map(entry).collect();
        Self { text, name, entries, read: Vec::new(), complaints: Vec::new() }
    }

    /// Reads a table inside this one; an absent one reads as empty.
    pub(super) fn section<T>(&mut self, key: &str, read: impl FnOnce(&mut Section<'t>) -> T) -> T {
        let table = match self.take(key) {
            None => DeTable::new(),
            Some(value) => match value.into_inner() {
                DeValue::Table(table) => table,
                other => {
                    let problem =
                        format!("a section was expected, not {}; its defaults are used", kind(&other));
                    self.complain(key, &problem);
                    DeTable::new()
                }
            },
        };
        let mut section = Section::new(self.text, self.full_name(key), table);
        let value = read(&mut section);
        self.complaints.append(&mut section.finish());
        value
    }

    /// A whole number of `range`, which must fit `T`.
    pub(super) fn number<T>(&mut self, key: &str, range: RangeInclusive<u64>, default: T) -> T
    where
        T: TryFrom<u64> + std::fmt::Display,
    {
        let Some(value) = self.take(key) else { return default };
        let problem = match value.get_ref() {
            DeValue::Integer(digits) => {
                // i128: a number that TOML could not hold is still named in the complaint.
                let number = i128::from_str_radix(digits.as_str(), digits.radix()).ok();
                let number = number.and_then(|number| u64::try_from(number).ok());
                match number
                    .filter(|number| range.contains(number))
                    .and_then(|number| T::try_from(number).ok())
                {
                    Some(number) => return number,
                    None => format!("{digits} is not in {}..={}", range.start(), range.end()),
                }
            }
            other => format!("a whole number was expected, not {}", kind(other)),
        };
        self.complain(key, &format!("{problem}; the default {default} is used"));
        default
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> bool {
        let Some(value) = self.take(key) else { return default };
        value.get_ref().as_bool().unwrap_or_else(|| {
            let problem = format!("true or false was expected, not {}", kind(value.get_ref()));
            self.complain(key, &format!("{problem}; the default {default} is used"));
            default
        })
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, words: &[(&str, T)], default: T) -> T {
        let Some(value) = self.take(key) else { return default };
        let word = value.get_ref().as_str();
        match words.iter().find(|(known, _)| word == Some(known)) {
            Some(&(_, choice)) => choice,
            None => {
                let known: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                self.complain(key, &format!("one of {} was expected; the default is used", known.join(", ")));
                default
            }
        }
    }

    /// A string that `check` accepts. The complaint never repeats it: it may be a password.
    pub(super) fn text(&mut self, key: &str, check: fn(&str) -> Result<(), String>) -> Option<String> {
        let value = self.take(key)?;
        let problem = match value.get_ref().as_str() {
            Some(text) => match check(text) {
                Ok(()) => return Some(text.to_owned()),
                Err(problem) => problem,
            },
            None => format!("a string was expected, not {}", kind(value.get_ref())),
        };
        self.complain(key, &format!("{problem}; the default is used"));
        None
    }

    /// A list of strings. A bad one is left out and the others stay: a typing error in one tracker must not lose
    /// the rest.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        parse: fn(&str) -> Result<T, String>,
        default: Vec<T>,
    ) -> Vec<T> {
        let Some(value) = self.take(key) else { return default };
        let Some(array) = value.get_ref().as_array() else {
            let problem = format!("a list of strings was expected, not {}", kind(value.get_ref()));
            self.complain(key, &format!("{problem}; the default is used"));
            return default;
        };
        let mut list = Vec::new();
        for element in array {
            let parsed = match element.get_ref().as_str() {
                Some(text) => parse(text),
                None => Err(format!("a string was expected, not {}", kind(element.get_ref()))),
            };
            match parsed {
                Ok(element) => list.push(element),
                Err(problem) => {
                    let line = line_of(self.text, element.span().start);
                    self.complain_at(line, key, &format!("{problem}; this entry is left out"));
                }
            }
        }
        list
    }

    /// Writes down a problem with a key of this section.
    pub(super) fn complain(&mut self, key: &str, problem: &str) {
        self.complain_at(self.line(key), key, problem);
    }

    /// Writes down a problem between two keys, of which at least one is in the file.
    pub(super) fn complain_pair(&mut self, keys: [&str; 2], problem: &str) {
        let last = keys.into_iter().max_by_key(|key| self.line(key)).expect("two keys");
        self.complain(last, problem);
    }

    /// Ends the section: what was not read is unknown.
    pub(super) fn finish(mut self) -> Vec<Complaint> {
        for entry in std::mem::take(&mut self.entries) {
            let what = if entry.value.get_ref().is_table() { "section" } else { "key" };
            self.complain_at(entry.line, &entry.key, &format!("unknown {what}; it is ignored"));
        }
        self.complaints
    }

    fn complain_at(&mut self, line: usize, key: &str, problem: &str) {
        let complaint = Complaint { line, key: self.full_name(key), problem: problem.to_owned() };
        self.complaints.push(complaint);
    }

    fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'t>>> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        let entry = self.entries.swap_remove(at);
        self.read.push((entry.key, entry.line));
        Some(entry.value)
    }

    /// Line of a key already read; 0 when it is not in the file.
    fn line(&self, key: &str) -> usize {
        self.read.iter().find(|(read, _)| read == key).map_or(0, |&(_, line)| line)
    }

    fn full_name(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// Line of a byte of the text, from 1.
fn line_of(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    before.iter().filter(|&&byte| byte == b'\n').count() + 1
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}
