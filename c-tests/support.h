/*
 * What the C tests share: checks that stop with a reason, files, a log that is kept, and an HTTP client small enough to
 * be above suspicion.
 *
 * Tests of a running session get their world from the environment, see c-tests/CMakeLists.txt.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vozduxan.h"

/* Ends the test with the place and a message unless the condition holds. */
#define CHECK(condition, ...)                                                                                          \
  do {                                                                                                                 \
    if (!(condition)) fail(__FILE__, __LINE__, #condition, __VA_ARGS__);                                               \
  } while (0)

_Noreturn void fail(const char *file, int line, const char *condition, const char *format, ...);

/* Seconds of a clock that only goes forward. */
double now(void);

/* A variable that the swarm's runner sets: VZ_TORRENT, VZ_MAGNET, VZ_SOURCE or VZ_STORAGE. */
const char *from_runner(const char *name);

typedef struct {
  uint8_t *data;
  size_t len;
} Bytes;

/* The whole file; freed by the caller. */
Bytes read_file(const char *path);
/* The torrent of the swarm; freed by the caller. */
Bytes swarm_torrent(void);
/*
 * The original of a file of the torrent, by its name in the list; freed by the caller. Names are looked up in VZ_SOURCE
 * and in the folder below it that is named like the torrent.
 */
Bytes original(const char *name);

/* A session in VZ_STORAGE; never NULL. */
VozduxanSession *open_session(VozduxanLogFn log_fn, void *userdata);
/* Prepares from the swarm's torrent, without progress; must succeed. */
VozduxanStreamInfo prepare_ok(VozduxanSession *session, Bytes torrent, int file_idx, int is_main);
/* Lists the swarm's torrent; must succeed; freed by the caller. */
VozduxanFileList list_ok(VozduxanSession *session, Bytes torrent);
/* The n-th audio file that is not empty, from 0; fails when there are fewer. */
const VozduxanFileEntry *audio_file(const VozduxanFileList *list, int n);

/* A magnet that nobody has: what waits for it waits. */
extern const char *const UNKNOWN_MAGNET;

/* Threads of this process now. */
int threads_alive(void);
/* Waits until no more than that many are left: a joined thread may stand in the system's list for a moment. */
void expect_threads(int count);

/* pthread_create that must succeed. */
pthread_t start_thread(void *(*body)(void *), void *argument);
void join_thread(pthread_t thread);

typedef struct {
  int status;
  char head[4096];
  Bytes body;
  /* The body is as long as its Content-Length said. */
  bool whole;
} Response;

/* Sends a request to a URL of ours and reads the answer to its end. `range` may be NULL, else like "bytes=0-99". */
Response http_request(const char *method, const char *url, const char *range);
/* Only sends it; the socket to read from. */
int http_begin(const char *method, const char *url, const char *range);
/* Reads an answer to its end and closes the socket. */
Response http_finish(int socket);
void free_response(Response *response);

/* Reads bytes first..last (inclusive) of a stream and compares them with the original. */
void expect_range(const char *url, Bytes source, size_t first, size_t last);
