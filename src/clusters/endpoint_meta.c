/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/endpoint_meta.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/struct_json.h"

#define KIND(name) GOOGLE__PROTOBUF__VALUE__KIND_##name

static int by_key(const void *a, const void *b)
{
    const struct sp_meta_field *x = a, *y = b;
    return sp_criterion_cmp(&x->is, &y->is);
}

static void read_field(struct sp_meta_field *f, struct sp_arena *a, const Google__Protobuf__Struct__FieldsEntry *e)
{
    struct sp_str key = sp_arena_str(a, sp_str_c(e->key));
    sp_criterion_init(&f->is, key, sp_struct_text(a, e->value));
    f->list = e->value && e->value->kind_case == KIND(LIST_VALUE);
    if (!f->list)
        return;
    const Google__Protobuf__ListValue *l = e->value->list_value;
    f->items = sp_arena_zalloc(a, (l->n_values + 1) * sizeof(*f->items));
    for (size_t i = 0; i < l->n_values; i++)
        sp_criterion_init(&f->items[f->n_items++], key, sp_struct_text(a, l->values[i]));
}

static void read_fields(struct sp_meta_fields *f, struct sp_arena *a, const Google__Protobuf__Struct *s)
{
    if (!s)
        return;
    f->v = sp_arena_zalloc(a, (s->n_fields + 1) * sizeof(*f->v));
    for (size_t i = 0; i < s->n_fields; i++)
        read_field(&f->v[f->n++], a, s->fields[i]);
    qsort(f->v, f->n, sizeof(*f->v), by_key);
}

static struct sp_endpoint_meta *meta_new(const Google__Protobuf__Struct *lb, const Google__Protobuf__Struct *socket)
{
    struct sp_endpoint_meta *m = sp_xcalloc(1, sizeof(*m));
    atomic_init(&m->refs, 1);
    sp_arena_init(&m->arena);
    read_fields(&m->lb, &m->arena, lb);
    read_fields(&m->socket, &m->arena, socket);
    for (size_t i = 0; lb && i < lb->n_fields; i++) {
        const Google__Protobuf__Value *v = lb->fields[i]->value;
        if (v && v->kind_case == KIND(STRING_VALUE) && sp_str_eq(sp_str_c(lb->fields[i]->key), SP_STR("hash_key")))
            m->hash_key = sp_arena_str(&m->arena, sp_str_c(v->string_value));
        if (v && v->kind_case == KIND(BOOL_VALUE) && sp_str_eq(sp_str_c(lb->fields[i]->key), SP_STR("canary")))
            m->canary = v->bool_value;
    }
    return m;
}

struct sp_endpoint_meta *sp_endpoint_meta_new(const Envoy__Config__Core__V3__Metadata *msg)
{
    const Google__Protobuf__Struct *lb = sp_metadata_struct(msg, SP_STR(SP_CRITERIA_NS));
    const Google__Protobuf__Struct *socket = sp_metadata_struct(msg, SP_STR(SP_SOCKET_META_NS));
    if (!msg || !msg->n_filter_metadata)
        return NULL;
    struct sp_endpoint_meta *m = meta_new(lb, socket);
    m->json = sp_config_metadata_text(&m->arena, msg);
    return m;
}

struct sp_endpoint_meta *sp_endpoint_meta_of_socket(const Google__Protobuf__Struct *s)
{
    assert(s);
    return meta_new(NULL, s);
}

struct sp_endpoint_meta *sp_endpoint_meta_ref(struct sp_endpoint_meta *m)
{
    if (m)
        atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void sp_endpoint_meta_unref(struct sp_endpoint_meta *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1)
        return;
    sp_arena_done(&m->arena);
    free(m);
}

static bool same(const struct sp_criterion *a, const struct sp_criterion *b)
{
    return a->hash == b->hash && sp_str_eq(a->key, b->key) && sp_str_eq(a->json, b->json);
}

static bool same_fields(const struct sp_meta_fields *a, const struct sp_meta_fields *b)
{
    if (a->n != b->n)
        return false;
    for (unsigned i = 0; i < a->n; i++)
        if (!same(&a->v[i].is, &b->v[i].is))
            return false;
    return true;
}

bool sp_endpoint_meta_eq(const struct sp_endpoint_meta *a, const struct sp_endpoint_meta *b)
{
    if (a == b)
        return true;
    return a && b && sp_str_eq(a->json, b->json) && same_fields(&a->lb, &b->lb) && same_fields(&a->socket, &b->socket);
}

const struct sp_meta_field *sp_meta_find(const struct sp_meta_fields *f, struct sp_str key)
{
    assert(f);
    for (unsigned i = 0; i < f->n; i++)
        if (sp_str_eq(f->v[i].is.key, key))
            return &f->v[i];
    return NULL;
}

static bool has(const struct sp_meta_field *f, const struct sp_criterion *c, bool list_as_any)
{
    if (!f)
        return false;
    for (unsigned i = 0; list_as_any && i < f->n_items; i++)
        if (same(&f->items[i], c))
            return true;
    return same(&f->is, c);
}

bool sp_meta_has(const struct sp_meta_fields *f, const struct sp_criterion *v, unsigned n, bool list_as_any)
{
    assert(f && (v || !n));
    for (unsigned i = 0; i < n; i++)
        if (!has(sp_meta_find(f, v[i].key), &v[i], list_as_any))
            return false;
    return true;
}
