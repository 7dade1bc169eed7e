# The second half of build.cmake: from cargo's archive in _out to OBJECT, which has the functions of EXPORTS and nothing
# else to offer.

function(must what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${what} (${failed}): ${ARGN}")
  endif()
endfunction()

if(SYSTEM STREQUAL "Windows")
  # Nothing to hide: a DLL is made of it (windows.cmake).
  must("cargo's archive is missing" ${CMAKE_COMMAND} -E copy "${_out}/vozduxan.lib" "${OBJECT}")
  return()
endif()

file(STRINGS "${EXPORTS}" _functions)
if(SYSTEM STREQUAL "Darwin")
  # Apple's ld does both in one step: in an -r output what is not on the list becomes private, so local at the next
  # link. Names have a leading underscore here. Never tried; see docs/building.md.
  list(TRANSFORM _functions PREPEND "_")
  list(JOIN _functions "\n" _list)
  file(WRITE "${OBJECT}.exports" "${_list}\n")
  list(TRANSFORM _functions PREPEND "-Wl,-u,")
  string(REGEX REPLACE "-.*" "" _machine "${TARGET}")
  string(REPLACE "aarch64" "arm64" _machine "${_machine}")
  must("cc -r could not join libvozduxan.a into one object" "${C_COMPILER}" -arch ${_machine} -nodefaultlibs -r
    -o "${OBJECT}" ${_functions} "-Wl,-exported_symbols_list,${OBJECT}.exports" "${_out}/libvozduxan.a")
  must("strip could not remove debug symbols" "${STRIP}" -S "${OBJECT}")
  return()
endif()

# 3. One object: only what the functions need, each group of a template or inline function taken as our own copy, so
#    that a C++ host's copy cannot replace or orphan it.
list(TRANSFORM _functions PREPEND "--undefined=")
must("ld -r could not join libvozduxan.a into one object" "${LD}" -r --gc-sections --force-group-allocation
  ${_functions} -o "${OBJECT}.all" "${_out}/libvozduxan.a")

# 4. The functions stay global, all else becomes local. The LLVM bitcode of Rust's own objects goes too: binutils with
#    an older LLVM plugin cannot read it and would fail on the archive. So do names that nothing refers to: GNU ld
#    leaves weak references of dropped sections behind as strong ones, and lld then misses functions of newer glibcs.
must("objcopy could not hide the symbols of vozduxan.o" "${OBJCOPY}" --remove-section=.llvmbc --remove-section=.llvmcmd
  --strip-unneeded "--keep-global-symbols=${EXPORTS}" "${OBJECT}.all" "${OBJECT}")
file(REMOVE "${OBJECT}.all")
