/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/criteria.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash64.h"
#include "base/json.h"
#include "config/struct_json.h"

enum { MAX_DEPTH = 32, MAX_VALUES = 10000 };
static const struct sp_str LIST = SP_STR_INIT("fallback_list");

void sp_criterion_init(struct sp_criterion *c, struct sp_str key, struct sp_str json)
{
    assert(c);
    *c = (struct sp_criterion){key, json, sp_xxh64(json, sp_xxh64(key, 0))};
}

int sp_criterion_cmp(const struct sp_criterion *a, const struct sp_criterion *b)
{
    return sp_str_cmp(a->key, b->key);
}

static int by_key(const void *a, const void *b)
{
    return sp_criterion_cmp(a, b);
}

struct sp_criterion *sp_criteria_read(struct sp_arena *arena, const Google__Protobuf__Struct *s)
{
    assert(arena && s);
    struct sp_criterion *v = sp_arena_zalloc(arena, (s->n_fields + 1) * sizeof(*v));
    for (size_t i = 0; i < s->n_fields; i++)
        sp_criterion_init(&v[i], sp_arena_str(arena, sp_str_c(s->fields[i]->key)), sp_struct_text(arena, s->fields[i]->value));
    qsort(v, s->n_fields, sizeof(*v), by_key);
    return v;
}

const Google__Protobuf__Struct *sp_metadata_struct(const Envoy__Config__Core__V3__Metadata *msg, struct sp_str ns)
{
    for (size_t i = 0; msg && i < msg->n_filter_metadata; i++)
        if (sp_str_eq(sp_str_c(msg->filter_metadata[i]->key), ns))
            return msg->filter_metadata[i]->value;
    return NULL;
}

/* Those of `base` that `more` has not, and those; sorted. */
static void merge(struct sp_criteria *c, struct sp_arena *arena, const struct sp_criteria *base, const struct sp_criterion *more,
                  unsigned n)
{
    unsigned n_base = base ? base->n : 0;
    c->v = sp_arena_zalloc(arena, (n_base + n + 1) * sizeof(*c->v));
    for (unsigned i = 0; i < n; i++)
        c->v[c->n++] = more[i];
    for (unsigned i = 0; i < n_base; i++) {
        unsigned k = 0;
        while (k < n && sp_criterion_cmp(&base->v[i], &more[k]) != 0)
            k++;
        if (k == n)
            c->v[c->n++] = base->v[i];
    }
    qsort(c->v, c->n, sizeof(*c->v), by_key);
    c->n = SP_MIN(c->n, (unsigned)SP_CRITERIA_MOST);
}

static void add_variant(struct sp_criteria *c, struct sp_arena *arena, const struct sp_criteria *rest, const json_t *object)
{
    struct sp_criterion more[SP_CRITERIA_MOST];
    unsigned n = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
        if (n < SP_CRITERIA_MOST)
            sp_criterion_init(&more[n++], sp_arena_str(arena, sp_str_c(key)), sp_struct_text_json(arena, value));
    merge(&c->list[c->n_list++], arena, rest, more, n);
}

/* What is no object adds nothing to the rest. */
static void expand_list(struct sp_criteria *c, struct sp_arena *arena, struct sp_str json)
{
    struct sp_criteria rest = {.v = sp_arena_zalloc(arena, (c->n + 1) * sizeof(*c->v))};
    for (unsigned i = 0; i < c->n; i++)
        if (!sp_str_eq(c->v[i].key, LIST))
            rest.v[rest.n++] = c->v[i];
    json_t *list = sp_json_load_any(json, MAX_DEPTH, MAX_VALUES);
    size_t n = SP_MIN(json_array_size(list), (size_t)SP_CRITERIA_LIST_MOST);
    c->has_list = true;
    c->list = sp_arena_zalloc(arena, (n + 1) * sizeof(*c->list));
    for (size_t i = 0; i < n; i++)
        add_variant(c, arena, &rest, json_array_get(list, i));
    if (!n)
        c->list[c->n_list++] = rest;
    json_decref(list);
}

const struct sp_criteria *sp_criteria_over(struct sp_arena *arena, const struct sp_criteria *base, const struct sp_criterion *more,
                                           unsigned n)
{
    assert(arena && (more || !n));
    struct sp_criteria *c = sp_arena_zalloc(arena, sizeof(*c));
    merge(c, arena, base, more, n);
    for (unsigned i = 0; i < c->n; i++)
        if (SP_UNLIKELY(sp_str_eq(c->v[i].key, LIST)))
            expand_list(c, arena, c->v[i].json);
    return c;
}

const struct sp_criteria *sp_criteria_new(struct sp_arena *arena, const struct sp_criteria *base,
                                          const Envoy__Config__Core__V3__Metadata *msg)
{
    const Google__Protobuf__Struct *s = sp_metadata_struct(msg, SP_STR(SP_CRITERIA_NS));
    return s ? sp_criteria_over(arena, base, sp_criteria_read(arena, s), (unsigned)s->n_fields) : base;
}
