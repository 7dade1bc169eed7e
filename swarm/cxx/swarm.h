// The C++ side of the swarm: libtorrent behind five functions and two small classes.
// Declarations here match src/bridge.rs; every function may throw, cxx turns that into a Rust error.
#pragma once

#include "rust/cxx.h"

#include <atomic>
#include <cstdint>
#include <memory>

namespace vozduxan::swarm {

struct MakeSpec;
struct TorrentFacts;
struct SeederStats;
struct ClientSpec;
struct ClientStats;

rust::Vec<std::uint8_t> make_torrent(MakeSpec const& spec);
TorrentFacts torrent_facts(rust::Slice<std::uint8_t const> torrent);

// One libtorrent session on 127.0.0.1 that offers one torrent and never connects out.
class Seeder {
public:
	// send_buffer: how many bytes its sockets, and the session above them, may hold ready to send.
	Seeder(rust::Slice<std::uint8_t const> torrent, rust::Str save_path, std::uint32_t send_buffer);
	~Seeder();

	// The port both TCP and uTP listen on.
	std::uint16_t port() const;
	// Mute: requests are accepted and never answered.
	void set_mute(bool mute) const;
	SeederStats stats() const;
	// Begins to shut down; the destructor waits for the end. Lets many seeders stop at the same time.
	void begin_stop();

private:
	struct State;
	std::unique_ptr<State> m_state;
};

std::unique_ptr<Seeder> start_seeder(
	rust::Slice<std::uint8_t const> torrent, rust::Str save_path, std::uint32_t send_buffer);

// A libtorrent client with its default picker: what a user has who does nothing clever.
class Client {
public:
	explicit Client(ClientSpec const& spec);
	~Client();

	// Waits until the download is finished or the time is over, and says how it stands.
	ClientStats wait(std::uint32_t milliseconds) const;

private:
	struct State;
	std::unique_ptr<State> m_state;
};

std::unique_ptr<Client> start_client(ClientSpec const& spec);

} // namespace vozduxan::swarm
