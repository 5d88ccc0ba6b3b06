/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/metadata.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

/* More than filters let into it: a token's payload is 64 KiB at most, of bounded depth. */
enum { MAX_DEPTH = 64, MAX_VALUES = 1 << 17 };

struct sp_metadata_matcher {
    struct sp_str ns;    /* its own memory, as the keys */
    struct sp_str *path; /* n_path of them */
    size_t n_path;
    struct sp_value_matcher *value;
    bool invert;
};

void sp_metadata_view_init(struct sp_metadata_view *v, const struct sp_stream_info *info)
{
    assert(v && info);
    v->info = info;
    v->n = 0;
    v->unreadable = false;
}

void sp_metadata_view_done(struct sp_metadata_view *v)
{
    assert(v);
    while (v->n)
        json_decref(v->docs[--v->n].json);
}

static const json_t *parsed(struct sp_metadata_view *v, const struct sp_metadata *m)
{
    unsigned i = 0;
    while (i < v->n && v->docs[i].from != m)
        i++;
    if (i == v->n && v->n < SP_METADATA_MAX_DOCS) {
        v->docs[v->n].from = m;
        v->docs[v->n++].json = sp_json_load_any(m->json, MAX_DEPTH, MAX_VALUES);
    }
    if (i < v->n && v->docs[i].json)
        return v->docs[i].json;
    v->unreadable = true;
    return NULL;
}

const json_t *sp_metadata_get(struct sp_metadata_view *v, struct sp_str ns, struct sp_str key)
{
    assert(v && v->info);
    for (const struct sp_metadata *m = v->info->metadata; m; m = m->next)
        if (sp_str_eq(m->ns, ns) && sp_str_eq(m->key, key))
            return parsed(v, m);
    return NULL;
}

struct sp_metadata_matcher *sp_metadata_matcher_new(const struct sp_doc *doc, struct sp_diag *diag,
                                                    const Envoy__Type__Matcher__V3__MetadataMatcher *msg)
{
    assert(doc && diag && msg && msg->n_path && msg->value);
    struct sp_metadata_matcher *m = sp_xcalloc(1, sizeof(*m));
    m->ns = sp_str_c(sp_xstrdup(msg->filter));
    m->path = sp_xcalloc(msg->n_path, sizeof(*m->path));
    m->n_path = msg->n_path;
    for (size_t i = 0; i < m->n_path; i++)
        m->path[i] = sp_str_c(sp_xstrdup(msg->path[i]->key));
    m->invert = msg->invert;
    m->value = sp_value_matcher_new(doc, diag, msg->value);
    if (m->value)
        return m;
    sp_metadata_matcher_free(m);
    return NULL;
}

void sp_metadata_matcher_free(struct sp_metadata_matcher *m)
{
    if (!m)
        return;
    sp_value_matcher_free(m->value);
    for (size_t i = 0; i < m->n_path; i++)
        free((char *)(uintptr_t)m->path[i].ptr);
    free(m->path);
    free((char *)(uintptr_t)m->ns.ptr);
    free(m);
}

const json_t *sp_metadata_matcher_find(const struct sp_metadata_matcher *m, struct sp_metadata_view *v)
{
    assert(m && v);
    const json_t *value = sp_metadata_get(v, m->ns, m->path[0]);
    for (size_t i = 1; i < m->n_path && value; i++)
        value = json_object_getn(value, m->path[i].ptr, m->path[i].len); /* NULL for what is no object */
    return value;
}

bool sp_metadata_match(const struct sp_metadata_matcher *m, struct sp_metadata_view *v, bool *ret_limit)
{
    assert(m && v && ret_limit);
    return sp_value_match(m->value, sp_metadata_matcher_find(m, v), ret_limit) != m->invert;
}
