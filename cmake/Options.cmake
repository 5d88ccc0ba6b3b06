# SPDX-License-Identifier: GPL-2.0-or-later
# Compiler and linker flags for our own code, carried by the interface target sp_options, and the generated version header.
include(CheckPIESupported)
include(CheckCCompilerFlag)
include(CheckCSourceCompiles)
include(CheckLinkerFlag)
include(CheckIPOSupported)

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# No NDEBUG anywhere: the asserts at public entries are part of the product.
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_RELEASE "-O2")

find_program(SP_CCACHE ccache)
if(SP_CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
  # Paths below the source tree count as relative, so that several clones of it share one cache.
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${SP_CCACHE})
endif()

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
check_pie_supported(LANGUAGES C)

add_library(sp_options INTERFACE)
target_compile_definitions(sp_options INTERFACE _GNU_SOURCE)
target_include_directories(sp_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/gen)
target_compile_options(sp_options INTERFACE -fno-omit-frame-pointer)

add_library(sp_warnings INTERFACE)
target_compile_options(sp_warnings INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith
  -Wvla -Wformat=2 -Wundef -Wwrite-strings -Wcast-align -Wno-unused-parameter
  # clang warns of a vsnprintf inside a function whose own callers are checked already; gcc does not.
  $<$<C_COMPILER_ID:Clang>:-Wno-format-nonliteral>)

if(SALLYPORT_SANITIZE)
  # Vendor libraries stay plain: only what is compiled here is instrumented.
  add_compile_options(-fsanitize=${SALLYPORT_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SALLYPORT_SANITIZE})
endif()
if(SALLYPORT_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(SALLYPORT_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
# Flags that not every compiler has.
function(sp_compile_with flag)
  string(MAKE_C_IDENTIFIER "SP_TAKES${flag}" name)
  check_c_compiler_flag(${flag} ${name})
  if(${name})
    add_compile_options(${flag})
  endif()
endfunction()
function(sp_link_with flag)
  string(MAKE_C_IDENTIFIER "SP_LINKS${flag}" name)
  check_linker_flag(C ${flag} ${name})
  if(${name})
    add_link_options(${flag})
  endif()
endfunction()

if(SALLYPORT_HARDEN)
  # Each of them is looked for in the program by scripts/hardening; docs/security/tls.md says what each is for. wolfSSL is compiled
  # with the same (scripts/deps).
  add_compile_options(-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fno-plt)
  sp_compile_with(-fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
    sp_compile_with(-fcf-protection=full)
    sp_link_with(-Wl,-z,shstk)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    sp_compile_with(-mbranch-protection=standard)
  endif()
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
  sp_link_with(-Wl,-z,separate-code)
  check_ipo_supported(RESULT SP_IPO OUTPUT SP_IPO_WHY LANGUAGES C)
  if(SP_IPO)
    set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
  else()
    message(STATUS "no link-time optimisation: ${SP_IPO_WHY}")
  endif()
endif()

# Some two hundred test programs are linked: in a tenth of the time by mold, where it is installed. What is shipped (release) is not.
find_program(SP_MOLD mold)
if(SP_MOLD AND CMAKE_BUILD_TYPE STREQUAL Debug)
  set(CMAKE_REQUIRED_LINK_OPTIONS -fuse-ld=mold)
  check_c_source_compiles("int main(void) { return 0; }" SP_LINKS_WITH_MOLD)
  unset(CMAKE_REQUIRED_LINK_OPTIONS)
  if(SP_LINKS_WITH_MOLD)
    add_link_options(-fuse-ld=mold)
  endif()
endif()

# gen/sallyport_version.h is written at build time, and only touched when the commit changes.
set(SP_VERSION_HEADER ${CMAKE_BINARY_DIR}/gen/sallyport_version.h)
add_custom_target(sp_version
  COMMAND ${CMAKE_COMMAND} -DOUT=${SP_VERSION_HEADER} -DSOURCE=${CMAKE_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
          -P ${CMAKE_SOURCE_DIR}/cmake/Version.cmake
  BYPRODUCTS ${SP_VERSION_HEADER}
  COMMENT "version header" VERBATIM)
