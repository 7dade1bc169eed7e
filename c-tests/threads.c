/*
 * Eight threads call all ten functions at once, with tokens that are right, wrong and absurd, while two streams play.
 * Answers must be right all the while, and the streams' bytes too.
 */
#include "support.h"

enum { THREADS = 8, ROUNDS = 200 };

typedef struct {
  VozduxanSession *session;
  Bytes torrent;
  VozduxanStreamInfo stream;
  Bytes source;
  int next_file;
  uint16_t port;
  pthread_barrier_t start;
} World;

typedef struct {
  World *world;
  unsigned seed;
} Worker;

static unsigned next(unsigned *seed) {
  *seed = *seed * 1664525U + 1013904223U;
  return *seed >> 8;
}

static void with_wrong_tokens(World *world, unsigned *seed) {
  static const char *const tokens[] = {NULL, "", "0", "../../etc/passwd", "\xff\xfe", "%00", "stream"};
  const char *token = tokens[next(seed) % (sizeof tokens / sizeof *tokens)];
  VozduxanStreamStats stats = vozduxan_stream_stats(world->session, token);
  CHECK(stats.download_rate_bytes == 0 && stats.num_peers == 0, "figures of a stream that is not");
  vozduxan_stream_notify_position(world->session, token, (int64_t)next(seed));
  vozduxan_stream_release(world->session, token);
}

static void with_the_token(World *world, unsigned *seed) {
  static const int64_t positions[] = {0, -1, INT64_MIN, INT64_MAX};
  unsigned choice = next(seed) % 8;
  int64_t position = choice < 4 ? positions[choice] : (int64_t)(next(seed) % world->source.len);
  vozduxan_stream_notify_position(world->session, world->stream.token, position);
  VozduxanStreamStats stats = vozduxan_stream_stats(world->session, world->stream.token);
  CHECK(stats.download_rate_bytes >= 0 && stats.num_peers >= 0, "%d %d", stats.download_rate_bytes, stats.num_peers);
}

static void with_wrong_sessions(void) {
  VozduxanSession *const wrong[] = {NULL, (VozduxanSession *)(uintptr_t)8, (VozduxanSession *)(uintptr_t)-1};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    CHECK(vozduxan_session_http_port(wrong[i]) == 0, "a port of no session");
    vozduxan_session_evict(wrong[i]);
    vozduxan_session_destroy(wrong[i]);
  }
  CHECK(vozduxan_session_create(&(VozduxanConfig){.storage_path = ""}) == NULL, "a session without a place");
}

static void a_stream_of_its_own(World *world) {
  VozduxanStreamInfo own = prepare_ok(world->session, world->torrent, world->next_file, 0);
  CHECK(strcmp(own.token, world->stream.token) != 0, "two streams, one token");
  vozduxan_stream_release(world->session, own.token);
  VozduxanFileList list = list_ok(world->session, world->torrent);
  CHECK(list.count > world->next_file, "%d files", list.count);
  vozduxan_file_list_free(&list);
  vozduxan_file_list_free(&list);
}

static void *work(void *argument) {
  Worker *worker = argument;
  World *world = worker->world;
  pthread_barrier_wait(&world->start);
  for (int round = 0; round < ROUNDS; round++) {
    with_wrong_tokens(world, &worker->seed);
    with_the_token(world, &worker->seed);
    CHECK(vozduxan_session_http_port(world->session) == world->port, "the port stays");
    if (round % 20 == 0) with_wrong_sessions();
    if (round % 40 == 0) vozduxan_session_evict(world->session);
    if (round % 50 == 0) a_stream_of_its_own(world);
    if (round % 25 == 0) {
      size_t first = next(&worker->seed) % (world->source.len - 4096);
      expect_range(world->stream.url, world->source, first, first + 4095);
    }
  }
  return NULL;
}

/* What with_wrong_sessions says on purpose need not be read. */
static void quiet(const char *message, void *userdata) {
  (void)message;
  (void)userdata;
}

int main(void) {
  int threads_before = threads_alive();
  World world = {.torrent = swarm_torrent()};
  world.session = open_session(quiet, NULL);
  world.port = vozduxan_session_http_port(world.session);
  VozduxanFileList list = list_ok(world.session, world.torrent);
  world.stream = prepare_ok(world.session, world.torrent, audio_file(&list, 0)->index, 1);
  world.source = original(audio_file(&list, 0)->name);
  world.next_file = audio_file(&list, 1)->index;
  pthread_barrier_init(&world.start, NULL, THREADS);

  Worker workers[THREADS];
  pthread_t threads[THREADS];
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i] = (Worker){&world, i * 7919U + 1U};
    threads[i] = start_thread(work, &workers[i]);
  }
  for (int i = 0; i < THREADS; i++) join_thread(threads[i]);

  Response all = http_request("GET", world.stream.url, NULL);
  CHECK(all.status == 200 && all.whole && all.body.len == world.source.len, "%zu bytes", all.body.len);
  CHECK(memcmp(all.body.data, world.source.data, world.source.len) == 0, "wrong bytes");
  free_response(&all);

  pthread_barrier_destroy(&world.start);
  vozduxan_session_destroy(world.session);
  expect_threads(threads_before);
  vozduxan_file_list_free(&list);
  free(world.torrent.data);
  free(world.source.data);
  return 0;
}
