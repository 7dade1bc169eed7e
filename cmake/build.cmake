# Runs cargo and makes one object file with exactly the exported functions as global symbols.
#
# Why not cargo's own archive: it holds some 300 objects with thousands of global symbols, among them a whole Rust
# standard library and the C names of the cxx crate. A Rust host has its own copies of both and either fails to link
# ("duplicate symbol: rust_eh_personality", "failed to get bitcode from object file for LTO") or, worse, shares them.
# One object that keeps everything but its ten functions to itself links into every host.
#
# In: CARGO TARGET PROFILE SOURCE CARGO_DIR OBJECT EXPORTS FLAGS C_COMPILER CXX_COMPILER LD OBJCOPY

# 1. A clean environment. Under a host's cargo (a build script) the host's settings must not reach this cargo: its
#    panic=abort would turn error codes into a dead process, its target directory would be a deadlock, its flags and
#    wrappers are meant for other code.
execute_process(COMMAND ${CMAKE_COMMAND} -E environment OUTPUT_VARIABLE _environment)
string(REGEX MATCHALL "(^|\n)[A-Za-z_][A-Za-z0-9_]*=" _names "${_environment}")
foreach(_name IN LISTS _names)
  string(REGEX REPLACE "[\n=]" "" _name "${_name}")
  # Where cargo keeps things, how it reaches the network and how many jobs it may run are the user's, not the host's.
  if(_name MATCHES "^CARGO_(HOME|NET_|HTTP_|REGISTR|SOURCE_|TERM_|MAKEFLAGS)")
    continue()
  endif()
  if(_name MATCHES "^(CARGO($|_)|DEP_|RUSTC($|_)|RUSTDOC|CLIPPY_)"
      OR _name MATCHES "^(RUSTFLAGS|OUT_DIR|TARGET|HOST|OPT_LEVEL|PROFILE|DEBUG|NUM_JOBS|MAKELEVEL)$")
    unset(ENV{${_name}})
  endif()
endforeach()
set(ENV{CC} "${C_COMPILER}")
set(ENV{CXX} "${CXX_COMPILER}")
if(FLAGS)
  set(ENV{RUSTFLAGS} "${FLAGS}")
endif()

# 2. Cargo. `rustc --crate-type` and not `build`: with the rlib of Cargo.toml in the list, cargo ignores the profile's
#    link-time optimisation.
set(_arguments rustc --lib --locked --profile ${PROFILE} --crate-type staticlib
  --manifest-path "${SOURCE}/Cargo.toml" --target-dir "${CARGO_DIR}"
  --config "build.build-dir=\"${CARGO_DIR}\"" --config "profile.${PROFILE}.panic=\"unwind\"")
set(_out "${CARGO_DIR}")
if(TARGET)
  list(APPEND _arguments --target ${TARGET})
  string(APPEND _out "/${TARGET}")
endif()
# Cargo's directory for a profile has the profile's name, but for the built-in ones.
if(PROFILE MATCHES "^(dev|test)$")
  string(APPEND _out "/debug")
elseif(PROFILE STREQUAL "bench")
  string(APPEND _out "/release")
else()
  string(APPEND _out "/${PROFILE}")
endif()
execute_process(COMMAND "${CARGO}" ${_arguments} WORKING_DIRECTORY "${SOURCE}" RESULT_VARIABLE _failed)
if(_failed)
  message(FATAL_ERROR "cargo could not build vozduxan (${_failed}): its own message is above")
endif()

# 3. One object: only what the functions need, each group of a template or inline function taken as our own copy, so
#    that a C++ host's copy cannot replace or orphan it.
file(STRINGS "${EXPORTS}" _functions)
list(TRANSFORM _functions PREPEND "--undefined=")
execute_process(COMMAND "${LD}" -r --gc-sections --force-group-allocation ${_functions}
  -o "${OBJECT}.all" "${_out}/libvozduxan.a" RESULT_VARIABLE _failed)
if(_failed)
  message(FATAL_ERROR "${LD} -r could not join libvozduxan.a into one object (${_failed})")
endif()

# 4. The functions stay global, all else becomes local. The LLVM bitcode of Rust's own objects goes too: binutils with
#    an older LLVM plugin cannot read it and would fail on the archive. So do names that nothing refers to: GNU ld
#    leaves weak references of dropped sections behind as strong ones, and lld then misses functions of newer glibcs.
execute_process(COMMAND "${OBJCOPY}" --remove-section=.llvmbc --remove-section=.llvmcmd --strip-unneeded
  "--keep-global-symbols=${EXPORTS}" "${OBJECT}.all" "${OBJECT}" RESULT_VARIABLE _failed)
file(REMOVE "${OBJECT}.all")
if(_failed)
  message(FATAL_ERROR "${OBJCOPY} could not hide the symbols of vozduxan.o (${_failed})")
endif()
