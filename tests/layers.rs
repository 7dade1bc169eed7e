//! Who may know whom, checked on the source itself.
//!
//! The crate is one crate, so the compiler lets every room name every other. This test does not: it reads each
//! `crate::…` path in `src/` against the table below, and each line of the rooms that are rules only (values in,
//! values out) against a list of words that rules do not need. What names an operating system may stand in the room
//! `os` only. It also keeps files short enough to read.
//!
//! The checks are functions from text to findings; the second half of this file plants violations to prove that they
//! are found.

use std::path::{Path, PathBuf};

/// Room, and the rooms it may name. Every room may name itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("abi", &["engine", "log", "sync", "units"]),
    ("engine", &["schedule", "http", "storage", "bridge", "media", "log", "sync", "units"]),
    ("http", &["units", "media", "log", "os"]),
    ("storage", &["units", "log", "os"]),
    ("bridge", &["units", "log"]),
    ("schedule", &["units"]),
    ("os", &[]),
    ("media", &[]),
    ("units", &[]),
    ("log", &[]),
    ("sync", &[]),
];

/// Macros live at the crate's root; this says which room they belong to.
const ROOT_MACROS: &[(&str, &str)] = &[("log_line", "log"), ("log_info", "log")];

/// Words that would show a room knows what is not its business.
const FOREIGN: &[(&str, &[&str])] = &[
    ("abi", &["tokio", "hyper", "cxx", "libtorrent::"]),
    ("engine", &["c_char", "c_int", "c_void", "*const ", "*mut ", "cxx::", "StatusCode", "hyper"]),
    ("http", &["torrent", "c_char", "cxx::"]),
    ("storage", &["tokio", "hyper", "cxx::", "c_char"]),
    ("bridge", &["tokio", "hyper"]),
    ("os", &["torrent", "hyper", "cxx::", "c_char"]),
];

/// The one room that may name an operating system.
const SYSTEM_ROOM: &str = "os";

/// What names one. No other room may, nor the crate's root, nor tests: for them there is `os::testing`.
const SYSTEMS: &[&str] = &[
    "rustix",
    "libc::",
    "std::os",
    "os::fd",
    "os::linux",
    "os::unix",
    "os::windows",
    "any(unix",
    "any(windows",
    "cfg!(unix",
    "cfg!(windows",
    "cfg(unix",
    "cfg(windows",
    "not(unix",
    "not(windows",
    "target_family",
    "target_os",
    "target_vendor",
    // tokio's, and not on every system.
    "Interest::PRIORITY",
    "tokio::net::unix",
    "tokio::net::Unix",
    "tokio::signal",
];

/// Files and folders that hold rules only.
const PURE: &[&str] = &[
    "src/schedule/",
    "src/media/",
    "src/units.rs",
    "src/http/request.rs",
    "src/http/range.rs",
    "src/http/conditions.rs",
    "src/http/response.rs",
    "src/storage/evict.rs",
    "src/storage/settings.rs",
];

/// What a rule does not need: clocks, locks, threads, IO, tasks, randomness, the environment, output.
const IMPURE: &[&str] = &[
    "::now()",
    "Mutex",
    "RwLock",
    "Condvar",
    "Atomic",
    "OnceLock",
    "LazyLock",
    "thread_local",
    "static mut",
    "std::thread",
    "thread::",
    "std::fs",
    "fs::",
    "File::",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::env",
    "std::process",
    "parking_lot",
    "tokio",
    "async ",
    ".await",
    "getrandom",
    "rustix",
    "println!",
    "print!",
    "eprintln!",
    "eprint!",
    "dbg!",
];

/// More lines than this and a file has two nouns.
const LONGEST: usize = 500;

/// The room of a file, given as `src/...`; `None` for the crate's root, which may name all.
fn room_of(file: &str) -> Option<&str> {
    let first = file.strip_prefix("src/")?.split('/').next()?;
    let room = first.strip_suffix(".rs").unwrap_or(first);
    (room != "lib").then_some(room)
}

/// The code with comments, but not the line ends, blanked, so that line numbers stay.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", code_of(line))).collect()
}

/// A line without its `//` comment; slashes inside a string are not a comment.
fn code_of(line: &str) -> &str {
    let mut in_string = false;
    let mut escaped = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' if !escaped && !line[..at].ends_with('\'') => in_string = !in_string,
            '/' if !in_string && line[at..].starts_with("//") => return &line[..at],
            _ => {}
        }
        escaped = character == '\\' && !escaped;
    }
    line
}

/// The first name of each path in a `use` group, `{a::b, c}` with its opening brace already read.
fn group(text: &str) -> Vec<(usize, &str)> {
    let (mut depth, mut begin, mut names) = (0, 0, Vec::new());
    for (at, character) in text.char_indices() {
        let closes = character == '}';
        if depth == 0 && (closes || character == ',') {
            let item = &text[begin..at];
            names.push((begin + item.len() - item.trim_start().len(), name(item.trim_start())));
            begin = at + 1;
        }
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ => {}
        }
    }
    names.retain(|(_, name)| !name.is_empty());
    names
}

/// The identifier at the start of `text`.
fn name(text: &str) -> &str {
    let end = text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    &text[..end]
}

/// Each first name after `prefix`, with its place in the text.
fn named_after<'a>(code: &'a str, prefix: &str) -> Vec<(usize, &'a str)> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let whole_word = !code[..at].ends_with(|c: char| c == '_' || c == ':' || c.is_ascii_alphanumeric());
        let after = at + prefix.len();
        match code[after..].strip_prefix('{') {
            _ if !whole_word => {}
            Some(inside) => names.extend(group(inside).into_iter().map(|(p, name)| (after + 1 + p, name))),
            None => names.push((at, name(&code[after..]))),
        }
    }
    names
}

fn line_at(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Paths from one room into another that the table does not allow.
fn layers(file: &str, text: &str) -> Vec<String> {
    let code = without_comments(text);
    let mut findings = Vec::new();
    for (at, _) in code.match_indices("super::super") {
        findings
            .push(format!("{file}:{}: super::super hides a path: name it from crate::", line_at(&code, at)));
    }
    let Some(room) = room_of(file) else { return findings };
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        findings.push(format!("{file}:1: the room {room} is not in the table of tests/layers.rs"));
        return findings;
    };
    for (at, _) in code.match_indices("use crate as ") {
        findings.push(format!("{file}:{}: the crate under another name hides paths", line_at(&code, at)));
    }
    let mut paths = named_after(&code, "crate::");
    // In a room's own root file, `super::` is the crate; elsewhere, and in its test module, it is the room itself.
    if file == format!("src/{room}.rs") || file == format!("src/{room}/mod.rs") {
        let is_room = |name: &str| ROOMS.iter().any(|(room, _)| *room == name);
        paths.extend(named_after(&code, "super::").into_iter().filter(|(_, name)| is_room(name)));
    }
    for (at, name) in paths {
        let named = ROOT_MACROS.iter().find(|(found, _)| *found == name).map_or(name, |(_, room)| room);
        if named != room && !allowed.contains(&named) {
            findings.push(format!("{file}:{}: {room} may not name {named}", line_at(&code, at)));
        }
    }
    findings
}

/// Whether `word` begins a name in `line`: `Atomic` stands for its longer forms, `fs::` is not in `offs::`.
fn says(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
    line.match_indices(word)
        .any(|(at, _)| !word.starts_with(part_of_name) || !line[..at].ends_with(part_of_name))
}

/// Each line of code outside test modules, from 1.
fn product_lines(code: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut skip_until = None;
    let mut test_next = false;
    for (number, line) in (1..).zip(code.lines()) {
        let indent = line.len() - line.trim_start().len();
        match skip_until {
            Some(depth) if indent == depth && line.trim_start().starts_with('}') => skip_until = None,
            Some(_) => {}
            None if line.trim() == "#[cfg(test)]" => test_next = true,
            None if test_next => {
                test_next = false;
                skip_until = line.trim_end().ends_with('{').then_some(indent);
            }
            None => lines.push((number, line)),
        }
    }
    lines
}

/// Words that a room or a rule must not use.
fn words(file: &str, text: &str) -> Vec<String> {
    if file.ends_with("/tests.rs") {
        return Vec::new();
    }
    let code = without_comments(text);
    let foreign = FOREIGN.iter().find(|(room, _)| Some(*room) == room_of(file)).map_or(&[][..], |(_, w)| w);
    let impure = if PURE.iter().any(|pure| file.starts_with(pure)) { IMPURE } else { &[] };
    let mut findings = Vec::new();
    for (number, line) in product_lines(&code) {
        let room = room_of(file).unwrap_or_default();
        let foreign = foreign.iter().filter(|word| says(line, word));
        findings.extend(foreign.map(|word| format!("{file}:{number}: {room} should not know {word}")));
        let impure = impure.iter().filter(|word| says(line, word));
        findings.extend(impure.map(|word| format!("{file}:{number}: pure code names {word}")));
    }
    findings
}

/// Names of operating systems outside the room that is there for them.
fn systems(file: &str, text: &str) -> Vec<String> {
    if room_of(file) == Some(SYSTEM_ROOM) {
        return Vec::new();
    }
    let code = without_comments(text);
    let found = (1..).zip(code.lines()).flat_map(|(number, line)| {
        let words = SYSTEMS.iter().filter(move |word| says(line, word));
        words.map(move |word| format!("{file}:{number}: only {SYSTEM_ROOM} may name a system: {word}"))
    });
    found.collect()
}

fn length(file: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines <= LONGEST {
        return Vec::new();
    }
    vec![format!("{file}:{lines}: {lines} lines, more than {LONGEST}: split it by its nouns")]
}

/// Every file under `folder` whose name ends in one of `endings`, as a path from the repository's root.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.extension().is_some_and(|found| found == *ending)) {
                found.push(path.strip_prefix(root).expect("under the root").to_owned());
            }
        }
    }
    found
}

/// Runs a check over the files and fails with all it found.
fn check(files: Vec<PathBuf>, check: fn(&str, &str) -> Vec<String>) {
    assert!(!files.is_empty(), "no files found: the check would be empty");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut findings = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(root.join(&file)).expect("a source file is UTF-8");
        findings.extend(check(&file.to_string_lossy(), &text));
    }
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn rooms_name_only_the_rooms_they_may_know() {
    check(files("src", &["rs"]), layers);
}

#[test]
fn rules_are_pure_and_rooms_mind_their_business() {
    check(files("src", &["rs"]), words);
}

#[test]
fn one_room_names_the_operating_system() {
    check(files("src", &["rs"]), systems);
}

#[test]
fn files_are_short_enough_to_read() {
    let folders = [
        "src",
        "tests",
        "benches",
        "cxx",
        "c-tests",
        "swarm/src",
        "swarm/cxx",
        "play/src",
        "bench/src",
        "bench/cxx",
    ];
    let endings = ["rs", "c", "h", "cc", "cpp", "cmake", "txt"];
    check(folders.iter().flat_map(|folder| files(folder, &endings)).collect(), length);
}

/// What a check says about one planted file.
fn found(check: fn(&str, &str) -> Vec<String>, file: &str, text: &str) -> String {
    check(file, text).join("\n")
}

#[test]
fn a_planted_path_is_found() {
    let found = |file, text| found(layers, file, text);
    assert_eq!(
        found("src/http/range.rs", "\nuse crate::engine::Error;"),
        "src/http/range.rs:2: http may not name engine"
    );
    assert_eq!(
        found("src/units.rs", "fn f() { crate::log_line!(x, \"\") }"),
        "src/units.rs:1: units may not name log"
    );
    assert_eq!(
        found("src/schedule/plan.rs", "use crate::{\n    units::{FileIndex, PieceIndex},\n    storage,\n};"),
        "src/schedule/plan.rs:3: schedule may not name storage"
    );
    assert_eq!(
        found("src/http/mod.rs", "use super::bridge::X;"),
        "src/http/mod.rs:1: http may not name bridge"
    );
    assert_eq!(found("src/media/mod.rs", "use super::{log, units};").lines().count(), 2);
    assert_eq!(
        found("src/abi/mod.rs", "use super::super::x;"),
        "src/abi/mod.rs:1: super::super hides a path: name it from crate::"
    );
    assert!(found("src/cellar.rs", "").contains("not in the table"));
    assert!(found("src/http/mod.rs", "use crate as all;").contains("hides paths"));
}

#[test]
fn allowed_paths_are_left_alone() {
    let found = |file, text| found(layers, file, text);
    assert_eq!(found("src/engine/mod.rs", "use crate::{bridge, http::Source};\nuse crate::log_line;"), "");
    assert_eq!(found("src/http/range.rs", "use crate::http::Source; // like crate::engine"), "");
    assert_eq!(found("src/http/range.rs", "use super::engine;"), "");
    assert_eq!(found("src/http/mod.rs", "mod tests { use super::*; }"), "");
    assert_eq!(found("src/lib.rs", "use crate::bridge;"), "");
    assert_eq!(found("src/log.rs", "use other_crate::engine;"), "");
}

#[test]
fn a_planted_impurity_is_found() {
    let found = |file, text| found(words, file, text);
    assert_eq!(
        found("src/schedule/plan.rs", "fn f() {\n    let now = Instant::now();\n}"),
        "src/schedule/plan.rs:2: pure code names ::now()"
    );
    for line in
        ["use std::sync::atomic::AtomicU64;", "static X: Mutex<u8>;", "async fn f() {}", "std::fs::read(x)"]
    {
        assert!(found("src/storage/evict.rs", line).contains("pure code names"), "{line}");
        assert_eq!(found("src/storage/files.rs", line), "", "{line}");
    }
    assert_eq!(found("src/abi/mod.rs", "tokio::x"), "src/abi/mod.rs:1: abi should not know tokio");
    assert_eq!(
        found("src/engine/a.rs", "fn f(p: *const u8)"),
        "src/engine/a.rs:1: engine should not know *const "
    );
    assert!(found("src/units.rs", "#[cfg(test)]\nmod tests {\n}\nuse tokio;").contains("src/units.rs:4"));
    assert!(found("src/units.rs", "let x = \"http://a\"; x.await").contains(".await"));
}

#[test]
fn comments_tests_and_longer_names_are_no_impurity() {
    let found = |file, text| found(words, file, text);
    assert_eq!(found("src/units.rs", "// never Instant::now()\nlet offs::x = 1;"), "");
    assert_eq!(found("src/units.rs", "#[cfg(test)]\nmod tests {\n    use std::fs;\n}"), "");
    assert_eq!(found("src/units.rs", "#[cfg(test)]\nmod tests;"), "");
    assert_eq!(found("src/schedule/tests.rs", "std::thread::scope"), "");
}

#[test]
fn a_planted_system_call_is_found_wherever_it_is() {
    let found = |file, text| found(systems, file, text);
    assert_eq!(
        found("src/storage/read.rs", "use std::fs;\nuse rustix::fs::statat;"),
        "src/storage/read.rs:2: only os may name a system: rustix"
    );
    for line in [
        "use std::os::unix::fs::MetadataExt;",
        "use std::{\n    os::fd::AsFd,\n};",
        "let answer = libc::pread(a);",
        "#[cfg(target_os = \"linux\")]",
        "#[cfg(not(windows))]",
        "if cfg!(unix) {}",
        "stream.ready(Interest::PRIORITY)",
        "#[cfg(test)]\nmod tests {\n    use std::os::unix::fs::symlink;\n}",
    ] {
        for file in ["src/http/wire.rs", "src/storage/tests.rs", "src/engine/mod.rs", "src/lib.rs"] {
            assert!(found(file, line).contains("only os may name a system"), "{file}: {line}");
        }
        assert_eq!(found("src/os/file.rs", line), "");
    }
}

#[test]
fn what_only_looks_like_a_system_is_none() {
    let found = |file, text| found(systems, file, text);
    assert_eq!(found("src/storage/read.rs", "use crate::os::{self, Status}; // not rustix, not std::os"), "");
    assert_eq!(found("src/storage/read.rs", "os::file::read_at(file, bytes, at); glibc::x"), "");
    assert_eq!(found("src/schedule/plan.rs", "fn plan(windows: &Windows) { many(windows) }"), "");
    assert_eq!(layers("src/os/file.rs", "use crate::storage::Error;").len(), 1);
    assert_eq!(layers("src/engine/disk.rs", "use crate::os::file;").len(), 1);
}

#[test]
fn a_planted_long_file_is_found() {
    assert_eq!(length("src/a.rs", &"x\n".repeat(LONGEST)), Vec::<String>::new());
    assert!(length("src/a.rs", &"x\n".repeat(LONGEST + 1))[0].starts_with("src/a.rs:501: 501 lines"));
}
