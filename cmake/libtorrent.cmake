# Finds libtorrent, as a target to link (_libtorrent) and as flags to compile with.
#
# By pkg-config wherever that knows it: build.rs asks pkg-config too, so both see the same library. Where there is none
# (vcpkg, a libtorrent of one's own) its CMake package is used, and what it says is handed to build.rs in a file.

set(VOZDUXAN_LIBTORRENT "" CACHE STRING "how to find libtorrent: pkg-config, cmake, or empty for whichever knows it")
set(_libtorrent_flags "")
if(NOT VOZDUXAN_LIBTORRENT STREQUAL "cmake")
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(LIBTORRENT IMPORTED_TARGET GLOBAL "libtorrent-rasterbar>=2.0.8")
  endif()
  if(VOZDUXAN_LIBTORRENT STREQUAL "pkg-config" AND NOT LIBTORRENT_FOUND)
    message(FATAL_ERROR "pkg-config knows no libtorrent-rasterbar 2.0.8 or newer. On Debian and Ubuntu: "
      "apt install pkg-config libtorrent-rasterbar-dev libssl-dev")
  endif()
endif()
if(LIBTORRENT_FOUND)
  set(_libtorrent PkgConfig::LIBTORRENT)
else()
  find_package(LibtorrentRasterbar 2.0.8 CONFIG)
  if(NOT LibtorrentRasterbar_FOUND)
    message(FATAL_ERROR "libtorrent-rasterbar 2.0 (2.0.8 or newer) is needed, with its headers. On Debian and Ubuntu: "
      "apt install pkg-config libtorrent-rasterbar-dev libssl-dev; elsewhere set PKG_CONFIG_PATH or CMAKE_PREFIX_PATH "
      "to where it is installed")
  endif()
  if(NOT LibtorrentRasterbar_VERSION VERSION_LESS 2.1)
    message(FATAL_ERROR "libtorrent ${LibtorrentRasterbar_VERSION} moves headers that vozduxan uses; a 2.0 is needed")
  endif()
  set(_libtorrent LibtorrentRasterbar::torrent-rasterbar)
  set(_libtorrent_flags "${CMAKE_CURRENT_BINARY_DIR}/libtorrent.flags")
  # One "include PATH" or "define NAME" to a line, its dependencies' ones included.
  set(_paths $<TARGET_PROPERTY:${_libtorrent},INTERFACE_INCLUDE_DIRECTORIES>)
  set(_defines $<TARGET_PROPERTY:${_libtorrent},INTERFACE_COMPILE_DEFINITIONS>)
  string(CONCAT _content "$<$<BOOL:${_paths}>:include $<JOIN:${_paths},\ninclude >\n>"
    "$<$<BOOL:${_defines}>:define $<JOIN:${_defines},\ndefine >\n>")
  file(GENERATE OUTPUT "${_libtorrent_flags}" CONTENT "${_content}")
endif()
