// Between libtorrent's types and the bridge's.
#pragma once

#include <string>

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert.hpp>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/socket.hpp>
#include <libtorrent/torrent_info.hpp>

#include "vozduxan/src/bridge/ffi.rs.h"

namespace vozduxan {

// Throws std::invalid_argument for an unknown name, so that a typing error cannot be a silent default.
lt::settings_pack to_settings(rust::Slice<Setting const> settings);

Metadata to_metadata(lt::torrent_info const& info);

lt::add_torrent_params parse_resume(rust::Slice<std::uint8_t const> bytes);
std::shared_ptr<lt::torrent_info> parse_torrent(rust::Slice<std::uint8_t const> bytes);

// 127.0.0.1:80 or [::1]:80.
std::string text_of(lt::tcp::endpoint const& endpoint);

rust::Vec<std::uint8_t> to_bytes(char const* data, std::size_t length);

}  // namespace vozduxan
