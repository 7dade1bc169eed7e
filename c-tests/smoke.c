/*
 * The whole story of a host, on a real swarm: start, list, prepare with progress, play, seek, go on to the next track,
 * release, clean up, end. Every byte that comes is compared with the original.
 */
#include "support.h"

typedef struct {
  pthread_t thread;
  int calls;
  float last;
} Watched;

static void on_progress(float progress, const char *status, void *userdata) {
  Watched *watched = userdata;
  CHECK(pthread_equal(watched->thread, pthread_self()), "progress comes on the thread that prepares");
  CHECK(progress >= 0.0F && progress <= 1.0F, "%f", (double)progress);
  CHECK(progress >= watched->last, "%f after %f", (double)progress, (double)watched->last);
  CHECK(status != NULL && *status != '\0', "a status says what is waited for");
  watched->last = progress;
  watched->calls++;
}

/* The array holds text that ends in zeros up to its end. */
static void expect_text(const char *array, size_t size) {
  size_t len = strnlen(array, size);
  CHECK(len < size, "no NUL in %zu bytes", size);
  for (size_t i = len; i < size; i++) CHECK(array[i] == 0, "byte %zu after the end is not zero", i);
}

static void expect_same_list(const VozduxanFileList *a, const VozduxanFileList *b) {
  CHECK(a->count == b->count, "%d files and %d files", a->count, b->count);
  for (int i = 0; i < a->count; i++) {
    CHECK(strcmp(a->files[i].name, b->files[i].name) == 0, "%s and %s", a->files[i].name, b->files[i].name);
    CHECK(a->files[i].size == b->files[i].size, "%s", a->files[i].name);
    CHECK(a->files[i].index == i, "%s: index %d at %d", a->files[i].name, a->files[i].index, i);
    expect_text(a->files[i].name, sizeof a->files[i].name);
    expect_text(a->files[i].mime, sizeof a->files[i].mime);
  }
}

/* Plays one file: a seek into its last quarter first, then its tail, then the whole. */
static void play(VozduxanSession *session, const VozduxanStreamInfo *info, Bytes source) {
  size_t size = source.len;
  CHECK(info->file_size == (int64_t)size, "%lld bytes, the original has %zu", (long long)info->file_size, size);
  vozduxan_stream_notify_position(session, info->token, (int64_t)(size / 4 * 3));
  expect_range(info->url, source, size / 4 * 3, size / 4 * 3 + size / 8);
  expect_range(info->url, source, size - 1000, size - 1);
  vozduxan_stream_notify_position(session, info->token, 0);

  Response head = http_request("HEAD", info->url, NULL);
  CHECK(head.status == 200 && head.body.len == 0, "%s", head.head);
  free_response(&head);

  Response all = http_request("GET", info->url, NULL);
  CHECK(all.status == 200, "%s", all.head);
  CHECK(all.whole && all.body.len == size, "%zu of %zu bytes", all.body.len, size);
  CHECK(memcmp(all.body.data, source.data, size) == 0, "wrong bytes");
  free_response(&all);
}

static void expect_gone(VozduxanSession *session, const VozduxanStreamInfo *info) {
  Response response = http_request("GET", info->url, NULL);
  CHECK(response.status == 404, "%s", response.head);
  free_response(&response);
  VozduxanStreamStats stats = vozduxan_stream_stats(session, info->token);
  CHECK(stats.download_rate_bytes == 0 && stats.num_peers == 0, "figures of a stream that is gone");
}

int main(void) {
  int threads_before = threads_alive();
  Bytes torrent = swarm_torrent();
  VozduxanSession *session = open_session(NULL, NULL);
  uint16_t port = vozduxan_session_http_port(session);
  CHECK(port != 0, "the server listens before create returns");

  VozduxanFileList list = list_ok(session, torrent);
  VozduxanFileList by_magnet = vozduxan_list_files(session, from_runner("VZ_MAGNET"), NULL, 0);
  CHECK(by_magnet.error == VOZDUXAN_OK, "%s", by_magnet.error_msg);
  expect_same_list(&list, &by_magnet);
  vozduxan_file_list_free(&by_magnet);
  vozduxan_file_list_free(&by_magnet);
  CHECK(by_magnet.files == NULL && by_magnet.count == 0, "a list that was freed is empty");

  const VozduxanFileEntry *first = audio_file(&list, 0);
  Bytes source = original(first->name);
  Watched watched = {.thread = pthread_self()};
  VozduxanStreamInfo info = vozduxan_stream_prepare(session, NULL, torrent.data, torrent.len, first->index, 1,
                                                    on_progress, &watched);
  CHECK(info.error == VOZDUXAN_OK, "%d %s", (int)info.error, info.error_msg);
  CHECK(watched.calls > 0, "progress is told");
  char url[600];
  snprintf(url, sizeof url, "http://127.0.0.1:%u/stream/%s", (unsigned)port, info.token);
  CHECK(strcmp(url, info.url) == 0, "%s", info.url);
  CHECK(strlen(info.token) >= 20, "a token that cannot be guessed");
  CHECK(strcspn(info.token, "/?# ") == strlen(info.token), "a token that is one segment of a URL: %s", info.token);
  CHECK(strcmp(info.mime_type, first->mime) == 0, "%s", info.mime_type);
  expect_text(info.url, sizeof info.url);
  expect_text(info.token, sizeof info.token);
  expect_text(info.mime_type, sizeof info.mime_type);
  for (size_t i = 0; i < sizeof info.error_msg; i++) CHECK(info.error_msg[i] == 0, "no message on success");

  play(session, &info, source);

  /* Twice the same file: two tokens over one download, and no network needed. */
  VozduxanStreamInfo again = prepare_ok(session, torrent, first->index, 0);
  CHECK(strcmp(again.token, info.token) != 0, "each prepare has a token of its own");
  vozduxan_stream_release(session, again.token);
  expect_gone(session, &again);
  expect_range(info.url, source, 0, 99);

  /* The next track, before the first is released, as players do. */
  const VozduxanFileEntry *second = audio_file(&list, 1);
  Bytes second_source = original(second->name);
  VozduxanStreamInfo next = prepare_ok(session, torrent, second->index, 1);
  vozduxan_stream_release(session, info.token);
  vozduxan_stream_release(session, info.token);
  expect_gone(session, &info);
  play(session, &next, second_source);
  CHECK(vozduxan_stream_stats(session, next.token).num_peers > 0, "the swarm has peers");

  vozduxan_session_evict(session);
  expect_range(next.url, second_source, 0, 99);
  vozduxan_stream_release(session, next.token);
  vozduxan_session_evict(session);

  vozduxan_session_destroy(session);
  CHECK(vozduxan_session_http_port(session) == 0, "a destroyed session has no port");
  vozduxan_session_destroy(session);
  expect_threads(threads_before);
  vozduxan_file_list_free(&list);
  free(torrent.data);
  free(source.data);
  free(second_source.data);
  return 0;
}
