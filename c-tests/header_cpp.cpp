// The header in C++: included twice, used through its C names, linked without a C file in between.
#include "vozduxan.h"
#include "vozduxan.h"

#include <cstdio>
#include <type_traits>

static_assert(std::is_standard_layout<VozduxanConfig>::value, "plain data");
static_assert(std::is_trivially_copyable<VozduxanStreamInfo>::value, "plain data");
static_assert(sizeof(VozduxanError) == 4, "an int in the ABI");
static_assert(VOZDUXAN_ERR_INTERNAL == 99, "a number that hosts know");

int main() {
  const auto quiet = [](const char *, void *) {};
  VozduxanConfig config{};
  config.log_fn = quiet;
  if (vozduxan_session_create(&config) != nullptr) {
    std::fputs("a session without a storage path\n", stderr);
    return 1;
  }
  const auto progress = [](float, const char *, void *) {};
  const VozduxanStreamInfo info =
      vozduxan_stream_prepare(nullptr, "magnet:?", nullptr, 0, 0, 1, progress, nullptr);
  VozduxanFileList list = vozduxan_list_files(nullptr, nullptr, nullptr, 0);
  vozduxan_file_list_free(&list);
  vozduxan_session_destroy(nullptr);
  return info.error == VOZDUXAN_ERR_BAD_INPUT && list.error == VOZDUXAN_ERR_BAD_INPUT ? 0 : 1;
}
