# Installs the build into a scratch prefix and builds a stranger against it, twice. In: BUILD SCRATCH CONSUMER GENERATOR
# C_COMPILER PKG_CONFIG
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(failed)
    message(FATAL_ERROR "${ARGN}\n${failed}: ${output}")
  endif()
endfunction()

file(REMOVE_RECURSE "${SCRATCH}")
set(prefix "${SCRATCH}/prefix")
run(${CMAKE_COMMAND} --install "${BUILD}" --prefix "${prefix}")
foreach(file lib/libvozduxan.a include/vozduxan.h lib/cmake/vozduxan/vozduxanConfig.cmake lib/pkgconfig/vozduxan.pc)
  if(NOT EXISTS "${prefix}/${file}")
    message(FATAL_ERROR "${file} is not installed")
  endif()
endforeach()

# Beside an installed shared library linkers would take that one; it is installed only where it was asked for.
file(GLOB shared "${prefix}/lib/libvozduxan.so*")
if(shared)
  message(FATAL_ERROR "nobody asked for ${shared}")
endif()

run(${CMAKE_COMMAND} -S "${CONSUMER}" -B "${SCRATCH}/package" -G "${GENERATOR}"
  "-DCMAKE_C_COMPILER=${C_COMPILER}" "-DCMAKE_PREFIX_PATH=${prefix}")
run(${CMAKE_COMMAND} --build "${SCRATCH}/package")
run("${SCRATCH}/package/consumer")

set(ENV{PKG_CONFIG_PATH} "${prefix}/lib/pkgconfig:$ENV{PKG_CONFIG_PATH}")
execute_process(COMMAND "${PKG_CONFIG}" --static --cflags --libs vozduxan
  OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "pkg-config does not know vozduxan")
endif()
separate_arguments(flags UNIX_COMMAND "${flags}")
run("${C_COMPILER}" "${CONSUMER}/main.c" -o "${SCRATCH}/by-pkg-config" ${flags})
run("${SCRATCH}/by-pkg-config")
