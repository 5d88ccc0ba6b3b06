/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Putting a message where another one names it.  It keeps its own place: errors about it show its own file. */
#include <assert.h>

#include "base/mem.h"
#include "config/descriptor.h"
#include "config/xds.h"

void sp_xds_append(struct sp_xds *x, void *to, const char *field, const ProtobufCMessage *msg)
{
    assert(x && to && field && msg);
    const ProtobufCFieldDescriptor *f = sp_field_find(((ProtobufCMessage *)to)->descriptor, sp_str_c(field));
    assert(f && f->label == PROTOBUF_C_LABEL_REPEATED && f->descriptor == msg->descriptor);
    size_t *n = sp_field_count(to, f);
    const ProtobufCMessage ***list = sp_field_ptr(to, f);
    /* Grows by doubling: a list that is full has a power of two of elements, or is the text's. */
    if ((*n & (*n - 1)) == 0 || !sp_doc_grafted(x->doc, to, (*list)[*n - 1])) {
        size_t cap = 1;
        while (cap <= *n)
            cap *= 2;
        const ProtobufCMessage **more = sp_arena_alloc(&x->doc->arena, cap * sizeof(*more));
        if (*n)
            memcpy(more, *list, *n * sizeof(*more));
        *list = more;
    }
    (*list)[(*n)++] = msg;
}

/* As merge.c has it: what is one value in the text is replaced as a whole. */
static bool is_one_value(const ProtobufCMessageDescriptor *desc)
{
    enum sp_wkt wkt = sp_wkt_of(desc);
    return wkt == SP_WKT_DURATION || wkt == SP_WKT_WRAPPER || wkt == SP_WKT_VALUE || wkt == SP_WKT_ANY;
}

static bool has(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
    static const char zero[sizeof(ProtobufCBinaryData)];
    const void *p = sp_field_ptr(msg, f);
    if (sp_field_in_oneof(f) || f->label == PROTOBUF_C_LABEL_REPEATED || f->type == PROTOBUF_C_TYPE_MESSAGE)
        return sp_field_is_set(msg, f);
    return f->type == PROTOBUF_C_TYPE_STRING ? **(char *const *)p != 0 : memcmp(p, zero, sp_field_size(f)) != 0;
}

static void join(struct sp_xds *x, ProtobufCMessage *to, const ProtobufCMessage *over, const ProtobufCFieldDescriptor *f)
{
    size_t n = *sp_field_count(to, f), more = *sp_field_count(over, f), size = sp_field_size(f);
    char *array = sp_arena_alloc(&x->doc->arena, (n + more) * size);
    if (n)
        memcpy(array, *(char **)sp_field_ptr(to, f), n * size);
    memcpy(array + n * size, *(char **)sp_field_ptr(over, f), more * size);
    *(char **)sp_field_ptr(to, f) = array;
    *sp_field_count(to, f) = n + more;
}

static void take(struct sp_xds *x, ProtobufCMessage *to, const ProtobufCMessage *over, const ProtobufCFieldDescriptor *f)
{
    void *dst = sp_field_ptr(to, f), *src = sp_field_ptr(over, f);
    bool message = f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        join(x, to, over, f);
        return;
    }
    if (message && has(to, f) && !is_one_value(f->descriptor)) {
        *(void **)dst = sp_xds_combine(x, *(ProtobufCMessage **)dst, *(ProtobufCMessage **)src);
        return;
    }
    memcpy(dst, src, sp_field_size(f));
    if (sp_field_in_oneof(f))
        *sp_field_case(to, f) = f->id;
}

void *sp_xds_combine(struct sp_xds *x, const ProtobufCMessage *base, const ProtobufCMessage *over)
{
    assert(x && base && over && base->descriptor == over->descriptor);
    ProtobufCMessage *to = sp_doc_derive(x->doc, base, base->descriptor);
    struct sp_place *at = sp_place_find(x->doc, to);
    for (unsigned i = 0; i < over->descriptor->n_fields; i++)
        if (has(over, &over->descriptor->fields[i]))
            take(x, to, over, &over->descriptor->fields[i]);
    at->derived = false;
    at->origin[1] = at->origin[0];
    at->origin[0] = sp_place_find(x->doc, over)->origin[0];
    return to;
}

Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *sp_xds_static(struct sp_xds *x)
{
    Envoy__Config__Bootstrap__V3__Bootstrap *root = (void *)(uintptr_t)x->root;
    if (!root->static_resources) {
        root->static_resources = sp_doc_derive(x->doc, root, &envoy__config__bootstrap__v3__bootstrap__static_resources__descriptor);
        sp_place_find(x->doc, root->static_resources)->derived = false;
    }
    return root->static_resources;
}
