//! What compiled hosts rely on, written down and compared: `tests/vozduxan.abi`.
//!
//! Names and types come from the committed header, numbers (sizes, alignment, offsets, values) from a C compiler that
//! was given it: what a host's compiler sees. That the header says what the source says is `header.rs`'s business; that
//! the archive and the shared library export these functions and no others, `cmake/symbols.cmake`'s.
//!
//! After a change that is meant: `UPDATE_ABI=1 cargo test --test abi_description`, and read the difference.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const DESCRIPTION: &str = "tests/vozduxan.abi";

const TOP: &str = "\
# What hosts have compiled in: `UPDATE_ABI=1 cargo test --test abi_description` writes it anew.
# 64-bit pointers (LP64). Struct fields: offset, size, type, name. A line that changes or goes breaks compiled hosts.
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a header declares, in its order.
#[derive(Default)]
struct Declarations {
    /// Name, and its constants.
    enums: Vec<(String, Vec<String>)>,
    /// Name, and its fields: type with its array length, name.
    structs: Vec<(String, Vec<(String, String)>)>,
    /// Types that are names only.
    opaque: Vec<String>,
    /// Name, result, types of the parameters.
    callbacks: Vec<(String, String, Vec<String>)>,
    functions: Vec<(String, String, Vec<String>)>,
}

/// The header in statements: comments and preprocessor lines are gone, white space is single.
fn statements(header: &str) -> Vec<String> {
    let mut code = String::new();
    let mut rest = header;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").expect("every comment ends").1;
    }
    code.push_str(rest);
    let lines = code.lines().filter(|line| !line.starts_with('#') && !line.contains("extern \"C\""));
    let code = lines.map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join(" ");
    let (mut depth, mut begin, mut found) = (0, 0, Vec::new());
    for (at, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ';' if depth == 0 => {
                found.push(code[begin..at].split_whitespace().collect::<Vec<_>>().join(" "));
                begin = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// `const char *message` -> type and name; an array's length belongs to the type.
fn declarator(text: &str) -> (String, String) {
    let (text, array) = text.trim().split_at(text.trim().find('[').unwrap_or(text.trim().len()));
    let name_at = text.rfind([' ', '*']).map_or(0, |at| at + 1);
    (format!("{}{array}", text[..name_at].trim()), text[name_at..].to_owned())
}

fn parameters(text: &str) -> Vec<String> {
    let inside = text.trim().trim_end_matches(')');
    inside.split(',').filter(|one| *one != "void").map(|one| declarator(one).0).collect()
}

fn parse(header: &str) -> Declarations {
    let mut all = Declarations::default();
    for statement in statements(header) {
        let body = || statement.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
        if statement.starts_with("typedef enum") {
            let (body, name) = body().expect("an enum has a body");
            let constants = body.split(',').filter_map(|one| one.split('=').next());
            let constants = constants.map(|one| one.trim().to_owned()).filter(|one| !one.is_empty());
            all.enums.push((name.trim().to_owned(), constants.collect()));
        } else if statement.starts_with("typedef struct {") {
            let (body, name) = body().expect("a struct has a body");
            let fields = body.split(';').filter(|one| !one.trim().is_empty()).map(declarator);
            all.structs.push((name.trim().to_owned(), fields.collect()));
        } else if let Some(rest) = statement.strip_prefix("typedef struct ") {
            all.opaque.push(rest.split(' ').next().unwrap_or(rest).to_owned());
        } else if let Some((result, rest)) =
            statement.strip_prefix("typedef ").and_then(|s| s.split_once("(*"))
        {
            let (name, rest) = rest.split_once(")(").expect("a callback has parameters");
            all.callbacks.push((name.to_owned(), result.trim().to_owned(), parameters(rest)));
        } else if let Some((before, rest)) = statement.split_once('(') {
            let (result, name) = declarator(before);
            all.functions.push((name, result, parameters(rest)));
        } else if !statement.trim_matches(['}', ' ']).is_empty() {
            panic!("{DESCRIPTION} has no place for this of the header: {statement}");
        }
    }
    all
}

/// A C program that prints the description of what was declared.
fn program(all: &Declarations) -> String {
    let mut code = String::from("#include <stdio.h>\n#include \"vozduxan.h\"\nint main(void) {\n");
    let mut say = |line: String| code.push_str(&format!("  {line}\n"));
    for (name, result, types) in &all.functions {
        // A function that is only declared links with nothing: its name is text here.
        say(format!("puts(\"function {result} {name}({})\");", types.join(", ")));
    }
    for (name, result, types) in &all.callbacks {
        say(format!("puts(\"callback {result} (*{name})({})\");", types.join(", ")));
        say(format!("printf(\"  size %zu\\n\", sizeof({name}));"));
    }
    for name in &all.opaque {
        say(format!("puts(\"opaque {name}\");"));
    }
    for (name, constants) in &all.enums {
        say(format!("printf(\"enum {name}: size %zu\\n\", sizeof({name}));"));
        for constant in constants {
            say(format!("printf(\"  {constant} = %d\\n\", (int){constant});"));
        }
    }
    for (name, fields) in &all.structs {
        say(format!("printf(\"struct {name}: size %zu, align %zu\\n\", sizeof({name}), _Alignof({name}));"));
        for (kind, field) in fields {
            say(format!(
                "printf(\"  %4zu %4zu  {kind} {field}\\n\", offsetof({name}, {field}), sizeof((({name} *)0)->{field}));"
            ));
        }
    }
    code.push_str("  return 0;\n}\n");
    code
}

/// Describes a header by compiling and running a program for it. `name`: of the files that takes.
fn describe(header: &str, name: &str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("abi-description-{name}"));
    std::fs::create_dir_all(&folder).expect("cargo's directory for tests is writable");
    let file = |name: &str| -> PathBuf { folder.join(name) };
    std::fs::write(file("vozduxan.h"), header).expect("writable");
    std::fs::write(file("program.c"), program(&parse(header))).expect("writable");
    let run = |command: &mut Command| {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    run(Command::new("cc").args(["-std=c11", "-o"]).arg(file("program")).arg(file("program.c")));
    format!("{TOP}{}", run(&mut Command::new(file("program"))))
}

/// What is in one and not in the other, line by line with the struct or enum it belongs to; empty when they agree.
fn differences(old: &str, new: &str) -> Vec<String> {
    let lines = |text: &str| -> Vec<String> {
        let mut owner = "";
        let mut lines = Vec::new();
        for line in text.lines() {
            if line.starts_with(' ') {
                lines.push(format!("{owner}: {}", line.split_whitespace().collect::<Vec<_>>().join(" ")));
            } else {
                owner = line.split(':').next().unwrap_or(line);
                lines.push(line.to_owned());
            }
        }
        lines
    };
    let (old, new) = (lines(old), lines(new));
    let (before, after): (BTreeSet<&String>, BTreeSet<&String>) =
        (old.iter().collect(), new.iter().collect());
    let gone = old.iter().filter(|line| !after.contains(line)).map(|line| format!(" - {line}"));
    let come = new.iter().filter(|line| !before.contains(line)).map(|line| format!(" + {line}"));
    gone.chain(come).collect()
}

fn header() -> String {
    std::fs::read_to_string(root().join("include/vozduxan.h")).expect("include/vozduxan.h is committed")
}

#[test]
#[cfg(target_pointer_width = "64")]
fn the_abi_is_what_is_written_down() {
    let now = describe(&header(), "committed");
    let path = root().join(DESCRIPTION);
    if std::env::var_os("UPDATE_ABI").is_some() {
        std::fs::write(&path, &now).expect("tests/ is writable");
    }
    let written = std::fs::read_to_string(&path).expect("tests/vozduxan.abi is committed");
    let differences = differences(&written, &now);
    assert!(
        differences.is_empty(),
        "the ABI is not what {DESCRIPTION} says:\n{}\n\
         Hosts that are compiled already have the old one in them: take the change back. If every host is built anew\n\
         (then also: another SOVERSION in CMakeLists.txt, another version in vozduxan.map, src/abi/types.rs and\n\
         c-tests/legacy_header.c), write it down: UPDATE_ABI=1 cargo test --test abi_description",
        differences.join("\n")
    );
    assert_eq!(
        written, now,
        "{DESCRIPTION} has another order: UPDATE_ABI=1 cargo test --test abi_description"
    );
}

#[test]
fn the_description_names_the_exported_functions() {
    let listed = std::fs::read_to_string(root().join("cmake/exports.txt")).expect("committed");
    let listed: BTreeSet<&str> = listed.lines().collect();
    let all = parse(&header());
    assert_eq!(all.functions.iter().map(|(name, ..)| name.as_str()).collect::<BTreeSet<_>>(), listed);
}

/// Every kind of change is seen, and named.
#[test]
fn a_planted_change_is_found() {
    let header = header();
    let old = describe(&header, "old");
    let plant = |name: &str, from: &str, to: &str, said: &[&str]| {
        assert!(header.contains(from), "{from}");
        let found = differences(&old, &describe(&header.replacen(from, to, 1), name));
        for part in said {
            assert!(found.iter().any(|line| line.contains(part)), "{name}: no {part:?} in {found:#?}");
        }
    };
    plant(
        "offset",
        "uint32_t cache_ttl_secs;",
        "uint64_t cache_ttl_secs;",
        &[
            " - struct VozduxanConfig: size 40",
            " + struct VozduxanConfig: 16 8 uint64_t cache_ttl_secs",
            "24 4 int listen",
        ],
    );
    plant(
        "size",
        "char token[128];",
        "char token[120];",
        &[" + struct VozduxanStreamInfo: 512 120 char[120] token"],
    );
    plant(
        "value",
        "VOZDUXAN_ERR_INTERNAL = 99",
        "VOZDUXAN_ERR_INTERNAL = 4",
        &["+ enum VozduxanError: VOZDUXAN_ERR_INTERNAL = 4"],
    );
    plant(
        "sign",
        "int64_t byte_offset",
        "uint64_t byte_offset",
        &[
            " - function void vozduxan_stream_notify_position(VozduxanSession *, const char *, int64_t)",
            " + function void vozduxan_stream_notify_position(VozduxanSession *, const char *, uint64_t)",
        ],
    );
    plant(
        "name",
        "uint16_t vozduxan_session_http_port(",
        "uint16_t vozduxan_session_port(",
        &[
            " - function uint16_t vozduxan_session_http_port(VozduxanSession *)",
            " + function uint16_t vozduxan_session_port(VozduxanSession *)",
        ],
    );
    plant(
        "callback",
        "typedef void (*VozduxanProgressFn)(float",
        "typedef void (*VozduxanProgressFn)(double",
        &[" + callback void (*VozduxanProgressFn)(double, const char *, void *)"],
    );
    plant(
        "field",
        "int32_t num_peers;",
        "int32_t num_peers; int32_t num_seeds;",
        &[" + struct VozduxanStreamStats: 8 4 int32_t num_seeds"],
    );
}
