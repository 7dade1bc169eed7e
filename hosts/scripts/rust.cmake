# Builds the Rust host as it lies in a repository of its own: `app` with the package, `vozduxan` beside it, the library
# built by the package's build script. The library itself is the one this build has made: nothing of the host's
# settings may reach it, so nothing of it may be compiled again.
#
# In: CARGO HOST_SOURCE LIBRARY_SOURCE SCRATCH PROFILE LIBRARY_PROFILE CARGO_DIR
cmake_minimum_required(VERSION 3.20)
include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

file(COPY "${HOST_SOURCE}/" DESTINATION "${SCRATCH}/app")
file(CREATE_LINK "${LIBRARY_SOURCE}" "${SCRATCH}/vozduxan" SYMBOLIC)
set(ENV{VOZDUXAN_CARGO_PROFILE} "${LIBRARY_PROFILE}")
set(ENV{VOZDUXAN_CARGO_DIR} "${CARGO_DIR}")
set(ENV{CARGO_TARGET_DIR} "${SCRATCH}/target")
set(build "${SCRATCH}/target")
set(arguments build --locked --manifest-path "${SCRATCH}/app/Cargo.toml")
set(folder debug)
if(PROFILE STREQUAL "release")
  # What a host may have in its environment, all at once. Each of these would reach a cargo that is simply started.
  set(ENV{RUSTFLAGS} "-C force-frame-pointers=yes")
  set(ENV{CARGO_PROFILE_DEV_PANIC} abort)
  set(ENV{CARGO_PROFILE_RELEASE_PANIC} abort)
  set(ENV{CARGO_BUILD_BUILD_DIR} "${SCRATCH}/intermediate")
  set(ENV{CARGO_INCREMENTAL} 1)
  set(build "${SCRATCH}/intermediate")
  list(APPEND arguments --release)
  set(folder release)
endif()

must("${CARGO}" ${arguments})
# Older cargos know no build directory.
file(GLOB outputs "${build}/${folder}/build/vozduxan-host-*/output"
  "${SCRATCH}/target/${folder}/build/vozduxan-host-*/output")
if(NOT outputs)
  message(FATAL_ERROR "the build script's output is not where it was looked for: ${build}/${folder}/build")
endif()
foreach(output IN LISTS outputs)
  string(REGEX REPLACE "output$" "stderr" errors "${output}")
  file(READ "${errors}" said)
  if(said MATCHES "Compiling ")
    message(FATAL_ERROR "the host's settings reached the library, which was compiled again:\n${said}")
  elseif(said MATCHES "warning: [^\n]*")
    message(FATAL_ERROR "the library's cargo or make complains: ${CMAKE_MATCH_0}")
  endif()
  file(READ "${output}" told)
  foreach(path src cxx cmake build.rs Cargo.toml)
    if(NOT told MATCHES "cargo:rerun-if-changed=[^\n]*/vozduxan/${path}\n")
      message(FATAL_ERROR "the host's cargo is not told of ${path}:\n${told}")
    endif()
  endforeach()
endforeach()

must("${CARGO}" ${arguments})
if(OUTPUT MATCHES "Compiling ")
  message(FATAL_ERROR "a second build has something to do:\n${OUTPUT}")
endif()
