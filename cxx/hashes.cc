#include "vozduxan/cxx/hashes.h"

#include <algorithm>
#include <vector>

#include <libtorrent/file_storage.hpp>
#include <libtorrent/hasher.hpp>

#include "vozduxan/src/bridge/ffi.rs.h"

namespace vozduxan {
namespace {

template <typename Hasher, std::size_t Length>
std::array<std::uint8_t, Length> hash(rust::Slice<std::uint8_t const> const bytes) {
  Hasher hasher;
  // In parts: hashers take an int.
  constexpr std::size_t part = std::size_t{1} << 24;
  for (std::size_t at = 0; at < bytes.size(); at += part) {
    hasher.update(reinterpret_cast<char const*>(bytes.data()) + at,
                  static_cast<int>(std::min(part, bytes.size() - at)));
  }
  auto const digest = hasher.final();
  std::array<std::uint8_t, Length> out{};
  std::copy(digest.begin(), digest.end(), out.begin());
  return out;
}

}  // namespace

rust::Vec<std::uint8_t> hashes_of(lt::torrent_info const& info) {
  rust::Vec<std::uint8_t> out;
  if (!info.info_hashes().has_v1()) return out;
  out.reserve(static_cast<std::size_t>(info.num_pieces()) * 20);
  for (lt::piece_index_t const piece : info.piece_range()) {
    for (std::uint8_t const byte : info.hash_for_piece(piece)) out.push_back(byte);
  }
  return out;
}

rust::Vec<PieceRoot> roots_of(lt::torrent_handle const& handle, lt::torrent_info const& info) {
  rust::Vec<PieceRoot> out;
  if (info.info_hashes().has_v1() || !info.info_hashes().has_v2()) return out;
  constexpr std::int64_t block = 16 * 1024;
  std::int64_t const piece_length = info.piece_length();
  lt::file_storage const& files = info.orig_files();
  std::vector<std::vector<lt::sha256_hash>> const layers = handle.piece_layers();
  std::vector<PieceRoot> roots(static_cast<std::size_t>(info.num_pieces()), PieceRoot{});
  for (lt::file_index_t const file : files.file_range()) {
    std::int64_t const size = files.file_size(file);
    if (files.pad_file_at(file) || size == 0) continue;
    std::int64_t const first = files.file_offset(file) / piece_length;
    std::int64_t const pieces = (size + piece_length - 1) / piece_length;
    std::size_t const number = static_cast<std::size_t>(static_cast<int>(file));
    for (std::int64_t i = 0; i < pieces; ++i) {
      PieceRoot& piece = roots.at(static_cast<std::size_t>(first + i));
      piece.length = static_cast<std::uint32_t>(std::min(piece_length, size - i * piece_length));
      // BEP 52: a file of one piece has a tree of its own size, whose root is in the info dictionary.
      piece.leaves = pieces > 1 ? static_cast<std::uint32_t>(piece_length / block) : 1;
      while (piece.leaves * block < piece.length) piece.leaves *= 2;
      lt::sha256_hash root;
      if (pieces == 1) {
        root = files.root(file);
      } else if (number < layers.size() && static_cast<std::size_t>(i) < layers[number].size()) {
        root = layers[number][static_cast<std::size_t>(i)];
      }
      if (root.is_all_zeros()) return out;
      std::copy(root.begin(), root.end(), piece.root.begin());
    }
  }
  out.reserve(roots.size());
  for (PieceRoot const& root : roots) out.push_back(root);
  return out;
}

std::array<std::uint8_t, 20> sha1(rust::Slice<std::uint8_t const> const bytes) { return hash<lt::hasher, 20>(bytes); }

std::array<std::uint8_t, 32> sha256(rust::Slice<std::uint8_t const> const bytes) {
  return hash<lt::hasher256, 32>(bytes);
}

}  // namespace vozduxan
