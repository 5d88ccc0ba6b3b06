/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/subset_config.h"

#include <assert.h>
#include <stdlib.h>

/* Two messages have the same fields: macros read both into these. */
struct read {
    struct sp_subset_config *c;
    struct sp_arena *arena;
    const struct sp_doc *doc;
    struct sp_diag *diag;
};

static int by_text(const void *a, const void *b)
{
    return sp_str_cmp(*(const struct sp_str *)a, *(const struct sp_str *)b);
}

static struct sp_str *sorted(struct sp_arena *arena, char *const *v, size_t n, unsigned *ret_n)
{
    struct sp_str *out = sp_arena_zalloc(arena, (n + 1) * sizeof(*out));
    unsigned used = 0;
    for (size_t i = 0; i < n; i++)
        out[i] = sp_arena_str(arena, sp_str_c(v[i]));
    qsort(out, n, sizeof(*out), by_text);
    for (size_t i = 0; i < n; i++)
        if (!used || !sp_str_eq(out[i], out[used - 1]))
            out[used++] = out[i];
    *ret_n = used;
    return out;
}

static bool among(const struct sp_subset_selector *s, struct sp_str key)
{
    for (unsigned i = 0; i < s->n_keys; i++)
        if (sp_str_eq(s->keys[i], key))
            return true;
    return false;
}

static void check(const struct read *r, const struct sp_subset_selector *s, const void *msg)
{
    if (!s->n_keys)
        sp_doc_err(r->doc, r->diag, msg, "keys", -1, "required, but missing (add the keys of metadata that make a subset)");
    if (s->n_keys > SP_CRITERIA_MOST)
        sp_doc_err(r->doc, r->diag, msg, "keys", -1, "%u keys are too many (at most %d)", s->n_keys, SP_CRITERIA_MOST);
    if (s->single && s->n_keys != 1)
        sp_doc_err(r->doc, r->diag, msg, "single_host_per_subset", -1, "is for one key, and there are %u (take the others out, or this)",
                   s->n_keys);
    if (s->fallback != SP_SUBSET_KEYS) {
        if (s->n_fewer)
            sp_doc_warn(r->doc, r->diag, msg, "fallback_keys_subset", -1, "has no effect without fallback_policy KEYS_SUBSET (take it out)");
        return;
    }
    if (!s->n_fewer)
        sp_doc_err(r->doc, r->diag, msg, "fallback_keys_subset", -1, "required with KEYS_SUBSET, but missing (add some of the keys)");
    for (unsigned i = 0; i < s->n_fewer; i++)
        if (!among(s, s->fewer[i]))
            sp_doc_err(r->doc, r->diag, msg, "fallback_keys_subset", -1, "\"%.*s\" is none of the keys (take some of them)",
                       SP_STR_ARG(s->fewer[i]));
    if (s->n_fewer && s->n_fewer >= s->n_keys)
        sp_doc_err(r->doc, r->diag, msg, "fallback_keys_subset", -1, "has all of the keys, and nothing was found with these (leave one out)");
}

#define READ_SELECTOR(r, s, msg) \
    do { \
        (s)->keys = sorted((r)->arena, (msg)->keys, (msg)->n_keys, &(s)->n_keys); \
        (s)->fewer = sorted((r)->arena, (msg)->fallback_keys_subset, (msg)->n_fallback_keys_subset, &(s)->n_fewer); \
        (s)->fallback = (enum sp_subset_fallback)(msg)->fallback_policy; \
        (s)->single = (msg)->single_host_per_subset; \
        check(r, s, msg); \
    } while (0)

#define READ_ALL(r, msg) \
    do { \
        struct sp_subset_config *x = (r)->c; \
        x->fallback = (enum sp_subset_fallback)((int)(msg)->fallback_policy + 1); \
        x->locality_aware = (msg)->locality_weight_aware; \
        x->scale_weight = (msg)->scale_locality_weight; \
        x->panic_any = (msg)->panic_mode_any; \
        x->list_as_any = (msg)->list_as_any; \
        x->fallback_list = (int)(msg)->metadata_fallback_policy == 1; \
        if ((msg)->default_subset) { \
            x->default_subset = sp_criteria_read((r)->arena, (msg)->default_subset); \
            x->n_default = (unsigned)(msg)->default_subset->n_fields; \
        } \
        x->selectors = sp_arena_zalloc((r)->arena, ((msg)->n_subset_selectors + 1) * sizeof(*x->selectors)); \
        for (size_t i = 0; i < (msg)->n_subset_selectors; i++) { \
            struct sp_subset_selector *selector = &x->selectors[x->n_selectors++]; \
            READ_SELECTOR(r, selector, (msg)->subset_selectors[i]); \
        } \
    } while (0)

static struct sp_subset_config *finish(struct sp_subset_config *c)
{
    if (!c->n_selectors)
        return NULL;
    c->needs_default = c->fallback == SP_SUBSET_DEFAULT;
    for (unsigned i = 0; i < c->n_selectors; i++)
        c->needs_default = c->needs_default || c->selectors[i].fallback == SP_SUBSET_DEFAULT;
    return c;
}

struct sp_subset_config *sp_subset_config_new(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                                              const Envoy__Config__Cluster__V3__Cluster__LbSubsetConfig *msg)
{
    assert(arena && doc && diag && msg);
    struct read r = {sp_arena_zalloc(arena, sizeof(*r.c)), arena, doc, diag};
    READ_ALL(&r, msg);
    return finish(r.c);
}

/* Those with more keys first, and else as they stand. */
static void most_keys_first(struct sp_subset_config *c)
{
    for (unsigned i = 1; i < c->n_selectors; i++) {
        struct sp_subset_selector s = c->selectors[i];
        unsigned k = i;
        for (; k && c->selectors[k - 1].n_keys < s.n_keys; k--)
            c->selectors[k] = c->selectors[k - 1];
        c->selectors[k] = s;
    }
}

struct sp_subset_config *sp_subset_config_of(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                                             const Envoy__Extensions__LoadBalancingPolicies__Subset__V3__Subset *msg)
{
    assert(arena && doc && diag && msg);
    struct read r = {sp_arena_zalloc(arena, sizeof(*r.c)), arena, doc, diag};
    READ_ALL(&r, msg);
    r.c->redundant_keys = msg->allow_redundant_keys;
    if (r.c->redundant_keys)
        most_keys_first(r.c);
    return finish(r.c);
}
