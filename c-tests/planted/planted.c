/*
 * One mistake of each kind that a checker is there to find. `make asan`, `make tsan` and `make valgrind` run these first:
 * a checker that does not report them is not on, and its silence about the library would mean nothing.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef PLANTED_RUST
/* planted.rs, instrumented as the library's Rust is. */
int planted_rust_read_behind_the_end(size_t len);
#endif

static int write_behind_the_end(size_t len) {
  char *bytes = malloc(len);
  if (bytes == NULL) return 0;
  memset(bytes, 1, len);
  bytes[len] = 1;
  int const sum = bytes[0];
  free(bytes);
  return sum;
}

static void *kept; /* lost as soon as it is overwritten */

static int lose_memory(size_t len) {
  kept = malloc(len);
  if (kept != NULL) memset(kept, 1, len);
  kept = NULL;
  return 0;
}

static int count_beyond_int(int step) {
  int number = INT_MAX - 2;
  for (int i = 0; i < 4; i++) number += step;
  return number;
}

static int shared;

static void *count(void *unused) {
  (void)unused;
  for (int i = 0; i < 100000; i++) shared++;
  return NULL;
}

static int count_on_two_threads(void) {
  pthread_t one, two;
  if (pthread_create(&one, NULL, count, NULL) != 0 || pthread_create(&two, NULL, count, NULL) != 0) abort();
  pthread_join(one, NULL);
  pthread_join(two, NULL);
  return shared;
}

int main(int argc, char **argv) {
  char const *const kind = argc == 2 ? argv[1] : "";
  size_t const len = 40 + (size_t)argc; /* nothing that a compiler could know */
  int result;
  if (strcmp(kind, "overflow") == 0) {
    result = write_behind_the_end(len);
  } else if (strcmp(kind, "leak") == 0) {
    result = lose_memory(len);
  } else if (strcmp(kind, "arithmetic") == 0) {
    result = count_beyond_int(argc - 1);
  } else if (strcmp(kind, "race") == 0) {
    result = count_on_two_threads();
#ifdef PLANTED_RUST
  } else if (strcmp(kind, "rust") == 0) {
    result = planted_rust_read_behind_the_end(len);
#endif
  } else {
    fprintf(stderr, "usage: planted overflow|leak|arithmetic|race|rust\n");
    return 2;
  }
  printf("%s: nobody stopped this, result %d\n", kind, result);
  return 0;
}
