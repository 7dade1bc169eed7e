#include "vozduxan/cxx/shim.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <libtorrent/address.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/announce_entry.hpp>
#include <libtorrent/bencode.hpp>
#include <libtorrent/extensions/smart_ban.hpp>
#include <libtorrent/extensions/ut_pex.hpp>
#include <libtorrent/ip_filter.hpp>
#include <libtorrent/magnet_uri.hpp>
#include <libtorrent/read_resume_data.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/session_stats.hpp>
#include <libtorrent/torrent_info.hpp>

#include "vozduxan/cxx/alerts.h"
#include "vozduxan/cxx/children.h"
#include "vozduxan/cxx/convert.h"
#include "vozduxan/cxx/dial.h"
#include "vozduxan/cxx/events.h"
#include "vozduxan/cxx/hashes.h"
#include "vozduxan/cxx/tap.h"

namespace vozduxan {
namespace {

struct Torrent {
  lt::torrent_handle handle;
  std::shared_ptr<TorrentTap> tap;
};

lt::session_params session_params(SessionOptions const& options) {
  lt::session_params params;
  if (!options.dht_state.empty()) {
    try {
      // Only the DHT part: settings of an earlier run must not come back.
      params = lt::read_session_params({reinterpret_cast<char const*>(options.dht_state.data()),
                                        static_cast<std::ptrdiff_t>(options.dht_state.size())},
                                       lt::session_handle::save_dht_state);
    } catch (std::exception const&) {
      params = lt::session_params();  // a corrupt file costs a slower start, nothing else
    }
  }
  // libtorrent's plugins are added with each torrent. Not smart_ban where blocks are watched: whose fault a wrong piece
  // was is the engine's to judge, which still has a use for the others of his blocks. Never the one for metadata (tap.cc).
  params.extensions.clear();
  params.settings = to_settings({options.settings.data(), options.settings.size()});
  // Not yet: a session that begins with the DHT starts it before it has opened a socket, unless it has names to look up
  // first, and what does not find a socket then is forgotten: the stored nodes (session_impl::init, dht_tracker::start).
  params.settings.set_bool(lt::settings_pack::enable_dht, false);
  return params;
}

bool wants_dht(SessionOptions const& options) {
  return to_settings({options.settings.data(), options.settings.size()}).get_bool(lt::settings_pack::enable_dht);
}

// How long after the first alert of a bootstrap others are waited for: each address that is listened on bootstraps by
// itself, and gives up on nodes that do not answer after some 15 s.
constexpr std::chrono::seconds bootstraps{30};

}  // namespace

namespace {

// Ways to write this machine's own address that libtorrent's ssrf_mitigation does not take for loopback: connecting to
// 0.0.0.0 or :: reaches it, and so does an IPv4 address inside an IPv6 one. No peer and no tracker has such an address.
lt::ip_filter nowhere() {
  lt::ip_filter filter;
  auto const block = [&filter](char const* const first, char const* const last) {
    filter.add_rule(lt::make_address(first), lt::make_address(last), lt::ip_filter::blocked);
  };
  block("0.0.0.0", "0.255.255.255");
  block("::", "::");
  block("::ffff:0.0.0.0", "::ffff:255.255.255.255");
  return filter;
}

}  // namespace

struct Shim::State {
  explicit State(SessionOptions const& options)
      : events(std::make_shared<EventQueue>()),
        own_picker(options.own_picker),
        session(std::make_unique<lt::session>(session_params(options))) {
    session->set_ip_filter(nowhere());
    session->set_alert_notify([queue = events] { queue->alerts_waiting(); });
    if (!wants_dht(options)) return;
    lt::settings_pack dht;
    dht.set_bool(lt::settings_pack::enable_dht, true);
    session->apply_settings(std::move(dht));
  }

  // Bootstraps are the only alerts of their category that anybody waits for: once all are done, queries of strangers must
  // not wake an idle engine. The engine's thread only.
  void quiet_dht() {
    if (!bootstrapped || std::chrono::steady_clock::now() - *bootstrapped < bootstraps) return;
    bootstrapped.reset();
    lt::settings_pack quiet;
    quiet.set_int(lt::settings_pack::alert_mask,
                  session->get_settings().get_int(lt::settings_pack::alert_mask) &
                      ~static_cast<int>(static_cast<std::uint32_t>(lt::alert_category::dht)));
    session->apply_settings(std::move(quiet));
  }

  Torrent find(std::uint32_t const number) const {
    std::lock_guard<std::mutex> const hold(mutex);
    auto const found = torrents.find(number);
    return found == torrents.end() ? Torrent{} : found->second;
  }

  std::uint32_t number_of(lt::torrent_handle const& handle) const {
    std::lock_guard<std::mutex> const hold(mutex);
    for (auto const& [number, torrent] : torrents) {
      if (torrent.handle == handle) return number;
    }
    return 0;
  }

  std::shared_ptr<EventQueue> events;
  bool own_picker;
  mutable std::mutex mutex;  // guards torrents only; never held while libtorrent is called
  std::map<std::uint32_t, Torrent> torrents;
  std::unique_ptr<lt::session> session;
  std::optional<std::chrono::steady_clock::time_point> bootstrapped;
};

Shim::Shim(SessionOptions const& options) : state_(std::make_unique<State>(options)) {}

Shim::~Shim() { shut_down(); }

std::unique_ptr<Shim> new_shim(SessionOptions const& options) { return std::make_unique<Shim>(options); }

bool Shim::wait(std::uint32_t const quiet_ms, std::uint32_t const milliseconds) const {
  return state_->events->wait(std::chrono::milliseconds(quiet_ms), std::chrono::milliseconds(milliseconds));
}

void Shim::wake() const { state_->events->wake(); }

void Shim::take_events(rust::Vec<Event>& out) const {
  std::vector<Event> taken;
  bool const alerts = state_->events->take(taken);
  for (Event& event : taken) out.push_back(std::move(event));
  if (!alerts || !state_->session) return;

  std::vector<lt::alert*> list;
  state_->session->pop_alerts(&list);
  std::set<std::uint16_t> listening;
  for (lt::alert* const alert : list) {
    if (auto const* const listens = lt::alert_cast<lt::listen_succeeded_alert>(alert)) {
      listening.insert(static_cast<std::uint16_t>(listens->port));
    }
    auto const* const about = dynamic_cast<lt::torrent_alert const*>(alert);
    std::uint32_t const torrent = about ? state_->number_of(about->handle) : 0;
    std::optional<Event> event = to_event(*alert, torrent);
    if (!event) continue;
    if (event->kind == EventKind::DhtBootstrap && !state_->bootstrapped) {
      state_->bootstrapped = std::chrono::steady_clock::now();
    }
    out.push_back(std::move(*event));
  }
  if (!listening.empty()) keep_from_children(listening);
  state_->quiet_dht();
}

namespace {

// All trackers are asked at once, so a list of thousands is an attack on them and on the resolver, and libtorrent takes a
// time that grows with its square to put it together. Real torrents name up to some dozens.
constexpr std::size_t most_trackers = 64;

void limit_trackers(lt::add_torrent_params& params) {
  if (params.trackers.size() > most_trackers) params.trackers.resize(most_trackers);
  if (!params.ti || params.ti->trackers().size() <= most_trackers) return;
  std::vector<lt::announce_entry> const all = params.ti->trackers();
  params.ti->clear_trackers();
  for (std::size_t i = 0; i < most_trackers; ++i) params.ti->add_tracker(all[i].url, all[i].tier);
}

}  // namespace

void Shim::add(AddOptions const& options) const {
  lt::add_torrent_params params;
  if (!options.resume.empty()) {
    params = parse_resume({options.resume.data(), options.resume.size()});
  } else if (!options.torrent.empty()) {
    params.ti = parse_torrent({options.torrent.data(), options.torrent.size()});
  } else {
    params = lt::parse_magnet_uri(std::string(options.magnet));
  }
  if (!options.resume.empty() && !options.torrent.empty()) {
    // Progress from an earlier run, trackers from what the caller gave now.
    params.ti = parse_torrent({options.torrent.data(), options.torrent.size()});
  }
  if (options.check_files) {
    params.have_pieces.clear();
    params.verified_pieces.clear();
    params.unfinished_pieces.clear();
  }
  limit_trackers(params);
  params.save_path = std::string(options.save_path);
  for (rust::String const& tracker : options.extra_trackers) {
    params.trackers.emplace_back(std::string(tracker));
    params.tracker_tiers.push_back(255);
  }
  add_params(options.id, std::move(params));
}

void Shim::add_params(std::uint32_t const number, lt::add_torrent_params params) const {
  // Resume data carries flags and priorities of an earlier run (read_resume_data.hpp): none may come back. Paused:
  // the engine starts it at once after the check, because resuming connects without waiting for libtorrent's
  // once-a-second tick.
  params.flags = lt::torrent_flags::paused | lt::torrent_flags::update_subscribe |
                 lt::torrent_flags::apply_ip_filter | lt::torrent_flags::duplicate_is_error |
                 lt::torrent_flags::need_save_resume;
  // Web seeds (BEP 17, BEP 19) know no REQUEST message: libtorrent would fetch from them on its own, beside what the
  // engine wants and in another order.
  params.url_seeds.clear();
  params.http_seeds.clear();
  if (params.ti) params.ti->set_web_seeds({});
  params.file_priorities.clear();
  params.piece_priorities.clear();
  params.max_connections = 200;
  params.max_uploads = -1;
  params.upload_limit = -1;
  params.download_limit = -1;

  // Whose piece was wrong is found out by comparing blocks. Of a v2 torrent libtorrent asks for hashes of the blocks and
  // bans whoever had one wrong, so there it must not see a wrong piece: blocks are kept from it from the first on. Without
  // a hash of every piece (from a magnet link) that cannot be, and all is left to it.
  bool const v1 = (params.ti ? params.ti->info_hashes() : params.info_hashes).has_v1();
  bool const watched = state_->own_picker && (v1 || (params.ti && params.ti->v2_piece_hashes_verified()));
  std::uint32_t const watch = !watched ? 0 : v1 ? 1 : 2;
  auto tap = std::make_shared<TorrentTap>(state_->events, number, state_->own_picker, watch);
  // The plugin needs the handle before its first hook runs: libtorrent passes it to this function.
  params.extensions.emplace_back([tap](lt::torrent_handle const& handle, lt::client_data_t) {
    tap->attach(handle);
    return std::static_pointer_cast<lt::torrent_plugin>(tap);
  });
  params.extensions.emplace_back(&lt::create_ut_pex_plugin);
  if (!watched) params.extensions.emplace_back(&lt::create_smart_ban_plugin);
  params.extensions.emplace_back([events = state_->events, number](lt::torrent_handle const&, lt::client_data_t) {
    return std::static_pointer_cast<lt::torrent_plugin>(std::make_shared<Farewell>(events, number));
  });
  lt::torrent_handle const handle = state_->session->add_torrent(std::move(params));
  std::lock_guard<std::mutex> const hold(state_->mutex);
  state_->torrents[number] = Torrent{handle, tap};
}

void Shim::move_torrent(std::uint32_t const old, std::uint32_t const new_number, rust::Str const save_path) const {
  Torrent found = state_->find(old);
  if (!found.handle.is_valid()) throw std::invalid_argument("no such torrent");
  lt::add_torrent_params params;
  params.ti = found.handle.torrent_file_with_hashes();
  if (!params.ti) throw std::invalid_argument("the metadata is not here yet");
  // A copy, with all trackers that the torrent ever came with; those that were taken away must not come back.
  params.ti->clear_trackers();
  // As in `command`; it has run when what is asked of the torrent next is answered. Peers that a magnet or others have
  // named may be named by nobody again. Of a private torrent the trackers alone may name some.
  auto const peers = std::make_shared<std::vector<lt::tcp::endpoint>>();
  found.handle.add_extension([peers, of_trackers = params.ti->priv()](lt::torrent_handle const& handle, lt::client_data_t) {
    *peers = addresses_of(handle, of_trackers);
    return std::shared_ptr<lt::torrent_plugin>();
  });
  for (lt::announce_entry const& tracker : found.handle.trackers()) {
    params.trackers.push_back(tracker.url);
    params.tracker_tiers.push_back(tracker.tier);
  }
  params.peers = std::move(*peers);
  params.save_path = std::string(save_path);
  remove(old);
  add_params(new_number, std::move(params));
}

void Shim::add_piece(std::uint32_t const torrent, std::uint32_t const piece,
                     rust::Slice<std::uint8_t const> const bytes) const {
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) return;
  found.handle.add_piece(lt::piece_index_t(static_cast<int>(piece)), std::vector<char>(bytes.begin(), bytes.end()));
}

rust::Vec<std::uint8_t> Shim::piece_hashes(std::uint32_t const torrent) const {
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) return {};
  std::shared_ptr<lt::torrent_info const> const info = found.handle.torrent_file();
  return info ? hashes_of(*info) : rust::Vec<std::uint8_t>();
}

rust::Vec<PieceRoot> Shim::piece_roots(std::uint32_t const torrent) const {
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) return {};
  std::shared_ptr<lt::torrent_info const> const info = found.handle.torrent_file();
  return info ? roots_of(found.handle, *info) : rust::Vec<PieceRoot>();
}

void Shim::add_trackers(std::uint32_t const torrent, rust::Slice<rust::String const> const urls) const {
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) return;
  for (rust::String const& url : urls) {
    lt::announce_entry entry{std::string(url)};
    entry.tier = 255;
    found.handle.add_tracker(entry);
  }
}

rust::Vec<rust::String> Shim::trackers(std::uint32_t const torrent) const {
  rust::Vec<rust::String> urls;
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) return urls;
  for (lt::announce_entry const& tracker : found.handle.trackers()) urls.push_back(rust::String::lossy(tracker.url));
  return urls;
}

void Shim::remove_trackers(std::uint32_t const torrent, rust::Slice<rust::String const> const urls) const {
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) return;
  std::vector<lt::announce_entry> kept;
  for (lt::announce_entry const& tracker : found.handle.trackers()) {
    // As trackers() spelled it.
    rust::String const url = rust::String::lossy(tracker.url);
    if (std::find(urls.begin(), urls.end(), url) == urls.end()) kept.push_back(tracker);
  }
  found.handle.replace_trackers(kept);
}

void Shim::start(std::uint32_t const torrent) const {
  Torrent const found = state_->find(torrent);
  if (found.handle.is_valid()) found.handle.resume();
}

void Shim::stop_gossip(std::uint32_t const torrent) const {
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) return;
  found.handle.set_flags(lt::torrent_flags::disable_dht | lt::torrent_flags::disable_lsd |
                         lt::torrent_flags::disable_pex);
}

void Shim::remove(std::uint32_t const torrent) const {
  Torrent const found = state_->find(torrent);
  if (found.handle.is_valid()) state_->session->remove_torrent(found.handle);
  std::lock_guard<std::mutex> const hold(state_->mutex);
  state_->torrents.erase(torrent);
}

Metadata Shim::metadata(std::uint32_t const torrent) const {
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) throw std::invalid_argument("no such torrent");
  std::shared_ptr<lt::torrent_info const> const info = found.handle.torrent_file();
  if (!info) throw std::invalid_argument("the metadata is not here yet");
  return to_metadata(*info);
}

bool Shim::set_metadata(std::uint32_t const torrent, rust::Slice<std::uint8_t const> const torrent_file) const {
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) return false;
  auto const info = parse_torrent(torrent_file);
  lt::span<char const> const section = info->info_section();
  return found.handle.set_metadata(section);
}

bool Shim::set_info(std::uint32_t const torrent, rust::Slice<std::uint8_t const> const info) const {
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) return false;
  // Checks the hash, both of a hybrid torrent (torrent::set_metadata).
  return found.handle.set_metadata({reinterpret_cast<char const*>(info.data()), static_cast<std::ptrdiff_t>(info.size())});
}

void Shim::command(std::uint32_t const torrent, rust::Slice<Command const> const commands) const {
  Torrent found = state_->find(torrent);
  if (!found.handle.is_valid() || commands.empty()) return;
  std::vector<Command> batch(commands.begin(), commands.end());
  // libtorrent has no public way to run a function on its network thread but this: it calls the function there and,
  // as it gets no plugin back, forgets it (torrent_handle.hpp, add_extension).
  found.handle.add_extension([tap = found.tap, batch = std::move(batch)](lt::torrent_handle const&, lt::client_data_t) {
    tap->apply(batch);
    return std::shared_ptr<lt::torrent_plugin>();
  });
}

void Shim::prioritize(std::uint32_t const torrent, rust::Slice<PieceOrder const> const orders) const {
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) return;
  std::vector<std::pair<lt::piece_index_t, lt::download_priority_t>> priorities;
  priorities.reserve(orders.size());
  for (PieceOrder const& order : orders) {
    lt::piece_index_t const piece(static_cast<int>(order.piece));
    // Taking a deadline back gives the piece the lowest priority: before the priorities, which then stand.
    if (order.release) found.handle.reset_piece_deadline(piece);
    priorities.emplace_back(piece, lt::download_priority_t(order.priority));
  }
  found.handle.prioritize_pieces(priorities);
  for (PieceOrder const& order : orders) {
    if (order.deadline_ms < 0) continue;
    found.handle.set_piece_deadline(lt::piece_index_t(static_cast<int>(order.piece)), order.deadline_ms);
  }
}

void Shim::dial(std::uint32_t const torrent, std::uint32_t const peer, rust::Str const address,
                std::uint16_t const port, bool const utp) const {
  Torrent found = state_->find(torrent);
  if (!found.handle.is_valid()) return;
  lt::error_code error;
  lt::tcp::endpoint const endpoint(lt::make_address(std::string(address), error), port);
  if (error) return;
  lt::session_handle const session = *state_->session;
  // As in `command`.
  found.handle.add_extension([tap = found.tap, session, peer, endpoint, utp](lt::torrent_handle const&, lt::client_data_t) {
    tap->dial(session, peer, endpoint, utp);
    return std::shared_ptr<lt::torrent_plugin>();
  });
}

void Shim::retry_givers(std::uint32_t const torrent, bool const pardon) const {
  Torrent found = state_->find(torrent);
  if (!found.handle.is_valid()) return;
  // As in `command`.
  found.handle.add_extension([pardon](lt::torrent_handle const& handle, lt::client_data_t) {
    vozduxan::retry_givers(handle, pardon);
    return std::shared_ptr<lt::torrent_plugin>();
  });
}

void Shim::request_resume(std::uint32_t const torrent) const {
  Torrent const found = state_->find(torrent);
  if (found.handle.is_valid()) {
    found.handle.save_resume_data(lt::torrent_handle::save_info_dict);
  }
}

void Shim::recheck(std::uint32_t const torrent) const {
  Torrent const found = state_->find(torrent);
  if (found.handle.is_valid()) found.handle.force_recheck();
}

void Shim::recover(std::uint32_t const torrent) const {
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) return;
  found.handle.clear_error();
  found.handle.unset_flags(lt::torrent_flags::upload_mode);
  found.handle.resume();
}

void Shim::announce(std::uint32_t const torrent) const {
  Torrent const found = state_->find(torrent);
  if (!found.handle.is_valid()) return;
  found.handle.force_reannounce(0, -1, lt::torrent_handle::ignore_min_interval);
  found.handle.force_dht_announce();
}

void Shim::announce_to_dht(std::uint32_t const torrent) const {
  Torrent const found = state_->find(torrent);
  if (found.handle.is_valid()) found.handle.force_dht_announce();
}

rust::Vec<std::uint8_t> Shim::dht_state() const {
  lt::session_params const params = state_->session->session_state(lt::session_handle::save_dht_state);
  if (params.dht_state.nodes.empty() && params.dht_state.nodes6.empty()) return {};
  std::vector<char> const bytes = lt::write_session_params_buf(params, lt::session_handle::save_dht_state);
  return to_bytes(bytes.data(), bytes.size());
}

std::uint32_t Shim::dht_nodes() const {
  lt::session_params const params = state_->session->session_state(lt::session_handle::save_dht_state);
  return static_cast<std::uint32_t>(params.dht_state.nodes.size() + params.dht_state.nodes6.size());
}

void Shim::shut_down() const {
  if (!state_->session) return;
  {
    std::lock_guard<std::mutex> const hold(state_->mutex);
    state_->torrents.clear();
  }
  // The destructor tells trackers "stopped" and joins libtorrent's threads; stop_tracker_timeout bounds it.
  state_->session.reset();
}

}  // namespace vozduxan
