/*
 * Callbacks are ordinary host code: they may call the library back, and what belongs to them is freed as soon as the
 * call they belong to has returned. Overwritten memory and flags catch a call that comes too late.
 */
#include "support.h"

enum { ALIVE = 0x600d, DEAD = 0xdead };

typedef struct {
  atomic_int state;
  _Atomic(VozduxanSession *) session;
  atomic_int lines;
  atomic_int inside;
} LogContext;

typedef struct {
  int state;
  pthread_t thread;
  VozduxanSession *session;
  Bytes torrent;
  int other_file;
  int depth;
  int calls;
} ProgressContext;

/* All that returns quickly is called from here; more would make the test, not the library, slow. */
static void on_log(const char *message, void *userdata) {
  LogContext *context = userdata;
  CHECK(atomic_load(&context->state) == ALIVE, "a log line after destroy returned: %s", message);
  CHECK(atomic_fetch_add(&context->inside, 1) == 0, "two log lines at once");
  CHECK(strncmp(message, "[vozduxan ", 10) == 0 && strchr(message, '\n') == NULL, "%s", message);
  VozduxanSession *session = atomic_load(&context->session);
  if (session != NULL) {
    (void)vozduxan_session_http_port(session);
    vozduxan_stream_notify_position(session, "nobody", 1);
    (void)vozduxan_stream_stats(session, "nobody");
    vozduxan_stream_release(session, "nobody");
    vozduxan_session_evict(session);
  }
  atomic_fetch_add(&context->lines, 1);
  atomic_fetch_sub(&context->inside, 1);
}

static void on_progress(float progress, const char *status, void *userdata) {
  ProgressContext *context = userdata;
  CHECK(context->state == ALIVE, "progress after prepare returned: %f %s", (double)progress, status);
  CHECK(pthread_equal(context->thread, pthread_self()), "progress on another thread");
  if (context->calls++ > 0 || context->depth > 0) return;
  /* In the first call: a list, a whole prepare with this very callback, and its release. */
  context->depth++;
  VozduxanFileList list = list_ok(context->session, context->torrent);
  vozduxan_file_list_free(&list);
  VozduxanStreamInfo info =
      vozduxan_stream_prepare(context->session, NULL, context->torrent.data, context->torrent.len,
                              context->other_file, 0, on_progress, context);
  CHECK(info.error == VOZDUXAN_OK, "%s", info.error_msg);
  (void)vozduxan_stream_stats(context->session, info.token);
  vozduxan_stream_release(context->session, info.token);
  vozduxan_session_evict(context->session);
  context->depth--;
}

static void one_session(Bytes torrent) {
  LogContext *log = calloc(1, sizeof *log);
  CHECK(log != NULL, "no memory");
  atomic_store(&log->state, ALIVE);
  VozduxanSession *session = open_session(on_log, log);
  atomic_store(&log->session, session);
  VozduxanFileList list = list_ok(session, torrent);

  ProgressContext *progress = calloc(1, sizeof *progress);
  CHECK(progress != NULL, "no memory");
  *progress = (ProgressContext){ALIVE, pthread_self(), session, torrent, audio_file(&list, 1)->index, 0, 0};
  /* The torrent's bytes too belong to the caller, and are gone right after. */
  Bytes copy = {malloc(torrent.len), torrent.len};
  CHECK(copy.data != NULL, "no memory");
  memcpy(copy.data, torrent.data, torrent.len);
  VozduxanStreamInfo info = vozduxan_stream_prepare(session, NULL, copy.data, copy.len, audio_file(&list, 0)->index, 1,
                                                    on_progress, progress);
  memset(copy.data, 0xdd, copy.len);
  free(copy.data);
  CHECK(progress->calls > 0, "progress is told");
  memset(progress, 0xdd, sizeof *progress);
  free(progress);
  CHECK(info.error == VOZDUXAN_OK, "%s", info.error_msg);

  Bytes source = original(audio_file(&list, 0)->name);
  expect_range(info.url, source, source.len / 2, source.len / 2 + 65535);
  free(source.data);
  vozduxan_file_list_free(&list);

  vozduxan_session_destroy(session);
  CHECK(atomic_load(&log->lines) > 0, "a stream that is opened is logged");
  CHECK(atomic_load(&log->inside) == 0, "destroy returns while the callback runs");
  atomic_store(&log->state, DEAD);
  free(log);
}

int main(void) {
  Bytes torrent = swarm_torrent();
  int threads_before = threads_alive();
  for (int i = 0; i < 3; i++) one_session(torrent);
  expect_threads(threads_before);
  free(torrent.data);
  return 0;
}
