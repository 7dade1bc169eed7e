// The engine as a host gets it: libvozduxan.a through its header, in a process of its own.
//
//   bench_engine STORAGE
#include "lines.h"

#include <vozduxan.h>

namespace {

struct Engine final : bench::Candidate {
	explicit Engine(char const* storage)
	{
		VozduxanConfig config{};
		config.storage_path = storage;
		session = vozduxan_session_create(&config);
	}

	bench::Prepared prepare(bench::Wish const& wish) override
	{
		VozduxanStreamInfo const info = vozduxan_stream_prepare(session,
			wish.magnet.empty() ? nullptr : wish.magnet.c_str(), reinterpret_cast<std::uint8_t const*>(wish.torrent.data()),
			wish.torrent.size(), wish.file, wish.main ? 1 : 0, nullptr, nullptr);
		bench::Prepared done;
		if (info.error != VOZDUXAN_OK) {
			done.error = info.error_msg[0] ? info.error_msg : "error " + std::to_string(info.error);
			return done;
		}
		done.url = info.url;
		done.token = info.token;
		done.length = info.file_size;
		return done;
	}

	void position(std::string const& token, std::int64_t offset) override
	{
		vozduxan_stream_notify_position(session, token.c_str(), offset);
	}

	void release(std::string const& token) override { vozduxan_stream_release(session, token.c_str()); }

	void stop() override { vozduxan_session_destroy(session); }

	VozduxanSession* session;
};

} // namespace

int main(int count, char** arguments)
{
	if (count != 2) {
		std::cerr << "usage: bench_engine STORAGE\n";
		return 2;
	}
	Engine engine(arguments[1]);
	// The log, on stderr, says why.
	if (!engine.session) return 1;
	bench::serve(engine);
	// Not `return`: a prepare that the end of the input left behind may still use the engine's address.
	std::cout.flush();
	std::_Exit(0);
}
