# Windows: a DLL with ten exports, and its import library. Never tried; see docs/building.md. Out: _installed.
#
# There is no `ld -r` for COFF, and no tool that makes an object's symbols local, so an archive beside a Rust host's own
# standard library would clash with it (LNK2005). A DLL is closed by nature. Hosts find lib/vozduxan.lib, now an import
# library, under the name that the C++ engine's archive had; vozduxan.dll has to lie beside the program.

if(NOT VOZDUXAN_UNTRIED)
  message(FATAL_ERROR "vozduxan does not build on Windows yet: its storage and HTTP use POSIX calls, which "
    "docs/building.md lists. -DVOZDUXAN_UNTRIED=ON goes on to the compiler's errors")
endif()
if(NOT MSVC)
  message(FATAL_ERROR "on Windows only the MSVC targets are thought of")
endif()

get_filename_component(_real_source "${CMAKE_CURRENT_SOURCE_DIR}" REALPATH)
set(_archive "${CMAKE_CURRENT_BINARY_DIR}/vozduxan_all.lib")
add_custom_command(OUTPUT "${_archive}"
  COMMAND ${CMAKE_COMMAND}
    "-DCARGO=${VOZDUXAN_CARGO}" "-DTARGET=${_rust_target}" "-DPROFILE=${VOZDUXAN_CARGO_PROFILE}"
    "-DSOURCE=${_real_source}" "-DCARGO_DIR=${VOZDUXAN_CARGO_DIR}" "-DOBJECT=${_archive}"
    "-DFLAGS=${VOZDUXAN_RUSTFLAGS}" "-DLIBTORRENT_FLAGS=${_libtorrent_flags}"
    "-DC_COMPILER=${CMAKE_C_COMPILER}" "-DCXX_COMPILER=${CMAKE_CXX_COMPILER}" "-DSYSTEM=${CMAKE_SYSTEM_NAME}"
    -P "${CMAKE_CURRENT_SOURCE_DIR}/cmake/build.cmake"
  DEPENDS ${_sources} COMMENT "cargo: vozduxan (${VOZDUXAN_CARGO_PROFILE})" VERBATIM USES_TERMINAL)

list(JOIN _functions "\n  " _names)
file(CONFIGURE OUTPUT vozduxan.def CONTENT "LIBRARY vozduxan\nEXPORTS\n  @_names@\n" @ONLY)
# A DLL wants a source of its own; the exports of the .def file pull everything else out of the archive.
file(CONFIGURE OUTPUT dll.c CONTENT "typedef int vozduxan_dll_is_made_from_an_archive;\n")
add_library(vozduxan SHARED "${CMAKE_CURRENT_BINARY_DIR}/dll.c" "${CMAKE_CURRENT_BINARY_DIR}/vozduxan.def"
  "${_archive}")
add_library(vozduxan::vozduxan ALIAS vozduxan)
set_source_files_properties("${_archive}" PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
target_include_directories(vozduxan INTERFACE ${_headers})
target_link_libraries(vozduxan PRIVATE ${_libtorrent} Threads::Threads bcrypt ntdll userenv ws2_32)
set_target_properties(vozduxan PROPERTIES LINKER_LANGUAGE CXX)
set(_installed vozduxan)
