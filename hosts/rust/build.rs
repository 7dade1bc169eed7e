//! Builds the library from the folder `vozduxan` beside this package, as a host with a submodule does.

use std::{env, path::Path};

fn main() {
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let library = Path::new(&here).parent().expect("the package lies in a repository").join("vozduxan");
    let mut config = cmake::Config::new(&library);
    config.define("CMAKE_BUILD_TYPE", "Release").define("CMAKE_POSITION_INDEPENDENT_CODE", "ON");
    // Only the tests set these, so that one build of the library serves all of them.
    for name in ["VOZDUXAN_CARGO_PROFILE", "VOZDUXAN_CARGO_DIR"] {
        println!("cargo:rerun-if-env-changed={name}");
        if let Ok(value) = env::var(name) {
            config.define(name, value);
        }
    }
    let prefix = config.build();
    println!("cargo:rustc-link-search=native={}", prefix.join("lib").display());
    println!("cargo:rustc-link-lib=static=vozduxan");
    println!("cargo:rustc-link-lib=stdc++");
    pkg_config::Config::new().atleast_version("2.0").probe("libtorrent-rasterbar").expect("libtorrent");

    // A bridge of the host's own, so that both sides bring the cxx crate's C symbols.
    println!("cargo:rerun-if-changed=cxx");
    cxx_build::bridge("src/scale.rs").file("cxx/scale.cc").std("c++17").compile("host_scale");
}
