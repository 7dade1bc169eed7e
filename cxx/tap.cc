#include "vozduxan/cxx/tap.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <string>

#include <libtorrent/bdecode.hpp>
#include <libtorrent/bitfield.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/operations.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/socket_io.hpp>
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

// A connection that sent this many blocks without a request is ended. An honest peer sends none: a block counts as
// asked for until it came or was rejected, as often as it was asked for.
constexpr std::uint32_t most_unasked = 8;

// Messages other than blocks that a connection may send at once, and for each second of its life besides; a connection
// that sends more is ended. Each of them costs this side as much as it costs the other one nothing, and a queue full of
// them holds up what honest peers send. A peer that tells of its pieces one by one sends as many HAVEs as there are
// pieces; one that fetches from us at 30 MB/s sends 2,000 requests a second.
constexpr std::uint32_t burst_of_messages = 20'000;
constexpr std::uint32_t messages_a_second = 2'000;

std::uint64_t block_key(std::uint32_t const piece, std::uint32_t const offset) {
  return static_cast<std::uint64_t>(piece) << 32 | offset;
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
  // Once a second.
  void tick() override { messages_ -= std::min(messages_, messages_a_second); }

  bool on_interested() override { return floods(); }
  bool on_not_interested() override { return floods(); }
  bool on_suggest(lt::piece_index_t) override { return floods(); }
  bool on_dont_have(lt::piece_index_t) override { return floods(); }
  bool on_request(lt::peer_request const&) override { return floods(); }
  bool on_cancel(lt::peer_request const&) override { return floods(); }
  bool on_extended(int const, int const, lt::span<char const>) override { return floods(); }
  bool on_choke() override {
    if (floods()) return true;
    torrent_->report(EventKind::PeerChoke, peer_);
    return torrent_->own_picker_;
  }
  bool on_unchoke() override {
    if (floods()) return true;
    torrent_->report(EventKind::PeerUnchoke, peer_);
    return torrent_->own_picker_;
  }
  bool on_allowed_fast(lt::piece_index_t) override { return floods() || torrent_->own_picker_; }
  bool on_have(lt::piece_index_t const piece) override {
    if (++haves_ > burst_of_messages + 2 * torrent_->pieces_ && floods()) return true;
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
    if (floods()) return true;
    torrent_->report(EventKind::PeerHaveAll, peer_);
    return false;
  }
  bool on_have_none() override {
    if (floods()) return true;
    torrent_->report(EventKind::PeerHaveNone, peer_);
    return false;
  }
  bool on_piece(lt::peer_request const& block, lt::span<char const>) override {
    // "Handled" keeps the block from libtorrent.
    if (torrent_->own_picker_ && !answers_request(block)) return true;
    torrent_->report(EventKind::Block, peer_, number(block.piece), static_cast<std::uint32_t>(block.start),
                     static_cast<std::uint32_t>(block.length));
    return false;
  }
  bool on_reject(lt::peer_request const& block) override {
    take_request(block);
    if (floods()) return true;
    torrent_->report(EventKind::Reject, peer_, number(block.piece), static_cast<std::uint32_t>(block.start),
                     static_cast<std::uint32_t>(block.length));
    return false;
  }

 private:
  // Counts a message that is no block; true, which keeps it from libtorrent, when it was one too many.
  bool floods() {
    if (++messages_ < burst_of_messages) return false;
    end();
    return true;
  }
  void end() {
    auto const peer = torrent_->peers_.find(peer_);
    if (peer == torrent_->peers_.end()) return;
    // A copy: on_disconnect takes the entry out meanwhile.
    lt::peer_connection_handle handle = peer->second.handle;
    handle.disconnect(lt::errors::too_many_requests_when_choked, lt::operation_t::bittorrent);
  }
  // Takes one request for the block off the account; false when there is none.
  bool take_request(lt::peer_request const& block) {
    auto const peer = torrent_->peers_.find(peer_);
    if (peer == torrent_->peers_.end()) return false;
    auto& asked = peer->second.asked;
    auto const request = asked.find(block_key(number(block.piece), static_cast<std::uint32_t>(block.start)));
    if (request == asked.end()) return false;
    if (--request->second == 0) asked.erase(request);
    return true;
  }
  bool answers_request(lt::peer_request const& block) {
    if (take_request(block)) return true;
    auto const peer = torrent_->peers_.find(peer_);
    if (peer != torrent_->peers_.end() && ++peer->second.unasked == most_unasked) end();
    return false;
  }

  std::shared_ptr<TorrentTap> torrent_;
  std::uint32_t peer_;
  // Messages of late that were no blocks, and HAVEs of all time.
  std::uint32_t messages_ = 0;
  std::uint32_t haves_ = 0;
};

TorrentTap::TorrentTap(std::shared_ptr<EventQueue> events, std::uint32_t const torrent, bool const own_picker)
    : events_(std::move(events)), torrent_(torrent), own_picker_(own_picker) {}

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

void TorrentTap::on_piece_pass(lt::piece_index_t const piece) { report(EventKind::PiecePassed, 0, number(piece)); }

void TorrentTap::on_piece_failed(lt::piece_index_t const piece) { report(EventKind::PieceFailed, 0, number(piece)); }

void TorrentTap::on_files_checked() {
  Event event = make_event(EventKind::FilesChecked, torrent_);
  // On the network thread a synchronous call runs inline.
  if (handle_.is_valid()) {
    lt::torrent_status const status = handle_.status(lt::torrent_handle::query_pieces);
    pieces_ = static_cast<std::uint32_t>(status.pieces.size());
    event.data = copy_bits(status.pieces);
  }
  events_->push(std::move(event));
}

void TorrentTap::on_state(lt::torrent_status::state_t const state) {
  if (state == lt::torrent_status::checking_files) report(EventKind::CheckingFiles, 0);
}

void TorrentTap::apply(std::vector<Command> const& commands) {
  std::map<std::uint32_t, std::string> wire;
  for (Command const& command : commands) {
    auto const peer = peers_.find(command.peer);
    if (peer == peers_.end() || peer->second.handle.is_disconnecting()) continue;
    if (command.kind == CommandKind::Disconnect) {
      peer->second.handle.disconnect(lt::errors::timed_out_no_request, lt::operation_t::bittorrent);
      continue;
    }
    if (command.kind == CommandKind::Request) ++peer->second.asked[block_key(command.piece, command.offset)];
    put_message(wire[command.peer], command);
  }
  for (auto const& [number, bytes] : wire) {
    auto const peer = peers_.find(number);
    if (peer == peers_.end() || peer->second.handle.is_disconnecting()) continue;
    peer->second.handle.send_buffer(bytes.data(), static_cast<int>(bytes.size()));
  }
}

}  // namespace vozduxan
