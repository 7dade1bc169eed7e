/*
 * A program of the C++ engine's time: it knows that engine's declarations and has never seen our header. Compiled once,
 * the object is linked against the archive and against the shared library, and plays a track from a swarm.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef enum {
  VOZDUXAN_OK = 0,
  VOZDUXAN_ERR_METADATA_TIMEOUT = 1,
  VOZDUXAN_ERR_INVALID_FILE = 2,
  VOZDUXAN_ERR_BAD_INPUT = 3,
  VOZDUXAN_ERR_INTERNAL = 99,
} VozduxanError;

typedef struct VozduxanSession VozduxanSession;
typedef void (*VozduxanLogFn)(const char *message, void *userdata);
typedef void (*VozduxanProgressFn)(float progress, const char *status, void *userdata);

typedef struct {
  const char *storage_path;
  uint64_t cache_max_bytes;
  uint32_t cache_ttl_secs;
  int listen_port;
  VozduxanLogFn log_fn;
  void *log_userdata;
} VozduxanConfig;

typedef struct {
  char url[512];
  char token[128];
  int64_t file_size;
  char mime_type[64];
  VozduxanError error;
  char error_msg[256];
} VozduxanStreamInfo;

typedef struct {
  char name[512];
  char mime[64];
  int64_t size;
  int index;
} VozduxanFileEntry;

typedef struct {
  VozduxanFileEntry *files;
  int count;
  VozduxanError error;
  char error_msg[256];
} VozduxanFileList;

typedef struct {
  int32_t download_rate_bytes;
  int32_t num_peers;
} VozduxanStreamStats;

VozduxanSession *vozduxan_session_create(const VozduxanConfig *config);
void vozduxan_session_destroy(VozduxanSession *session);
VozduxanStreamInfo vozduxan_stream_prepare(VozduxanSession *session, const char *magnet, const uint8_t *torrent_data,
                                           size_t torrent_len, int file_idx, int is_main,
                                           VozduxanProgressFn progress_fn, void *userdata);
void vozduxan_stream_notify_position(VozduxanSession *session, const char *token, int64_t byte_offset);
void vozduxan_stream_release(VozduxanSession *session, const char *token);
VozduxanStreamStats vozduxan_stream_stats(VozduxanSession *session, const char *token);
VozduxanFileList vozduxan_list_files(VozduxanSession *session, const char *magnet, const uint8_t *torrent_data,
                                     size_t torrent_len);
void vozduxan_file_list_free(VozduxanFileList *list);
void vozduxan_session_evict(VozduxanSession *session);
uint16_t vozduxan_session_http_port(VozduxanSession *session);

#define CHECK(condition)                                                                                               \
  do {                                                                                                                 \
    if (!(condition)) {                                                                                                \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                                        \
      exit(1);                                                                                                         \
    }                                                                                                                  \
  } while (0)

static void on_log(const char *message, void *userdata) {
  CHECK(strncmp(message, "[vozduxan ", 10) == 0);
  *(int *)userdata = 1;
}

static void on_progress(float progress, const char *status, void *userdata) {
  CHECK(progress >= 0.0F && progress <= 1.0F && status != NULL);
  *(int *)userdata += 1;
}

/* Bytes that come after the head of an answer with 200, or -1. */
static long long get(uint16_t port, const char *token) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(connection >= 0 && connect(connection, (struct sockaddr *)&address, sizeof address) == 0);
  char text[65536];
  const char *format = "GET /stream/%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: close\r\n\r\n";
  int len = snprintf(text, sizeof text, format, token, (unsigned)port);
  CHECK(send(connection, text, (size_t)len, MSG_NOSIGNAL) == len);
  long long total = 0;
  size_t held = 0;
  char *end = NULL;
  /* The head first: whole, since it is far smaller than the buffer. */
  while (end == NULL) {
    ssize_t got = recv(connection, text + held, sizeof text - 1 - held, 0);
    CHECK(got > 0);
    held += (size_t)got;
    text[held] = 0;
    end = strstr(text, "\r\n\r\n");
  }
  int status = 0;
  CHECK(sscanf(text, "HTTP/1.1 %d", &status) == 1);
  total = (long long)held - (end + 4 - text);
  for (ssize_t got; (got = recv(connection, text, sizeof text, 0)) > 0;) total += got;
  close(connection);
  return status == 200 ? total : -1;
}

int main(void) {
  int logged = 0;
  int told = 0;
  const char *storage = getenv("VZ_STORAGE");
  const char *magnet = getenv("VZ_MAGNET");
  CHECK(storage != NULL && magnet != NULL);
  VozduxanConfig config = {storage, 0, 0, 0, on_log, &logged};
  VozduxanSession *session = vozduxan_session_create(&config);
  CHECK(session != NULL);

  VozduxanFileList list = vozduxan_list_files(session, magnet, NULL, 0);
  CHECK(list.error == VOZDUXAN_OK && list.files != NULL && list.count > 0);
  int track = 0;
  while (track < list.count && (strncmp(list.files[track].mime, "audio/", 6) != 0 || !list.files[track].size)) track++;
  CHECK(track < list.count && list.files[track].index == track);
  int64_t size = list.files[track].size;
  vozduxan_file_list_free(&list);
  CHECK(list.files == NULL && list.count == 0);

  VozduxanStreamInfo none = vozduxan_stream_prepare(session, magnet, NULL, 0, 9999, 1, NULL, NULL);
  CHECK(none.error == VOZDUXAN_ERR_INVALID_FILE && none.error_msg[0] != 0);
  VozduxanStreamInfo info = vozduxan_stream_prepare(session, magnet, NULL, 0, track, 1, on_progress, &told);
  CHECK(info.error == VOZDUXAN_OK && info.file_size == size && told > 0);
  vozduxan_stream_notify_position(session, info.token, size / 2);
  CHECK(get(vozduxan_session_http_port(session), info.token) == size);
  CHECK(vozduxan_stream_stats(session, info.token).num_peers > 0);
  vozduxan_stream_release(session, info.token);
  CHECK(get(vozduxan_session_http_port(session), info.token) == -1);
  vozduxan_session_evict(session);
  vozduxan_session_destroy(session);
  CHECK(logged);
  return 0;
}
