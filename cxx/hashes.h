// What a torrent's pieces have to hash to, and the hashes themselves.
#pragma once

#include <array>
#include <cstdint>

#include <libtorrent/torrent_handle.hpp>
#include <libtorrent/torrent_info.hpp>

#include "rust/cxx.h"

namespace vozduxan {

struct PieceRoot;

// SHA-1 of every piece, 20 bytes each; empty for a torrent without them.
rust::Vec<std::uint8_t> hashes_of(lt::torrent_info const& info);
// The root of every piece's tree; empty for a torrent with SHA-1s, and while one root is missing. Waits for libtorrent's
// network thread.
rust::Vec<PieceRoot> roots_of(lt::torrent_handle const& handle, lt::torrent_info const& info);

std::array<std::uint8_t, 20> sha1(rust::Slice<std::uint8_t const> bytes);
std::array<std::uint8_t, 32> sha256(rust::Slice<std::uint8_t const> bytes);

}  // namespace vozduxan
