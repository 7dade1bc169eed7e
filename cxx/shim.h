// The narrow class through which the engine reaches libtorrent. It applies what it is told and reports what
// happened; it decides nothing.
//
// Threads: all public functions may be called from any thread. libtorrent's plugins (Tap*) run on libtorrent's
// network thread only. The two meet in EventQueue, whose mutex is never held while libtorrent is called.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include <libtorrent/fwd.hpp>

#include "rust/cxx.h"
#include "vozduxan/cxx/hashes.h"

namespace vozduxan {

struct SessionOptions;
struct AddOptions;
struct Event;
struct Command;
struct PieceOrder;
struct PieceRoot;
struct Metadata;
struct MagnetInfo;
struct Setting;

class Shim {
 public:
  explicit Shim(SessionOptions const& options);
  ~Shim();
  Shim(Shim const&) = delete;
  Shim& operator=(Shim const&) = delete;

  bool wait(std::uint32_t quiet_ms, std::uint32_t milliseconds) const;
  void wake() const;
  void take_events(rust::Vec<Event>& events) const;

  void add(AddOptions const& options) const;
  void start(std::uint32_t torrent) const;
  void stop_gossip(std::uint32_t torrent) const;
  void remove(std::uint32_t torrent) const;
  Metadata metadata(std::uint32_t torrent) const;
  bool set_metadata(std::uint32_t torrent, rust::Slice<std::uint8_t const> torrent_file) const;
  bool set_info(std::uint32_t torrent, rust::Slice<std::uint8_t const> info) const;
  void command(std::uint32_t torrent, rust::Slice<Command const> commands) const;
  void prioritize(std::uint32_t torrent, rust::Slice<PieceOrder const> orders) const;
  void dial(std::uint32_t torrent, std::uint32_t peer, rust::Str address, std::uint16_t port, bool utp) const;
  void retry_givers(std::uint32_t torrent, bool pardon) const;
  void move_torrent(std::uint32_t old, std::uint32_t new_number, rust::Str save_path) const;
  void add_piece(std::uint32_t torrent, std::uint32_t piece, rust::Slice<std::uint8_t const> bytes) const;
  rust::Vec<std::uint8_t> piece_hashes(std::uint32_t torrent) const;
  rust::Vec<PieceRoot> piece_roots(std::uint32_t torrent) const;
  void add_trackers(std::uint32_t torrent, rust::Slice<rust::String const> urls) const;
  rust::Vec<rust::String> trackers(std::uint32_t torrent) const;
  void remove_trackers(std::uint32_t torrent, rust::Slice<rust::String const> urls) const;
  void request_resume(std::uint32_t torrent) const;
  void recheck(std::uint32_t torrent) const;
  void recover(std::uint32_t torrent) const;
  void announce(std::uint32_t torrent) const;
  void announce_to_dht(std::uint32_t torrent) const;
  rust::Vec<std::uint8_t> dht_state() const;
  std::uint32_t dht_nodes() const;
  void shut_down() const;

 private:
  struct State;
  void add_params(std::uint32_t number, lt::add_torrent_params params) const;
  std::unique_ptr<State> state_;
};

std::unique_ptr<Shim> new_shim(SessionOptions const& options);
Metadata inspect_torrent(rust::Slice<std::uint8_t const> bytes);
MagnetInfo inspect_magnet(rust::Str uri);
Metadata inspect_resume(rust::Slice<std::uint8_t const> bytes);

}  // namespace vozduxan
