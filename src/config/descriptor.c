/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Facts about messages and fields that protobuf-c's descriptors do not state outright. */
#include <assert.h>

#include "config/descriptor.h"
#include "config/names.h"

const ProtobufCFieldDescriptor *sp_field_find(const ProtobufCMessageDescriptor *desc, struct sp_str name)
{
    assert(desc);
    for (unsigned i = 0; i < desc->n_fields; i++)
        if (sp_name_matches(name, sp_str_c(desc->fields[i].name)))
            return &desc->fields[i];
    return NULL;
}

/* protobuf-c has no mark for maps: they are lists of a message of two fields that stands inside its only user. */
bool sp_field_is_map(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *field)
{
    assert(desc && field);
    if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    struct sp_str outer = sp_str_c(desc->name), full = sp_str_c(entry->name);
    return entry->n_fields == 2 && sp_str_ends(full, SP_STR("Entry")) && sp_str_starts(full, outer) &&
           full.ptr[outer.len] == '.' && strcmp(entry->fields[0].name, "key") == 0 && entry->fields[0].id == 1 &&
           strcmp(entry->fields[1].name, "value") == 0 && entry->fields[1].id == 2;
}

size_t sp_field_size(const ProtobufCFieldDescriptor *field)
{
    assert(field);
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(double);
    case PROTOBUF_C_TYPE_FLOAT:
        return sizeof(float);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
        return sizeof(char *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(ProtobufCMessage *);
    default: /* 32-bit integers and enums */
        return sizeof(uint32_t);
    }
}

enum sp_wkt sp_wkt_of(const ProtobufCMessageDescriptor *desc)
{
    assert(desc);
    static const struct {
        const char *name;
        enum sp_wkt wkt;
    } known[] = {
        {"Any", SP_WKT_ANY},           {"Duration", SP_WKT_DURATION},    {"Struct", SP_WKT_STRUCT},
        {"Value", SP_WKT_VALUE},       {"ListValue", SP_WKT_LIST_VALUE}, {"BoolValue", SP_WKT_WRAPPER},
        {"Int32Value", SP_WKT_WRAPPER}, {"UInt32Value", SP_WKT_WRAPPER}, {"Int64Value", SP_WKT_WRAPPER},
        {"UInt64Value", SP_WKT_WRAPPER}, {"FloatValue", SP_WKT_WRAPPER}, {"DoubleValue", SP_WKT_WRAPPER},
        {"StringValue", SP_WKT_WRAPPER}, {"BytesValue", SP_WKT_WRAPPER},
    };
    if (strcmp(desc->package_name, "google.protobuf") != 0)
        return SP_WKT_NONE;
    for (size_t i = 0; i < SP_ARRAY_LEN(known); i++)
        if (strcmp(desc->short_name, known[i].name) == 0)
            return known[i].wkt;
    return SP_WKT_NONE;
}
