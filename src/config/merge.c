/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Merging documents, by protobuf's rules, with their places. */
#include <assert.h>

#include "config/descriptor.h"
#include "config/doc.h"
#include "config/place.h"

struct merge {
    struct sp_doc *doc, *over;
};

static void merge_message(struct merge *m, struct sp_place *to, struct sp_place *from);

static struct sp_place *place_of(struct merge *m, const ProtobufCMessage *msg)
{
    struct sp_place *p = sp_place_find(m->over, msg);
    return p ? p : sp_place_find(m->doc, msg);
}

/* Lets a message of `over` stand in `parent`. */
static void adopt(struct merge *m, const struct sp_place *parent, int index, ProtobufCMessage *msg)
{
    struct sp_place *p = place_of(m, msg);
    assert(p);
    p->parent = parent;
    p->index = index;
}

static bool is_set(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
    static const char zero[sizeof(ProtobufCBinaryData)];
    const void *p = sp_field_ptr(msg, f);
    if (sp_field_in_oneof(f))
        return *sp_field_case(msg, f) == f->id;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *sp_field_count(msg, f) > 0;
    if (f->type == PROTOBUF_C_TYPE_STRING)
        return **(char *const *)p != 0;
    return memcmp(p, zero, sp_field_size(f)) != 0;
}

/* The entry of a map that has this key, or NULL. */
static struct sp_place *entry_of(struct merge *m, ProtobufCMessage *const *entries, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++) {
        struct sp_place *p = place_of(m, entries[i]);
        if (p->key && strcmp(p->key, key) == 0)
            return p;
    }
    return NULL;
}

/* Behind what is there; a map's entry takes the place of its namesake. */
static void append(struct merge *m, struct sp_place *to, const ProtobufCMessage *from,
                   const ProtobufCFieldDescriptor *f)
{
    size_t n = *sp_field_count(to->msg, f), more = *sp_field_count(from, f), size = sp_field_size(f);
    char *array = sp_arena_alloc(&m->doc->arena, (n + more) * size);
    char *old = *(char **)sp_field_ptr(to->msg, f), *added = *(char **)sp_field_ptr(from, f);
    if (n)
        memcpy(array, old, n * size);
    if (f->type != PROTOBUF_C_TYPE_MESSAGE) {
        memcpy(array + n * size, added, more * size);
        n += more;
    } else {
        ProtobufCMessage **out = (void *)array, **in = (void *)added;
        bool map = sp_field_is_map(to->msg->descriptor, f);
        size_t mine = n;
        for (size_t i = 0; i < more; i++) {
            const struct sp_place *same = map ? entry_of(m, out, mine, place_of(m, in[i])->key) : NULL;
            size_t at = same ? (size_t)same->index : n++;
            out[at] = in[i];
            adopt(m, to, (int)at, in[i]);
        }
    }
    *(char **)sp_field_ptr(to->msg, f) = array;
    *sp_field_count(to->msg, f) = n;
}

/*
 * Messages that are one value in the text.  Protobuf would merge their parts: "0.5s" under "10s" would be 10.5 s,
 * and a 0 written over a 5 would be 5.  Nobody means that.
 */
static bool is_one_value(const ProtobufCMessageDescriptor *desc)
{
    enum sp_wkt wkt = sp_wkt_of(desc);
    return wkt == SP_WKT_DURATION || wkt == SP_WKT_WRAPPER || wkt == SP_WKT_VALUE;
}

static void merge_field(struct merge *m, struct sp_place *to, struct sp_place *from,
                        const ProtobufCFieldDescriptor *f)
{
    void *dst = sp_field_ptr(to->msg, f), *src = sp_field_ptr(from->msg, f);
    bool both = is_set(to->msg, f);
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        append(m, to, from->msg, f);
        return;
    }
    if (f->type == PROTOBUF_C_TYPE_MESSAGE && both && !is_one_value(f->descriptor)) {
        merge_message(m, place_of(m, *(ProtobufCMessage **)dst), place_of(m, *(ProtobufCMessage **)src));
        return;
    }
    memcpy(dst, src, sp_field_size(f));
    if (sp_field_in_oneof(f))
        *sp_field_case(to->msg, f) = f->id;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        adopt(m, to, -1, *(ProtobufCMessage **)dst);
}

static void merge_message(struct merge *m, struct sp_place *to, struct sp_place *from)
{
    const ProtobufCMessageDescriptor *desc = to->msg->descriptor;
    assert(desc == from->msg->descriptor);
    for (unsigned i = 0; i < desc->n_fields; i++)
        if (is_set(from->msg, &desc->fields[i]))
            merge_field(m, to, from, &desc->fields[i]);
    if (from->content) { /* an Any is its bytes: the later one replaces the earlier */
        to->content = from->content;
        place_of(m, from->content)->parent = to;
    }
    to->origin[1] = to->origin[0];
    to->origin[0] = from->origin[0];
}

void sp_doc_merge(struct sp_doc *doc, struct sp_doc *over)
{
    assert(doc && over && doc != over && doc->root->descriptor == over->root->descriptor);
    struct merge m = {doc, over};
    merge_message(&m, sp_place_find(doc, doc->root), sp_place_find(over, over->root));
    for (size_t i = 0; i < over->cap; i++)
        if (over->table[i])
            sp_place_add(doc, over->table[i]);
    struct sp_doc *last = over;
    while (last->merged)
        last = last->merged;
    last->merged = doc->merged;
    doc->merged = over;
}
