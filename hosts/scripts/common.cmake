# What the test scripts share.
cmake_minimum_required(VERSION 3.20)

# must(<command...>) runs it; anything but 0 ends the test with the command and what it printed. Its output is left in
# OUTPUT.
function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(failed)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\n${failed}: ${output}")
  endif()
  set(OUTPUT "${output}" PARENT_SCOPE)
endfunction()

# in_fresh_storage(<command...>): the same with VZ_STORAGE empty but for its settings, so that the swarm is needed.
function(in_fresh_storage)
  set(runner_storage "$ENV{VZ_STORAGE}")
  string(RANDOM LENGTH 12 name)
  set(storage "${runner_storage}/../${name}")
  file(COPY "${runner_storage}/vozduxan.toml" DESTINATION "${storage}")
  set(ENV{VZ_STORAGE} "${storage}")
  must(${ARGN})
  set(ENV{VZ_STORAGE} "${runner_storage}")
  file(REMOVE_RECURSE "${storage}")
endfunction()

# linked_by(<program> <linker>): the program says of itself that it was linked by bfd, gold, lld or mold.
function(linked_by program linker)
  must("${READELF}" --string-dump=.comment --section-headers --wide "${program}")
  set(found bfd)
  if(OUTPUT MATCHES "Linker: [^\n]*LLD")
    set(found lld)
  elseif(OUTPUT MATCHES "mold [0-9]")
    set(found mold)
  elseif(OUTPUT MATCHES "\\.note\\.gnu\\.gold")
    set(found gold)
  endif()
  if(NOT found STREQUAL linker)
    message(FATAL_ERROR "${program} was linked by ${found}, not by ${linker}")
  endif()
endfunction()
