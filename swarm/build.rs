//! Compiles the small C++ side against libtorrent as pkg-config describes it.
//!
//! Every define of libtorrent's `.pc` file goes to the compiler: plugin classes and inline code cross the library's
//! ABI, and a missing define changes their layout silently.

fn main() {
    let libtorrent = pkg_config::Config::new().atleast_version("2.0.8").probe("libtorrent-rasterbar").expect(
        "libtorrent-rasterbar 2.0.8 or newer is needed: on Debian or Ubuntu install libtorrent-rasterbar-dev",
    );
    let mut build = cxx_build::bridge("src/bridge.rs");
    build.files(["cxx/torrent.cc", "cxx/seeder.cc", "cxx/client.cc"]).std("c++17");
    build.includes(&libtorrent.include_paths);
    for (name, value) in &libtorrent.defines {
        build.define(name, value.as_deref());
    }
    build.compile("vozduxan_swarm");
    for file in
        ["src/bridge.rs", "build.rs", "cxx/swarm.h", "cxx/torrent.cc", "cxx/seeder.cc", "cxx/client.cc"]
    {
        println!("cargo:rerun-if-changed={file}");
    }
}
