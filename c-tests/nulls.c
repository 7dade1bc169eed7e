/*
 * What needs no session: nothing, garbage, and sessions that cannot be. A plain answer every time.
 */
#include <stdint.h>
#include <unistd.h>

#include "support.h"

static char last_line[512];

static void keep_line(const char *message, void *userdata) {
  CHECK(userdata == last_line, "the userdata comes back as it was given");
  snprintf(last_line, sizeof last_line, "%s", message);
}

static void expect_refused(const char *storage_path) {
  last_line[0] = 0;
  VozduxanConfig config = {.storage_path = storage_path, .log_fn = keep_line, .log_userdata = last_line};
  CHECK(vozduxan_session_create(&config) == NULL, "a session in %s", storage_path ? storage_path : "NULL");
  CHECK(strncmp(last_line, "[vozduxan ", 10) == 0, "the log says why: \"%s\"", last_line);
}

static void expect_no_session(VozduxanSession *session) {
  const uint8_t torrent[] = "d4:infod4:name1:xee";
  VozduxanStreamInfo info =
      vozduxan_stream_prepare(session, UNKNOWN_MAGNET, torrent, sizeof torrent - 1, 0, 1, NULL, NULL);
  CHECK(info.error == VOZDUXAN_ERR_BAD_INPUT && strstr(info.error_msg, "session") != NULL, "%s", info.error_msg);
  VozduxanFileList list = vozduxan_list_files(session, UNKNOWN_MAGNET, torrent, sizeof torrent - 1);
  CHECK(list.error == VOZDUXAN_ERR_BAD_INPUT && list.files == NULL && list.count == 0, "%s", list.error_msg);
  vozduxan_file_list_free(&list);
  vozduxan_file_list_free(&list);
  VozduxanStreamStats stats = vozduxan_stream_stats(session, "token");
  CHECK(stats.download_rate_bytes == 0 && stats.num_peers == 0, "figures of no session");
  vozduxan_stream_stats(session, NULL);
  vozduxan_stream_notify_position(session, "token", INT64_MIN);
  vozduxan_stream_notify_position(session, NULL, 0);
  vozduxan_stream_release(session, "token");
  vozduxan_stream_release(session, NULL);
  vozduxan_session_evict(session);
  CHECK(vozduxan_session_http_port(session) == 0, "a port of no session");
  vozduxan_session_destroy(session);
}

int main(void) {
  int threads_before = threads_alive();
  uint64_t on_the_stack = 0;
  uint64_t *on_the_heap = calloc(1, sizeof *on_the_heap);
  expect_no_session(NULL);
  expect_no_session((VozduxanSession *)(uintptr_t)1);
  expect_no_session((VozduxanSession *)(uintptr_t)-1);
  expect_no_session((VozduxanSession *)&on_the_stack);
  expect_no_session((VozduxanSession *)on_the_heap);
  free(on_the_heap);
  vozduxan_file_list_free(NULL);

  char below_a_file[128] = "/tmp/vozduxan-nulls-XXXXXX";
  int file = mkstemp(below_a_file);
  CHECK(file >= 0, "%s", below_a_file);
  close(file);
  size_t end = strlen(below_a_file);
  strcpy(below_a_file + end, "/storage");
  CHECK(vozduxan_session_create(NULL) == NULL, "a session from nothing");
  expect_refused(NULL);
  expect_refused("");
  expect_refused("\xff\xfe");
  expect_refused(below_a_file);
  below_a_file[end] = 0;
  unlink(below_a_file);
  expect_threads(threads_before);
  return 0;
}
