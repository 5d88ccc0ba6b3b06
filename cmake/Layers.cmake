# SPDX-License-Identifier: GPL-2.0-or-later
# src/<dir>/*.c -> sp_<dir>, linked with every library to its left; then the program.
set(SP_EXTERNAL_base PkgConfig::JANSSON PkgConfig::PCRE2 PkgConfig::ZLIB PkgConfig::BROTLI m Threads::Threads)
set(SP_EXTERNAL_event PkgConfig::UV Threads::Threads)
set(SP_EXTERNAL_config sp_proto PkgConfig::YAML)
set(SP_EXTERNAL_http PkgConfig::NGHTTP2)
set(SP_EXTERNAL_clusters PkgConfig::CARES)
set(SP_EXTERNAL_server PkgConfig::SECCOMP)

# wolfSSL's headers are seen by these two alone; the library still reaches every link.
set(SP_PRIVATE_crypto sp_wolfssl)
set(SP_PRIVATE_net sp_wolfssl)

set(left "")
# The admin's page for people, as C.
set(page_out ${CMAKE_BINARY_DIR}/gen/admin/page_bytes)
file(GLOB page CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/admin/page/*)
add_custom_command(OUTPUT ${page_out}.c ${page_out}.h
  COMMAND ${CMAKE_COMMAND} -DDIR=${CMAKE_SOURCE_DIR}/src/admin/page -DOUT=${page_out} -P ${CMAKE_SOURCE_DIR}/cmake/Page.cmake
  DEPENDS ${page} ${CMAKE_SOURCE_DIR}/cmake/Page.cmake COMMENT "the admin's page" VERBATIM)
set(SP_GENERATED_admin ${page_out}.c ${page_out}.h)

foreach(dir IN LISTS SP_LAYERS)
  set(needs ${left})
  if(dir STREQUAL "stats")
    list(REMOVE_ITEM needs sp_event)
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${dir}/*.c)
  if(sources)
    add_library(sp_${dir} STATIC ${sources} ${SP_GENERATED_${dir}})
    target_link_libraries(sp_${dir} PUBLIC sp_options ${needs} ${SP_EXTERNAL_${dir}} PRIVATE sp_warnings ${SP_PRIVATE_${dir}})
    add_dependencies(sp_${dir} sp_version)
  else()
    add_library(sp_${dir} INTERFACE)
    target_link_libraries(sp_${dir} INTERFACE sp_options ${needs} ${SP_EXTERNAL_${dir}})
  endif()
  # Nearest layer first: a static linker resolves from left to right.
  list(PREPEND left sp_${dir})
endforeach()
# wolfSSL asks for it weakly (scripts/deps): nothing else would bring it into a program, and threads would end without giving their tables back.
target_link_options(sp_crypto INTERFACE LINKER:-u,sp_thread_tables)
add_library(sp_all INTERFACE)
target_link_libraries(sp_all INTERFACE ${left})

file(GLOB main CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/main.c)
if(main AND NOT SALLYPORT_FUZZ)
  add_executable(sallyport ${main})
  target_link_libraries(sallyport PRIVATE sp_warnings sp_all)
  add_dependencies(sallyport sp_version)
endif()
