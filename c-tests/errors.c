/*
 * Every way to fail that a host can cause, with its code and a message for people. `errors timeout` is the one that
 * takes 90 seconds: metadata that nobody sends.
 */
#include <limits.h>

#include "support.h"

typedef struct {
  VozduxanSession *session;
  VozduxanStreamInfo info;
  double ended;
  atomic_bool waiting;
} Waiter;

static void expect_message(const char *message, const char *part) {
  CHECK(strlen(message) > 10, "a message for people, not \"%s\"", message);
  CHECK(part == NULL || strstr(message, part) != NULL, "\"%s\" does not say \"%s\"", message, part);
}

static void expect_error(VozduxanSession *session, const char *magnet, Bytes torrent, int file_idx, VozduxanError code,
                         const char *part) {
  VozduxanStreamInfo info =
      vozduxan_stream_prepare(session, magnet, torrent.data, torrent.len, file_idx, 1, NULL, NULL);
  CHECK(info.error == code, "%d instead of %d: %s", (int)info.error, (int)code, info.error_msg);
  expect_message(info.error_msg, part);
  CHECK(info.url[0] == 0 && info.token[0] == 0 && info.file_size == 0, "nothing but the error is set");
}

static void expect_list_error(VozduxanSession *session, const char *magnet, Bytes torrent, VozduxanError code) {
  VozduxanFileList list = vozduxan_list_files(session, magnet, torrent.data, torrent.len);
  CHECK(list.error == code, "%d instead of %d: %s", (int)list.error, (int)code, list.error_msg);
  expect_message(list.error_msg, NULL);
  CHECK(list.files == NULL && list.count == 0, "no files with an error");
  vozduxan_file_list_free(&list);
}

static void bad_input(VozduxanSession *session, Bytes torrent) {
  const Bytes nothing = {NULL, 0};
  Bytes garbage = {(uint8_t *)"not a torrent", 13};
  Bytes cut = {torrent.data, torrent.len / 2};
  const struct {
    const char *magnet;
    Bytes torrent;
  } inputs[] = {
      {NULL, nothing},     {"", nothing},
      {"hello", nothing},  {"magnet:?xt=urn:btih:short", nothing},
      {"\xff\xfe", nothing}, {UNKNOWN_MAGNET, garbage},
      {NULL, garbage},     {NULL, cut},
      {NULL, {torrent.data, SIZE_MAX}},
  };
  for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
    double begin = now();
    expect_error(session, inputs[i].magnet, inputs[i].torrent, 0, VOZDUXAN_ERR_BAD_INPUT, NULL);
    expect_list_error(session, inputs[i].magnet, inputs[i].torrent, VOZDUXAN_ERR_BAD_INPUT);
    CHECK(now() - begin < 2.0, "input %zu is refused at once, not after %f s", i, now() - begin);
  }
}

static void invalid_file(VozduxanSession *session, Bytes torrent) {
  VozduxanFileList list = list_ok(session, torrent);
  char count[16];
  snprintf(count, sizeof count, "%d", list.count);
  const int outside[] = {-1, INT_MIN, list.count, INT_MAX};
  for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
    expect_error(session, NULL, torrent, outside[i], VOZDUXAN_ERR_INVALID_FILE, count);
  }
  int refused = 0;
  for (int i = 0; i < list.count; i++) {
    const char *name = list.files[i].name;
    if (strlen(name) < 4 || strcmp(name + strlen(name) - 4, ".jpg") != 0) continue;
    const char *folder = strrchr(name, '/');
    expect_error(session, NULL, torrent, i, VOZDUXAN_ERR_INVALID_FILE, folder ? folder + 1 : name);
    refused++;
  }
  CHECK(refused > 0, "the swarm's album has a cover");
  vozduxan_file_list_free(&list);
}

static void on_progress(float progress, const char *status, void *userdata) {
  (void)progress;
  (void)status;
  atomic_store(&((Waiter *)userdata)->waiting, true);
}

static void *wait_for_unknown(void *argument) {
  Waiter *waiter = argument;
  waiter->info =
      vozduxan_stream_prepare(waiter->session, UNKNOWN_MAGNET, NULL, 0, 0, 1, on_progress, waiter);
  waiter->ended = now();
  return NULL;
}

static void wait_until_waiting(Waiter *waiter) {
  double begin = now();
  while (!atomic_load(&waiter->waiting)) CHECK(now() - begin < 20.0, "a prepare that waits tells progress");
}

/* A prepare ends when a newer one takes over, and that one when the session ends. */
static void superseded_and_destroyed(VozduxanSession *session) {
  Waiter older = {.session = session};
  Waiter newer = {.session = session};
  pthread_t older_thread = start_thread(wait_for_unknown, &older);
  wait_until_waiting(&older);
  double begin = now();
  pthread_t newer_thread = start_thread(wait_for_unknown, &newer);
  join_thread(older_thread);
  CHECK(older.info.error == VOZDUXAN_ERR_INTERNAL, "%d", (int)older.info.error);
  CHECK(strcmp(older.info.error_msg, "Cancelled: superseded by newer prepare") == 0, "%s", older.info.error_msg);
  CHECK(older.ended - begin < 1.0, "superseded after %f s", older.ended - begin);

  wait_until_waiting(&newer);
  begin = now();
  vozduxan_session_destroy(session);
  join_thread(newer_thread);
  CHECK(newer.info.error == VOZDUXAN_ERR_INTERNAL, "%d", (int)newer.info.error);
  CHECK(strcmp(newer.info.error_msg, "Cancelled: session shutting down") == 0, "%s", newer.info.error_msg);
  CHECK(newer.ended - begin < 5.0, "ended %f s after destroy", newer.ended - begin);
}

static void metadata_timeout(VozduxanSession *session) {
  double begin = now();
  expect_error(session, UNKNOWN_MAGNET, (Bytes){NULL, 0}, 0, VOZDUXAN_ERR_METADATA_TIMEOUT, NULL);
  double took = now() - begin;
  CHECK(took > 88.0 && took < 95.0, "after %f s", took);
}

int main(int argc, char **argv) {
  Bytes torrent = swarm_torrent();
  VozduxanSession *session = open_session(NULL, NULL);
  if (argc > 1 && strcmp(argv[1], "timeout") == 0) {
    metadata_timeout(session);
    vozduxan_session_destroy(session);
  } else {
    bad_input(session, torrent);
    invalid_file(session, torrent);
    superseded_and_destroyed(session);
    expect_error(session, NULL, torrent, 0, VOZDUXAN_ERR_BAD_INPUT, "session");
    expect_list_error(session, NULL, torrent, VOZDUXAN_ERR_BAD_INPUT);
  }
  free(torrent.data);
  return 0;
}
