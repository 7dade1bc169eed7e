// The protocol between the benchmark and a program it measures: one line each way.
//
//   in:  <id> <verb> <arguments...>        out: <id> ok <values...>   or   <id> err <text>
//
// Answers may come in another order than the commands, since a prepare waits for the swarm. `ready` comes first.
//
//   prepare MAIN FILE torrent PATH   the .torrent at PATH (the rest of the line)   ok URL TOKEN LENGTH CALLED TOOK
//   prepare MAIN FILE magnet URI                                                   ok URL TOKEN LENGTH CALLED TOOK
//   position TOKEN OFFSET            playback is there now                         ok
//   positions TOKEN COUNT LENGTH     COUNT positions spread over LENGTH bytes      ok MEDIAN_NANOSECONDS_PER_CALL
//   release TOKEN                                                                  ok
//   cpu                              processor time of this process so far         ok SECONDS
//   quit                             end everything in an orderly way              ok
//
// CALLED is when the call of prepare began, in nanoseconds of CLOCK_MONOTONIC, which all processes share; TOOK is how
// long it took, in nanoseconds. So what this protocol costs is in no figure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace bench {

// What is to be prepared: one of the two strings is empty.
struct Wish {
	bool main = true;
	int file = 0;
	std::string torrent;
	std::string magnet;
};

// A prepared stream, or `error`.
struct Prepared {
	std::string url;
	std::string token;
	std::int64_t length = 0;
	std::string error;
};

// What a candidate can do. All but `stop` are called from several threads at once.
struct Candidate {
	virtual ~Candidate() = default;
	virtual Prepared prepare(Wish const& wish) = 0;
	virtual void position(std::string const& token, std::int64_t offset) = 0;
	virtual void release(std::string const& token) = 0;
	virtual void stop() = 0;
};

inline void say(std::string const& line)
{
	static std::mutex mutex;
	std::lock_guard<std::mutex> const guard(mutex);
	std::cout << line << std::endl;
}

inline std::int64_t nanoseconds(clockid_t clock)
{
	timespec time{};
	clock_gettime(clock, &time);
	return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

inline std::string read_file(std::string const& path)
{
	std::ifstream file(path, std::ios::binary);
	return {std::istreambuf_iterator<char>(file), {}};
}

inline void prepare(Candidate& candidate, std::string const& id, std::istringstream& words)
{
	Wish wish;
	std::string kind, rest;
	words >> wish.main >> wish.file >> kind >> std::ws;
	std::getline(words, rest);
	if (kind == "torrent") wish.torrent = read_file(rest);
	else wish.magnet = rest;
	std::int64_t const called = nanoseconds(CLOCK_MONOTONIC);
	Prepared const done = candidate.prepare(wish);
	std::int64_t const took = nanoseconds(CLOCK_MONOTONIC) - called;
	if (!done.error.empty()) return say(id + " err " + done.error);
	say(id + " ok " + done.url + " " + done.token + " " + std::to_string(done.length) + " " + std::to_string(called) + " "
		+ std::to_string(took));
}

// The median of `count` calls, in nanoseconds. The places are spread like a player's that jumps about.
inline std::int64_t positions(Candidate& candidate, std::string const& token, int count, std::int64_t length)
{
	std::vector<std::int64_t> times;
	for (int i = 0; i < count; ++i) {
		// A step that shares no factor with the length visits everything in no order.
		std::int64_t const offset = length / 1000 * ((i * 617LL) % 1000);
		std::int64_t const start = nanoseconds(CLOCK_MONOTONIC);
		candidate.position(token, offset);
		times.push_back(nanoseconds(CLOCK_MONOTONIC) - start);
		// One at a time: the newest position wins, and those overtaken would cost nothing.
		std::this_thread::sleep_for(std::chrono::milliseconds(2));
	}
	if (times.empty()) return 0;
	std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
	return times[times.size() / 2];
}

// Serves commands until `quit` or the end of the input.
inline void serve(Candidate& candidate)
{
	say("ready");
	std::string line;
	while (std::getline(std::cin, line)) {
		std::istringstream words(line);
		std::string id, verb, token;
		words >> id >> verb;
		if (verb == "prepare") {
			std::thread([&candidate, id, rest = std::move(words)]() mutable { prepare(candidate, id, rest); }).detach();
		} else if (verb == "position") {
			std::int64_t offset = 0;
			words >> token >> offset;
			candidate.position(token, offset);
			say(id + " ok");
		} else if (verb == "positions") {
			int count = 0;
			std::int64_t length = 0;
			words >> token >> count >> length;
			say(id + " ok " + std::to_string(positions(candidate, token, count, length)));
		} else if (verb == "release") {
			words >> token;
			candidate.release(token);
			say(id + " ok");
		} else if (verb == "cpu") {
			say(id + " ok " + std::to_string(nanoseconds(CLOCK_PROCESS_CPUTIME_ID) / 1e9));
		} else if (verb == "quit") {
			candidate.stop();
			say(id + " ok");
			return;
		} else {
			say(id + " err unknown command " + verb);
		}
	}
}

} // namespace bench
