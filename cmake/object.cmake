# Linux and macOS: one object from cargo's archive, and the targets around it. In: see CMakeLists.txt. Out: _installed.

if(NOT CMAKE_SYSTEM_NAME MATCHES "^(Linux|Darwin)$")
  message(FATAL_ERROR "vozduxan does not know how to leave ten symbols in an object of ${CMAKE_SYSTEM_NAME}: "
    "cmake/join.cmake does it for Linux and macOS")
endif()
if(APPLE)
  message(WARNING "vozduxan has not been built on macOS yet: what to look at is in docs/building.md")
endif()

set(_object "${CMAKE_CURRENT_BINARY_DIR}/vozduxan.o")
# Without the symbolic links that a host's nested folder may be: cargo would take each way in for another library.
get_filename_component(_real_source "${CMAKE_CURRENT_SOURCE_DIR}" REALPATH)
add_custom_command(OUTPUT "${_object}"
  COMMAND ${CMAKE_COMMAND}
    "-DCARGO=${VOZDUXAN_CARGO}" "-DTARGET=${_rust_target}" "-DPROFILE=${VOZDUXAN_CARGO_PROFILE}"
    "-DSOURCE=${_real_source}" "-DCARGO_DIR=${VOZDUXAN_CARGO_DIR}" "-DOBJECT=${_object}"
    "-DEXPORTS=${_exports}" "-DFLAGS=${VOZDUXAN_RUSTFLAGS}" "-DLIBTORRENT_FLAGS=${_libtorrent_flags}"
    "-DC_COMPILER=${CMAKE_C_COMPILER}" "-DCXX_COMPILER=${CMAKE_CXX_COMPILER}"
    "-DSYSTEM=${CMAKE_SYSTEM_NAME}" "-DLD=${VOZDUXAN_LD}" "-DOBJCOPY=${CMAKE_OBJCOPY}" "-DSTRIP=${CMAKE_STRIP}"
    -P "${CMAKE_CURRENT_SOURCE_DIR}/cmake/build.cmake"
  DEPENDS ${_sources} COMMENT "cargo: vozduxan (${VOZDUXAN_CARGO_PROFILE})" VERBATIM USES_TERMINAL)
set_source_files_properties("${_object}" PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)

# What the one object leaves to the final link.
set(_needed ${_libtorrent} Threads::Threads ${CMAKE_DL_LIBS} m)
if(APPLE)
  set(_cxx_runtime c++)
else()
  set(_cxx_runtime stdc++ gcc_s)
endif()

add_library(vozduxan STATIC "${_object}")
add_library(vozduxan::vozduxan ALIAS vozduxan)
set_target_properties(vozduxan PROPERTIES LINKER_LANGUAGE CXX)
target_include_directories(vozduxan INTERFACE ${_headers})
target_link_libraries(vozduxan INTERFACE ${_needed} ${_cxx_runtime})
set(_installed vozduxan)

if(VOZDUXAN_BUILD_SHARED OR VOZDUXAN_BUILD_TESTS)
  add_library(vozduxan_shared SHARED "${_object}")
  add_library(vozduxan::shared ALIAS vozduxan_shared)
  # Under Makefiles two targets would run the one cargo command at once.
  add_dependencies(vozduxan_shared vozduxan)
  set_target_properties(vozduxan_shared PROPERTIES OUTPUT_NAME vozduxan EXPORT_NAME shared LINKER_LANGUAGE CXX
    VERSION 1.${PROJECT_VERSION} SOVERSION 1)
  target_link_libraries(vozduxan_shared PRIVATE ${_needed})
  target_include_directories(vozduxan_shared INTERFACE ${_headers})
  if(APPLE)
    list(TRANSFORM _functions PREPEND "-Wl,-exported_symbol,_" OUTPUT_VARIABLE _exported)
    target_link_options(vozduxan_shared PRIVATE ${_exported})
  else()
    set(_map "${CMAKE_CURRENT_SOURCE_DIR}/vozduxan.map")
    set_target_properties(vozduxan_shared PROPERTIES LINK_DEPENDS "${_map}")
    # nodelete: threads of ours may be in their last instructions when a host calls dlclose.
    target_link_options(vozduxan_shared PRIVATE "-Wl,--version-script=${_map}" -Wl,--gc-sections
      -Wl,-z,relro,-z,now -Wl,-z,nodelete -Wl,--no-undefined)
    target_link_libraries(vozduxan_shared PRIVATE gcc_s)
  endif()
endif()
if(VOZDUXAN_BUILD_SHARED)
  list(APPEND _installed vozduxan_shared)
endif()
