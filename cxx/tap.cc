#include "vozduxan/cxx/tap.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <string>

#include <libtorrent/bdecode.hpp>
#include <libtorrent/bitfield.hpp>
#include <libtorrent/entry.hpp>
#include <libtorrent/error_code.hpp>
#include <libtorrent/operations.hpp>
#include <libtorrent/peer_connection.hpp>
#include <libtorrent/peer_info.hpp>
#include <libtorrent/peer_request.hpp>
#include <libtorrent/socket_io.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_peer.hpp>
#include <libtorrent/torrent_status.hpp>

#include "vozduxan/cxx/children.h"
#include "vozduxan/cxx/convert.h"
#include "vozduxan/cxx/dial.h"

namespace vozduxan {
namespace {

// Connections are numbered over all sessions of the process, so that a late command can never reach another peer.
std::atomic<std::uint32_t> next_peer{1};

rust::Vec<std::uint8_t> copy_bits(lt::bitfield const& bits) {
  return to_bytes(bits.data(), (static_cast<std::size_t>(bits.size()) + 7) / 8);
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

// BEP 10 and BEP 9: an extended message with a dictionary, and what follows it.
std::string metadata_message(std::uint8_t const id, int const type, std::int64_t const piece,
                             std::string const& total = {}, lt::span<char const> const data = {}) {
  std::string const body = "d8:msg_typei" + std::to_string(type) + "e5:piecei" + std::to_string(piece) + "e" + total + "e";
  std::string out;
  put(out, static_cast<std::uint32_t>(2 + body.size() + static_cast<std::size_t>(data.size())));
  out.push_back(20);
  out.push_back(static_cast<char>(id));
  out += body;
  out.append(data.data(), static_cast<std::size_t>(data.size()));
  return out;
}

std::uint32_t number(lt::piece_index_t const piece) { return static_cast<std::uint32_t>(static_cast<int>(piece)); }

}  // namespace

class PeerTap final : public lt::peer_plugin {
 public:
  PeerTap(std::shared_ptr<TorrentTap> torrent, std::uint32_t const peer, lt::peer_connection_handle connection)
      : torrent_(std::move(torrent)), peer_(peer), connection_(std::move(connection)) {}

  void on_connected() override {
    // An outgoing one had no socket yet when it was new.
    keep_from_children(connection_);
    torrent_->from_peer(EventKind::PeerConnected, peer_);
  }
  bool on_handshake(lt::span<char const> const reserved) override {
    // BEP 6: bit 3 of the last byte.
    bool const fast = reserved.size() >= 8 && (reserved[7] & 0x04) != 0;
    torrent_->from_peer(EventKind::PeerReady, peer_, 0, fast ? 1 : 0);
    return true;
  }
  bool on_extension_handshake(lt::bdecode_node const& dictionary) override {
    if (dictionary.type() == lt::bdecode_node::dict_t) {
      std::int64_t const queue = dictionary.dict_find_int_value("reqq", 0);
      if (queue > 0 && queue < 100000) {
        torrent_->from_peer(EventKind::PeerQueue, peer_, 0, static_cast<std::uint32_t>(queue));
      }
      // Refused, the report has ended the connection.
      if (torrent_->peers_.count(peer_) == 0) return true;
      lt::bdecode_node const names = dictionary.dict_find_dict("m");
      std::int64_t const id = names ? names.dict_find_int_value("ut_metadata", 0) : 0;
      // A size that cannot be right is worse than none (0): whoever says it is not asked at all.
      std::int64_t const size = dictionary.dict_find_int_value("metadata_size", 0);
      if (id > 0 && id < 256) {
        torrent_->metadata_ids_[peer_] = static_cast<std::uint8_t>(id);
        if (size >= 0 && size <= max_metadata) {
          torrent_->from_peer(EventKind::PeerMetadata, peer_, 0, static_cast<std::uint32_t>(size));
        }
      }
    }
    return true;
  }
  // BEP 9, which has no other plugin here: libtorrent's keeps one buffer for all peers, whose length the last handshake
  // decides, so that any two liars keep it from ever being right.
  void add_handshake(lt::entry& dictionary) override {
    // On the network thread this runs inline.
    std::shared_ptr<lt::torrent_info const> const info = torrent_->handle_.torrent_file();
    if (info && info->priv()) return;
    dictionary["m"]["ut_metadata"] = own_metadata_id;
    if (info) dictionary["metadata_size"] = info->info_section().size();
  }
  bool on_extended(int const length, int const id, lt::span<char const> const body) override {
    // libtorrent calls for every part of a message that arrives.
    if (id != own_metadata_id) return lt::bt_peer_connection_handle(connection_).packet_finished() && floods();
    if (length > max_metadata_message) {
      end();
      return true;
    }
    if (!lt::bt_peer_connection_handle(connection_).packet_finished() || floods()) return true;
    lt::error_code error;
    lt::bdecode_node const message = lt::bdecode(body, error);
    if (error || message.type() != lt::bdecode_node::dict_t) return true;
    std::int64_t const piece = message.dict_find_int_value("piece", -1);
    if (piece < 0 || piece > max_metadata / metadata_block) return true;
    switch (message.dict_find_int_value("msg_type", -1)) {
      case 0:
        wanted_.push_back(piece);
        if (wanted_.size() > max_wanted) wanted_.erase(wanted_.begin());
        serve();
        break;
      case 1: {
        lt::span<char const> const data = body.subspan(message.data_section().size());
        std::int64_t const total = message.dict_find_int_value("total_size", 0);
        Event event = make_event(EventKind::MetadataBlock, torrent_->torrent_);
        event.peer = peer_;
        event.piece = static_cast<std::uint32_t>(piece);
        event.offset = total > 0 && total <= max_metadata ? static_cast<std::uint32_t>(total) : 0;
        event.data = to_bytes(data.data(), static_cast<std::size_t>(data.size()));
        torrent_->offer(std::move(event));
        break;
      }
      case 2: torrent_->from_peer(EventKind::MetadataRefused, peer_, static_cast<std::uint32_t>(piece)); break;
      default: break;
    }
    return true;
  }
  void on_disconnect(lt::error_code const& error) override {
    torrent_->peers_.erase(peer_);
    torrent_->metadata_ids_.erase(peer_);
    Event event = make_event(EventKind::PeerGone, torrent_->torrent_);
    event.peer = peer_;
    event.text = rust::String::lossy(error.message());
    torrent_->events_->push(std::move(event));
  }
  // Once a second.
  void tick() override {
    messages_ -= std::min(messages_, messages_a_second);
    serve();
  }
  bool on_interested() override { return floods(); }
  bool on_not_interested() override { return floods(); }
  bool on_suggest(lt::piece_index_t) override { return floods(); }
  bool on_dont_have(lt::piece_index_t) override { return floods(); }
  bool on_request(lt::peer_request const&) override { return floods(); }
  bool on_cancel(lt::peer_request const&) override { return floods(); }
  bool on_choke() override {
    if (floods()) return true;
    torrent_->from_peer(EventKind::PeerChoke, peer_);
    return torrent_->own_picker_;
  }
  bool on_unchoke() override {
    if (floods()) return true;
    torrent_->from_peer(EventKind::PeerUnchoke, peer_);
    return torrent_->own_picker_;
  }
  bool on_allowed_fast(lt::piece_index_t) override { return floods() || torrent_->own_picker_; }
  bool on_have(lt::piece_index_t const piece) override {
    if (++haves_ > burst_of_messages + 2 * torrent_->pieces_ && floods()) return true;
    torrent_->from_peer(EventKind::PeerHave, peer_, number(piece));
    return false;
  }
  bool on_bitfield(lt::bitfield const& bits) override {
    Event event = make_event(EventKind::PeerBitfield, torrent_->torrent_);
    event.peer = peer_;
    event.data = copy_bits(bits);
    torrent_->offer(std::move(event));
    return false;
  }
  bool on_have_all() override {
    if (floods()) return true;
    torrent_->from_peer(EventKind::PeerHaveAll, peer_);
    return false;
  }
  bool on_have_none() override {
    if (floods()) return true;
    torrent_->from_peer(EventKind::PeerHaveNone, peer_);
    return false;
  }
  bool on_piece(lt::peer_request const& block, lt::span<char const> const data) override {
    // "Handled" keeps the block from libtorrent.
    if (torrent_->own_picker_ && !answers_request(block)) return true;
    bool const kept = torrent_->keeps(number(block.piece));
    Event event = make_event(kept ? EventKind::BlockKept : EventKind::Block, torrent_->torrent_);
    event.peer = peer_;
    event.piece = number(block.piece);
    event.offset = static_cast<std::uint32_t>(block.start);
    event.length = static_cast<std::uint32_t>(block.length);
    if (kept || torrent_->watch_ != 0) {
      event.bytes = std::make_unique<std::vector<std::uint8_t>>(data.begin(), data.end());
      // Not offered: it was asked for, and what is asked for is bounded.
      torrent_->events_->push(std::move(event));
    } else {
      torrent_->offer(std::move(event));
    }
    // "Handled" leaves libtorrent a note of some bytes that the block was received, until the connection ends.
    return kept;
  }
  void on_piece_failed(lt::piece_index_t) override {
    // Called for every giver of a wrong piece before libtorrent lowers its trust and bans it at -7, also the honest
    // ones, for good. Whose fault it was is found out by the engine; a piece's only giver is banned all the same.
    auto const found = torrent_->peers_.find(peer_);
    if (!torrent_->watched_ || found == torrent_->peers_.end()) return;
    auto const connection = found->second.handle.native_handle();
    if (connection && connection->peer_info_struct()) connection->peer_info_struct()->trust_points = 0;
  }
  bool on_reject(lt::peer_request const& block) override {
    take_request(block);
    if (floods()) return true;
    torrent_->from_peer(EventKind::Reject, peer_, number(block.piece), static_cast<std::uint32_t>(block.start),
                     static_cast<std::uint32_t>(block.length));
    return false;
  }

 private:
  // What ut_metadata is called in our handshake: a number that libtorrent itself has no use for (bt_peer_connection.hpp).
  static constexpr int own_metadata_id = 2;
  static constexpr std::int64_t metadata_block = 16 * 1024;
  static constexpr int max_metadata_message = 17 * 1024;
  // As the setting max_metadata_size.
  static constexpr std::int64_t max_metadata = 10'000'000;
  static constexpr std::size_t max_wanted = 700;
  // What a peer may have waiting in its send buffer before more is put there.
  static constexpr int enough_to_send = 160 * 1024;

  // Gives the peer the blocks of the metadata that it asked for.
  void serve() {
    if (wanted_.empty()) return;
    auto const known = torrent_->metadata_ids_.find(peer_);
    if (known == torrent_->metadata_ids_.end()) return wanted_.clear();
    // On the network thread these run inline.
    std::shared_ptr<lt::torrent_info const> const info = torrent_->handle_.torrent_file();
    lt::span<char const> const section = info ? info->info_section() : lt::span<char const>();
    lt::peer_info state;
    connection_.get_peer_info(state);
    int room = enough_to_send - state.send_buffer_size;
    std::size_t done = 0;
    for (; done < wanted_.size() && room > 0; ++done) {
      std::int64_t const begin = wanted_[done] * metadata_block;
      bool const here = begin < section.size();
      std::string const message =
          here ? metadata_message(known->second, 1, wanted_[done],
                                  "10:total_sizei" + std::to_string(section.size()) + "e",
                                  section.subspan(begin, std::min<std::int64_t>(metadata_block, section.size() - begin)))
               : metadata_message(known->second, 2, wanted_[done]);
      connection_.send_buffer(message.data(), static_cast<int>(message.size()));
      room -= static_cast<int>(message.size());
    }
    wanted_.erase(wanted_.begin(), wanted_.begin() + static_cast<std::ptrdiff_t>(done));
  }
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
  lt::peer_connection_handle connection_;
  std::vector<std::int64_t> wanted_;
  // Messages of late that were no blocks, and HAVEs of all time.
  std::uint32_t messages_ = 0;
  std::uint32_t haves_ = 0;
};

TorrentTap::TorrentTap(std::shared_ptr<EventQueue> events, std::uint32_t const torrent, bool const own_picker, std::uint32_t const watch)
    : events_(std::move(events)), torrent_(torrent), own_picker_(own_picker), watched_(watch != 0), watch_(watch) {}

void TorrentTap::report(EventKind const kind, std::uint32_t const piece) const {
  Event event = make_event(kind, torrent_);
  event.piece = piece;
  events_->push(std::move(event));
}

void TorrentTap::from_peer(EventKind const kind, std::uint32_t const peer, std::uint32_t const piece,
                           std::uint32_t const offset, std::uint32_t const length) const {
  Event event = make_event(kind, torrent_);
  event.peer = peer;
  event.piece = piece;
  event.offset = offset;
  event.length = length;
  offer(std::move(event));
}

void TorrentTap::offer(Event event) const {
  auto const peer = peers_.find(event.peer);
  if (events_->offer(std::move(event)) || peer == peers_.end()) return;
  // Copied: on_disconnect takes it out of the map.
  lt::peer_connection_handle connection = peer->second.handle;
  if (!connection.is_disconnecting()) connection.disconnect(lt::errors::optimistic_disconnect, lt::operation_t::bittorrent);
}

std::shared_ptr<lt::peer_plugin> TorrentTap::new_connection(lt::peer_connection_handle const& peer) {
  // Web seeds are no BitTorrent connections: they know no REQUEST message.
  if (peer.type() != lt::connection_type::bittorrent) return nullptr;
  keep_from_children(peer);
  std::uint32_t const number = next_peer.fetch_add(1, std::memory_order_relaxed);
  peers_.emplace(number, peer);
  Event event = make_event(EventKind::PeerNew, torrent_);
  event.peer = number;
  event.text = rust::String::lossy(text_of(peer.remote()));
  // A connection that came in belongs to no torrent yet, and libtorrent reads through that pointer for its figures.
  if (peer.is_outgoing()) {
    lt::peer_info info;
    peer.get_peer_info(info);
    event.offset = (info.flags & lt::peer_info::utp_socket) ? 3 : 1;
  }
  events_->push(std::move(event));
  return std::make_shared<PeerTap>(shared_from_this(), number, peer);
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
  // While a torrent is added libtorrent says this of every piece at hand; on_files_checked tells them all at once.
  if (checked_) report(EventKind::PiecePassed, number(piece));
}

void TorrentTap::on_piece_failed(lt::piece_index_t const piece) {
  // Until the engine has heard of it, more blocks may come: they belong to the next try.
  if (begun_.erase(number(piece)) != 0 && watch_ != 0) kept_.insert(number(piece));
  report(EventKind::PieceFailed, number(piece));
}

void TorrentTap::on_files_checked() {
  checked_ = true;
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
  if (state != lt::torrent_status::checking_files) return;
  // A piece that is found on disk is no piece that came.
  checked_ = false;
  report(EventKind::CheckingFiles);
}

void TorrentTap::dial(lt::session_handle const& session, std::uint32_t const number, lt::tcp::endpoint const& address,
                      bool const utp) {
  auto const peer = peers_.find(number);
  if (peer != peers_.end() && !peer->second.handle.is_disconnecting()) {
    // A copy: on_disconnect takes the entry out.
    lt::peer_connection_handle connection = peer->second.handle;
    connection.disconnect(lt::errors::timed_out_no_handshake, lt::operation_t::connect);
  }
  connect_now(session, handle_, address, utp, [this] {
    dialing_ = true;
    handle_.pause();
    dialing_ = false;
    handle_.resume();
  });
}

void TorrentTap::apply(std::vector<Command> const& commands) {
  std::map<std::uint32_t, std::string> wire;
  for (Command const& command : commands) {
    if (command.kind == CommandKind::Watch) {
      watch_ = watched_ ? command.offset : 0;
      continue;
    }
    auto const peer = peers_.find(command.peer);
    if (peer == peers_.end() || peer->second.handle.is_disconnecting()) continue;
    if (command.kind == CommandKind::Disconnect) {
      peer->second.handle.disconnect(lt::errors::timed_out_no_request, lt::operation_t::bittorrent);
      continue;
    }
    if (command.kind == CommandKind::Metadata) {
      auto const id = metadata_ids_.find(command.peer);
      if (id != metadata_ids_.end()) wire[command.peer] += metadata_message(id->second, 0, command.piece);
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
