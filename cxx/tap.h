// libtorrent plugins that report what peers and pieces do, and send requests that the engine has chosen.
//
// libtorrent's own picker is kept silent without touching its state: the plugin answers "handled" to UNCHOKE and
// ALLOWED FAST, so that libtorrent believes itself choked and asks for nothing, while it stays interested in every
// peer that has a piece we lack. Blocks that arrive are left to libtorrent, which writes and hashes them whoever
// asked for them; once somebody sends wrong data the engine has those of new pieces kept from it, puts them together
// itself and hands them over whole.
//
// Whoever: also when nobody did. A peer that sends what it was not asked for could spoil every piece with one wrong
// block, and libtorrent would then distrust the honest givers of the others. So what was asked of each connection is
// remembered here, and a block that was not asked for goes no further.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <libtorrent/extensions.hpp>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/session_handle.hpp>
#include <libtorrent/socket.hpp>
#include <libtorrent/torrent_handle.hpp>

#include "vozduxan/cxx/events.h"

namespace vozduxan {

class PeerTap;

// A connection, and what was asked of it. Network thread only.
struct PeerState {
  explicit PeerState(lt::peer_connection_handle connection) : handle(std::move(connection)) {}

  lt::peer_connection_handle handle;
  // Block (piece in the high half, byte offset in the low one) -> requests sent and not answered. A CANCEL takes
  // nothing out: the block may be on its way. Bounded by the requests that the engine sends.
  std::unordered_map<std::uint64_t, std::uint32_t> asked;
  // Blocks that came without a request.
  std::uint32_t unasked = 0;
};

class TorrentTap final : public lt::torrent_plugin, public std::enable_shared_from_this<TorrentTap> {
 public:
  TorrentTap(std::shared_ptr<EventQueue> events, std::uint32_t torrent, bool own_picker, std::uint32_t watch);

  // Known after the torrent was added; needed by on_files_checked.
  void attach(lt::torrent_handle handle) { handle_ = std::move(handle); }

  std::shared_ptr<lt::peer_plugin> new_connection(lt::peer_connection_handle const& peer) override;
  void on_piece_pass(lt::piece_index_t piece) override;
  void on_piece_failed(lt::piece_index_t piece) override;
  void on_files_checked() override;
  void on_state(lt::torrent_status::state_t state) override;
  // True while `dial` pauses and resumes the torrent, which must not disconnect anybody (dial.cc).
  bool on_pause() override { return dialing_; }

  // Network thread: whether a block of this piece is to be kept from libtorrent. A piece goes one way as a whole.
  bool keeps(std::uint32_t piece);

  // Network thread: sends the requests of one batch, one write per peer.
  void apply(std::vector<Command> const& commands);

  // Network thread: ends the connection `peer`, if it is still there, and connects to `address` at once.
  void dial(lt::session_handle const& session, std::uint32_t peer, lt::tcp::endpoint const& address, bool utp);

 private:
  friend class PeerTap;
  void report(EventKind kind, std::uint32_t piece = 0) const;
  void from_peer(EventKind kind, std::uint32_t peer, std::uint32_t piece = 0, std::uint32_t offset = 0,
                 std::uint32_t length = 0) const;
  // Takes an event of a peer to the queue, or disconnects the peer when too many wait there.
  void offer(Event event) const;

  std::shared_ptr<EventQueue> events_;
  std::uint32_t torrent_;
  bool own_picker_;
  bool dialing_ = false;
  bool checked_ = false;  // what was on disk has been told once; network thread only
  lt::torrent_handle handle_;
  // Whether the engine finds out who sent wrong blocks.
  bool watched_;
  // As CommandKind::Watch says.
  std::uint32_t watch_;
  // Pieces without a verdict that libtorrent has blocks of, and those that it gets none of.
  std::unordered_set<std::uint32_t> begun_;
  std::unordered_set<std::uint32_t> kept_;
  // As many as the largest torrent that is read has, until it is known.
  std::uint32_t pieces_ = 500'000;
  std::unordered_map<std::uint32_t, PeerState> peers_;
  // What peers call ut_metadata (BEP 9), of those that know it.
  std::unordered_map<std::uint32_t, std::uint8_t> metadata_ids_;
};

// Tells when libtorrent has let go of a removed torrent. It lives in the torrent object alone, and that is held by the
// job that ends the torrent's disk operations (torrent::abort, async_stop_torrent), which waits for all before it.
class Farewell final : public lt::torrent_plugin {
 public:
  Farewell(std::shared_ptr<EventQueue> events, std::uint32_t const torrent)
      : events_(std::move(events)), torrent_(torrent) {}
  ~Farewell() override { events_->push(make_event(EventKind::Gone, torrent_)); }
  Farewell(Farewell const&) = delete;
  Farewell& operator=(Farewell const&) = delete;

 private:
  std::shared_ptr<EventQueue> events_;
  std::uint32_t torrent_;
};

}  // namespace vozduxan
