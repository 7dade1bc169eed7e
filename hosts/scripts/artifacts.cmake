# What the archive and the shared library are made of, besides their ten functions.
#
# In: AR NM READELF ARCHIVE SHARED
cmake_minimum_required(VERSION 3.20)
include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

# One member, and none that rustc takes for an object of its own crates (*.rcgu.o) when a host optimises while linking.
must("${AR}" t "${ARCHIVE}")
if(NOT OUTPUT STREQUAL "vozduxan.o\n")
  message(FATAL_ERROR "${ARCHIVE} has other members than vozduxan.o:\n${OUTPUT}")
endif()
must("${READELF}" --section-headers --wide "${ARCHIVE}")
if(OUTPUT MATCHES "\\.llvmbc|\\.llvmcmd|\\.debug_info|\\] +\\.group")
  message(FATAL_ERROR "${ARCHIVE} has ${CMAKE_MATCH_0}:\n${OUTPUT}")
endif()
# What it asks of others must not be something a Rust or cxx host happens to have.
must("${NM}" --undefined-only --format=posix "${ARCHIVE}")
if(OUTPUT MATCHES "\n(rust_|_R[A-Z]|_ZN4core|_ZN3std2|cxxbridge)[^\n]*")
  message(FATAL_ERROR "${ARCHIVE} leaves ${CMAKE_MATCH_0} to the host")
endif()

must("${READELF}" --dynamic --wide "${SHARED}")
foreach(expected "Library soname: \\[libvozduxan\\.so\\.1\\]" "BIND_NOW" "NODELETE")
  if(NOT OUTPUT MATCHES "${expected}")
    message(FATAL_ERROR "${SHARED} lacks ${expected}:\n${OUTPUT}")
  endif()
endforeach()
if(OUTPUT MATCHES "RPATH|RUNPATH|TEXTREL")
  message(FATAL_ERROR "${SHARED} has ${CMAKE_MATCH_0}:\n${OUTPUT}")
endif()
# The brackets have to go first: in a list, what follows an open one is not an element of its own.
string(REGEX REPLACE "[][]" "|" OUTPUT "${OUTPUT}")
string(REGEX MATCHALL "Shared library: [|][^|]+" needed "${OUTPUT}")
list(TRANSFORM needed REPLACE ".*[|]" "")
set(allowed "libtorrent-rasterbar\\.so\\.2\\.0" "lib(ssl|crypto)\\.so\\.[0-9.]+" "libstdc\\+\\+\\.so\\.6"
  "libgcc_s\\.so\\.1" "lib[cm]\\.so\\.6" "ld-linux[-a-z0-9_]*\\.so\\.[0-9]")
list(JOIN allowed "|" allowed)
list(LENGTH needed count)
if(count LESS 4)
  message(FATAL_ERROR "only ${count} libraries were read out of what ${READELF} said:\n${OUTPUT}")
endif()
foreach(library IN LISTS needed)
  if(NOT library MATCHES "^(${allowed})$")
    message(FATAL_ERROR "${SHARED} needs ${library}")
  endif()
endforeach()
message(STATUS "needed: ${needed}")
