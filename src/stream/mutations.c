/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of HeaderMutation: the header_mutation filter's. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "route/matcher.h"
#include "stream/header_action.h"
#include "stream/header_ops.h"

typedef Envoy__Config__Common__MutationRules__V3__HeaderMutation HeaderMutation;
#define ACTION(name) ENVOY__CONFIG__COMMON__MUTATION_RULES__V3__HEADER_MUTATION__ACTION_##name

enum kind { REMOVE, PUT, REMOVE_MATCHING };

struct mutation {
    enum kind kind;
    struct sp_header_name name;
    struct sp_header_action put;
    struct sp_string_matcher *matcher;
};

struct sp_mutations {
    struct sp_arena arena;
    struct mutation *v;
    size_t n;
};

static bool compile(struct mutation *m, struct sp_header_where *w, const HeaderMutation *msg)
{
    switch (msg->action_case) {
    case ACTION(REMOVE):
        m->kind = REMOVE;
        w->msg = msg;
        w->field = "remove";
        w->index = -1;
        return sp_header_removable(&m->name, w, msg->remove);
    case ACTION(APPEND):
        m->kind = PUT;
        return sp_header_action_init(&m->put, w, msg->append);
    case ACTION(REMOVE_ON_MATCH):
        m->kind = REMOVE_MATCHING;
        m->matcher = sp_string_matcher_new(w->doc, w->diag, msg->remove_on_match->key_matcher);
        return m->matcher != NULL;
    default:
        sp_doc_err(w->doc, w->diag, msg, NULL, -1, "one of these is required: remove, append, remove_on_match");
        return false;
    }
}

struct sp_mutations *sp_mutations_new(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field,
                                      HeaderMutation **list, size_t n)
{
    assert(doc && diag && msg && field);
    struct sp_mutations *m = sp_xcalloc(1, sizeof(*m));
    sp_arena_init(&m->arena);
    struct sp_header_where w = {doc, diag, &m->arena, msg, field, -1, strcmp(field, "request_mutations") == 0};
    bool good = true;
    m->v = sp_arena_zalloc(&m->arena, (n + 1) * sizeof(*m->v));
    for (size_t i = 0; i < n; i++)
        good = compile(&m->v[m->n++], &w, list[i]) && good;
    if (good)
        return m;
    sp_mutations_free(m);
    return NULL;
}

void sp_mutations_free(struct sp_mutations *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++) {
        sp_header_action_done(&m->v[i].put);
        sp_string_matcher_free(m->v[i].matcher);
    }
    sp_arena_done(&m->arena);
    free(m);
}

static void remove_matching(const struct sp_string_matcher *matcher, struct sp_headers *h)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < h->n; i++)
        if (!sp_string_match(matcher, h->v[i].name))
            h->v[kept++] = h->v[i];
    h->n = kept;
}

void sp_mutations_apply(const struct sp_mutations *m, struct sp_headers *h, const struct sp_format_input *in)
{
    assert(m && h && in);
    for (const struct mutation *x = m->v; x < m->v + m->n; x++) {
        if (x->kind == REMOVE) {
            sp_header_name_remove(&x->name, h);
        } else if (x->kind == REMOVE_MATCHING) {
            remove_matching(x->matcher, h);
        } else {
            struct sp_str s = sp_header_action_value(&x->put, h, in);
            if (s.ptr)
                sp_header_action_put(&x->put, h, s);
        }
    }
}
