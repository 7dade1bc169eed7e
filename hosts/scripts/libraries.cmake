# The Rust host's own shared library exports what is the host's and nothing of ours, and works from a C program. In the
# environment of a swarm.
#
# In: NM C_COMPILER FOLDER SCRATCH
cmake_minimum_required(VERSION 3.20)
include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")
must("${NM}" --dynamic --defined-only --extern-only "${FOLDER}/libhost.so")
if(NOT OUTPUT MATCHES " T host_run\n" OR OUTPUT MATCHES "vozduxan")
  message(FATAL_ERROR "libhost.so exports the wrong things:\n${OUTPUT}")
endif()
file(MAKE_DIRECTORY "${SCRATCH}")
file(WRITE "${SCRATCH}/main.c" "int host_run(void);\nint main(void) { return host_run(); }\n")
must("${C_COMPILER}" "${SCRATCH}/main.c" "-L${FOLDER}" -lhost "-Wl,-rpath,${FOLDER}" -o "${SCRATCH}/main")
in_fresh_storage("${SCRATCH}/main")
