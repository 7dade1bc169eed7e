#include "vozduxan/cxx/alerts.h"

#include <algorithm>
#include <string>
#include <vector>

#include <libtorrent/alert_types.hpp>
#include <libtorrent/write_resume_data.hpp>

#include "vozduxan/cxx/convert.h"
#include "vozduxan/cxx/events.h"

namespace vozduxan {
namespace {

Event with_text(EventKind const kind, std::uint32_t const torrent, std::string const& text) {
  Event event = make_event(kind, torrent);
  event.text = rust::String::lossy(text);
  return event;
}

bool disk_full(lt::error_code const& error) {
  return error == boost::system::errc::no_space_on_device ||
         error == lt::error_code(EDQUOT, boost::system::system_category());
}

}  // namespace

std::optional<Event> to_event(lt::alert const& alert, std::uint32_t const torrent) {
  if (lt::alert_cast<lt::metadata_received_alert>(&alert)) {
    return make_event(EventKind::MetadataReceived, torrent);
  }
  if (auto const* failed = lt::alert_cast<lt::metadata_failed_alert>(&alert)) {
    return with_text(EventKind::MetadataFailed, torrent, failed->error.message());
  }
  if (auto const* error = lt::alert_cast<lt::torrent_error_alert>(&alert)) {
    return with_text(EventKind::TorrentError, torrent, error->error.message());
  }
  if (auto const* file = lt::alert_cast<lt::file_error_alert>(&alert)) {
    Event event = with_text(EventKind::FileError, torrent, std::string(file->filename()) + ": " + file->error.message());
    event.offset = disk_full(file->error) ? 1 : 0;
    return event;
  }
  if (auto const* saved = lt::alert_cast<lt::save_resume_data_alert>(&alert)) {
    Event event = make_event(EventKind::ResumeData, torrent);
    std::vector<char> const bytes = lt::write_resume_data_buf(saved->params);
    event.data = to_bytes(bytes.data(), bytes.size());
    return event;
  }
  if (auto const* unsaved = lt::alert_cast<lt::save_resume_data_failed_alert>(&alert)) {
    return with_text(EventKind::ResumeFailed, torrent, unsaved->error.message());
  }
  if (auto const* reply = lt::alert_cast<lt::tracker_reply_alert>(&alert)) {
    Event event = with_text(EventKind::TrackerReply, torrent, reply->tracker_url());
    event.offset = static_cast<std::uint32_t>(std::max(reply->num_peers, 0));
    return event;
  }
  if (auto const* tracker = lt::alert_cast<lt::tracker_error_alert>(&alert)) {
    std::string const message = tracker->error_message();
    return with_text(EventKind::TrackerError, torrent,
                     std::string(tracker->tracker_url()) + ": " +
                         (message.empty() ? tracker->error.message() : message));
  }
  if (lt::alert_cast<lt::dht_bootstrap_alert>(&alert)) {
    return make_event(EventKind::DhtBootstrap, 0);
  }
  if (auto const* listen = lt::alert_cast<lt::listen_failed_alert>(&alert)) {
    return with_text(EventKind::ListenFailed, 0,
                     std::string(listen->listen_interface()) + " port " + std::to_string(listen->port) + ": " +
                         listen->error.message());
  }
  if (lt::alert_cast<lt::alerts_dropped_alert>(&alert)) {
    return make_event(EventKind::EventsLost, 0);
  }
  return std::nullopt;
}

}  // namespace vozduxan
