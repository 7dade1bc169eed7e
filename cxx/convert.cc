#include "vozduxan/cxx/convert.h"

#include <stdexcept>
#include <string>

#include <libtorrent/announce_entry.hpp>
#include <libtorrent/bdecode.hpp>
#include <libtorrent/file_storage.hpp>
#include <libtorrent/load_torrent.hpp>
#include <libtorrent/magnet_uri.hpp>
#include <libtorrent/read_resume_data.hpp>

#include "vozduxan/cxx/shim.h"

namespace vozduxan {
namespace {

// Far above any music torrent; libtorrent's own limits (torrent_info.hpp) would let one file cost gigabytes.
constexpr int max_torrent = 10 * 1000 * 1000;
// Metadata of that size, the verified pieces, peers and trackers.
constexpr int max_resume = 2 * max_torrent;

// libtorrent looks at max_buffer_size when it reads a file itself, not when it is given bytes.
void check_size(rust::Slice<std::uint8_t const> const bytes, int const most) {
  if (bytes.size() <= static_cast<std::size_t>(most)) return;
  throw std::length_error("it has " + std::to_string(bytes.size()) + " bytes, more than the " + std::to_string(most) +
                          " that are read");
}

lt::load_torrent_limits limits() {
  lt::load_torrent_limits limits;
  limits.max_buffer_size = max_torrent;
  limits.max_pieces = 500'000;
  limits.max_decode_depth = 100;
  limits.max_decode_tokens = 2'000'000;
  return limits;
}

lt::span<char const> as_chars(rust::Slice<std::uint8_t const> const bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), static_cast<std::ptrdiff_t>(bytes.size())};
}

template <typename Hash>
rust::Vec<std::uint8_t> hash_bytes(bool const present, Hash const& hash) {
  if (!present) return {};
  return to_bytes(reinterpret_cast<char const*>(hash.data()), static_cast<std::size_t>(Hash::size()));
}

}  // namespace

rust::Vec<std::uint8_t> to_bytes(char const* const data, std::size_t const length) {
  if (length == 0) return {};
  return copied({reinterpret_cast<std::uint8_t const*>(data), length});
}

std::string text_of(lt::tcp::endpoint const& endpoint) {
  std::string const address = endpoint.address().to_string();
  std::string const port = std::to_string(endpoint.port());
  return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

lt::settings_pack to_settings(rust::Slice<Setting const> const settings) {
  lt::settings_pack pack;
  for (Setting const& setting : settings) {
    std::string const name(setting.name);
    int const id = lt::setting_by_name(name);
    if (id < 0) throw std::invalid_argument("libtorrent knows no setting " + name);
    switch (id & lt::settings_pack::type_mask) {
      case lt::settings_pack::string_type_base: pack.set_str(id, std::string(setting.text)); break;
      case lt::settings_pack::int_type_base: pack.set_int(id, setting.number); break;
      default: pack.set_bool(id, setting.number != 0); break;
    }
  }
  return pack;
}

Metadata to_metadata(lt::torrent_info const& info) {
  Metadata out{};
  lt::file_storage const& files = info.files();
  out.name = rust::String::lossy(info.name());
  out.piece_length = static_cast<std::uint32_t>(info.piece_length());
  out.piece_count = static_cast<std::uint32_t>(info.num_pieces());
  out.total_length = static_cast<std::uint64_t>(info.total_size());
  out.private_torrent = info.priv();
  lt::info_hash_t const hashes = info.info_hashes();
  out.v1 = hash_bytes(hashes.has_v1(), hashes.v1);
  out.v2 = hash_bytes(hashes.has_v2(), hashes.v2);
  std::string const prefix = info.name() + "/";
  out.files.reserve(static_cast<std::size_t>(files.num_files()));
  for (lt::file_index_t const index : files.file_range()) {
    FileInfo file{};
    std::string const path = files.file_path(index);
    bool const below = path.compare(0, prefix.size(), prefix) == 0;
    file.path = rust::String::lossy(below ? path.substr(prefix.size()) : path);
    file.disk_path = rust::String::lossy(path);
    file.offset = static_cast<std::uint64_t>(files.file_offset(index));
    file.length = static_cast<std::uint64_t>(files.file_size(index));
    lt::file_flags_t const flags = files.file_flags(index);
    file.pad = bool(flags & lt::file_storage::flag_pad_file);
    file.symlink = bool(flags & lt::file_storage::flag_symlink);
    out.files.push_back(std::move(file));
  }
  return out;
}

std::shared_ptr<lt::torrent_info> parse_torrent(rust::Slice<std::uint8_t const> const bytes) {
  check_size(bytes, max_torrent);
  return std::make_shared<lt::torrent_info>(as_chars(bytes), limits(), lt::from_span);
}

lt::add_torrent_params parse_resume(rust::Slice<std::uint8_t const> const bytes) {
  check_size(bytes, max_resume);
  return lt::read_resume_data(as_chars(bytes), limits());
}

Metadata inspect_torrent(rust::Slice<std::uint8_t const> const bytes) {
  auto const info = parse_torrent(bytes);
  Metadata out = to_metadata(*info);
  for (lt::announce_entry const& tracker : info->trackers()) out.trackers.push_back(rust::String::lossy(tracker.url));
  return out;
}

Metadata inspect_resume(rust::Slice<std::uint8_t const> const bytes) {
  lt::add_torrent_params const params = parse_resume(bytes);
  if (!params.ti) throw std::invalid_argument("the resume data holds no metadata");
  return to_metadata(*params.ti);
}

MagnetInfo inspect_magnet(rust::Str const uri) {
  lt::add_torrent_params const params = lt::parse_magnet_uri(std::string(uri));
  MagnetInfo out{};
  out.v1 = hash_bytes(params.info_hashes.has_v1(), params.info_hashes.v1);
  out.v2 = hash_bytes(params.info_hashes.has_v2(), params.info_hashes.v2);
  out.name = rust::String::lossy(params.name);
  for (std::string const& url : params.trackers) out.trackers.push_back(rust::String::lossy(url));
  for (lt::tcp::endpoint const& peer : params.peers) out.peers.push_back(rust::String::lossy(text_of(peer)));
  return out;
}

}  // namespace vozduxan
