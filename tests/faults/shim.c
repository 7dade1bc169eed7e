/* Faults for a child process, by LD_PRELOAD: file system calls below one folder fail or are slow, the wall clock is
 * wrong. What is to happen stands in a small file that the parent writes and this maps: eight 64-bit numbers, see
 * shim.rs. The engine's Rust code opens, writes and renames through libc and libtorrent does everything through it; only
 * what rustix does (reading and measuring) goes to the kernel directly. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE_ERRNO, WRITE_BUDGET, READ_ERRNO, CREATE_ERRNO, CREATE_DELAY_MS, CLOCK_OFFSET_S, ENGINE_DELAY_MS, REFUSED };

static _Atomic int64_t idle[8];
static _Atomic int64_t *slots = idle;
static char root[PATH_MAX];
static size_t root_len;

__attribute__((constructor)) static void begin(void) {
  const char *control = getenv("VZ_SHIM_CONTROL"), *folder = getenv("VZ_SHIM_ROOT");
  if (!control || !folder || strlen(folder) >= sizeof root) return;
  strcpy(root, folder);
  root_len = strlen(root);
  int file = (int)syscall(SYS_openat, AT_FDCWD, control, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void *map = mmap(NULL, sizeof idle, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (map != MAP_FAILED) slots = map;
  close(file);
}

static int below(const char *path) { return root_len && strncmp(path, root, root_len) == 0; }

static int ours(int file) {
  char link[32], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t len = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (len <= 0) return 0;
  path[len] = 0;
  return below(path);
}

static void wait_ms(int64_t ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  if (ms > 0) syscall(SYS_nanosleep, &time, NULL);
}

/* 0: go on. A budget below zero is none; otherwise that many bytes may still be written before WRITE_ERRNO. */
static int refused(int file, size_t bytes) {
  int saved = errno;
  int64_t error = slots[WRITE_ERRNO];
  if (error && ours(file)) {
    if (atomic_fetch_sub(&slots[WRITE_BUDGET], (int64_t)bytes) < (int64_t)bytes) {
      slots[WRITE_BUDGET] = 0;
      slots[REFUSED]++;
      errno = (int)error;
      return 1;
    }
  }
  errno = saved;
  return 0;
}

static int unreadable(int file) {
  if (!slots[READ_ERRNO] || !ours(file)) return 0;
  slots[REFUSED]++;
  errno = (int)slots[READ_ERRNO];
  return 1;
}

static size_t total(const struct iovec *list, int count) {
  size_t bytes = 0;
  for (int i = 0; i < count; ++i) bytes += list[i].iov_len;
  return bytes;
}

#define REAL(name) \
  static __typeof__(&name) real; \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int f, const void *b, size_t n) { REAL(write); return refused(f, n) ? -1 : real(f, b, n); }
ssize_t writev(int f, const struct iovec *v, int n) { REAL(writev); return refused(f, total(v, n)) ? -1 : real(f, v, n); }
ssize_t pwrite(int f, const void *b, size_t n, off_t at) { REAL(pwrite); return refused(f, n) ? -1 : real(f, b, n, at); }
ssize_t pwrite64(int f, const void *b, size_t n, off64_t at) { REAL(pwrite64); return refused(f, n) ? -1 : real(f, b, n, at); }
ssize_t pwritev(int f, const struct iovec *v, int n, off_t at) { REAL(pwritev); return refused(f, total(v, n)) ? -1 : real(f, v, n, at); }
ssize_t pwritev64(int f, const struct iovec *v, int n, off64_t at) { REAL(pwritev64); return refused(f, total(v, n)) ? -1 : real(f, v, n, at); }
ssize_t pread(int f, void *b, size_t n, off_t at) { REAL(pread); return unreadable(f) ? -1 : real(f, b, n, at); }
ssize_t pread64(int f, void *b, size_t n, off64_t at) { REAL(pread64); return unreadable(f) ? -1 : real(f, b, n, at); }
ssize_t preadv(int f, const struct iovec *v, int n, off_t at) { REAL(preadv); return unreadable(f) ? -1 : real(f, v, n, at); }
ssize_t preadv64(int f, const struct iovec *v, int n, off64_t at) { REAL(preadv64); return unreadable(f) ? -1 : real(f, v, n, at); }

static int forbidden(const char *path, int flags) {
  /* Data files only: the engine's own have a folder that begins with a dot. */
  if (slots[CREATE_DELAY_MS] && (flags & O_CREAT) && below(path) && !strstr(path + root_len, "/.")) {
    slots[REFUSED]++;
    wait_ms(slots[CREATE_DELAY_MS]);
  }
  if (!slots[CREATE_ERRNO] || !(flags & (O_CREAT | O_WRONLY | O_RDWR)) || !below(path)) return 0;
  slots[REFUSED]++;
  errno = (int)slots[CREATE_ERRNO];
  return 1;
}

#define MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }

int open(const char *p, int flags, ...) { MODE(flags) REAL(open); return forbidden(p, flags) ? -1 : real(p, flags, mode); }
int open64(const char *p, int flags, ...) { MODE(flags) REAL(open64); return forbidden(p, flags) ? -1 : real(p, flags, mode); }
int mkdir(const char *p, mode_t mode) { REAL(mkdir); return forbidden(p, O_CREAT) ? -1 : real(p, mode); }
int rename(const char *a, const char *b) { REAL(rename); return forbidden(b, O_CREAT) ? -1 : real(a, b); }

/* The engine's thread asks where a torrent goes: the one moment at which it calls libc about files. */
int statx(int f, const char *restrict p, int flags, unsigned mask, struct statx *restrict s) {
  char name[16];
  if (slots[ENGINE_DELAY_MS] && pthread_getname_np(pthread_self(), name, sizeof name) == 0 && !strcmp(name, "vz-engine")) {
    int64_t delay = atomic_exchange(&slots[ENGINE_DELAY_MS], 0);
    if (delay) slots[REFUSED]++;
    wait_ms(delay);
  }
  return (int)syscall(SYS_statx, f, p, flags, mask, s);
}

int clock_gettime(clockid_t clock, struct timespec *t) {
  int answer = (int)syscall(SYS_clock_gettime, clock, t);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) t->tv_sec += slots[CLOCK_OFFSET_S];
  return answer;
}
int gettimeofday(struct timeval *restrict t, void *restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out) *out = now.tv_sec;
  return now.tv_sec;
}
