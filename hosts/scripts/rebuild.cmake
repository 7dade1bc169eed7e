# The library is built anew when one of its sources changes and only then, and its cargo gets a clean environment. The
# cargo here is a script that writes down how it was started and makes an archive of ten empty functions.
#
# In: SOURCE SCRATCH GENERATOR C_COMPILER AR
cmake_minimum_required(VERSION 3.20)
include("${CMAKE_CURRENT_LIST_DIR}/common.cmake")

file(REMOVE_RECURSE "${SCRATCH}")
set(copy "${SCRATCH}/vozduxan")
foreach(name CMakeLists.txt Cargo.toml Cargo.lock build.rs cbindgen.toml vozduxan.map README.md src cxx cmake include
    swarm play tests c-tests)
  file(COPY "${SOURCE}/${name}" DESTINATION "${copy}")
endforeach()
file(STRINGS "${copy}/cmake/exports.txt" functions)
list(TRANSFORM functions REPLACE "(.+)" "extern \"C\" void \\1() {}" OUTPUT_VARIABLE lines)
list(JOIN lines "\n" text)
file(WRITE "${SCRATCH}/ten.cc" "${text}\n")
# As the cc crate compiles the bridge: with its own flags first and the environment's behind them.
file(WRITE "${SCRATCH}/cargo" "#!/bin/sh
if [ \"$1\" = -vV ]; then echo 'host: here-unknown'; exit; fi
echo started >>'${SCRATCH}/starts'
printf '%s\\n' \"$@\" >'${SCRATCH}/arguments'
env >'${SCRATCH}/environment'
mkdir -p '${SCRATCH}/cargo-dir/here-unknown/debug'
$CXX -ffunction-sections $CXXFLAGS -c '${SCRATCH}/ten.cc' -o '${SCRATCH}/ten.o' &&
'${AR}' rcs '${SCRATCH}/cargo-dir/here-unknown/debug/libvozduxan.a' '${SCRATCH}/ten.o'
")
file(CHMOD "${SCRATCH}/cargo" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)

# What a host's cargo leaves in the environment of its build scripts, and what a user may have in it.
foreach(name CARGO_TARGET_DIR CARGO_BUILD_TARGET_DIR CARGO_BUILD_BUILD_DIR CARGO_BUILD_TARGET CARGO_ENCODED_RUSTFLAGS
    CARGO_PROFILE_RELEASE_PANIC CARGO_PROFILE_DEV_PANIC CARGO_INCREMENTAL CARGO_CFG_PANIC CARGO_FEATURE_X CARGO_PKG_NAME
    RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER RUSTDOCFLAGS DEP_X_Y OPT_LEVEL PROFILE DEBUG NUM_JOBS)
  set(ENV{${name}} "of-the-host")
  list(APPEND unwanted ${name})
endforeach()
set(ENV{RUSTFLAGS} "-C panic=abort")
foreach(name CARGO_HOME CARGO_NET_OFFLINE CARGO_HTTP_PROXY CARGO_TERM_COLOR)
  set(ENV{${name}} "of-the-user")
  list(APPEND wanted ${name}=of-the-user)
endforeach()
# What distributions build their packages with.
set(cxx_flags CXXFLAGS CXXFLAGS_here_unknown TARGET_CXXFLAGS HOST_CXXFLAGS)
foreach(name IN LISTS cxx_flags)
  set(ENV{${name}} "-O1 -flto=auto -ffat-lto-objects")
endforeach()

must(${CMAKE_COMMAND} -S "${copy}" -B "${SCRATCH}/build" -G "${GENERATOR}" "-DCMAKE_C_COMPILER=${C_COMPILER}"
  "-DVOZDUXAN_CARGO=${SCRATCH}/cargo" "-DVOZDUXAN_CARGO_DIR=${SCRATCH}/cargo-dir" -DVOZDUXAN_CARGO_PROFILE=dev)
set(expected 0)
# expect(<0 or 1> <why>): so many more starts of cargo by a build.
macro(expect more why)
  math(EXPR expected "${expected} + ${more}")
  must(${CMAKE_COMMAND} --build "${SCRATCH}/build")
  file(STRINGS "${SCRATCH}/starts" starts)
  list(LENGTH starts count)
  if(NOT count EQUAL expected)
    message(FATAL_ERROR "${why}: cargo was started ${count} times, not ${expected}")
  endif()
endmacro()
expect(1 "the first build")

file(STRINGS "${SCRATCH}/environment" environment)
foreach(name IN LISTS unwanted)
  if(environment MATCHES "(^|;)${name}=[^;]")
    message(FATAL_ERROR "${name} of the host reached the library's cargo")
  endif()
endforeach()
# Empty and there: what a configuration file says of these does not count then.
foreach(line IN LISTS wanted ITEMS RUSTFLAGS= RUSTC_WRAPPER= RUSTC_WORKSPACE_WRAPPER=)
  if(NOT "${line}" IN_LIST environment)
    message(FATAL_ERROR "the library's cargo misses ${line}")
  endif()
endforeach()
foreach(name IN LISTS cxx_flags)
  if(NOT "${name}=-O1 -flto=auto -ffat-lto-objects -fno-lto" IN_LIST environment)
    message(FATAL_ERROR "the user's ${name} is not what it was with -fno-lto behind it")
  endif()
endforeach()
file(READ "${SCRATCH}/build/vozduxan.o" object HEX)
string(HEX ".gnu.lto_" lto)
if(object MATCHES "${lto}")
  message(FATAL_ERROR "vozduxan.o holds what a host's link-time optimisation would take instead of its machine code")
endif()
file(STRINGS "${SCRATCH}/arguments" arguments)
foreach(argument --locked here-unknown "profile.dev.panic=\"unwind\"" "${SCRATCH}/cargo-dir")
  if(NOT "${argument}" IN_LIST arguments)
    message(FATAL_ERROR "the library's cargo is not told ${argument}: ${arguments}")
  endif()
endforeach()

expect(0 "nothing changed")
foreach(name src/lib.rs src/bridge/ffi.rs cxx/shim.cc cxx/tap.h build.rs Cargo.toml Cargo.lock cmake/build.cmake
    cmake/join.cmake cmake/exports.txt)
  file(TOUCH "${copy}/${name}")
  expect(1 "${name} changed")
endforeach()
file(WRITE "${copy}/src/new.rs" "")
expect(1 "a file is new in src")
file(WRITE "${copy}/cxx/new.h" "")
expect(1 "a file is new in cxx")
foreach(name include/vozduxan.h cbindgen.toml README.md swarm/Cargo.toml swarm/src/lib.rs swarm/cxx/swarm.h
    play/src/main.rs tests/abi.rs c-tests/smoke.c)
  file(TOUCH "${copy}/${name}")
  expect(0 "${name} is no source of the library, and changed")
endforeach()
