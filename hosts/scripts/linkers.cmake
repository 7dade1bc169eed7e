# One C host, and one with a whole Rust host in an archive beside ours, by each linker; every one is run. In the
# environment of a swarm.
#
# In: C_COMPILER LIBRARY HOST_LIBRARY C_TESTS INCLUDE SCRATCH LINKERS (between commas) READELF
cmake_minimum_required(VERSION 3.20)
include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")
string(REPLACE "," ";" LINKERS "${LINKERS}")

file(REMOVE_RECURSE "${SCRATCH}")
file(MAKE_DIRECTORY "${SCRATCH}")
set(needed -ltorrent-rasterbar -lstdc++ -lm -lpthread -ldl)
foreach(name smoke support)
  must("${C_COMPILER}" -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -I${INCLUDE} -I${C_TESTS} -c "${C_TESTS}/${name}.c"
    -o "${SCRATCH}/${name}.o")
endforeach()
file(WRITE "${SCRATCH}/main.c" "int host_run(void);\nint main(void) { return host_run(); }\n")
must("${C_COMPILER}" -c "${SCRATCH}/main.c" -o "${SCRATCH}/main.o")

foreach(linker IN LISTS LINKERS)
  string(TIMESTAMP before "%s%f")
  must("${C_COMPILER}" -fuse-ld=${linker} "${SCRATCH}/smoke.o" "${SCRATCH}/support.o" "${LIBRARY}" ${needed}
    -o "${SCRATCH}/c-${linker}")
  string(TIMESTAMP after "%s%f")
  math(EXPR took "(${after} - ${before}) / 1000")
  linked_by("${SCRATCH}/c-${linker}" ${linker})
  in_fresh_storage("${SCRATCH}/c-${linker}")
  must("${C_COMPILER}" -fuse-ld=${linker} -Wl,--gc-sections -s "${SCRATCH}/main.o" "${HOST_LIBRARY}" ${needed}
    -o "${SCRATCH}/rust-${linker}")
  linked_by("${SCRATCH}/rust-${linker}" ${linker})
  in_fresh_storage("${SCRATCH}/rust-${linker}")
  message(STATUS "${linker}: the C host linked in ${took} ms and played; the Rust host in C too")
endforeach()
