# Finds what cmake/build.cmake works with: cargo, the Rust target (_rust_target), and on Linux a GNU ld.

# Inside a Cargo build script: the very cargo that runs it, for the very target it builds for.
set(_cargo "")
set(_target "")
if(DEFINED ENV{CARGO})
  set(_cargo "$ENV{CARGO}")
endif()
if(DEFINED ENV{CARGO_MANIFEST_DIR} AND DEFINED ENV{TARGET})
  set(_target "$ENV{TARGET}")
endif()
if(_cargo)
  set(VOZDUXAN_CARGO "${_cargo}" CACHE FILEPATH "cargo")
endif()
find_program(VOZDUXAN_CARGO cargo HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin" REQUIRED)
set(VOZDUXAN_RUST_TARGET "${_target}" CACHE STRING "Rust target triple; empty: the host")
set(_rust_target "${VOZDUXAN_RUST_TARGET}")
if(NOT _rust_target)
  execute_process(COMMAND "${VOZDUXAN_CARGO}" -vV OUTPUT_VARIABLE _cargo_says ERROR_VARIABLE _cargo_error)
  if(NOT _cargo_says MATCHES "host: ([^\n]+)")
    message(FATAL_ERROR "${VOZDUXAN_CARGO} does not work: ${_cargo_says}${_cargo_error}")
  endif()
  set(_rust_target "${CMAKE_MATCH_1}")
endif()

file(STRINGS "${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.txt" _functions)
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  return()
endif()

# `ld -r --gc-sections --force-group-allocation` must be GNU ld (2.29 or newer), whatever links programs here: LLVM's
# lld drops the unwind tables in that step, or does not know the options.
find_program(VOZDUXAN_LD NAMES ${CMAKE_LINKER} ld.bfd ld)
execute_process(COMMAND "${VOZDUXAN_LD}" --version OUTPUT_VARIABLE _ld ERROR_QUIET)
if(NOT _ld MATCHES "^GNU ld")
  unset(VOZDUXAN_LD CACHE)
  find_program(VOZDUXAN_LD NAMES ld.bfd REQUIRED)
  execute_process(COMMAND "${VOZDUXAN_LD}" --version OUTPUT_VARIABLE _ld ERROR_QUIET)
endif()
if(NOT _ld MATCHES "^GNU ld[^\n]* ([0-9]+\\.[0-9]+)" OR CMAKE_MATCH_1 VERSION_LESS 2.29)
  message(FATAL_ERROR "vozduxan needs GNU ld 2.29 or newer (binutils); ${VOZDUXAN_LD} says: ${_ld}. "
    "Set VOZDUXAN_LD to one.")
endif()
