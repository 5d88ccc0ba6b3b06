# SPDX-License-Identifier: GPL-2.0-or-later
# proto/**/*.proto and protobuf's well-known types -> gen/**/*.pb-c.[ch] -> sp_proto, and api.desc for lints and tests.
set(SP_PROTO_ROOT ${CMAKE_SOURCE_DIR}/proto)
set(SP_GEN ${CMAKE_BINARY_DIR}/gen)
file(MAKE_DIRECTORY ${SP_GEN})
find_path(SP_WELL_KNOWN google/protobuf/any.proto REQUIRED)
file(GLOB_RECURSE protos CONFIGURE_DEPENDS RELATIVE ${SP_PROTO_ROOT} ${SP_PROTO_ROOT}/*.proto)

set(generated "")
# One command a file: what is generated from a file depends on that file alone (its imports come in as #include).
function(sp_proto_compile root proto)
  string(REGEX REPLACE "\\.proto$" "" stem ${proto})
  set(out ${SP_GEN}/${stem}.pb-c)
  add_custom_command(
    OUTPUT ${out}.c ${out}.h
    COMMAND ${SP_PROTOC_C} --c_out=${SP_GEN} -I${SP_PROTO_ROOT} -I${SP_WELL_KNOWN} ${root}/${proto}
    DEPENDS ${root}/${proto}
    COMMENT "protoc-c ${proto}" VERBATIM)
  set(generated ${generated} ${out}.c ${out}.h PARENT_SCOPE)
endfunction()

foreach(name any duration empty struct timestamp wrappers)
  # A copy under proto/ comes first, here as in protoc's search path.
  if(NOT EXISTS ${SP_PROTO_ROOT}/google/protobuf/${name}.proto)
    sp_proto_compile(${SP_WELL_KNOWN} google/protobuf/${name}.proto)
  endif()
endforeach()
set(paths "")
foreach(proto IN LISTS protos)
  sp_proto_compile(${SP_PROTO_ROOT} ${proto})
  list(APPEND paths ${SP_PROTO_ROOT}/${proto})
endforeach()

add_library(sp_proto STATIC ${generated})
target_include_directories(sp_proto SYSTEM PUBLIC ${SP_GEN})
target_compile_options(sp_proto PRIVATE -w)
target_link_libraries(sp_proto PUBLIC PkgConfig::PROTOBUF_C)

if(paths)
  set(SP_API_DESC ${CMAKE_BINARY_DIR}/api.desc)
  add_custom_command(OUTPUT ${SP_API_DESC}
    COMMAND ${SP_PROTOC} --include_imports --descriptor_set_out=${SP_API_DESC} -I${SP_PROTO_ROOT} -I${SP_WELL_KNOWN} ${paths}
    DEPENDS ${paths} COMMENT "protoc api.desc" VERBATIM)
  add_custom_target(sp_api_desc ALL DEPENDS ${SP_API_DESC})
endif()
