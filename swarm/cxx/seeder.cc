// One seeder: an ordinary libtorrent session made quiet, honest about its slots, and deaf on request.
#include "vozduxan-swarm/cxx/settings.h"
#include "vozduxan-swarm/cxx/swarm.h"
#include "vozduxan-swarm/src/bridge.rs.h"

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/extensions.hpp>
#include <libtorrent/extensions/ut_metadata.hpp>
#include <libtorrent/ip_filter.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/session_params.hpp>
#include <libtorrent/torrent_flags.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>

namespace lt = libtorrent;

namespace vozduxan::swarm {

namespace {

// Long enough for a loaded machine to start a session; reached only when something is broken.
constexpr std::chrono::seconds start_limit{30};

using Flag = std::shared_ptr<std::atomic<bool>>;

// Swallows requests while the flag is up. libtorrent asks plugins first; `true` ends its own handling.
struct MutePeer final : lt::peer_plugin {
	explicit MutePeer(Flag flag) : mute(std::move(flag)) {}
	bool on_request(lt::peer_request const&) override { return mute->load(std::memory_order_relaxed); }
	// Metadata is asked for by extended messages.
	bool on_extended(int, int, lt::span<char const>) override { return mute->load(std::memory_order_relaxed); }
	Flag mute;
};

struct MuteTorrent final : lt::torrent_plugin {
	explicit MuteTorrent(Flag flag) : mute(std::move(flag)) {}
	std::shared_ptr<lt::peer_plugin> new_connection(lt::peer_connection_handle const&) override
	{
		return std::make_shared<MutePeer>(mute);
	}
	Flag mute;
};

lt::session_params seeder_params(std::uint32_t send_buffer)
{
	lt::settings_pack pack = loopback_settings();
	pack.set_int(lt::settings_pack::alert_mask, lt::alert_category::status | lt::alert_category::error);
	pack.set_bool(lt::settings_pack::enable_outgoing_tcp, false);
	pack.set_bool(lt::settings_pack::enable_outgoing_utp, false);
	// A seeder in seed mode would hash each piece before it first sends it. The files are known, and a peer that
	// lies must keep lying.
	pack.set_bool(lt::settings_pack::disable_hash_checks, true);
	pack.set_int(lt::settings_pack::unchoke_slots_limit, 1000);
	pack.set_int(lt::settings_pack::connections_limit, 1000);
	// The proxy's line is the bottleneck; a deep buffer in front of it would be a queue that nobody asked for.
	pack.set_int(lt::settings_pack::send_socket_buffer_size, static_cast<int>(send_buffer));
	pack.set_int(lt::settings_pack::send_buffer_watermark, static_cast<int>(2 * send_buffer));
	pack.set_int(lt::settings_pack::send_buffer_low_watermark, static_cast<int>(2 * send_buffer));
	// uTP must not hold TCP back: what limits a peer is its line.
	pack.set_int(lt::settings_pack::mixed_mode_algorithm, lt::settings_pack::prefer_tcp);

	// No plugins: nothing may tell peers about each other.
	return lt::session_params(std::move(pack), {});
}

} // namespace

struct Seeder::State {
	explicit State(std::uint32_t send_buffer)
		: mute(std::make_shared<std::atomic<bool>>(false)), session(std::in_place, seeder_params(send_buffer))
	{}

	Flag mute;
	std::optional<lt::session> session;
	// Filled by begin_stop; its destructor joins the session's threads.
	lt::session_proxy stopping;
	lt::torrent_handle torrent;
	std::uint16_t port = 0;
};

Seeder::Seeder(rust::Slice<std::uint8_t const> torrent, rust::Str save_path, std::uint32_t send_buffer)
	: m_state(std::make_unique<State>(send_buffer))
{
	lt::session& session = *m_state->session;

	// Peers on loopback would be "local", which ignores unchoke slots and rate limits: class 1 only, everywhere.
	lt::ip_filter ordinary;
	ordinary.add_rule(lt::make_address("0.0.0.0"), lt::make_address("255.255.255.255"), 1);
	session.set_peer_class_filter(ordinary);

	lt::add_torrent_params params;
	params.ti = std::make_shared<lt::torrent_info>(
		lt::span<char const>(reinterpret_cast<char const*>(torrent.data()), static_cast<std::ptrdiff_t>(torrent.size())),
		lt::from_span);
	params.save_path = std::string(save_path);
	// override_*: the seeder must not announce itself, clients are to see the proxies only.
	params.flags = lt::torrent_flags::seed_mode | lt::torrent_flags::override_trackers
		| lt::torrent_flags::override_web_seeds | lt::torrent_flags::disable_dht | lt::torrent_flags::disable_lsd
		| lt::torrent_flags::disable_pex;
	params.extensions.emplace_back(
		[mute = m_state->mute](lt::torrent_handle const&, lt::client_data_t) -> std::shared_ptr<lt::torrent_plugin> {
			return std::make_shared<MuteTorrent>(mute);
		});
	// Metadata for magnet links.
	params.extensions.emplace_back(&lt::create_ut_metadata_plugin);
	m_state->torrent = session.add_torrent(std::move(params));

	bool tcp = false;
	bool utp = false;
	auto const deadline = std::chrono::steady_clock::now() + start_limit;
	while (!tcp || !utp || m_state->torrent.status({}).state != lt::torrent_status::seeding) {
		if (std::chrono::steady_clock::now() > deadline)
			throw std::runtime_error("a seeder did not begin to listen on 127.0.0.1 in 30 s");
		session.wait_for_alert(lt::milliseconds(20));
		std::vector<lt::alert*> alerts;
		session.pop_alerts(&alerts);
		for (lt::alert const* alert : alerts) {
			if (auto const* failed = lt::alert_cast<lt::listen_failed_alert>(alert))
				throw std::runtime_error("a seeder cannot listen: " + failed->message());
			if (auto const* failed = lt::alert_cast<lt::torrent_error_alert>(alert))
				throw std::runtime_error("a seeder cannot seed: " + failed->message());
			if (auto const* listening = lt::alert_cast<lt::listen_succeeded_alert>(alert)) {
				if (listening->socket_type == lt::socket_type_t::tcp) {
					tcp = true;
					m_state->port = static_cast<std::uint16_t>(listening->port);
				}
				if (listening->socket_type == lt::socket_type_t::utp) utp = true;
			}
		}
	}
}

Seeder::~Seeder() { begin_stop(); }

std::uint16_t Seeder::port() const { return m_state->port; }

void Seeder::set_mute(bool mute) const { m_state->mute->store(mute, std::memory_order_relaxed); }

SeederStats Seeder::stats() const
{
	lt::torrent_status const status = m_state->torrent.status({});
	SeederStats stats;
	stats.seeding = status.state == lt::torrent_status::seeding && !status.errc;
	stats.payload_up = static_cast<std::uint64_t>(status.total_payload_upload);
	stats.peers = static_cast<std::uint32_t>(status.num_peers);
	return stats;
}

void Seeder::begin_stop()
{
	if (!m_state->session) return;
	m_state->stopping = m_state->session->abort();
	m_state->session.reset();
}

std::unique_ptr<Seeder> start_seeder(
	rust::Slice<std::uint8_t const> torrent, rust::Str save_path, std::uint32_t send_buffer)
{
	return std::make_unique<Seeder>(torrent, save_path, send_buffer);
}

} // namespace vozduxan::swarm
