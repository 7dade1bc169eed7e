// What one writes by hand in an afternoon: libtorrent with its defaults, sequential download, deadlines on the
// requested range, read_piece, and a server with a thread for each connection.
//
//   bench_naive STORAGE
//
// It is meant to be good of its kind: all pieces that a reader is about to need have deadlines, readers are woken by
// alerts and never poll.
#include "lines.h"

#include <libtorrent/add_torrent_params.hpp>
#include <libtorrent/alert_types.hpp>
#include <libtorrent/magnet_uri.hpp>
#include <libtorrent/session.hpp>
#include <libtorrent/torrent_info.hpp>
#include <libtorrent/torrent_status.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <set>

namespace lt = libtorrent;

namespace {

// Pieces ahead of a reader that get deadlines, a second apart.
constexpr int ahead = 5;

using Bytes = std::shared_ptr<std::vector<char>>;

// A torrent and what the alerts said of it. Guarded by Naive::mutex, but for the handle.
struct Torrent {
	lt::torrent_handle handle;
	std::set<int> have;
	// Pieces that read_piece brought, until their reader takes them.
	std::map<int, Bytes> read;
};

struct Stream {
	std::shared_ptr<Torrent> torrent;
	int file;
	std::int64_t length;
	bool open = true;
};

lt::settings_pack settings()
{
	lt::settings_pack pack;
	pack.set_int(lt::settings_pack::alert_mask,
		lt::alert_category::status | lt::alert_category::error | lt::alert_category::storage
			| lt::alert_category::piece_progress);
	// The benchmark stays on loopback.
	pack.set_str(lt::settings_pack::listen_interfaces, "127.0.0.1:0");
	for (auto const flag : {lt::settings_pack::enable_dht, lt::settings_pack::enable_lsd, lt::settings_pack::enable_upnp,
			 lt::settings_pack::enable_natpmp})
		pack.set_bool(flag, false);
	return pack;
}

struct Naive final : bench::Candidate {
	explicit Naive(std::string folder) : storage(std::move(folder)), session(settings())
	{
		listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		sockaddr_in address{};
		address.sin_family = AF_INET;
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		socklen_t size = sizeof(address);
		if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener, 1000) != 0
			|| ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0)
			throw std::runtime_error("no port on loopback");
		port = ntohs(address.sin_port);
		std::thread([this] { alerts(); }).detach();
		std::thread([this] {
			for (;;) {
				int const client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
				if (client >= 0) std::thread([this, client] { answer(client); }).detach();
			}
		}).detach();
	}

	bench::Prepared prepare(bench::Wish const& wish) override
	{
		bench::Prepared done;
		try {
			auto stream = std::make_shared<Stream>();
			stream->torrent = add(wish);
			stream->file = wish.file;
			lt::torrent_handle& handle = stream->torrent->handle;
			{
				std::unique_lock<std::mutex> lock(mutex);
				news.wait(lock, [&] { return handle.torrent_file() != nullptr; });
			}
			auto const info = handle.torrent_file();
			stream->length = info->files().file_size(lt::file_index_t(wish.file));
			if (wish.main) urge(*stream->torrent, piece_at(*info, wish.file, 0));
			std::lock_guard<std::mutex> const lock(mutex);
			done.token = std::to_string(++last_token);
			done.length = stream->length;
			done.url = "http://127.0.0.1:" + std::to_string(port) + "/stream/" + done.token;
			streams[done.token] = stream;
		} catch (std::exception const& error) {
			done.error = error.what();
		}
		return done;
	}

	void position(std::string const& token, std::int64_t offset) override
	{
		auto const stream = find(token);
		if (!stream) return;
		auto const info = stream->torrent->handle.torrent_file();
		urge(*stream->torrent, piece_at(*info, stream->file, std::min(offset, stream->length - 1)));
	}

	void release(std::string const& token) override
	{
		std::lock_guard<std::mutex> const lock(mutex);
		auto const at = streams.find(token);
		if (at == streams.end()) return;
		at->second->open = false;
		streams.erase(at);
		news.notify_all();
	}

	void stop() override { session.pause(); }

	std::shared_ptr<Torrent> add(bench::Wish const& wish)
	{
		lt::add_torrent_params params;
		if (wish.torrent.empty()) params = lt::parse_magnet_uri(wish.magnet);
		else params.ti = std::make_shared<lt::torrent_info>(lt::span<char const>(wish.torrent), lt::from_span);
		params.save_path = storage;
		params.flags |= lt::torrent_flags::sequential_download;
		params.flags &= ~(lt::torrent_flags::auto_managed | lt::torrent_flags::paused);
		auto const handle = session.add_torrent(std::move(params));
		std::lock_guard<std::mutex> const lock(mutex);
		auto& known = torrents[handle.id()];
		if (!known) {
			known = std::make_shared<Torrent>();
			known->handle = handle;
		}
		return known;
	}

	// Deadlines on the pieces that playback at `piece` needs next.
	static void urge(Torrent const& torrent, int piece)
	{
		int const end = torrent.handle.torrent_file()->num_pieces();
		for (int i = 0; i < ahead && piece + i < end; ++i)
			torrent.handle.set_piece_deadline(lt::piece_index_t(piece + i), i * 1000);
	}

	static int piece_at(lt::torrent_info const& info, int file, std::int64_t offset)
	{
		return static_cast<int>((info.files().file_offset(lt::file_index_t(file)) + offset) / info.piece_length());
	}

	std::shared_ptr<Stream> find(std::string const& token)
	{
		std::lock_guard<std::mutex> const lock(mutex);
		auto const at = streams.find(token);
		return at == streams.end() ? nullptr : at->second;
	}

	void alerts()
	{
		for (;;) {
			session.wait_for_alert(std::chrono::seconds(10));
			std::vector<lt::alert*> news_of_session;
			session.pop_alerts(&news_of_session);
			std::lock_guard<std::mutex> const lock(mutex);
			for (lt::alert* alert : news_of_session) {
				auto const* of_torrent = dynamic_cast<lt::torrent_alert*>(alert);
				if (!of_torrent) continue;
				auto const at = torrents.find(of_torrent->handle.id());
				if (at == torrents.end()) continue;
				if (lt::alert_cast<lt::torrent_checked_alert>(alert)) {
					auto const pieces = at->second->handle.status(lt::torrent_handle::query_pieces).pieces;
					for (auto const piece : pieces.range())
						if (pieces[piece]) at->second->have.insert(static_cast<int>(piece));
				}
				if (auto const* finished = lt::alert_cast<lt::piece_finished_alert>(alert))
					at->second->have.insert(static_cast<int>(finished->piece_index));
				if (auto const* read = lt::alert_cast<lt::read_piece_alert>(alert); read && !read->error)
					at->second->read[static_cast<int>(read->piece)]
						= std::make_shared<std::vector<char>>(read->buffer.get(), read->buffer.get() + read->size);
			}
			news.notify_all();
		}
	}

	// The bytes of a piece, as soon as it is there. Null when the stream was released.
	Bytes piece(Stream const& stream, int piece)
	{
		Torrent& torrent = *stream.torrent;
		// What was there before anybody listened to alerts.
		bool const had = torrent.handle.have_piece(lt::piece_index_t(piece));
		{
			std::unique_lock<std::mutex> lock(mutex);
			news.wait(lock, [&] { return !stream.open || had || torrent.have.count(piece); });
			if (!stream.open) return nullptr;
		}
		torrent.handle.read_piece(lt::piece_index_t(piece));
		std::unique_lock<std::mutex> lock(mutex);
		news.wait(lock, [&] { return !stream.open || torrent.read.count(piece); });
		if (!stream.open) return nullptr;
		auto const bytes = torrent.read[piece];
		// Other readers of the same piece may still be about to look for it: what is far behind goes.
		while (torrent.read.size() > 16) torrent.read.erase(torrent.read.begin()->first == piece ? std::prev(torrent.read.end()) : torrent.read.begin());
		return bytes;
	}

	static bool send(int client, char const* data, std::size_t size)
	{
		while (size > 0) {
			ssize_t const sent = ::send(client, data, size, MSG_NOSIGNAL);
			if (sent <= 0) return false;
			data += sent;
			size -= static_cast<std::size_t>(sent);
		}
		return true;
	}

	void answer(int client)
	{
		int const on = 1;
		::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		std::string received;
		char buffer[4096];
		for (bool kept = true; kept;) {
			std::size_t end;
			while ((end = received.find("\r\n\r\n")) == std::string::npos) {
				ssize_t const got = ::recv(client, buffer, sizeof(buffer), 0);
				if (got <= 0) break;
				received.append(buffer, static_cast<std::size_t>(got));
			}
			if (end == std::string::npos) break;
			kept = transfer(client, received.substr(0, end + 4));
			received.erase(0, end + 4);
		}
		::close(client);
	}

	// Whether the connection can be asked again.
	bool transfer(int client, std::string const& head)
	{
		bool const kept = head.find("Connection: close") == std::string::npos;
		auto const slash = head.find("/stream/");
		auto const stream = slash == std::string::npos
			? nullptr
			: find(head.substr(slash + 8, head.find(' ', slash) - slash - 8));
		if (!stream) {
			std::string const text = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
			send(client, text.data(), text.size());
			return false;
		}
		std::int64_t from = 0, last = stream->length - 1;
		auto at = head.find("bytes=");
		bool const partial = at != std::string::npos;
		if (partial) {
			at += 6;
			auto const dash = head.find('-', at);
			from = std::atoll(head.c_str() + at);
			if (dash + 1 < head.size() && std::isdigit(static_cast<unsigned char>(head[dash + 1])))
				last = std::min<std::int64_t>(last, std::atoll(head.c_str() + dash + 1));
		}
		std::ostringstream out;
		out << "HTTP/1.1 " << (partial ? "206 Partial Content" : "200 OK") << "\r\nContent-Length: " << last - from + 1
			<< "\r\nAccept-Ranges: bytes\r\nContent-Type: audio/flac\r\nConnection: " << (kept ? "keep-alive" : "close") << "\r\n";
		if (partial) out << "Content-Range: bytes " << from << '-' << last << '/' << stream->length << "\r\n";
		out << "\r\n";
		std::string const text = out.str();
		if (!send(client, text.data(), text.size())) return false;

		auto const info = stream->torrent->handle.torrent_file();
		std::int64_t const base = info->files().file_offset(lt::file_index_t(stream->file));
		std::int64_t const piece_length = info->piece_length();
		for (std::int64_t offset = base + from; offset <= base + last;) {
			int const index = static_cast<int>(offset / piece_length);
			urge(*stream->torrent, index);
			auto const bytes = piece(*stream, index);
			if (!bytes) return false;
			std::int64_t const begin = offset - index * piece_length;
			std::int64_t const end = std::min<std::int64_t>(static_cast<std::int64_t>(bytes->size()), base + last + 1 - index * piece_length);
			if (!send(client, bytes->data() + begin, static_cast<std::size_t>(end - begin))) return false;
			offset += end - begin;
		}
		return kept;
	}

	std::string const storage;
	// Guards everything below but the session, which guards itself.
	std::mutex mutex;
	std::condition_variable news;
	std::map<std::uint32_t, std::shared_ptr<Torrent>> torrents;
	std::map<std::string, std::shared_ptr<Stream>> streams;
	int last_token = 0;
	int listener = -1;
	int port = 0;
	lt::session session;
};

} // namespace

int main(int count, char** arguments)
{
	if (count != 2) {
		std::cerr << "usage: bench_naive STORAGE\n";
		return 2;
	}
	try {
		Naive naive(arguments[1]);
		bench::serve(naive);
		// Not `return`: its threads run until the process ends.
		std::cout.flush();
		std::_Exit(0);
	} catch (std::exception const& error) {
		std::cerr << "bench_naive: " << error.what() << '\n';
		return 1;
	}
}
