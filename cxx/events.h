// The one queue between libtorrent's threads and the engine's.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "vozduxan/src/bridge/ffi.rs.h"

namespace vozduxan {

class EventQueue {
 public:
  void push(Event event) {
    {
      std::lock_guard<std::mutex> const hold(mutex_);
      events_.push_back(std::move(event));
    }
    changed_.notify_one();
  }

  // libtorrent's alert queue went from empty to not empty. Called on its network thread with its alert mutex held:
  // it may only signal (session_handle.hpp, set_alert_notify).
  void alerts_waiting() {
    {
      std::lock_guard<std::mutex> const hold(mutex_);
      alerts_ = true;
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

  bool wait(std::chrono::milliseconds const time) {
    std::unique_lock<std::mutex> hold(mutex_);
    return changed_.wait_for(hold, time, [this] { return woken_ || alerts_ || !events_.empty(); });
  }

  // Takes everything; says whether alerts wait beside the events.
  bool take(std::vector<Event>& out) {
    out.clear();
    std::lock_guard<std::mutex> const hold(mutex_);
    out.swap(events_);
    bool const alerts = alerts_;
    alerts_ = false;
    woken_ = false;
    return alerts;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Event> events_;
  bool alerts_ = false;
  bool woken_ = false;
};

inline Event make_event(EventKind const kind, std::uint32_t const torrent) {
  Event event{};
  event.kind = kind;
  event.torrent = torrent;
  return event;
}

}  // namespace vozduxan
