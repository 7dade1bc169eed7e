# One C host, and one with a whole Rust host in an archive beside ours, by one linker; both are run. In the environment
# of a swarm.
#
# In: C_COMPILER LIBRARY HOST_LIBRARY C_TESTS INCLUDE SCRATCH LINKER READELF
cmake_minimum_required(VERSION 3.20)
include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

file(REMOVE_RECURSE "${SCRATCH}")
file(MAKE_DIRECTORY "${SCRATCH}")
set(needed -ltorrent-rasterbar -lstdc++ -lm -lpthread -ldl)
foreach(name smoke refusals support)
  must("${C_COMPILER}" -std=c11 -D_GNU_SOURCE -O2 -I${INCLUDE} -I${C_TESTS} -c "${C_TESTS}/${name}.c"
    -o "${SCRATCH}/${name}.o")
endforeach()
file(WRITE "${SCRATCH}/main.c" "int host_run(void);\nint main(void) { return host_run(); }\n")
must("${C_COMPILER}" -c "${SCRATCH}/main.c" -o "${SCRATCH}/main.o")

string(TIMESTAMP before "%s%f")
must("${C_COMPILER}" -fuse-ld=${LINKER} "${SCRATCH}/smoke.o" "${SCRATCH}/support.o" "${LIBRARY}" ${needed}
  -o "${SCRATCH}/c")
string(TIMESTAMP after "%s%f")
math(EXPR took "(${after} - ${before}) / 1000")
linked_by("${SCRATCH}/c" ${LINKER})
in_fresh_storage("${SCRATCH}/c")
# Panics and exceptions inside find their way by tables that this linker laid out.
must("${C_COMPILER}" -fuse-ld=${LINKER} -Wl,--gc-sections -s "${SCRATCH}/refusals.o" "${SCRATCH}/support.o" "${LIBRARY}"
  ${needed} -o "${SCRATCH}/refusals")
in_fresh_storage("${SCRATCH}/refusals")
must("${C_COMPILER}" -fuse-ld=${LINKER} -Wl,--gc-sections -s "${SCRATCH}/main.o" "${HOST_LIBRARY}" ${needed}
  -o "${SCRATCH}/rust")
linked_by("${SCRATCH}/rust" ${LINKER})
in_fresh_storage("${SCRATCH}/rust")
message(STATUS "${LINKER}: the C host linked in ${took} ms and played; the Rust host in C too")
