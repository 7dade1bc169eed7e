// Settings shared by the sessions of this crate: loopback only, nothing that talks to the outside.
#pragma once

#include <libtorrent/settings_pack.hpp>

namespace vozduxan::swarm {

inline libtorrent::settings_pack loopback_settings()
{
	namespace lt = libtorrent;
	lt::settings_pack pack;
	pack.set_str(lt::settings_pack::listen_interfaces, "127.0.0.1:0");
	pack.set_bool(lt::settings_pack::enable_dht, false);
	pack.set_bool(lt::settings_pack::enable_lsd, false);
	pack.set_bool(lt::settings_pack::enable_upnp, false);
	pack.set_bool(lt::settings_pack::enable_natpmp, false);
	// All of a swarm's peers come from 127.0.0.1.
	pack.set_bool(lt::settings_pack::allow_multiple_connections_per_ip, true);
	pack.set_int(lt::settings_pack::stop_tracker_timeout, 0);
	pack.set_int(lt::settings_pack::aio_threads, 1);
	pack.set_int(lt::settings_pack::hashing_threads, 1);
	return pack;
}

} // namespace vozduxan::swarm
