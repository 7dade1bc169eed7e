// Making a .torrent and reading one back.
#include "vozduxan-swarm/cxx/swarm.h"
#include "vozduxan-swarm/src/bridge.rs.h"

#include <libtorrent/bencode.hpp>
#include <libtorrent/create_torrent.hpp>
#include <libtorrent/file_storage.hpp>
#include <libtorrent/torrent_info.hpp>

#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace lt = libtorrent;

namespace vozduxan::swarm {

namespace {

template <typename Hash>
rust::Vec<std::uint8_t> hash_bytes(bool present, Hash const& hash)
{
	rust::Vec<std::uint8_t> out;
	if (present)
		for (auto const byte : hash) out.push_back(static_cast<std::uint8_t>(byte));
	return out;
}

} // namespace

rust::Vec<std::uint8_t> make_torrent(MakeSpec const& spec)
{
	lt::file_storage files;
	for (auto const& file : spec.files)
		files.add_file(std::string(file.path), static_cast<std::int64_t>(file.len));

	lt::create_flags_t flags{};
	if (!spec.v2) flags |= lt::create_torrent::v1_only;
	if (!spec.v1) flags |= lt::create_torrent::v2_only;
	lt::create_torrent torrent(files, static_cast<int>(spec.piece_len), flags);
	// The same files give the same bytes at any time.
	torrent.set_creation_date(0);
	for (auto const& url : spec.trackers) torrent.add_tracker(std::string(url));
	torrent.set_priv(spec.private_flag);

	lt::error_code error;
	lt::set_piece_hashes(torrent, std::string(spec.parent), error);
	if (error) throw std::runtime_error("hashing the files: " + error.message());

	std::vector<char> bytes;
	lt::bencode(std::back_inserter(bytes), torrent.generate());
	rust::Vec<std::uint8_t> out;
	out.reserve(bytes.size());
	for (char const byte : bytes) out.push_back(static_cast<std::uint8_t>(byte));
	return out;
}

TorrentFacts torrent_facts(rust::Slice<std::uint8_t const> bytes)
{
	lt::torrent_info const info(
		lt::span<char const>(reinterpret_cast<char const*>(bytes.data()), static_cast<std::ptrdiff_t>(bytes.size())),
		lt::from_span);
	lt::file_storage const& files = info.files();

	TorrentFacts facts;
	facts.name = info.name();
	facts.v1 = hash_bytes(info.info_hashes().has_v1(), info.info_hashes().v1);
	facts.v2 = hash_bytes(info.info_hashes().has_v2(), info.info_hashes().v2);
	facts.piece_len = static_cast<std::uint32_t>(info.piece_length());
	facts.total_len = static_cast<std::uint64_t>(info.total_size());
	facts.info_len = static_cast<std::uint64_t>(info.info_section().size());
	for (auto const i : files.file_range()) {
		FileFact file;
		file.path = files.file_path(i);
		file.offset = static_cast<std::uint64_t>(files.file_offset(i));
		file.len = static_cast<std::uint64_t>(files.file_size(i));
		file.pad = files.pad_file_at(i);
		facts.files.push_back(std::move(file));
	}
	return facts;
}

} // namespace vozduxan::swarm
