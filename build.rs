//! Compiles the cxx bridge against libtorrent as pkg-config describes it.

fn main() {
    for source in [
        "src/bridge/ffi.rs",
        "cxx/shim.h",
        "cxx/shim.cc",
        "cxx/events.h",
        "cxx/tap.h",
        "cxx/tap.cc",
        "cxx/dial.h",
        "cxx/dial.cc",
        "cxx/convert.h",
        "cxx/convert.cc",
    ] {
        println!("cargo:rerun-if-changed={source}");
    }
    // 2.1 moves headers that the plugins use; it has not been tried.
    let libtorrent =
        match pkg_config::Config::new().range_version("2.0.8".."2.1").probe("libtorrent-rasterbar") {
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
        .files(["cxx/shim.cc", "cxx/tap.cc", "cxx/dial.cc", "cxx/convert.cc"])
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
    // Plugin classes cross the library's border: every define that libtorrent was built with must match.
    for (name, value) in &libtorrent.defines {
        build.define(name, value.as_deref());
    }
    build.compile("vozduxan_cxx");
}
