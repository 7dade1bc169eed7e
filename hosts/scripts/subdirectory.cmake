# The library as a folder of somebody's CMake project. In: SOURCE LIBRARY_SOURCE SCRATCH GENERATOR C_COMPILER CARGO_DIR
# LIBRARY_PROFILE
cmake_minimum_required(VERSION 3.20)
include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")
file(REMOVE_RECURSE "${SCRATCH}")
must(${CMAKE_COMMAND} -S "${SOURCE}" -B "${SCRATCH}" -G "${GENERATOR}" "-DCMAKE_C_COMPILER=${C_COMPILER}"
  "-DVOZDUXAN=${LIBRARY_SOURCE}" "-DVOZDUXAN_CARGO_DIR=${CARGO_DIR}" "-DVOZDUXAN_CARGO_PROFILE=${LIBRARY_PROFILE}")
must(${CMAKE_COMMAND} --build "${SCRATCH}")
if(OUTPUT MATCHES "Compiling ")
  message(FATAL_ERROR "the library was compiled again although cargo's folder is shared:\n${OUTPUT}")
endif()
must("${SCRATCH}/app")
if(EXISTS "${SCRATCH}/vozduxan/libvozduxan.so")
  message(FATAL_ERROR "a shared library was built without being asked for")
endif()
