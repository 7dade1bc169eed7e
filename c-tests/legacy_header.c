/*
 * Hosts were compiled against the header of the C++ engine. Its declarations are written out here, and everything that
 * such a host has compiled in is compared: sizes, offsets, types of fields and parameters, numbers of codes. A change
 * that would break one does not compile.
 */
#include <stddef.h>
#include <stdint.h>

#include "vozduxan.h"

typedef void (*LegacyLogFn)(const char *message, void *userdata);
typedef void (*LegacyProgressFn)(float progress, const char *status, void *userdata);

enum {
  LEGACY_OK = 0,
  LEGACY_ERR_METADATA_TIMEOUT = 1,
  LEGACY_ERR_INVALID_FILE = 2,
  LEGACY_ERR_BAD_INPUT = 3,
  LEGACY_ERR_INTERNAL = 99,
};

typedef struct {
  const char *storage_path;
  uint64_t cache_max_bytes;
  uint32_t cache_ttl_secs;
  int listen_port;
  LegacyLogFn log_fn;
  void *log_userdata;
} LegacyConfig;

typedef struct {
  char url[512];
  char token[128];
  int64_t file_size;
  char mime_type[64];
  VozduxanError error;
  char error_msg[256];
} LegacyStreamInfo;

typedef struct {
  char name[512];
  char mime[64];
  int64_t size;
  int index;
} LegacyFileEntry;

typedef struct {
  VozduxanFileEntry *files;
  int count;
  VozduxanError error;
  char error_msg[256];
} LegacyFileList;

typedef struct {
  int32_t download_rate_bytes;
  int32_t num_peers;
} LegacyStreamStats;

#define SAME_SIZE(name, bytes)                                                                                         \
  _Static_assert(sizeof(Vozduxan##name) == sizeof(Legacy##name), #name " has another size");                           \
  _Static_assert(sizeof(Vozduxan##name) == (bytes), #name " has another size");                                        \
  _Static_assert(_Alignof(Vozduxan##name) == _Alignof(Legacy##name), #name " has another alignment")

/* Same place, and a pointer to the one field is a pointer to the other. */
#define SAME_FIELD(name, field, offset)                                                                                \
  _Static_assert(offsetof(Vozduxan##name, field) == offsetof(Legacy##name, field), #name "." #field " moved");         \
  _Static_assert(offsetof(Vozduxan##name, field) == (offset), #name "." #field " moved");                              \
  _Static_assert(_Generic(&((Vozduxan##name *)0)->field, __typeof__(&((Legacy##name *)0)->field) : 1, default : 0),    \
                 #name "." #field " has another type")

SAME_SIZE(Config, 40);
SAME_FIELD(Config, storage_path, 0);
SAME_FIELD(Config, cache_max_bytes, 8);
SAME_FIELD(Config, cache_ttl_secs, 16);
SAME_FIELD(Config, listen_port, 20);
SAME_FIELD(Config, log_fn, 24);
SAME_FIELD(Config, log_userdata, 32);

SAME_SIZE(StreamInfo, 976);
SAME_FIELD(StreamInfo, url, 0);
SAME_FIELD(StreamInfo, token, 512);
SAME_FIELD(StreamInfo, file_size, 640);
SAME_FIELD(StreamInfo, mime_type, 648);
SAME_FIELD(StreamInfo, error, 712);
SAME_FIELD(StreamInfo, error_msg, 716);

SAME_SIZE(FileEntry, 592);
SAME_FIELD(FileEntry, name, 0);
SAME_FIELD(FileEntry, mime, 512);
SAME_FIELD(FileEntry, size, 576);
SAME_FIELD(FileEntry, index, 584);

SAME_SIZE(FileList, 272);
SAME_FIELD(FileList, files, 0);
SAME_FIELD(FileList, count, 8);
SAME_FIELD(FileList, error, 12);
SAME_FIELD(FileList, error_msg, 16);

SAME_SIZE(StreamStats, 8);
SAME_FIELD(StreamStats, download_rate_bytes, 0);
SAME_FIELD(StreamStats, num_peers, 4);

_Static_assert(sizeof(VozduxanError) == sizeof(int), "a code is passed as an int");
_Static_assert((int)VOZDUXAN_OK == LEGACY_OK, "a code changed");
_Static_assert((int)VOZDUXAN_ERR_METADATA_TIMEOUT == LEGACY_ERR_METADATA_TIMEOUT, "a code changed");
_Static_assert((int)VOZDUXAN_ERR_INVALID_FILE == LEGACY_ERR_INVALID_FILE, "a code changed");
_Static_assert((int)VOZDUXAN_ERR_BAD_INPUT == LEGACY_ERR_BAD_INPUT, "a code changed");
_Static_assert((int)VOZDUXAN_ERR_INTERNAL == LEGACY_ERR_INTERNAL, "a code changed");

/* Declared once more with the legacy parameters: a compiler refuses a second declaration of another type. */
VozduxanSession *vozduxan_session_create(const VozduxanConfig *config);
void vozduxan_session_destroy(VozduxanSession *session);
VozduxanStreamInfo vozduxan_stream_prepare(VozduxanSession *session, const char *magnet, const uint8_t *torrent_data,
                                           size_t torrent_len, int file_idx, int is_main, LegacyProgressFn progress_fn,
                                           void *userdata);
void vozduxan_stream_notify_position(VozduxanSession *session, const char *token, int64_t byte_offset);
void vozduxan_stream_release(VozduxanSession *session, const char *token);
VozduxanStreamStats vozduxan_stream_stats(VozduxanSession *session, const char *token);
VozduxanFileList vozduxan_list_files(VozduxanSession *session, const char *magnet, const uint8_t *torrent_data,
                                     size_t torrent_len);
void vozduxan_file_list_free(VozduxanFileList *list);
void vozduxan_session_evict(VozduxanSession *session);
uint16_t vozduxan_session_http_port(VozduxanSession *session);

int main(void) {
  VozduxanFileList list = vozduxan_list_files(NULL, NULL, NULL, 0);
  vozduxan_file_list_free(&list);
  return (int)list.error == LEGACY_ERR_BAD_INPUT ? 0 : 1;
}
