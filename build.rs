//! Compiles the cxx bridge against libtorrent: as pkg-config describes it, or as CMake found it where there is no
//! pkg-config (`cmake/libtorrent.cmake` writes a file then and names it in the environment).

use std::path::PathBuf;

/// What C++ that uses libtorrent is compiled with.
struct Libtorrent {
    include_paths: Vec<PathBuf>,
    /// Plugin classes cross the library's border: every define that libtorrent was built with must match.
    defines: Vec<(String, Option<String>)>,
}

fn main() {
    // The folder itself, so that a new file counts too.
    println!("cargo:rerun-if-changed=cxx");
    println!("cargo:rerun-if-changed=src/bridge/ffi.rs");
    println!("cargo:rerun-if-changed=build.rs");
    let libtorrent = match libtorrent() {
        Ok(library) => library,
        Err(error) => {
            eprintln!(
                "libtorrent 2.0 (2.0.8 or later) is needed: on Debian and Ubuntu\n    \
                 apt install libtorrent-rasterbar-dev libssl-dev pkg-config\n{error}"
            );
            std::process::exit(1);
        }
    };
    let mut build = cxx_build::bridge("src/bridge/ffi.rs");
    build
        .files([
            "cxx/shim.cc",
            "cxx/tap.cc",
            "cxx/dial.cc",
            "cxx/children.cc",
            "cxx/alerts.cc",
            "cxx/convert.cc",
            "cxx/hashes.cc",
        ])
        .std("c++17")
        // Nothing of the C++ side may be visible outside the library.
        .flag_if_supported("-fvisibility=hidden")
        .flag_if_supported("-fvisibility-inlines-hidden")
        // GCC marks some of boost's statics STB_GNU_UNIQUE, which no tool can make local afterwards.
        .flag_if_supported("-fno-gnu-unique")
        .flag_if_supported("-ffunction-sections")
        .flag_if_supported("-fdata-sections")
        .flag_if_supported("-Wno-deprecated-declarations")
        .warnings(false);
    for path in &libtorrent.include_paths {
        build.include(path);
    }
    for (name, value) in &libtorrent.defines {
        build.define(name, value.as_deref());
    }
    build.compile("vozduxan_cxx");
}

/// Finds libtorrent.
///
/// # Errors
/// A text for people when there is none that fits, or CMake's file cannot be read.
fn libtorrent() -> Result<Libtorrent, String> {
    println!("cargo:rerun-if-env-changed=VOZDUXAN_LIBTORRENT_FLAGS");
    if let Some(path) = std::env::var_os("VOZDUXAN_LIBTORRENT_FLAGS") {
        let path = PathBuf::from(path);
        println!("cargo:rerun-if-changed={}", path.display());
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        return flags(&text);
    }
    // 2.1 moves headers that the plugins use; it has not been tried.
    let found = pkg_config::Config::new()
        .range_version("2.0.8".."2.1")
        .probe("libtorrent-rasterbar")
        .map_err(|error| error.to_string())?;
    Ok(Libtorrent { include_paths: found.include_paths, defines: found.defines.into_iter().collect() })
}

/// Reads lines of `include PATH`, `define NAME` and `define NAME=VALUE`.
fn flags(text: &str) -> Result<Libtorrent, String> {
    let mut found = Libtorrent { include_paths: Vec::new(), defines: Vec::new() };
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.split_once(' ') {
            Some(("include", path)) => found.include_paths.push(path.into()),
            Some(("define", define)) => found.defines.push(match define.split_once('=') {
                Some((name, value)) => (name.into(), Some(value.into())),
                None => (define.into(), None),
            }),
            _ => return Err(format!("VOZDUXAN_LIBTORRENT_FLAGS: not an include or a define: {line}")),
        }
    }
    Ok(found)
}
