# The smallest Rust host, with its panics and its link-time optimisation set and linked as each case says; every one is
# run. In the environment of a swarm.
#
# In: RUSTC LIBRARY_DIR SOURCE SCRATCH READELF; CASES, between commas: PANIC/LTO/LINKER; TOOLCHAIN of rustup, if not its default
cmake_minimum_required(VERSION 3.20)
include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

if(TOOLCHAIN)
  set(ENV{RUSTUP_TOOLCHAIN} "${TOOLCHAIN}")
endif()

# build(<panic> <lto> <linker or default>)
function(build panic lto linker)
  set(flags --edition=2021 -Cpanic=${panic} -Copt-level=s -Ccodegen-units=1 -Cstrip=symbols)
  set(link "")
  if(NOT linker STREQUAL "default")
    set(link -Clink-arg=-fuse-ld=${linker})
  endif()
  set(folder "${SCRATCH}/${panic}-${lto}-${linker}")
  file(REMOVE_RECURSE "${folder}")
  file(MAKE_DIRECTORY "${folder}")
  must("${RUSTC}" ${flags} --crate-type=rlib --crate-name=player -Lnative=${LIBRARY_DIR} "${SOURCE}/player.rs"
    -ltorrent-rasterbar -lstdc++ -o "${folder}/libplayer.rlib")
  must("${RUSTC}" ${flags} -Clto=${lto} --extern "player=${folder}/libplayer.rlib" -Lnative=${LIBRARY_DIR}
    "${SOURCE}/main.rs" ${link} -o "${folder}/host")
  if(NOT linker STREQUAL "default")
    linked_by("${folder}/host" ${linker})
  endif()
  in_fresh_storage("${folder}/host")
  file(SIZE "${folder}/host" size)
  message(STATUS "panic=${panic} lto=${lto} linker=${linker}: ${size} bytes, played")
endfunction()

string(REPLACE "," ";" CASES "${CASES}")
foreach(case IN LISTS CASES)
  string(REPLACE "/" ";" case "${case}")
  build(${case})
endforeach()
