/*
 * A system that has no thread left, one at a time: the way to make a finished library panic and throw.
 *
 * session_create starts several threads. This program's pthread_create stands before the system's, for the library and
 * for libtorrent, and refuses one of them: Rust's tokio panics then, C++'s std::thread throws inside libtorrent. Both
 * have to come back as an answer, whichever linker put the unwind tables together, and leave no thread behind.
 */
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

/* How many threads may still be started before one is refused; below zero: all may. */
static atomic_int left = -1;

/* Before the system's, for everything in this process. */
int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*body)(void *), void *argument) {
  int now_left = atomic_load(&left);
  while (now_left >= 0 && !atomic_compare_exchange_weak(&left, &now_left, now_left - 1)) continue;
  if (now_left == 0) return EAGAIN;
  int (*system)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = NULL;
  /* As POSIX has it: a function's address comes as an object's. */
  *(void **)&system = dlsym(RTLD_NEXT, "pthread_create");
  return system(thread, how, body, argument);
}

typedef struct {
  int failed;
  bool libtorrent_threw;
} Said;

static void on_log(const char *line, void *userdata) {
  Said *said = userdata;
  said->failed += strstr(line, "no session: ") != NULL;
  said->libtorrent_threw |= strstr(line, "libtorrent did not start: ") != NULL;
}

int main(void) {
  int threads = threads_alive();
  /* What the library's panic hook prints goes to a file, to be looked at. */
  FILE *printed = tmpfile();
  int terminal = dup(STDERR_FILENO);
  CHECK(printed != NULL && terminal >= 0, "%s", strerror(errno));
  CHECK(dup2(fileno(printed), STDERR_FILENO) >= 0, "%s", strerror(errno));
  Said said = {0, false};
  int failed = 0;
  for (int allowed = 0, refused = 1; refused; allowed++) {
    VozduxanConfig config = {.storage_path = from_runner("VZ_STORAGE"), .log_fn = on_log, .log_userdata = &said};
    atomic_store(&left, allowed);
    VozduxanSession *session = vozduxan_session_create(&config);
    refused = atomic_exchange(&left, -1) < 0;
    failed += session == NULL;
    vozduxan_session_destroy(session);
    expect_threads(threads);
  }
  CHECK(dup2(terminal, STDERR_FILENO) >= 0, "%s", strerror(errno));
  static char text[1 << 20];
  rewind(printed);
  text[fread(text, 1, sizeof text - 1, printed)] = 0;
  CHECK(failed > 0 && said.failed == failed, "%d creates failed, %d said why", failed, said.failed);
  CHECK(said.libtorrent_threw, "libtorrent did not throw");
  /* tokio's words when a worker cannot be started. */
  CHECK(strstr(text, "OS can't spawn worker thread") != NULL, "the library did not panic: %s", text);
  return 0;
}
