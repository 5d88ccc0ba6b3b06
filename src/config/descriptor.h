/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts about messages and fields that protobuf-c's descriptors do not state outright, and access to fields by
 * descriptor.  Pure functions, any thread.
 */
#ifndef SP_CONFIG_DESCRIPTOR_H
#define SP_CONFIG_DESCRIPTOR_H

#include <protobuf-c/protobuf-c.h>

#include "base/str.h"

/* The field of this name, in snake_case or lowerCamelCase, or NULL. */
const ProtobufCFieldDescriptor *sp_field_find(const ProtobufCMessageDescriptor *desc, struct sp_str name);
/* Whether it is a map: in memory a list of *Entry messages. */
bool sp_field_is_map(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field);
/* Bytes of one value. */
size_t sp_field_size(const ProtobufCFieldDescriptor *field);
static inline void *sp_field_ptr(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
    return (char *)(uintptr_t)msg + field->offset;
}
/* Number of elements of a repeated field. */
static inline size_t *sp_field_count(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
    return (size_t *)(void *)((char *)(uintptr_t)msg + field->quantifier_offset);
}
/* Which member of the field's oneof is set: its number, or 0. */
static inline uint32_t *sp_field_case(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field)
{
    return (uint32_t *)(void *)((char *)(uintptr_t)msg + field->quantifier_offset);
}
static inline bool sp_field_in_oneof(const ProtobufCFieldDescriptor *field)
{
    return field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

/* A member that is chosen, a list with elements, a message that is there; other fields always are. */
bool sp_field_is_set(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field);
/* The messages in a field: *ret_n of them, the elements of a list or the one; 0 when none is set, or it holds no messages. */
ProtobufCMessage *const *sp_field_messages(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *field, size_t *ret_n);

enum sp_wkt {
    SP_WKT_NONE,
    SP_WKT_ANY,
    SP_WKT_DURATION,
    SP_WKT_WRAPPER,
    SP_WKT_STRUCT,
    SP_WKT_VALUE,
    SP_WKT_LIST_VALUE,
};
/* Which message with a form of its own in JSON it is. */
enum sp_wkt sp_wkt_of(const ProtobufCMessageDescriptor *desc);

#endif
