/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.set_metadata: dynamic metadata out of the config, for filters behind it and for logs.
 */
#include "envoy/extensions/filters/http/set_metadata/v3/set_metadata.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "config/doc.h"
#include "filters/metadata_json.h"
#include "filters/registry.h"
#include "stats/stats.h"

typedef Envoy__Extensions__Filters__Http__SetMetadata__V3__Config Message;

enum { MAX_DEPTH = 32, MAX_VALUES = 10000 };

struct value {
    struct sp_str key, json;
};

struct entry {
    struct sp_str ns;
    bool overwrites;
    struct value *v; /* n of them */
    size_t n;
};

struct config {
    struct sp_arena arena;
    struct entry *v; /* n of them */
    size_t n;
    struct sp_counter denied;
};

static void config_free(void *config)
{
    struct config *c = config;
    sp_arena_done(&c->arena);
    free(c);
}

static void add(struct config *c, const char *ns, bool overwrites, const Google__Protobuf__Struct *value)
{
    struct entry *e = &c->v[c->n++];
    e->ns = sp_arena_str(&c->arena, sp_str_c(ns));
    e->overwrites = overwrites;
    e->v = sp_arena_zalloc(&c->arena, (value->n_fields + 1) * sizeof(*e->v));
    for (size_t i = 0; i < value->n_fields; i++)
        e->v[e->n++] = (struct value){sp_arena_str(&c->arena, sp_str_c(value->fields[i]->key)),
                                      sp_metadata_value(&c->arena, value->fields[i]->value)};
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    c->v = sp_arena_zalloc(&c->arena, (msg->n_metadata + 1) * sizeof(*c->v));
    if (msg->value && !*msg->metadata_namespace) {
        sp_doc_err(b->doc, b->diag, msg, "metadata_namespace", -1, "required beside value (or write metadata)");
        config_free(c);
        return NULL;
    }
    if (msg->value)
        add(c, msg->metadata_namespace, true, msg->value);
    for (size_t i = 0; i < msg->n_metadata; i++)
        add(c, msg->metadata[i]->metadata_namespace, msg->metadata[i]->allow_overwrite, msg->metadata[i]->value);
    c->denied = sp_stats_counter(sp_stats_scope(b->scope, SP_STR("set_metadata"), NULL, SP_STR_NULL), SP_STR("overwrite_denied"));
    return c;
}

static const struct sp_metadata *find(const struct sp_stream_info *info, struct sp_str ns, struct sp_str key)
{
    for (const struct sp_metadata *m = info->metadata; m; m = m->next)
        if (sp_str_eq(m->ns, ns) && (!key.ptr || sp_str_eq(m->key, key)))
            return m;
    return NULL;
}

/* Objects are joined, lists put together; anything else takes the place of what was there. */
static void merge(json_t *to, json_t *from)
{
    const char *key;
    json_t *value;
    json_object_foreach(from, key, value) {
        json_t *old = json_object_get(to, key);
        if (json_is_object(old) && json_is_object(value))
            merge(old, value);
        else if (json_is_array(old) && json_is_array(value))
            json_array_extend(old, value);
        else
            json_object_set(to, key, value);
    }
}

static struct sp_str merged(struct sp_arena *arena, struct sp_str old, struct sp_str more)
{
    json_t *a = sp_json_load_any(old, MAX_DEPTH, MAX_VALUES), *b = sp_json_load_any(more, MAX_DEPTH, MAX_VALUES);
    struct sp_str ret = more;
    bool both = (json_is_object(a) && json_is_object(b)) || (json_is_array(a) && json_is_array(b));
    if (both && json_is_object(a))
        merge(a, b);
    else if (both)
        json_array_extend(a, b);
    char *text = both ? json_dumps(a, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (text)
        ret = sp_arena_str(arena, sp_str_c(text));
    free(text);
    json_decref(a);
    json_decref(b);
    return ret;
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *c = f->config;
    const struct sp_stream_info *info = sp_filter_info(f);
    for (size_t i = 0; i < c->n; i++) {
        const struct entry *e = &c->v[i];
        bool there = find(info, e->ns, SP_STR_NULL) != NULL;
        if (there && !e->overwrites) {
            sp_counter_inc(c->denied);
            continue;
        }
        for (size_t k = 0; k < e->n; k++) {
            const struct sp_metadata *old = there ? find(info, e->ns, e->v[k].key) : NULL;
            struct sp_str json = old ? merged(sp_filter_arena(f), old->json, e->v[k].json) : e->v[k].json;
            sp_filter_set_metadata(f, e->ns, e->v[k].key, json);
        }
    }
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_set_metadata_ops = {
    .name = "set_metadata",
    .type_url = "envoy.extensions.filters.http.set_metadata.v3.Config",
    .not_staged = "it never refuses",
    .size = sizeof(struct sp_filter),
    .config_new = config_new,
    .config_free = config_free,
    .decode_headers = decode_headers,
};
