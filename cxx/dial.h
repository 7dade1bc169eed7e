// Connecting to one known address at once, by the transport that the engine names.
#pragma once

#include <functional>
#include <vector>

#include <libtorrent/session_handle.hpp>
#include <libtorrent/socket.hpp>
#include <libtorrent/torrent_handle.hpp>

namespace vozduxan {

// Network thread only. Makes libtorrent connect to `address` before this returns, by uTP or by TCP; false when it has a
// connection there, has banned it, or may not connect now; then it knows the address for later. `nudge` has to pause and resume the torrent while its plugin
// answers true to on_pause.
bool connect_now(lt::session_handle const& session, lt::torrent_handle const& handle, lt::tcp::endpoint const& address,
                 bool utp, std::function<void()> const& nudge);

// Network thread only. Lets libtorrent connect again, within a second, to everybody who has given data and has no
// connection, however often that has failed since. If there is nobody of that kind, or with `pardon`, also to everybody
// whom it has banned.
void retry_givers(lt::torrent_handle const& handle, bool pardon);

// Network thread only. The addresses that libtorrent knows and may connect to; `of_trackers`: only those that a tracker
// has named.
std::vector<lt::tcp::endpoint> addresses_of(lt::torrent_handle const& handle, bool of_trackers);

}  // namespace vozduxan
