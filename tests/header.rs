//! The committed header is what the source says, and it compiles in every C and C++ that hosts use.
//!
//! After a change in `src/abi`: `UPDATE_HEADER=1 cargo test --test header`, and read the difference: hosts are
//! compiled against the old one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn header() -> PathBuf {
    root().join("include/vozduxan.h")
}

fn generated() -> String {
    let config =
        cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml is readable");
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root().join("src/abi/types.rs"))
        .with_src(root().join("src/abi/mod.rs"))
        .generate()
        .expect("cbindgen understands src/abi");
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).expect("the source is UTF-8")
}

#[test]
fn the_committed_header_is_current() {
    let generated = generated();
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(header(), &generated).expect("include/ is writable");
    }
    let committed = std::fs::read_to_string(header()).expect("include/vozduxan.h is committed");
    if let Some((line, (old, new))) =
        committed.lines().zip(generated.lines()).enumerate().find(|(_, (old, new))| old != new)
    {
        panic!(
            "include/vozduxan.h:{} is not what src/abi says\n committed: {old}\n generated: {new}\n\
             run: UPDATE_HEADER=1 cargo test --test header",
            line + 1
        );
    }
    assert_eq!(committed, generated, "include/vozduxan.h: run UPDATE_HEADER=1 cargo test --test header");
}

/// Every word of `text` that is a function of ours being declared or defined.
fn functions(text: &str, before: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with(['*', '/']))
        .flat_map(|line| line.split(before).skip(1))
        .filter_map(|rest| rest.split_once('('))
        .map(|(name, _)| format!("vozduxan_{name}"))
        .collect()
}

/// The build keeps exactly the listed symbols; a function that is not listed would silently not be in the library.
#[test]
fn the_list_of_exports_names_the_functions_of_the_source_and_of_the_header() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).expect("a file of this repository");
    let listed: BTreeSet<String> = read("cmake/exports.txt").lines().map(str::to_owned).collect();
    assert_eq!(listed.len(), 10);
    assert_eq!(functions(&read("src/abi/mod.rs"), "pub unsafe extern \"C\" fn vozduxan_"), listed);
    assert_eq!(functions(&read("include/vozduxan.h"), "vozduxan_"), listed);
    let mapped: BTreeSet<String> = read("vozduxan.map")
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';'))
        .filter(|line| line.starts_with("vozduxan_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(mapped, listed);
}

/// Compiles the header alone, twice included, with every warning an error.
fn compile(compiler: &str, language: &str, standard: &str) {
    let source = "#include \"vozduxan.h\"\n#include \"vozduxan.h\"\nint main(void) { return VOZDUXAN_OK; }\n";
    let dir = tempfile(compiler, language, standard, source);
    let output = Command::new(compiler)
        .args(["-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"])
        .args(["-x", language])
        .arg(format!("-std={standard}"))
        .arg("-I")
        .arg(root().join("include"))
        .arg(&dir)
        .output()
        .expect("the compiler that was just found starts");
    assert!(
        output.status.success(),
        "{compiler} -x {language} -std={standard}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn tempfile(compiler: &str, language: &str, standard: &str, source: &str) -> PathBuf {
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("header-{compiler}-{language}-{standard}.txt"));
    std::fs::write(&path, source).expect("cargo's directory for tests is writable");
    path
}

#[test]
fn the_header_compiles_as_c11_and_cpp17() {
    let there = |compiler: &&&str| Command::new(compiler).arg("--version").output().is_ok();
    let compilers: Vec<&&str> = ["cc", "gcc", "clang"].iter().filter(there).collect();
    assert!(!compilers.is_empty(), "a C compiler is needed to build this library");
    for compiler in compilers {
        compile(compiler, "c", "c11");
        compile(compiler, "c", "c17");
        compile(compiler, "c++", "c++17");
    }
}
