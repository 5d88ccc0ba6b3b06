# SPDX-License-Identifier: GPL-2.0-or-later
# ctest: label unit (test/unit, test/sim, fuzz corpora), lint (test/lint), integration (test/integration/run, which finds the program in
# SALLYPORT_BIN). Every test sees SALLYPORT_SOURCE_DIR and SALLYPORT_BUILD_DIR.
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
pkg_check_modules(BROTLI_DEC REQUIRED IMPORTED_TARGET libbrotlidec)
set(SP_TEST ${CMAKE_SOURCE_DIR}/test)
set(SP_TEST_ENV
  "ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:handle_segv=2:handle_sigbus=2"
  "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
  "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:suppressions=${CMAKE_SOURCE_DIR}/cmake/tsan.supp"
  "SALLYPORT_SOURCE_DIR=${CMAKE_SOURCE_DIR}" "SALLYPORT_BUILD_DIR=${CMAKE_BINARY_DIR}")

function(sp_register name label timeout)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout} ENVIRONMENT "${SP_TEST_ENV}")
endfunction()

# test/support/*.c: helpers for every test program.
file(GLOB support CONFIGURE_DEPENDS ${SP_TEST}/support/*.c)
add_library(sp_test INTERFACE)
target_include_directories(sp_test INTERFACE ${SP_TEST})
if(support)
  add_library(sp_test_support STATIC ${support})
  target_include_directories(sp_test_support PUBLIC ${SP_TEST})
  target_link_libraries(sp_test_support PUBLIC sp_all PRIVATE PkgConfig::CMOCKA sp_warnings)
  target_link_libraries(sp_test INTERFACE sp_test_support)
endif()

# Each test_*.c of a directory is a program; the directory's other .c files are helpers of all of them.
function(sp_test_programs dir prefix)
  file(GLOB tests CONFIGURE_DEPENDS ${dir}/test_*.c)
  file(GLOB helpers CONFIGURE_DEPENDS ${dir}/*.c)
  if(tests)
    list(REMOVE_ITEM helpers ${tests})
  endif()
  foreach(source IN LISTS tests)
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "${prefix}_" name ${name})
    add_executable(${name} ${source} ${helpers})
    file(RELATIVE_PATH where ${CMAKE_SOURCE_DIR} ${dir})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${where})
    target_link_libraries(${name} PRIVATE sp_test ${ARGN} sp_wolfssl PkgConfig::CMOCKA PkgConfig::BROTLI_DEC sp_warnings)
    sp_register(${name} unit 240 ${name})
  endforeach()
endfunction()

if(NOT SALLYPORT_FUZZ)
  foreach(dir IN LISTS SP_LAYERS)
    sp_test_programs(${SP_TEST}/unit/${dir} unit_${dir} sp_${dir})
  endforeach()
  sp_test_programs(${SP_TEST}/sim sim sp_all)
  include(cmake/Faults.cmake)

  # A lint is an executable under test/lint; one that knows --self-test is run that way too.
  file(GLOB lints CONFIGURE_DEPENDS ${SP_TEST}/lint/*)
  foreach(script IN LISTS lints)
    get_filename_component(name ${script} NAME)
    execute_process(COMMAND test -f ${script} -a -x ${script} RESULT_VARIABLE not_program)
    if(NOT not_program)
      sp_register(lint_${name} lint 240 ${script})
      file(STRINGS ${script} self REGEX "--self-test")
      if(self)
        sp_register(lint_${name}_self lint 240 ${script} --self-test)
      endif()
    endif()
  endforeach()

  sp_register(lint_instructions_self lint 240 ${CMAKE_SOURCE_DIR}/bench/instructions --self-test)
  sp_register(lint_count_tests_self lint 240 ${CMAKE_SOURCE_DIR}/scripts/count-tests --self-test)
  sp_register(lint_hardening_self lint 240 ${CMAKE_SOURCE_DIR}/scripts/hardening --self-test)
  sp_register(lint_bench_self lint 240 ${CMAKE_SOURCE_DIR}/bench/run --self-test)

  # Each suite is a test of its own. Those that measure memory or load run alone; the others may share the machine.
  file(GLOB suites CONFIGURE_DEPENDS ${SP_TEST}/integration/test_*.py)
  set(alone attack chaos cost faults floods floods_h1 floods_tls floods_use lifecycle overload soak storm streams)
  if(TARGET sallyport)
    foreach(suite IN LISTS suites)
      get_filename_component(name ${suite} NAME_WE)
      string(REPLACE "test_" "" short ${name})
      sp_register(integration_${short} integration 900 ${SP_TEST}/integration/run ${name})
      set_property(TEST integration_${short} APPEND PROPERTY ENVIRONMENT "SALLYPORT_BIN=$<TARGET_FILE:sallyport>")
      if(short IN_LIST alone)
        set_tests_properties(integration_${short} PROPERTIES RUN_SERIAL ON)
      endif()
    endforeach()
  endif()
endif()

# fuzz_*.c: libFuzzer programs under the fuzz preset; elsewhere replay.c feeds them their corpus as a regression test.
file(GLOB fuzzers CONFIGURE_DEPENDS ${SP_TEST}/fuzz/fuzz_*.c)
# What some are made of besides.
set(SP_FUZZ_WITH_authz ${SP_TEST}/unit/filters/fake_chain.c ${SP_TEST}/unit/filters/fake_config.c)
set(SP_FUZZ_WITH_chain ${SP_TEST}/sim/chain_fix.c ${SP_TEST}/sim/chain_random.c)
set(SP_FUZZ_WITH_door ${SP_TEST}/sim/door_fix.c)
set(SP_FUZZ_WITH_tls_early ${SP_TEST}/unit/net/early_client.c ${SP_TEST}/unit/net/tls_kit.c)
set(SP_FUZZ_WITH_world ${SP_TEST}/sim/door_fix.c ${SP_TEST}/sim/world.c ${SP_TEST}/sim/world_acts.c ${SP_TEST}/sim/world_filters.c)
find_library(SP_HTTP_PARSER http_parser REQUIRED) # libhttp-parser-dev: beside which fuzz_h1_diff holds the HTTP/1 codec
set(SP_FUZZ_LIBS_h1_diff ${SP_HTTP_PARSER})
set(SP_FUZZ_LIBS_oidc PkgConfig::CMOCKA)
foreach(source IN LISTS fuzzers)
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "^fuzz_" "" short ${name})
  add_executable(${name} ${source} ${SP_FUZZ_WITH_${short}})
  if(SP_FUZZ_WITH_${short})
    target_link_libraries(${name} PRIVATE sp_test sp_wolfssl PkgConfig::CMOCKA)
  endif()
  target_link_libraries(${name} PRIVATE sp_all sp_warnings ${SP_FUZZ_LIBS_${short}})
  if(SALLYPORT_FUZZ)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(${name} PRIVATE ${SP_TEST}/fuzz/replay.c)
    sp_register(${name} unit 240 ${name} ${SP_TEST}/fuzz/corpus/${short})
  endif()
endforeach()

# bench/micro/bench_*.c: micro_NAME, made on request only (ninja micro_h1).
file(GLOB micros CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/micro/bench_*.c)
foreach(source IN LISTS micros)
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "^bench_" "micro_" name ${name})
  add_executable(${name} EXCLUDE_FROM_ALL ${source})
  target_link_libraries(${name} PRIVATE sp_all sp_warnings)
endforeach()
