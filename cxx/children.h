// Keeps libtorrent's sockets from programs that the host starts. asio opens them without FD_CLOEXEC, so that a player that
// is started would keep the port taken and peers connected for as long as it runs.
#pragma once

#include <cstdint>
#include <set>

#include <libtorrent/peer_connection_handle.hpp>

namespace vozduxan {

// All sockets of this process that are bound to one of these ports.
void keep_from_children(std::set<std::uint16_t> const& ports);

// A connection that is open. Network thread only.
void keep_from_children(lt::peer_connection_handle const& peer);

}  // namespace vozduxan
