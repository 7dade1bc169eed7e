/* Faults for a child process, by LD_PRELOAD: file system calls below one folder fail or are slow, the wall clock is
 * wrong. What is to happen stands in a small file that the parent writes and this maps: ten 64-bit numbers, see shim.rs.
 * The engine's Rust code opens, writes and renames through libc and libtorrent does everything through it; only what
 * rustix does (reading and measuring) goes to the kernel directly. Such reads are caught by a filter of system calls. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
  WRITE_ERRNO,
  WRITE_BUDGET,
  READ_ERRNO,
  CREATE_ERRNO,
  CREATE_DELAY_MS,
  CLOCK_OFFSET_S,
  ENGINE_DELAY_MS,
  REFUSED,
  OWN_READ_ERRNO,
  OWN_READ_BUDGET
};

static _Atomic int64_t idle[10];
static _Atomic int64_t *slots = idle;
static char root[PATH_MAX];
static size_t root_len;

static void catch_direct_reads(void);

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
  if (getenv("VZ_SHIM_OWN_READS")) catch_direct_reads();
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

/* What comes through libc goes on marked, so that the filter below lets it pass. The mark is the fifth argument: pread has
 * none, and for preadv2 it is the upper half of a position that a 64-bit system has whole in the fourth. */
#define MARK 0x6b72616dL

ssize_t pread(int f, void *b, size_t n, off_t at) { return unreadable(f) ? -1 : syscall(SYS_pread64, f, b, n, at, MARK); }
ssize_t pread64(int f, void *b, size_t n, off64_t at) { return pread(f, b, n, at); }
ssize_t preadv(int f, const struct iovec *v, int n, off_t at) { REAL(preadv); return unreadable(f) ? -1 : real(f, v, n, at); }
ssize_t preadv64(int f, const struct iovec *v, int n, off64_t at) { REAL(preadv64); return unreadable(f) ? -1 : real(f, v, n, at); }

#if defined(__x86_64__)
#define REG(context, name) ((context)->uc_mcontext.gregs[REG_##name])
#define CALL(context) REG(context, RAX)
#define RESULT(context) REG(context, RAX)
#define ARGUMENTS(c) REG(c, RDI), REG(c, RSI), REG(c, RDX), REG(c, R10), MARK, REG(c, R9)
#define FIRST(context) REG(context, RDI)
#elif defined(__aarch64__)
#define REG(context, n) ((context)->uc_mcontext.regs[n])
#define CALL(context) REG(context, 8)
#define RESULT(context) REG(context, 0)
#define ARGUMENTS(c) REG(c, 0), REG(c, 1), REG(c, 2), REG(c, 3), MARK, REG(c, 5)
#define FIRST(context) REG(context, 0)
#endif

#ifdef CALL
/* In place of a read that went to the kernel directly: the fault, or the read. A budget below zero is none. */
static void on_direct_read(int signal, siginfo_t *info, void *at) {
  (void)signal, (void)info;
  ucontext_t *context = at;
  int saved = errno;
  int64_t error = slots[OWN_READ_ERRNO];
  if (error && ours((int)FIRST(context)) && atomic_fetch_sub(&slots[OWN_READ_BUDGET], 1) <= 0) {
    slots[OWN_READ_BUDGET] = 0;
    slots[REFUSED]++;
    RESULT(context) = -error;
  } else {
    long result = syscall(CALL(context), ARGUMENTS(context));
    RESULT(context) = result < 0 ? -errno : result;
  }
  errno = saved;
}

/* Every thread has it from the one that made it, and this is before all others. */
static void catch_direct_reads(void) {
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
  struct sock_filter lines[] = {
      LOAD(nr),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pread64, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_preadv2, 0, 2),
      LOAD(args[4]),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
  };
  struct sock_fprog filter = {sizeof lines / sizeof *lines, lines};
  struct sigaction action = {.sa_sigaction = on_direct_read, .sa_flags = SA_SIGINFO | SA_NODEFER};
  if (sigaction(SIGSYS, &action, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
    perror("reads cannot be caught");
}
#else
static void catch_direct_reads(void) { fputs("reads cannot be caught on this machine\n", stderr); }
#endif

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
