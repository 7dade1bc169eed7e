# Runs cargo, and makes one object file with exactly the exported functions as global symbols (join.cmake).
#
# Why not cargo's own archive: it holds some 300 objects with thousands of global symbols, among them a whole Rust
# standard library and the C names of the cxx crate. A Rust host has its own copies of both and either fails to link
# ("duplicate symbol: rust_eh_personality", "failed to get bitcode from object file for LTO") or, worse, shares them.
# One object that keeps everything but its ten functions to itself links into every host.
#
# In: CARGO TARGET PROFILE SOURCE CARGO_DIR OBJECT EXPORTS FLAGS LIBTORRENT_FLAGS C_COMPILER CXX_COMPILER SYSTEM LD
# OBJCOPY STRIP

# 1. A clean environment. Under a host's cargo (a build script) the host's settings must not reach this cargo: its
#    panic=abort would turn error codes into a dead process, its target directory would be a deadlock, its flags and
#    wrappers are meant for other code.
execute_process(COMMAND ${CMAKE_COMMAND} -E environment OUTPUT_VARIABLE _environment)
string(REGEX MATCHALL "(^|\n)[A-Za-z_][A-Za-z0-9_]*=" _names "${_environment}")
foreach(_name IN LISTS _names)
  string(REGEX REPLACE "[\n=]" "" _name "${_name}")
  # Where cargo keeps things, how it reaches the network, how many jobs it may run and which compiler this machine has
  # are the user's, not the host's.
  if(_name MATCHES "^(CARGO_(HOME|NET_|HTTP_|REGISTR|SOURCE_|TERM_|MAKEFLAGS)|RUSTC$)")
    continue()
  endif()
  if(_name MATCHES "^(CARGO($|_)|DEP_|RUSTC_|RUSTDOC|CLIPPY_)"
      OR _name MATCHES "^(RUSTFLAGS|OUT_DIR|TARGET|HOST|OPT_LEVEL|PROFILE|DEBUG|NUM_JOBS|MAKELEVEL)$")
    unset(ENV{${_name}})
  endif()
endforeach()
set(ENV{CC} "${C_COMPILER}")
set(ENV{CXX} "${CXX_COMPILER}")
# Flags for C++ are the user's too (checkers need them), but for link-time optimisation, which distributions ask for:
# join.cmake would lose what is in such objects, or leave it for the host's linker to prefer to the machine code. Behind
# the flags, because the cc crate puts them behind its own.
string(REGEX REPLACE "[-.]" "_" _target_name "${TARGET}")
foreach(_name CXXFLAGS CXXFLAGS_${TARGET} CXXFLAGS_${_target_name} TARGET_CXXFLAGS HOST_CXXFLAGS)
  if(DEFINED ENV{${_name}} AND NOT SYSTEM STREQUAL "Windows")
    set(ENV{${_name}} "$ENV{${_name}} -fno-lto")
  endif()
endforeach()
if(LIBTORRENT_FLAGS)
  set(ENV{VOZDUXAN_LIBTORRENT_FLAGS} "${LIBTORRENT_FLAGS}")
endif()

# 2. Cargo. `rustc --crate-type` and not `build`: with the rlib of Cargo.toml in the list, cargo ignores the profile's
#    link-time optimisation.
# Always with a target, also for this machine: a host's .cargo/config.toml, which cargo reads above a nested folder, may
# name another one; and settings on this command line win over that file.
set(_arguments rustc --lib --locked --profile ${PROFILE} --crate-type staticlib --target ${TARGET}
  --manifest-path "${SOURCE}/Cargo.toml" --target-dir "${CARGO_DIR}"
  --config "build.build-dir=\"${CARGO_DIR}\"" --config "profile.${PROFILE}.panic=\"unwind\"")
set(_out "${CARGO_DIR}/${TARGET}")
# Cargo's directory for a profile has the profile's name, but for the built-in ones.
if(PROFILE MATCHES "^(dev|test)$")
  string(APPEND _out "/debug")
elseif(PROFILE STREQUAL "bench")
  string(APPEND _out "/release")
else()
  string(APPEND _out "/${PROFILE}")
endif()
# What is in the environment, empty too, replaces what the configuration files say.
execute_process(COMMAND ${CMAKE_COMMAND} -E env "RUSTFLAGS=${FLAGS}" RUSTC_WRAPPER= RUSTC_WORKSPACE_WRAPPER=
  "${CARGO}" ${_arguments}
  WORKING_DIRECTORY "${SOURCE}" RESULT_VARIABLE _failed)
if(_failed)
  message(FATAL_ERROR "cargo could not build vozduxan (${_failed}): its own message is above")
endif()

include("${CMAKE_CURRENT_LIST_DIR}/join.cmake")
