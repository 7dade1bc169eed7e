/*
 * A host in C++17: RAII around the ten functions, several threads that prepare, play and steer at once, callbacks into
 * objects, and boost.asio of its own beside the library's copy of it.
 *
 * The world comes from the environment, see c-tests/CMakeLists.txt.
 */
#include <vozduxan.h>

#include <array>
#include <atomic>
#include <boost/asio.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using Bytes = std::vector<unsigned char>;

/* Throws unless what must be true is. */
void must(bool condition, const std::string &what) {
  if (!condition) throw std::runtime_error("not true: " + what);
}

std::string variable(const char *name) {
  const char *value = std::getenv(name);
  must(value != nullptr, std::string(name) + " is set: start this through vozduxan-swarm run");
  return value;
}

Bytes read_file(const fs::path &path) {
  std::ifstream file(path, std::ios::binary);
  must(file.good(), path.string() + " can be read");
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

/* The original of a file of the torrent: under VZ_SOURCE, or in a folder of it that is named like the torrent. */
Bytes original(const std::string &name) {
  const fs::path source = variable("VZ_SOURCE");
  if (fs::is_regular_file(source / name)) return read_file(source / name);
  for (const auto &folder : fs::directory_iterator(source)) {
    if (fs::is_regular_file(folder.path() / name)) return read_file(folder.path() / name);
  }
  throw std::runtime_error(name + " is not under VZ_SOURCE");
}

/* What the library says, as an exception: the host's own may pass through its own frames as they like. */
struct Failed : std::runtime_error {
  VozduxanError error;
  Failed(VozduxanError error, const char *message) : std::runtime_error(message), error(error) {}
};

class Session;

/* A stream; released when it goes. */
class Stream {
 public:
  Stream(std::shared_ptr<Session> session, const VozduxanStreamInfo &info)
      : session_(std::move(session)), info_(info) {}
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;
  ~Stream();

  std::string url() const { return info_.url; }
  std::size_t size() const { return static_cast<std::size_t>(info_.file_size); }
  void at(std::int64_t offset) const;
  VozduxanStreamStats stats() const;

 private:
  std::shared_ptr<Session> session_;
  VozduxanStreamInfo info_;
};

/* An engine; destroyed when it goes. Its log lines are kept. */
class Session : public std::enable_shared_from_this<Session> {
 public:
  using Progress = std::function<void(float, std::string)>;

  Session() {
    const std::string path = variable("VZ_STORAGE");
    VozduxanConfig config{};
    config.storage_path = path.c_str();
    config.log_fn = [](const char *message, void *userdata) { static_cast<Session *>(userdata)->keep(message); };
    config.log_userdata = this;
    session_ = vozduxan_session_create(&config);
    if (session_ == nullptr) throw std::runtime_error("no session in " + path);
  }
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;
  ~Session() { vozduxan_session_destroy(session_); }

  std::vector<VozduxanFileEntry> list(const std::string &magnet) {
    VozduxanFileList list = vozduxan_list_files(session_, magnet.c_str(), nullptr, 0);
    const std::unique_ptr<VozduxanFileList, decltype(&vozduxan_file_list_free)> given_back(&list,
                                                                                          vozduxan_file_list_free);
    if (list.error != VOZDUXAN_OK) throw Failed(list.error, list.error_msg);
    return std::vector<VozduxanFileEntry>(list.files, list.files + list.count);
  }

  std::unique_ptr<Stream> prepare(const Bytes &torrent, int file, bool main, Progress progress) {
    const auto told = [](float share, const char *status, void *userdata) {
      (*static_cast<Progress *>(userdata))(share, status);
    };
    const VozduxanStreamInfo info =
        vozduxan_stream_prepare(session_, nullptr, torrent.data(), torrent.size(), file, main ? 1 : 0, told, &progress);
    if (info.error != VOZDUXAN_OK) throw Failed(info.error, info.error_msg);
    return std::make_unique<Stream>(shared_from_this(), info);
  }

  void evict() { vozduxan_session_evict(session_); }
  std::uint16_t port() const { return vozduxan_session_http_port(session_); }
  VozduxanSession *get() const { return session_; }
  bool logged() {
    const std::lock_guard<std::mutex> hold(mutex_);
    return !lines_.empty();
  }

 private:
  void keep(const char *message) {
    const std::lock_guard<std::mutex> hold(mutex_);
    lines_.emplace_back(message);
  }

  std::mutex mutex_;
  std::vector<std::string> lines_;
  VozduxanSession *session_ = nullptr;
};

Stream::~Stream() { vozduxan_stream_release(session_->get(), info_.token); }
void Stream::at(std::int64_t offset) const { vozduxan_stream_notify_position(session_->get(), info_.token, offset); }
VozduxanStreamStats Stream::stats() const { return vozduxan_stream_stats(session_->get(), info_.token); }

/* Status and body of a GET by asio; `range` may be empty, else like "bytes=0-99". */
std::pair<int, Bytes> get(const std::string &url, const std::string &range) {
  const std::string start = "http://127.0.0.1:";
  must(url.compare(0, start.size(), start) == 0, url);
  const std::size_t slash = url.find('/', start.size());
  const std::string port = url.substr(start.size(), slash - start.size());
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  asio::connect(socket, asio::ip::tcp::resolver(context).resolve("127.0.0.1", port));
  asio::write(socket, asio::buffer("GET " + url.substr(slash) + " HTTP/1.1\r\nHost: 127.0.0.1:" + port +
                                   "\r\nConnection: close\r\n" + (range.empty() ? "" : "Range: " + range + "\r\n") +
                                   "\r\n"));
  boost::system::error_code end;
  std::string answer;
  asio::read(socket, asio::dynamic_buffer(answer), end);
  must(end == asio::error::eof, "an answer to its end, not " + end.message());
  const std::size_t head = answer.find("\r\n\r\n");
  must(head != std::string::npos, "a head");
  return {std::stoi(answer.substr(9, 3)), Bytes(answer.begin() + static_cast<std::ptrdiff_t>(head) + 4, answer.end())};
}

/* Prepares and plays one file on its own thread while another thread asks for figures and steers. */
void play(const std::shared_ptr<Session> &session, const Bytes &torrent, const VozduxanFileEntry &file, bool main) {
  const auto thread = std::this_thread::get_id();
  float last = 0;
  const auto told = [&](float share, const std::string &status) {
    must(std::this_thread::get_id() == thread, "progress comes on the thread that prepares");
    must(share >= last && share <= 1 && !status.empty(), "progress goes forward: " + status);
    last = share;
  };
  std::unique_ptr<Stream> stream;
  while (!stream) {
    try {
      stream = session->prepare(torrent, file.index, main, told);
    } catch (const Failed &failed) {
      /* A main prepare ends what is being prepared of its torrent: the background one has to come again. */
      if (main || std::string(failed.what()).find("superseded") == std::string::npos) throw;
      last = 0;
    }
  }
  const Bytes whole = original(file.name);
  must(stream->size() == whole.size(), file.name);

  std::atomic<bool> playing{true};
  std::thread player([&] {
    while (playing) {
      must(stream->stats().num_peers >= 0, "figures");
      stream->at(0);
      std::this_thread::yield();
    }
  });
  const std::size_t third = whole.size() / 3;
  const auto part = get(stream->url(), "bytes=" + std::to_string(third) + "-" + std::to_string(2 * third - 1));
  const auto all = get(stream->url(), "");
  playing = false;
  player.join();
  const auto begin = whole.begin() + static_cast<std::ptrdiff_t>(third);
  must(part.first == 206 && part.second == Bytes(begin, begin + static_cast<std::ptrdiff_t>(third)),
       "a third of " + std::string(file.name));
  must(all.first == 200 && all.second == whole, "all of " + std::string(file.name));
}

void story() {
  const Bytes torrent = read_file(variable("VZ_TORRENT"));
  const auto session = std::make_shared<Session>();
  must(session->port() != 0, "a port");
  std::vector<VozduxanFileEntry> tracks;
  for (const VozduxanFileEntry &file : session->list(variable("VZ_MAGNET"))) {
    if (std::string(file.mime).rfind("audio/", 0) == 0 && file.size > 0) tracks.push_back(file);
  }
  must(tracks.size() >= 2, "two tracks");

  try {
    session->list("magnet:?no-hash");
    must(false, "a magnet without a hash is refused");
  } catch (const Failed &failed) {
    must(failed.error == VOZDUXAN_ERR_BAD_INPUT, failed.what());
  }

  /* Two tracks at once, each by its own thread; what a thread finds wrong is told by this one. */
  std::array<std::exception_ptr, 2> wrong;
  std::vector<std::thread> threads;
  for (std::size_t at = 0; at < wrong.size(); at++) {
    threads.emplace_back([&, at] {
      try {
        play(session, torrent, tracks[at], at == 0);
      } catch (...) {
        wrong[at] = std::current_exception();
      }
    });
  }
  for (std::thread &thread : threads) thread.join();
  for (const std::exception_ptr &exception : wrong) {
    if (exception) std::rethrow_exception(exception);
  }
  session->evict();
  must(session->logged(), "log lines came");
}

}  // namespace

int main() {
  try {
    story();
    return 0;
  } catch (const std::exception &exception) {
    std::cerr << exception.what() << '\n';
    return 1;
  }
}
