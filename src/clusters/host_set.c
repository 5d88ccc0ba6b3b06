/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/host_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { OVERPROVISIONING = 140 };

struct sp_host_set *sp_host_set_new(void)
{
    struct sp_host_set *s = sp_xcalloc(1, sizeof(*s));
    atomic_init(&s->refs, 1);
    sp_arena_init(&s->arena);
    s->policy.overprovisioning = OVERPROVISIONING;
    return s;
}

struct sp_host_set *sp_host_set_ref(struct sp_host_set *s)
{
    assert(s);
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void sp_host_set_unref(struct sp_host_set *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (s->subsets)
        s->free_subsets(s->subsets);
    for (unsigned i = 0; i < s->n; i++) {
        sp_host_unref(s->v[i].host);
        sp_endpoint_meta_unref(s->v[i].meta);
        sp_endpoint_meta_unref(s->v[i].locality_meta);
    }
    sp_arena_done(&s->arena);
    free(s->v);
    free(s);
}

struct sp_endpoint *sp_host_set_add(struct sp_host_set *s)
{
    assert(s && !s->priorities);
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 8;
        s->v = sp_xrealloc(s->v, s->cap * sizeof(*s->v));
    }
    struct sp_endpoint *e = &s->v[s->n++];
    *e = (struct sp_endpoint){.weight = 1};
    return e;
}

static void fill_priorities(struct sp_host_set *s)
{
    s->n_priorities = 1;
    for (unsigned i = 0; i < s->n; i++)
        s->n_priorities = SP_MAX(s->n_priorities, s->v[i].priority + 1);
    s->priorities = sp_arena_zalloc(&s->arena, s->n_priorities * sizeof(*s->priorities));
    for (unsigned i = 0; i < s->n; i++)
        s->priorities[s->v[i].priority].n++;
    for (unsigned p = 0; p < s->n_priorities; p++) {
        s->priorities[p].v = sp_arena_alloc(&s->arena, (s->priorities[p].n + 1) * sizeof(*s->priorities[p].v));
        s->priorities[p].n = 0;
    }
    for (unsigned i = 0; i < s->n; i++) {
        struct sp_priority *p = &s->priorities[s->v[i].priority];
        p->v[p->n++] = &s->v[i];
    }
}

void sp_host_set_close(struct sp_host_set *s)
{
    assert(s && !s->priorities);
    for (unsigned i = 0; i < s->n; i++) {
        char text[SP_ADDR_TEXT_MAX];
        s->v[i].text = sp_arena_str(&s->arena, sp_str_n(text, sp_addr_format(&s->v[i].addr, text)));
    }
    fill_priorities(s);
}

void sp_host_set_close_part(struct sp_host_set *s)
{
    assert(s && !s->priorities);
    fill_priorities(s);
}

void sp_endpoint_copied(struct sp_endpoint *e)
{
    assert(e);
    sp_endpoint_meta_ref(e->meta);
    sp_endpoint_meta_ref(e->locality_meta);
}
