//! libtorrent behind cxx.
