# What the library is made of: what to build anew for, told to this build (_sources) and to a host's cargo.
#
# Not in it: swarm/, play/, tests/ and hosts/, which only use the library; the header, which is committed and only
# installed; cbindgen.toml, which the test that compares the header reads.

file(GLOB_RECURSE _sources CONFIGURE_DEPENDS src/*.rs cxx/*.h cxx/*.cc)
set(_exports "${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.txt")
list(APPEND _sources Cargo.toml Cargo.lock build.rs "${_exports}" cmake/build.cmake cmake/join.cmake)

# Under a host's build script, what this prints to stdout the host's cargo reads. Hosts that were written for the C++
# engine name the folders that it had; so that they notice a change in cxx/ or cmake/ too, the folders are named here.
if(DEFINED ENV{CARGO_MANIFEST_DIR} AND DEFINED ENV{OUT_DIR} AND DEFINED ENV{TARGET})
  foreach(_path src cxx cmake include build.rs Cargo.toml Cargo.lock CMakeLists.txt vozduxan.map)
    execute_process(COMMAND ${CMAKE_COMMAND} -E echo "cargo:rerun-if-changed=${CMAKE_CURRENT_SOURCE_DIR}/${_path}")
  endforeach()
endif()
