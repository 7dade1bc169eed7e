// The one queue between libtorrent's threads and the engine's.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "vozduxan/src/bridge/ffi.rs.h"

namespace vozduxan {

// Unbounded only in what libtorrent itself bounds: pieces, torrents, connections. What peers send is not bounded by
// them: a HAVE has 9 bytes on the wire, and one that repeats it fills memory while the engine's thread is held up. So a
// peer's reports are offered, and a peer with too many of them waiting loses its connection: the report of that is
// never refused, the engine forgets all it knew of the peer, and libtorrent connects again later. Nothing else is lost.
class EventQueue {
 public:
  // Bytes that may wait, of one peer and of all. An honest peer's blocks are at most those that were asked of it, some
  // 2000 events of less than 100 bytes.
  static constexpr std::size_t most_of_one = 2 << 20;
  static constexpr std::size_t most_of_all = 32 << 20;

  // A peer's report; false: refused, the peer has to go.
  bool offer(Event event) {
    std::size_t const bytes = sizeof(Event) + event.data.size() + event.text.size();
    {
      std::lock_guard<std::mutex> const hold(mutex_);
      std::size_t& of_this = of_peers_[event.peer];
      if (of_this + bytes > most_of_one || of_all_ + bytes > most_of_all) return false;
      of_this += bytes;
      of_all_ += bytes;
      events_.push_back(std::move(event));
      if (quiet_) return true;
    }
    changed_.notify_one();
    return true;
  }

  void push(Event event) {
    {
      std::lock_guard<std::mutex> const hold(mutex_);
      events_.push_back(std::move(event));
      if (quiet_) return;
    }
    changed_.notify_one();
  }

  // libtorrent's alert queue went from empty to not empty. Called on its network thread with its alert mutex held:
  // it may only signal (session_handle.hpp, set_alert_notify).
  void alerts_waiting() {
    {
      std::lock_guard<std::mutex> const hold(mutex_);
      alerts_ = true;
      if (quiet_) return;
    }
    changed_.notify_one();
  }

  void wake() {
    {
      std::lock_guard<std::mutex> const hold(mutex_);
      woken_ = true;
    }
    changed_.notify_one();
  }

  // Waits until something is there, or for `time`. For the first `quiet` of it only `wake` counts: what comes meanwhile is
  // taken together, and neither thread pays for a wake-up each.
  bool wait(std::chrono::milliseconds const quiet, std::chrono::milliseconds const time) {
    std::unique_lock<std::mutex> hold(mutex_);
    if (quiet.count() > 0) {
      quiet_ = true;
      changed_.wait_for(hold, std::min(quiet, time), [this] { return woken_; });
      quiet_ = false;
    }
    return changed_.wait_for(hold, std::max(time - quiet, std::chrono::milliseconds(0)),
                             [this] { return woken_ || alerts_ || !events_.empty(); });
  }

  // Takes everything; says whether alerts wait beside the events.
  bool take(std::vector<Event>& out) {
    out.clear();
    std::lock_guard<std::mutex> const hold(mutex_);
    out.swap(events_);
    of_peers_.clear();
    of_all_ = 0;
    bool const alerts = alerts_;
    alerts_ = false;
    woken_ = false;
    return alerts;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Event> events_;
  std::unordered_map<std::uint32_t, std::size_t> of_peers_;
  std::size_t of_all_ = 0;
  bool alerts_ = false;
  bool woken_ = false;
  // The engine's thread waits, and not for events.
  bool quiet_ = false;
};

inline Event make_event(EventKind const kind, std::uint32_t const torrent) {
  Event event{};
  event.kind = kind;
  event.torrent = torrent;
  return event;
}

}  // namespace vozduxan
