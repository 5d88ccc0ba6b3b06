# SPDX-License-Identifier: GPL-2.0-or-later
# Programs whose calls to malloc, the system, nghttp2 and wolfSSL go through test/faults/faults.c, which makes them fail: its tests, and
# sallyport-faults, the whole program, for test/integration/test_faults*.py. test/faults/wraps.txt names the calls that the linker renames.
set(SP_FAULTS ${SP_TEST}/faults)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${SP_FAULTS}/wraps.txt)
file(STRINGS ${SP_FAULTS}/wraps.txt SP_WRAPS)
if(SALLYPORT_SANITIZE)
  list(APPEND SP_WRAPS malloc calloc realloc aligned_alloc posix_memalign)
endif()
list(TRANSFORM SP_WRAPS PREPEND "LINKER:--wrap=")

sp_test_programs(${SP_FAULTS} faults sp_all)
file(GLOB tests CONFIGURE_DEPENDS ${SP_FAULTS}/test_*.c)
foreach(source IN LISTS tests)
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "^test_" "faults_" name ${name})
  target_link_options(${name} PRIVATE ${SP_WRAPS})
endforeach()
set(SP_SIM ${SP_TEST}/sim)
target_sources(faults_world PRIVATE ${SP_SIM}/door_fix.c ${SP_SIM}/walk.c ${SP_SIM}/world.c ${SP_SIM}/world_acts.c ${SP_SIM}/world_filters.c)

# Not of what is shipped: a renamed call and link-time optimisation do not go together.
if(TARGET sallyport AND NOT SALLYPORT_HARDEN)
  add_executable(sallyport-faults ${CMAKE_SOURCE_DIR}/src/main.c ${SP_FAULTS}/faults.c)
  target_link_libraries(sallyport-faults PRIVATE sp_warnings sp_all)
  target_link_options(sallyport-faults PRIVATE ${SP_WRAPS})
  add_dependencies(sallyport-faults sp_version)
endif()
