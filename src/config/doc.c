/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/doc.h"

#include <assert.h>
#include <stdlib.h>

#include "config/descriptor.h"
#include "config/files.h"
#include "config/live.h"
#include "config/place.h"

void sp_doc_free(struct sp_doc *doc)
{
    while (doc) {
        struct sp_doc *next = doc->merged;
        sp_live_set_free(doc->live);
        sp_files_unref(doc->files);
        free(doc->table);
        sp_map_done(&doc->hashed);
        sp_map_done(&doc->counted);
        sp_arena_done_wipe(&doc->arena);
        free(doc);
        doc = next;
    }
}

size_t sp_doc_size(const struct sp_doc *doc)
{
    size_t n = 0;
    for (; doc; doc = doc->merged)
        n += doc->arena.total;
    return n;
}

const void *sp_doc_root(const struct sp_doc *doc)
{
    assert(doc && doc->root);
    return doc->root;
}

struct sp_live_set *sp_doc_live(const struct sp_doc *doc)
{
    assert(doc && doc->live);
    return doc->live;
}

void sp_doc_reads(const struct sp_doc *doc, const char *path)
{
    assert(doc && doc->files && path);
    sp_files_add(doc->files, path);
}

struct sp_files *sp_doc_files(const struct sp_doc *doc)
{
    assert(doc);
    return doc->files;
}

void sp_doc_each_file(const struct sp_doc *doc, void (*each)(void *arg, const char *path, const struct sp_file_facts *facts), void *arg)
{
    assert(doc && doc->files && each);
    sp_files_each(doc->files, false, each, arg);
}

bool sp_doc_grafted(const struct sp_doc *doc, const void *msg, const void *child)
{
    const struct sp_place *at = sp_place_find(doc, msg), *of = sp_place_find(doc, child);
    return at && of && of->parent != at && !at->derived && !of->derived;
}

struct sp_live_set *sp_doc_set_live(const struct sp_doc *doc, struct sp_live_set *set)
{
    assert(doc && doc->live && set);
    struct sp_doc *d = (struct sp_doc *)(uintptr_t)doc; /* as sp_doc_derive */
    struct sp_live_set *was = d->live;
    d->live = set;
    return was;
}

void *sp_doc_derive(const struct sp_doc *doc, const void *msg, const ProtobufCMessageDescriptor *desc)
{
    assert(doc && msg && desc);
    const struct sp_place *of = sp_place_find(doc, msg);
    assert(of);
    /* A document only seems constant to those who compile it: one thread, before anybody else may see it. */
    struct sp_place *p = sp_place_new((struct sp_doc *)(uintptr_t)doc, desc, of->parent, of->field, of->index, of->origin[0]);
    p->key = of->key;
    p->derived = true;
    p->origin[1] = of->origin[1];
    if (of->msg->descriptor == desc)
        memcpy(p->msg, of->msg, desc->sizeof_message);
    return p->msg;
}

const ProtobufCMessage *sp_doc_any(const struct sp_doc *doc, const Google__Protobuf__Any *any)
{
    assert(doc);
    const struct sp_place *p = sp_place_find(doc, any);
    return p ? p->content : NULL;
}

const void *sp_doc_any_as(const struct sp_doc *doc, const Google__Protobuf__Any *any,
                          const ProtobufCMessageDescriptor *desc)
{
    assert(desc);
    const ProtobufCMessage *m = sp_doc_any(doc, any);
    return m && m->descriptor == desc ? m : NULL;
}

bool sp_doc_written(const struct sp_doc *doc, const void *msg, const char *field)
{
    const struct sp_place *p = sp_place_find(doc, msg);
    return p && sp_place_field_node(p, field, NULL);
}

static struct sp_mark mark_of(const struct sp_node *n, const char *file)
{
    return (struct sp_mark){file, n->line, n->column};
}

/* Element `index` of a repeated field: in a merged list the earlier document's elements stand first. */
static bool element_mark(const struct sp_place *p, const char *field, int index, struct sp_mark *ret_mark)
{
    unsigned left = (unsigned)index;
    for (int i = 1; i >= 0; i--) {
        const struct sp_node *n = sp_origin_field_node(&p->origin[i], sp_str_c(field));
        if (!n)
            continue;
        unsigned count = n->kind == SP_NODE_LIST || n->kind == SP_NODE_MAP ? n->n : 1;
        const struct sp_node *at = n;
        if (left >= count) {
            left -= count;
            continue;
        }
        if (n->kind == SP_NODE_LIST)
            at = n->items[left];
        *ret_mark = mark_of(at, p->origin[i].file);
        return true;
    }
    return false;
}

struct sp_mark sp_doc_mark(const struct sp_doc *doc, const void *msg, const char *field, int index)
{
    const struct sp_place *p = sp_place_find(doc, msg);
    if (!p)
        return (struct sp_mark){0};
    const ProtobufCFieldDescriptor *f = field ? sp_field_find(p->msg->descriptor, sp_str_c(field)) : NULL;
    if (f && index >= 0 && f->label == PROTOBUF_C_LABEL_REPEATED) {
        if (f->type == PROTOBUF_C_TYPE_MESSAGE && (size_t)index < *sp_field_count(p->msg, f)) {
            ProtobufCMessage **items = *(ProtobufCMessage ***)sp_field_ptr(p->msg, f);
            return sp_doc_mark(doc, items[index], NULL, -1);
        }
        struct sp_mark mark;
        if (element_mark(p, field, index, &mark))
            return mark;
    }
    const char *file;
    const struct sp_node *n = field ? sp_place_field_node(p, field, &file) : NULL;
    return n ? mark_of(n, file) : mark_of(p->origin[0].node, p->origin[0].file);
}

/* The field's part of the path, behind that of its message. */
static struct sp_str step(struct sp_arena *arena, struct sp_str base, const ProtobufCMessageDescriptor *parent,
                          const ProtobufCFieldDescriptor *field, int index, const char *key)
{
    enum sp_wkt wkt = parent ? sp_wkt_of(parent) : SP_WKT_NONE;
    struct sp_str s = base;
    /* The members of Struct, Value, ListValue and wrappers do not show in the text, nor does a map entry's value. */
    bool hidden = wkt == SP_WKT_STRUCT || wkt == SP_WKT_VALUE || wkt == SP_WKT_LIST_VALUE || wkt == SP_WKT_WRAPPER;
    if (!hidden)
        s = sp_arena_printf(arena, "%.*s%s%s", SP_STR_ARG(base), base.len ? "." : "", field->name);
    if (key)
        s = sp_arena_printf(arena, "%.*s[\"%s\"]", SP_STR_ARG(s), key);
    else if (index >= 0)
        s = sp_arena_printf(arena, "%.*s[%d]", SP_STR_ARG(s), index);
    return s;
}

static struct sp_str place_path(const struct sp_place *p, struct sp_arena *arena)
{
    if (!p->parent)
        return SP_STR("");
    struct sp_str base = place_path(p->parent, arena);
    if (!p->field || p->parent->key)
        return base;
    return step(arena, base, p->parent->msg->descriptor, p->field, p->index, p->key);
}

struct sp_str sp_doc_path(const struct sp_doc *doc, const void *msg, const char *field, int index,
                          struct sp_arena *arena)
{
    assert(arena);
    const struct sp_place *p = sp_place_find(doc, msg);
    if (!p)
        return SP_STR("");
    struct sp_str base = place_path(p, arena);
    const ProtobufCFieldDescriptor *f = field ? sp_field_find(p->msg->descriptor, sp_str_c(field)) : NULL;
    if (!f || p->key)
        return base;
    const char *key = NULL;
    if (index >= 0 && sp_field_is_map(p->msg->descriptor, f) && (size_t)index < *sp_field_count(p->msg, f)) {
        ProtobufCMessage **entries = *(ProtobufCMessage ***)sp_field_ptr(p->msg, f);
        const struct sp_place *entry = sp_place_find(doc, entries[index]);
        key = entry ? entry->key : NULL;
    }
    return step(arena, base, p->msg->descriptor, f, index, key);
}

static void report(const struct sp_doc *doc, struct sp_diag *diag, enum sp_severity severity, const void *msg,
                   const char *field, int index, const char *fmt, va_list ap)
{
    struct sp_mark mark = sp_doc_mark(doc, msg, field, index);
    struct sp_arena arena;
    if (!mark.file)
        mark.file = doc->name;
    sp_arena_init(&arena);
    sp_diag_vadd(diag, severity, mark, sp_doc_path(doc, msg, field, index, &arena).ptr, fmt, ap);
    sp_arena_done(&arena);
}

void sp_doc_err(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field, int index,
                const char *fmt, ...)
{
    assert(doc && diag && fmt);
    va_list ap;
    va_start(ap, fmt);
    report(doc, diag, SP_ERROR, msg, field, index, fmt, ap);
    va_end(ap);
}

void sp_doc_warn(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field, int index,
                 const char *fmt, ...)
{
    assert(doc && diag && fmt);
    va_list ap;
    va_start(ap, fmt);
    report(doc, diag, SP_WARNING, msg, field, index, fmt, ap);
    va_end(ap);
}
