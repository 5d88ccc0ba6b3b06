/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/tried.h"

#include <assert.h>
#include <string.h>

struct sp_tried *sp_tried_new(struct sp_arena *arena, unsigned every)
{
    assert(arena && every);
    struct sp_tried *t = sp_arena_zalloc(arena, sizeof(*t));
    t->arena = arena;
    t->every = every;
    return t;
}

/* The set of hosts may be another one by now, with more priorities. */
static void grow(struct sp_tried *t, unsigned n)
{
    if (n <= t->n_levels)
        return;
    bool *seen = sp_arena_zalloc(t->arena, n * sizeof(*seen)), *out = sp_arena_zalloc(t->arena, n * sizeof(*out));
    if (t->n_levels) {
        memcpy(seen, t->seen, t->n_levels * sizeof(*seen));
        memcpy(out, t->out, t->n_levels * sizeof(*out));
    }
    t->seen = seen;
    t->out = out;
    t->loads = sp_arena_zalloc(t->arena, n * sizeof(*t->loads));
    t->n_levels = n;
}

void sp_tried_note(struct sp_tried *t, unsigned priority)
{
    assert(t && t->every);
    grow(t, priority + 1);
    t->seen[priority] = true;
    t->n++;
}

const struct sp_priority_load *sp_tried_loads(struct sp_tried *t, const struct sp_priority_health *h, unsigned n, uint32_t factor,
                                              const struct sp_priority_load *normal)
{
    assert(t && h && n && normal);
    if (t->n < t->every)
        return normal;
    grow(t, n);
    for (unsigned i = 0; t->n % t->every == 0 && i < t->n_levels; i++)
        t->out[i] = t->out[i] || t->seen[i];
    if (sp_priority_loads_without(h, n, t->out, factor, t->loads))
        return t->loads;
    memset(t->out, 0, t->n_levels * sizeof(*t->out)); /* there is no other: from the beginning once more */
    memset(t->seen, 0, t->n_levels * sizeof(*t->seen));
    t->n = 0;
    return sp_priority_loads_without(h, n, t->out, factor, t->loads) ? t->loads : normal;
}
