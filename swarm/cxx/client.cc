// A plain client: libtorrent with its defaults, told only to stay on loopback.
#include "vozduxan-swarm/cxx/settings.h"
#include "vozduxan-swarm/cxx/swarm.h"
#include "vozduxan-swarm/src/bridge.rs.h"

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/magnet_uri.hpp>
#include <libtorrent/peer_info.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

namespace lt = libtorrent;

namespace vozduxan::swarm {

namespace {

lt::settings_pack client_settings(ClientSpec const& spec)
{
	lt::settings_pack pack = loopback_settings();
	pack.set_int(lt::settings_pack::alert_mask, lt::alert_category::status | lt::alert_category::error);
	pack.set_bool(lt::settings_pack::enable_outgoing_tcp, spec.tcp);
	pack.set_bool(lt::settings_pack::enable_incoming_tcp, spec.tcp);
	pack.set_bool(lt::settings_pack::enable_outgoing_utp, spec.utp);
	pack.set_bool(lt::settings_pack::enable_incoming_utp, spec.utp);
	// Tests with faults: come back to a peer in a second, not in a minute.
	pack.set_int(lt::settings_pack::min_reconnect_time, 1);
	return pack;
}

} // namespace

struct Client::State {
	explicit State(ClientSpec const& spec) : session(client_settings(spec)) {}

	// Guards the two below; `wait` may be called from several threads.
	std::mutex mutex;
	std::uint32_t hash_failures = 0;
	std::string error;
	lt::torrent_handle torrent;
	// Last, so that it ends first: its destructor joins the threads that could still use the others.
	lt::session session;
};

Client::Client(ClientSpec const& spec) : m_state(std::make_unique<State>(spec))
{
	lt::add_torrent_params params;
	if (spec.torrent.empty()) {
		params = lt::parse_magnet_uri(std::string(spec.magnet));
	} else {
		params.ti = std::make_shared<lt::torrent_info>(
			lt::span<char const>(
				reinterpret_cast<char const*>(spec.torrent.data()), static_cast<std::ptrdiff_t>(spec.torrent.size())),
			lt::from_span);
	}
	params.save_path = std::string(spec.save_path);
	params.flags &= ~(lt::torrent_flags::auto_managed | lt::torrent_flags::paused);
	if (!spec.parted.empty() && params.ti) {
		// What a file of priority 0 is sent goes to the part file; its pieces are wanted all the same.
		params.file_priorities.assign(static_cast<std::size_t>(params.ti->num_files()), lt::default_priority);
		for (std::uint32_t const file : spec.parted) params.file_priorities.at(file) = lt::dont_download;
		params.piece_priorities.assign(static_cast<std::size_t>(params.ti->num_pieces()), lt::default_priority);
	}
	for (auto const& peer : spec.peers) {
		std::string const text(peer);
		auto const colon = text.rfind(':');
		params.peers.emplace_back(
			lt::make_address(text.substr(0, colon)), static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1))));
	}
	m_state->torrent = m_state->session.add_torrent(std::move(params));
}

Client::~Client() = default;

ClientStats Client::wait(std::uint32_t milliseconds) const
{
	std::lock_guard<std::mutex> const guard(m_state->mutex);
	auto const deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
	for (;;) {
		std::vector<lt::alert*> alerts;
		m_state->session.pop_alerts(&alerts);
		for (lt::alert const* alert : alerts) {
			if (lt::alert_cast<lt::hash_failed_alert>(alert)) ++m_state->hash_failures;
			if (auto const* failed = lt::alert_cast<lt::torrent_error_alert>(alert)) m_state->error = failed->message();
			if (auto const* failed = lt::alert_cast<lt::file_error_alert>(alert)) m_state->error = failed->message();
		}
		lt::torrent_status const status = m_state->torrent.status({});
		auto const left = std::chrono::duration_cast<lt::milliseconds>(deadline - std::chrono::steady_clock::now());
		if (!status.is_seeding && left.count() > 0 && m_state->error.empty()) {
			m_state->session.wait_for_alert(std::min(left, lt::milliseconds(50)));
			continue;
		}
		ClientStats stats;
		stats.finished = status.is_seeding;
		stats.payload_down = static_cast<std::uint64_t>(status.total_payload_download);
		stats.failed = static_cast<std::uint64_t>(status.total_failed_bytes);
		stats.hash_failures = m_state->hash_failures;
		std::vector<lt::peer_info> peers;
		m_state->torrent.get_peer_info(peers);
		stats.peers = static_cast<std::uint32_t>(peers.size());
		stats.utp_peers = 0;
		for (auto const& peer : peers)
			if (peer.flags & lt::peer_info::utp_socket) ++stats.utp_peers;
		stats.error = m_state->error;
		return stats;
	}
}

std::unique_ptr<Client> start_client(ClientSpec const& spec) { return std::make_unique<Client>(spec); }

} // namespace vozduxan::swarm
