#include "vozduxan/cxx/tap.h"

#include <array>
#include <atomic>
#include <map>
#include <string>

#include <libtorrent/bdecode.hpp>
#include <libtorrent/bitfield.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/operations.hpp>
#include <libtorrent/peer_connection.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/socket_io.hpp>
#include <libtorrent/torrent_peer.hpp>
#include <libtorrent/torrent_status.hpp>

namespace vozduxan {
namespace {

// Connections are numbered over all sessions of the process, so that a late command can never reach another peer.
std::atomic<std::uint32_t> next_peer{1};

rust::Vec<std::uint8_t> copy_bits(lt::bitfield const& bits) {
  rust::Vec<std::uint8_t> out;
  std::size_t const bytes = (static_cast<std::size_t>(bits.size()) + 7) / 8;
  out.reserve(bytes);
  for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<std::uint8_t>(bits.data()[i]));
  return out;
}

void put(std::string& out, std::uint32_t const value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>((value >> shift) & 0xff));
}

// BEP 3: length 13, id 6 (request) or 8 (cancel), piece, begin, length.
void put_message(std::string& out, Command const& command) {
  put(out, 13);
  out.push_back(command.kind == CommandKind::Cancel ? 8 : 6);
  put(out, command.piece);
  put(out, command.offset);
  put(out, command.length);
}

std::uint32_t number(lt::piece_index_t const piece) { return static_cast<std::uint32_t>(static_cast<int>(piece)); }

}  // namespace

class PeerTap final : public lt::peer_plugin {
 public:
  PeerTap(std::shared_ptr<TorrentTap> torrent, std::uint32_t const peer) : torrent_(std::move(torrent)), peer_(peer) {}

  bool on_handshake(lt::span<char const>) override {
    torrent_->report(EventKind::PeerReady, peer_);
    return true;
  }
  bool on_extension_handshake(lt::bdecode_node const& dictionary) override {
    if (dictionary.type() == lt::bdecode_node::dict_t) {
      std::int64_t const queue = dictionary.dict_find_int_value("reqq", 0);
      if (queue > 0 && queue < 100000) {
        torrent_->report(EventKind::PeerQueue, peer_, 0, static_cast<std::uint32_t>(queue));
      }
    }
    return true;
  }
  void on_disconnect(lt::error_code const& error) override {
    torrent_->peers_.erase(peer_);
    Event event = make_event(EventKind::PeerGone, torrent_->torrent_);
    event.peer = peer_;
    event.text = rust::String::lossy(error.message());
    torrent_->events_->push(std::move(event));
  }
  bool on_choke() override {
    torrent_->report(EventKind::PeerChoke, peer_);
    return torrent_->own_picker_;
  }
  bool on_unchoke() override {
    torrent_->report(EventKind::PeerUnchoke, peer_);
    return torrent_->own_picker_;
  }
  bool on_allowed_fast(lt::piece_index_t) override { return torrent_->own_picker_; }
  bool on_have(lt::piece_index_t const piece) override {
    torrent_->report(EventKind::PeerHave, peer_, number(piece));
    return false;
  }
  bool on_bitfield(lt::bitfield const& bits) override {
    Event event = make_event(EventKind::PeerBitfield, torrent_->torrent_);
    event.peer = peer_;
    event.data = copy_bits(bits);
    torrent_->events_->push(std::move(event));
    return false;
  }
  bool on_have_all() override {
    torrent_->report(EventKind::PeerHaveAll, peer_);
    return false;
  }
  bool on_have_none() override {
    torrent_->report(EventKind::PeerHaveNone, peer_);
    return false;
  }
  bool on_piece(lt::peer_request const& block, lt::span<char const> const data) override {
    bool const kept = torrent_->keeps(number(block.piece));
    Event event = make_event(kept ? EventKind::BlockKept : EventKind::Block, torrent_->torrent_);
    event.peer = peer_;
    event.piece = number(block.piece);
    event.offset = static_cast<std::uint32_t>(block.start);
    event.length = static_cast<std::uint32_t>(block.length);
    if (kept || torrent_->watch_ != 0) event.bytes = std::make_unique<std::vector<std::uint8_t>>(data.begin(), data.end());
    torrent_->events_->push(std::move(event));
    // "Handled" leaves libtorrent a note of some bytes that the block was received, until the connection ends.
    return kept;
  }
  void on_piece_failed(lt::piece_index_t) override {
    // Called for every giver of a wrong piece before libtorrent lowers its trust and bans it at -7, also the honest
    // ones, for good. Whose fault it was is found out by the engine; a piece's only giver is banned all the same.
    auto const found = torrent_->peers_.find(peer_);
    if (!torrent_->watched_ || found == torrent_->peers_.end()) return;
    auto const connection = found->second.native_handle();
    if (connection && connection->peer_info_struct()) connection->peer_info_struct()->trust_points = 0;
  }
  bool on_reject(lt::peer_request const& block) override {
    torrent_->report(EventKind::Reject, peer_, number(block.piece), static_cast<std::uint32_t>(block.start),
                     static_cast<std::uint32_t>(block.length));
    return false;
  }

 private:
  std::shared_ptr<TorrentTap> torrent_;
  std::uint32_t peer_;
};

TorrentTap::TorrentTap(std::shared_ptr<EventQueue> events, std::uint32_t const torrent, bool const own_picker, bool const watched)
    : events_(std::move(events)), torrent_(torrent), own_picker_(own_picker), watched_(watched), watch_(watched ? 1 : 0) {}

void TorrentTap::report(EventKind const kind, std::uint32_t const peer, std::uint32_t const piece,
                        std::uint32_t const offset, std::uint32_t const length) const {
  Event event = make_event(kind, torrent_);
  event.peer = peer;
  event.piece = piece;
  event.offset = offset;
  event.length = length;
  events_->push(std::move(event));
}

std::shared_ptr<lt::peer_plugin> TorrentTap::new_connection(lt::peer_connection_handle const& peer) {
  // Web seeds are no BitTorrent connections: they know no REQUEST message.
  if (peer.type() != lt::connection_type::bittorrent) return nullptr;
  std::uint32_t const number = next_peer.fetch_add(1, std::memory_order_relaxed);
  peers_.emplace(number, peer);
  Event event = make_event(EventKind::PeerNew, torrent_);
  event.peer = number;
  event.text = rust::String::lossy(peer.remote().address().to_string() + ":" + std::to_string(peer.remote().port()));
  events_->push(std::move(event));
  return std::make_shared<PeerTap>(shared_from_this(), number);
}

bool TorrentTap::keeps(std::uint32_t const piece) {
  if (kept_.count(piece) != 0) return true;
  if (watch_ < 2 || begun_.count(piece) != 0) {
    begun_.insert(piece);
    return false;
  }
  kept_.insert(piece);
  return true;
}

void TorrentTap::on_piece_pass(lt::piece_index_t const piece) {
  begun_.erase(number(piece));
  kept_.erase(number(piece));
  report(EventKind::PiecePassed, 0, number(piece));
}

void TorrentTap::on_piece_failed(lt::piece_index_t const piece) {
  // Until the engine has heard of it, more blocks may come: they belong to the next try.
  if (begun_.erase(number(piece)) != 0 && watch_ != 0) kept_.insert(number(piece));
  report(EventKind::PieceFailed, 0, number(piece));
}

void TorrentTap::on_files_checked() {
  Event event = make_event(EventKind::FilesChecked, torrent_);
  // On the network thread a synchronous call runs inline.
  if (handle_.is_valid()) event.data = copy_bits(handle_.status(lt::torrent_handle::query_pieces).pieces);
  events_->push(std::move(event));
}

void TorrentTap::on_state(lt::torrent_status::state_t const state) {
  if (state == lt::torrent_status::checking_files) report(EventKind::CheckingFiles, 0);
}

void TorrentTap::apply(std::vector<Command> const& commands) {
  std::map<std::uint32_t, std::string> wire;
  for (Command const& command : commands) {
    if (command.kind == CommandKind::Watch) {
      watch_ = command.offset;
      continue;
    }
    auto const peer = peers_.find(command.peer);
    if (peer == peers_.end() || peer->second.is_disconnecting()) continue;
    if (command.kind == CommandKind::Disconnect) {
      peer->second.disconnect(lt::errors::timed_out_no_request, lt::operation_t::bittorrent);
      continue;
    }
    put_message(wire[command.peer], command);
  }
  for (auto const& [number, bytes] : wire) {
    auto const peer = peers_.find(number);
    if (peer == peers_.end() || peer->second.is_disconnecting()) continue;
    peer->second.send_buffer(bytes.data(), static_cast<int>(bytes.size()));
  }
}

}  // namespace vozduxan
