# SPDX-License-Identifier: GPL-2.0-or-later
# External libraries. scripts/packages names the Debian packages; scripts/deps builds wolfSSL.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv>=1.44)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares>=1.18)
pkg_check_modules(NGHTTP2 REQUIRED IMPORTED_TARGET libnghttp2>=1.52)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c>=1.4)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.14)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(BROTLI REQUIRED IMPORTED_TARGET libbrotlienc)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8>=10.40)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp>=2.5)
find_program(SP_PROTOC protoc REQUIRED)
find_program(SP_PROTOC_C protoc-c REQUIRED)

add_library(sp_wolfssl INTERFACE)
if(SALLYPORT_SYSTEM_WOLFSSL)
  pkg_check_modules(WOLFSSL REQUIRED IMPORTED_TARGET wolfssl>=5.7)
  target_link_libraries(sp_wolfssl INTERFACE PkgConfig::WOLFSSL)
else()
  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/scripts/deps --print-dir
    OUTPUT_VARIABLE SP_WOLFSSL_DIR OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE rc)
  if(NOT rc EQUAL 0 OR NOT EXISTS ${SP_WOLFSSL_DIR}/lib/libwolfssl.a)
    message(FATAL_ERROR "wolfSSL is not built yet: run scripts/deps (two minutes, once a machine), "
      "or configure with -DSALLYPORT_SYSTEM_WOLFSSL=ON where the distribution's wolfSSL is a good one.")
  endif()
  message(STATUS "wolfSSL: ${SP_WOLFSSL_DIR}")
  target_include_directories(sp_wolfssl SYSTEM INTERFACE ${SP_WOLFSSL_DIR}/include)
  target_link_libraries(sp_wolfssl INTERFACE ${SP_WOLFSSL_DIR}/lib/libwolfssl.a m Threads::Threads)
endif()
# Its headers mean nothing without the options it was built with, so they always come first.
target_compile_options(sp_wolfssl INTERFACE "SHELL:-include wolfssl/options.h")
