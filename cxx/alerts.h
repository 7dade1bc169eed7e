// libtorrent's alerts as the engine's events.
#pragma once

#include <cstdint>
#include <optional>

#include <libtorrent/alert.hpp>

#include "vozduxan/src/bridge/ffi.rs.h"

namespace vozduxan {

// What an alert about a torrent of this number (0: about none) tells the engine, if anything. A copy: the alert itself is
// gone when the next ones are taken.
std::optional<Event> to_event(lt::alert const& alert, std::uint32_t torrent);

}  // namespace vozduxan
