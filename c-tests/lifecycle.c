/*
 * A session may end at any moment: with prepares and lists blocked, with a transfer that waits for data, one that
 * nobody reads, and one that runs. Each call must come back by itself, no callback may come after the end, and no
 * thread may stay.
 */
#include "support.h"

#include <unistd.h>

enum { ROUNDS = 5, PREPARES = 3, LISTS = 2 };

typedef struct {
  VozduxanSession *session;
  atomic_bool *destroyed;
  atomic_bool told;
  VozduxanError error;
  char message[256];
} Call;

static void on_progress(float progress, const char *status, void *userdata) {
  Call *call = userdata;
  (void)progress;
  (void)status;
  CHECK(!atomic_load(call->destroyed), "progress after destroy returned");
  atomic_store(&call->told, true);
}

static void on_log(const char *message, void *userdata) {
  CHECK(!atomic_load((atomic_bool *)userdata), "a log line after destroy returned: %s", message);
}

static void *prepare(void *argument) {
  Call *call = argument;
  /* Background ones: a main one would end the others. */
  VozduxanStreamInfo info =
      vozduxan_stream_prepare(call->session, UNKNOWN_MAGNET, NULL, 0, 0, 0, on_progress, call);
  call->error = info.error;
  memcpy(call->message, info.error_msg, sizeof call->message);
  return NULL;
}

static void *list(void *argument) {
  Call *call = argument;
  atomic_store(&call->told, true);
  VozduxanFileList list = vozduxan_list_files(call->session, UNKNOWN_MAGNET, NULL, 0);
  call->error = list.error;
  memcpy(call->message, list.error_msg, sizeof call->message);
  vozduxan_file_list_free(&list);
  return NULL;
}

static void *read_to_its_end(void *argument) {
  Response response = http_finish(*(int *)argument);
  free_response(&response);
  return NULL;
}

static void end_in_the_middle(Bytes torrent, int round) {
  int threads_before = threads_alive();
  atomic_bool destroyed = false;
  VozduxanSession *session = open_session(on_log, &destroyed);
  VozduxanFileList files = list_ok(session, torrent);
  VozduxanStreamInfo info = prepare_ok(session, torrent, audio_file(&files, 0)->index, 1);
  int unread = http_begin("GET", info.url, NULL);
  int running = http_begin("GET", info.url, NULL);
  pthread_t reader = start_thread(read_to_its_end, &running);

  Call calls[PREPARES + LISTS];
  pthread_t threads[PREPARES + LISTS];
  for (int i = 0; i < PREPARES + LISTS; i++) {
    calls[i] = (Call){.session = session, .destroyed = &destroyed};
    threads[i] = start_thread(i < PREPARES ? prepare : list, &calls[i]);
  }
  for (int i = 0; i < PREPARES + LISTS; i++) {
    double begin = now();
    while (!atomic_load(&calls[i].told)) CHECK(now() - begin < 20.0, "call %d does not begin", i);
  }

  double begin = now();
  vozduxan_session_destroy(session);
  atomic_store(&destroyed, true);
  double took = now() - begin;
  CHECK(took < 5.0, "round %d: destroy took %f s", round, took);

  for (int i = 0; i < PREPARES + LISTS; i++) {
    join_thread(threads[i]);
    /* A list may begin after the end: then there is no such session. */
    bool late = i >= PREPARES && calls[i].error == VOZDUXAN_ERR_BAD_INPUT;
    CHECK(late || calls[i].error == VOZDUXAN_ERR_INTERNAL, "call %d: %d", i, (int)calls[i].error);
    CHECK(late || strcmp(calls[i].message, "Cancelled: session shutting down") == 0, "call %d: %s", i,
          calls[i].message);
  }
  join_thread(reader);
  Response cut = http_finish(unread);
  free_response(&cut);
  vozduxan_file_list_free(&files);
  expect_threads(threads_before);
}

typedef struct {
  Call call;
  atomic_bool destroying;
  atomic_bool left;
} Held;

static void hold(float progress, const char *status, void *userdata) {
  Held *held = userdata;
  (void)progress;
  (void)status;
  CHECK(!atomic_load(&held->left), "progress begins after the session began to end");
  atomic_store(&held->call.told, true);
  while (!atomic_load(&held->destroying)) continue;
  /* Time enough for a destroy that does not wait to return. */
  for (double begin = now(); now() - begin < 0.1;) continue;
  atomic_store(&held->left, true);
}

static void *prepare_held(void *argument) {
  Held *held = argument;
  held->call.error = vozduxan_stream_prepare(held->call.session, UNKNOWN_MAGNET, NULL, 0, 0, 0, hold, held).error;
  return NULL;
}

/* A callback that is running when the session ends is waited for: what it uses may be freed next. */
static void destroy_waits_for_a_running_callback(void) {
  Held held = {.call = {.session = open_session(NULL, NULL)}};
  pthread_t thread = start_thread(prepare_held, &held);
  double begin = now();
  while (!atomic_load(&held.call.told)) CHECK(now() - begin < 20.0, "a prepare that waits tells progress");
  atomic_store(&held.destroying, true);
  vozduxan_session_destroy(held.call.session);
  CHECK(atomic_load(&held.left), "destroy returned while a callback was running");
  join_thread(thread);
  CHECK(held.call.error == VOZDUXAN_ERR_INTERNAL, "%d", (int)held.call.error);
}

/* Creating and ending again and again leaves nothing behind. */
static void many_short_lives(void) {
  int threads_before = threads_alive();
  for (int i = 0; i < 20; i++) {
    VozduxanSession *session = open_session(NULL, NULL);
    vozduxan_session_destroy(session);
  }
  expect_threads(threads_before);
}

int main(void) {
  Bytes torrent = swarm_torrent();
  for (int round = 0; round < ROUNDS; round++) end_in_the_middle(torrent, round);
  destroy_waits_for_a_running_callback();
  many_short_lives();
  free(torrent.data);
  return 0;
}
