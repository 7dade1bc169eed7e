//! Tells the linker where libvozduxan.a is; `src/abi.rs` names it and what it needs.
//!
//! VOZDUXAN_LIB_DIR is CMake's build directory or `<prefix>/lib`. Without it nothing is linked: that is enough for
//! `cargo check` and clippy, which link no program.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=VOZDUXAN_LIB_DIR");
    let Ok(folder) = std::env::var("VOZDUXAN_LIB_DIR") else { return };
    let archive = Path::new(&folder).join("libvozduxan.a");
    assert!(archive.is_file(), "{} is missing: build it with CMake first (`make lib`)", archive.display());
    println!("cargo:rerun-if-changed={}", archive.display());
    println!("cargo:rustc-link-search=native={folder}");
}
