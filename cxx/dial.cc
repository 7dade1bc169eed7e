// How libtorrent 2.0 connects, and what is done about it here.
//
// A torrent has a list of addresses, each with at most one connection. It connects once a second, or at once for as
// many addresses as its "connect boost" has left (torrent::do_connect_boost), which happens among others when a paused
// torrent is resumed. Whether it takes uTP is decided by two settings and by a flag that each address carries
// (torrent::connect_to_peer). No public call connects to one address now, or names the transport. So:
//
// 1. The address gets its flag, and looks as if it had never been tried; all others get the flag for TCP.
// 2. Outgoing uTP is allowed for the length of one function.
// 3. The torrent is paused and resumed. Its plugin answers "handled" to the pause, so that nobody is disconnected.
// 4. The boost is lent some attempts, and given back what it had.
//
// All of it runs inside one function on the network thread, so nothing else can happen between the steps. Headers of
// libtorrent that are installed but meant for itself are needed for 1 and 4: fields are read and written, no function of
// theirs is called (the library does not export them).
#include "vozduxan/cxx/dial.h"

#include <cstdint>
#include <utility>
#include <vector>

#include <libtorrent/peer_info.hpp>
#include <libtorrent/peer_list.hpp>
#include <libtorrent/settings_pack.hpp>
#include <libtorrent/torrent.hpp>
#include <libtorrent/torrent_peer.hpp>
#include <libtorrent/torrent_status.hpp>

namespace vozduxan {
namespace {

// libtorrent's default for max_failcount: an address that failed more often is no candidate any more, and changing that
// here would make its count of candidates wrong.
constexpr std::uint32_t max_failures = 3;

// More than the ten candidates that peer_list chooses at a time: ours is one of the first.
constexpr std::uint8_t lent_boost = 24;

// Access to two members that torrent.hpp keeps private: names in an explicit instantiation are not access-checked
// ([temp.spec.general]).
std::uint8_t& boost_of(lt::torrent& torrent);
lt::peer_list* peers_of(lt::torrent& torrent);

template <auto Boost, auto Peers>
struct Members {
  friend std::uint8_t& boost_of(lt::torrent& torrent) { return torrent.*Boost; }
  // The base is private: only a cast of this kind reaches it.
  friend lt::peer_list* peers_of(lt::torrent& torrent) {
    return (((lt::torrent_hot_members&)torrent).*Peers).get();
  }
};
template struct Members<&lt::torrent::m_connect_boost_counter, &lt::torrent_hot_members::m_peer_list>;

// As torrent_peer::ip(), which is not exported.
bool is_at(lt::torrent_peer const& peer, lt::tcp::endpoint const& address) {
  if (peer.web_seed || peer.port != address.port() || peer.is_v6_addr != address.address().is_v6()) return false;
#if TORRENT_USE_I2P
  if (peer.is_i2p_addr) return false;
#endif
  return peer.is_v6_addr ? static_cast<lt::ipv6_peer const&>(peer).addr == address.address().to_v6().to_bytes()
                         : static_cast<lt::ipv4_peer const&>(peer).addr == address.address().to_v4();
}

// As above.
lt::tcp::endpoint endpoint_of(lt::torrent_peer const& peer) {
  if (peer.is_v6_addr) return {lt::address_v6(static_cast<lt::ipv6_peer const&>(peer).addr), peer.port};
  return {static_cast<lt::ipv4_peer const&>(peer).addr, peer.port};
}

lt::torrent_peer* find(lt::peer_list* const peers, lt::tcp::endpoint const& address) {
  if (!peers) return nullptr;
  for (lt::torrent_peer* const peer : *peers) {
    if (is_at(*peer, address)) return peer;
  }
  return nullptr;
}

void allow_utp(lt::session_handle session, bool const allowed) {
  lt::settings_pack pack;
  pack.set_bool(lt::settings_pack::enable_outgoing_utp, allowed);
  // On the network thread this runs inline (session_handle::async_call dispatches).
  session.apply_settings(std::move(pack));
}

}  // namespace

bool connect_now(lt::session_handle const& session, lt::torrent_handle const& handle, lt::tcp::endpoint const& address,
                 bool const utp, std::function<void()> const& nudge) {
  std::shared_ptr<lt::torrent> const torrent = handle.native_handle();
  if (!torrent) return false;
  if (!find(peers_of(*torrent), address)) handle.connect_peer(address);
  lt::torrent_status const status = handle.status({});
  if (status.errc || (status.flags & lt::torrent_flags::paused)) return false;
  lt::torrent_peer* const wanted = find(peers_of(*torrent), address);
  if (!wanted || wanted->connection || wanted->banned || !wanted->connectable || wanted->failcount >= max_failures) {
    return false;
  }
  for (lt::torrent_peer* const peer : *peers_of(*torrent)) {
    if (peer->connection) continue;
    peer->supports_utp = false;
    peer->confirmed_supports_utp = false;
  }
  wanted->supports_utp = utp;
  wanted->last_connected = 0;
  wanted->failcount = 0;

  std::uint8_t& boost = boost_of(*torrent);
  std::uint8_t const own_boost = boost;
  boost = lent_boost;
  if (utp) allow_utp(session, true);
  nudge();
  if (utp) allow_utp(session, false);
  boost = own_boost;
  return true;
}

namespace {

bool is_away(lt::torrent_peer const& peer) {
#if TORRENT_USE_I2P
  if (peer.is_i2p_addr) return false;
#endif
  return !peer.connection && !peer.web_seed;
}

// Takes back all bans. libtorrent bans whoever was the only giver of a wrong piece, and has no call for it. A banned
// address is no candidate and not counted as one; nor is one that cannot be connected to, which it is made for so long
// that libtorrent, hearing of it as from a tracker, makes it a candidate and counts it.
void pardon_all(lt::torrent_handle const& handle, lt::peer_list& peers) {
  std::vector<lt::tcp::endpoint> connectable;
  for (lt::torrent_peer* const peer : peers) {
    if (!is_away(*peer) || !peer->banned) continue;
    peer->last_connected = 0;
    peer->failcount = 0;
    peer->trust_points = 0;
    if (peer->connectable) connectable.push_back(endpoint_of(*peer));
    peer->connectable = false;
    peer->banned = false;
  }
  for (lt::tcp::endpoint const& address : connectable) handle.connect_peer(address, lt::peer_info::tracker, {});
}

}  // namespace

std::vector<lt::tcp::endpoint> addresses_of(lt::torrent_handle const& handle, bool const of_trackers) {
  std::vector<lt::tcp::endpoint> addresses;
  std::shared_ptr<lt::torrent> const torrent = handle.native_handle();
  if (!torrent || !peers_of(*torrent)) return addresses;
  for (lt::torrent_peer* const peer : *peers_of(*torrent)) {
#if TORRENT_USE_I2P
    if (peer->is_i2p_addr) continue;
#endif
    if (peer->web_seed || peer->banned || !peer->connectable) continue;
    if (of_trackers && !(peer->peer_source() & lt::peer_info::tracker)) continue;
    addresses.push_back(endpoint_of(*peer));
  }
  return addresses;
}

void retry_givers(lt::torrent_handle const& handle, bool const pardon) {
  std::shared_ptr<lt::torrent> const torrent = handle.native_handle();
  if (!torrent || !peers_of(*torrent)) return;
  std::vector<std::pair<lt::tcp::endpoint, std::uint32_t>> failed;
  bool connecting = false;
  for (lt::torrent_peer* const peer : *peers_of(*torrent)) {
    connecting |= peer->connection && !peer->banned;
    if (!is_away(*peer) || peer->banned || peer->prev_amount_download == 0) continue;
    peer->last_connected = 0;
    failed.emplace_back(endpoint_of(*peer), std::uint32_t{peer->failcount});
  }
  if (pardon || (failed.empty() && !connecting)) pardon_all(handle, *peers_of(*torrent));
  // As if a tracker named them as often as they failed, each of which takes one failure back. Nothing but libtorrent
  // itself may do so, see `max_failures`.
  for (auto const& [address, times] : failed) {
    for (std::uint32_t n = 0; n < times; ++n) handle.connect_peer(address, lt::peer_info::tracker, {});
  }
}

}  // namespace vozduxan
