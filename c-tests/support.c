#include "support.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

const char *const UNKNOWN_MAGNET = "magnet:?xt=urn:btih:0123456789012345678901234567890123456789";

/* Longest that anything in these tests may take before it counts as hanging. */
static const double PATIENCE = 20.0;

_Noreturn void fail(const char *file, int line, const char *condition, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s:%d: not true: %s: ", file, line, condition);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  _exit(1);
}

double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

const char *from_runner(const char *name) {
  const char *value = getenv(name);
  CHECK(value != NULL && *value != '\0', "%s is not set: start this test through VOZDUXAN_SWARM_RUNNER", name);
  return value;
}

Bytes read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  CHECK(file != NULL, "%s: %s", path, strerror(errno));
  CHECK(fseek(file, 0, SEEK_END) == 0, "%s", path);
  long len = ftell(file);
  CHECK(len >= 0, "%s", path);
  rewind(file);
  Bytes bytes = {malloc((size_t)len + 1), (size_t)len};
  CHECK(bytes.data != NULL, "no memory for %ld bytes", len);
  CHECK(fread(bytes.data, 1, bytes.len, file) == bytes.len, "%s", path);
  fclose(file);
  return bytes;
}

Bytes swarm_torrent(void) { return read_file(from_runner("VZ_TORRENT")); }

/* Writes the path of `name` under VZ_SOURCE, in `folder` of it if that is not empty; whether there is such a file. */
static bool path_of_original(char path[4096], const char *folder, const char *name) {
  int len = snprintf(path, 4096, "%s/%s%s%s", from_runner("VZ_SOURCE"), folder, *folder ? "/" : "", name);
  CHECK(len > 0 && len < 4096, "%s", name);
  return access(path, R_OK) == 0;
}

Bytes original(const char *name) {
  char path[4096];
  bool found = path_of_original(path, "", name);
  DIR *folders = opendir(from_runner("VZ_SOURCE"));
  CHECK(folders != NULL, "%s: %s", from_runner("VZ_SOURCE"), strerror(errno));
  for (struct dirent *folder; !found && (folder = readdir(folders)) != NULL;) {
    found = folder->d_name[0] != '.' && path_of_original(path, folder->d_name, name);
  }
  closedir(folders);
  CHECK(found, "%s is not under %s", name, from_runner("VZ_SOURCE"));
  return read_file(path);
}

VozduxanSession *open_session(VozduxanLogFn log_fn, void *userdata) {
  /* Copied and overwritten at once: the library must not keep the caller's string. */
  char path[4096];
  CHECK(strlen(from_runner("VZ_STORAGE")) < sizeof path, "VZ_STORAGE is too long");
  strcpy(path, from_runner("VZ_STORAGE"));
  VozduxanConfig config = {.storage_path = path, .log_fn = log_fn, .log_userdata = userdata};
  VozduxanSession *session = vozduxan_session_create(&config);
  memset(path, 'x', sizeof path);
  memset(&config, 0xdd, sizeof config);
  CHECK(session != NULL, "no session in %s", from_runner("VZ_STORAGE"));
  return session;
}

VozduxanStreamInfo prepare_ok(VozduxanSession *session, Bytes torrent, int file_idx, int is_main) {
  VozduxanStreamInfo info =
      vozduxan_stream_prepare(session, NULL, torrent.data, torrent.len, file_idx, is_main, NULL, NULL);
  CHECK(info.error == VOZDUXAN_OK, "file %d: %d %s", file_idx, (int)info.error, info.error_msg);
  return info;
}

VozduxanFileList list_ok(VozduxanSession *session, Bytes torrent) {
  VozduxanFileList list = vozduxan_list_files(session, NULL, torrent.data, torrent.len);
  CHECK(list.error == VOZDUXAN_OK, "%d %s", (int)list.error, list.error_msg);
  CHECK(list.files != NULL, "a list that succeeded has files");
  return list;
}

const VozduxanFileEntry *audio_file(const VozduxanFileList *list, int n) {
  for (int i = 0; i < list->count; i++) {
    bool audio = strncmp(list->files[i].mime, "audio/", 6) == 0 && list->files[i].size > 0;
    if (audio && n-- == 0) return &list->files[i];
  }
  fail(__FILE__, __LINE__, "audio_file", "the swarm's torrent has too few audio files");
}

int threads_alive(void) {
  DIR *tasks = opendir("/proc/self/task");
  CHECK(tasks != NULL, "%s", strerror(errno));
  int count = 0;
  for (struct dirent *task; (task = readdir(tasks)) != NULL;) count += task->d_name[0] != '.';
  closedir(tasks);
  return count;
}

void expect_threads(int count) {
  double begin = now();
  while (threads_alive() > count) {
    CHECK(now() - begin < PATIENCE, "%d threads are left, %d expected", threads_alive(), count);
    sched_yield();
  }
}

pthread_t start_thread(void *(*body)(void *), void *argument) {
  pthread_t thread;
  int failed = pthread_create(&thread, NULL, body, argument);
  CHECK(failed == 0, "%s", strerror(failed));
  return thread;
}

void join_thread(pthread_t thread) {
  int failed = pthread_join(thread, NULL);
  CHECK(failed == 0, "%s", strerror(failed));
}

int http_begin(const char *method, const char *url, const char *range) {
  unsigned port = 0;
  int at = 0;
  CHECK(sscanf(url, "http://127.0.0.1:%u%n", &port, &at) == 1 && port > 0 && port < 65536, "%s", url);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int connection = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(connection >= 0, "%s", strerror(errno));
  struct timeval patience = {.tv_sec = (time_t)PATIENCE};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  CHECK(connect(connection, (struct sockaddr *)&address, sizeof address) == 0, "%s: %s", url, strerror(errno));
  char request[2048];
  int len = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s%s%sConnection: close\r\n\r\n",
                     method, url + at, port, range ? "Range: " : "", range ? range : "", range ? "\r\n" : "");
  CHECK(len > 0 && (size_t)len < sizeof request, "%s", url);
  CHECK(send(connection, request, (size_t)len, MSG_NOSIGNAL) == len, "%s", strerror(errno));
  return connection;
}

Response http_finish(int connection) {
  Bytes all = {NULL, 0};
  size_t room = 0;
  for (;;) {
    if (all.len + 1 >= room) {
      room = room * 2 + 65536;
      all.data = realloc(all.data, room);
      CHECK(all.data != NULL, "no memory for %zu bytes", room);
    }
    ssize_t got = recv(connection, all.data + all.len, room - all.len - 1, 0);
    CHECK(got >= 0 || errno == ECONNRESET, "after %zu bytes: %s", all.len, strerror(errno));
    if (got <= 0) break;
    all.len += (size_t)got;
  }
  close(connection);
  Response response = {.status = 0};
  all.data[all.len] = 0;
  char *end = strstr((char *)all.data, "\r\n\r\n");
  if (end == NULL) {
    /* Cut before its head was complete. */
    free(all.data);
    return response;
  }
  size_t head = (size_t)(end - (char *)all.data) + 4;
  CHECK(head < sizeof response.head, "a head of %zu bytes", head);
  memcpy(response.head, all.data, head);
  CHECK(sscanf(response.head, "HTTP/1.1 %d", &response.status) == 1, "%s", response.head);
  response.body.len = all.len - head;
  response.body.data = all.data;
  memmove(all.data, all.data + head, response.body.len);
  for (char *line = response.head; line != NULL; line = strstr(line, "\r\n")) {
    line += line == response.head ? 0 : 2;
    size_t promised = 0;
    if (strncmp(line, "content-length:", 15) == 0 || strncmp(line, "Content-Length:", 15) == 0) {
      CHECK(sscanf(line + 15, "%zu", &promised) == 1, "%s", line);
      response.whole = promised == response.body.len;
    }
  }
  return response;
}

Response http_request(const char *method, const char *url, const char *range) {
  return http_finish(http_begin(method, url, range));
}

void free_response(Response *response) {
  free(response->body.data);
  response->body = (Bytes){NULL, 0};
}

void expect_range(const char *url, Bytes source, size_t first, size_t last) {
  char range[64];
  snprintf(range, sizeof range, "bytes=%zu-%zu", first, last);
  Response response = http_request("GET", url, range);
  CHECK(response.status == 206, "%s: %s", range, response.head);
  CHECK(response.whole && response.body.len == last - first + 1, "%s: %zu bytes", range, response.body.len);
  CHECK(memcmp(response.body.data, source.data + first, response.body.len) == 0, "%s: wrong bytes", range);
  free_response(&response);
}
