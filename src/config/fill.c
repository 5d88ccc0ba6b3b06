/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/fill.h"

#include <assert.h>

#include "config/descriptor.h"
#include "config/place.h"

struct sp_fill {
    struct sp_fill *next;
    struct sp_filled what;
};

/* A document only seems constant to those who compile it (config/doc.h). */
static struct sp_doc *writable(const struct sp_doc *doc)
{
    return (struct sp_doc *)(uintptr_t)doc;
}

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessage *msg, struct sp_str name)
{
    const ProtobufCFieldDescriptor *f = sp_field_find(msg->descriptor, name);
    assert(f && f->label != PROTOBUF_C_LABEL_REPEATED);
    return f;
}

static bool is_unset(const struct sp_doc *doc, const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return !*(ProtobufCMessage **)sp_field_ptr(msg, f);
    return !sp_doc_written(doc, msg, f->name) && !sp_doc_filled(doc, msg, f->name);
}

static void choose(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
    if (sp_field_in_oneof(f)) {
        assert(*sp_field_case(msg, f) == 0);
        *sp_field_case(msg, f) = f->id;
    }
}

/* A new message in the field: where its parent stands, and with nothing of the text in it. */
static ProtobufCMessage *make(struct sp_doc *doc, const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
    const struct sp_place *parent = sp_place_find(doc, msg);
    assert(parent && f->type == PROTOBUF_C_TYPE_MESSAGE);
    struct sp_node *node = sp_arena_zalloc(&doc->arena, sizeof(*node));
    *node = (struct sp_node){.kind = SP_NODE_NULL, .line = parent->origin[0].node->line, .column = parent->origin[0].node->column};
    struct sp_place *p = sp_place_new(doc, f->descriptor, parent, f, -1, (struct sp_origin){node, parent->origin[0].file});
    *(ProtobufCMessage **)sp_field_ptr(msg, f) = p->msg;
    choose(msg, f);
    return p->msg;
}

static void set_scalar(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f, int64_t value)
{
    void *p = sp_field_ptr(msg, f);
    if (f->type == PROTOBUF_C_TYPE_BOOL)
        *(protobuf_c_boolean *)p = value != 0;
    else if (f->type == PROTOBUF_C_TYPE_INT64)
        *(int64_t *)p = value;
    else
        *(uint32_t *)p = (uint32_t)value;
    assert(f->type == PROTOBUF_C_TYPE_BOOL || f->type == PROTOBUF_C_TYPE_INT64 || sp_field_size(f) == sizeof(uint32_t));
}

static void set(struct sp_doc *doc, const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f, int64_t value)
{
    if (f->type != PROTOBUF_C_TYPE_MESSAGE) {
        choose(msg, f);
        set_scalar(msg, f, value);
        return;
    }
    const ProtobufCMessage *m = make(doc, msg, f);
    if (sp_wkt_of(f->descriptor) == SP_WKT_DURATION) {
        set_scalar(m, field_of(m, SP_STR("seconds")), value / 1000);
        set_scalar(m, field_of(m, SP_STR("nanos")), value % 1000 * 1000000);
    } else {
        assert(sp_wkt_of(f->descriptor) == SP_WKT_WRAPPER);
        set_scalar(m, field_of(m, SP_STR("value")), value);
    }
}

bool sp_doc_fill(const struct sp_doc *doc, const void *msg, const char *field, int64_t value)
{
    assert(doc && msg && field);
    struct sp_doc *d = writable(doc);
    const ProtobufCMessage *m = msg;
    struct sp_str rest = sp_str_c(field), name = SP_STR_NULL;
    while (sp_str_split(&rest, '.', &name) && rest.len) {
        const ProtobufCFieldDescriptor *f = field_of(m, name);
        ProtobufCMessage *inner = *(ProtobufCMessage **)sp_field_ptr(m, f);
        m = inner ? inner : make(d, m, f);
    }
    const ProtobufCFieldDescriptor *f = field_of(m, name);
    if (!is_unset(doc, m, f))
        return false;
    set(d, m, f, value);
    struct sp_fill *fill = sp_arena_alloc(&d->arena, sizeof(*fill));
    *fill = (struct sp_fill){.what = {.owner = msg, .path = field, .msg = m, .field = f->name}};
    *(d->fills ? &d->last_fill->next : &d->fills) = fill;
    d->last_fill = fill;
    return true;
}

bool sp_doc_filled(const struct sp_doc *doc, const void *msg, const char *field)
{
    assert(doc && msg && field);
    for (const struct sp_fill *f = doc->fills; f; f = f->next)
        if (f->what.msg == msg && strcmp(f->what.field, field) == 0)
            return true;
    return false;
}

void sp_doc_each_filled(const struct sp_doc *doc, void (*each)(void *arg, const struct sp_filled *filled), void *arg)
{
    assert(doc && each);
    for (const struct sp_fill *f = doc->fills; f; f = f->next)
        each(arg, &f->what);
}
