// libtorrent plugins that report what peers and pieces do, and send requests that the engine has chosen.
//
// libtorrent's own picker is kept silent without touching its state: the plugin answers "handled" to UNCHOKE and
// ALLOWED FAST, so that libtorrent believes itself choked and asks for nothing, while it stays interested in every
// peer that has a piece we lack. Blocks that arrive are left to libtorrent, which writes and hashes them whoever
// asked for them; once somebody sends wrong data the engine has those of new pieces kept from it, puts them together
// itself and hands them over whole.
#pragma once

#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <libtorrent/extensions.hpp>
#include <libtorrent/peer_connection_handle.hpp>
#include <libtorrent/torrent_handle.hpp>

#include "vozduxan/cxx/events.h"

namespace vozduxan {

class PeerTap;

class TorrentTap final : public lt::torrent_plugin, public std::enable_shared_from_this<TorrentTap> {
 public:
  TorrentTap(std::shared_ptr<EventQueue> events, std::uint32_t torrent, bool own_picker, bool watched);

  // Known after the torrent was added; needed by on_files_checked.
  void attach(lt::torrent_handle handle) { handle_ = std::move(handle); }

  std::shared_ptr<lt::peer_plugin> new_connection(lt::peer_connection_handle const& peer) override;
  void on_piece_pass(lt::piece_index_t piece) override;
  void on_piece_failed(lt::piece_index_t piece) override;
  void on_files_checked() override;
  void on_state(lt::torrent_status::state_t state) override;

  // Network thread: whether a block of this piece is to be kept from libtorrent. A piece goes one way as a whole.
  bool keeps(std::uint32_t piece);

  // Network thread: sends the requests of one batch, one write per peer.
  void apply(std::vector<Command> const& commands);

 private:
  friend class PeerTap;
  void report(EventKind kind, std::uint32_t peer, std::uint32_t piece = 0, std::uint32_t offset = 0,
              std::uint32_t length = 0) const;

  std::shared_ptr<EventQueue> events_;
  std::uint32_t torrent_;
  bool own_picker_;
  lt::torrent_handle handle_;
  // Whether the engine finds out who sent wrong blocks.
  bool watched_;
  // As CommandKind::Watch says.
  std::uint32_t watch_;
  // Pieces without a verdict that libtorrent has blocks of, and those that it gets none of.
  std::unordered_set<std::uint32_t> begun_;
  std::unordered_set<std::uint32_t> kept_;
  std::unordered_map<std::uint32_t, lt::peer_connection_handle> peers_;
};

}  // namespace vozduxan
