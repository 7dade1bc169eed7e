/* The least a host can do with the library: ask and be answered. */
#include <vozduxan.h>

int main(void) {
  VozduxanFileList list = vozduxan_list_files(0, 0, 0, 0);
  vozduxan_file_list_free(&list);
  return list.error == VOZDUXAN_ERR_BAD_INPUT ? 0 : 1;
}
