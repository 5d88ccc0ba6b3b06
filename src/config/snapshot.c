/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/snapshot.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

struct sp_snapshot_count {
    unsigned n;
} __attribute__((aligned(SP_CACHELINE)));

void sp_snapshot_init(struct sp_snapshot *s, unsigned n_workers, void (*dead)(struct sp_snapshot *s))
{
    assert(s && dead && n_workers > 0);
    s->dead = dead;
    s->n_workers = n_workers;
    s->counts = sp_xaligned(n_workers * sizeof(*s->counts));
    for (unsigned i = 0; i < n_workers; i++)
        s->counts[i].n = 1;
    atomic_store(&s->shares, n_workers);
}

void sp_snapshot_done(struct sp_snapshot *s)
{
    assert(s);
    free(s->counts);
    s->counts = NULL;
}

struct sp_snapshot *sp_snapshot_ref(struct sp_snapshot *s, unsigned index)
{
    assert(s && index < s->n_workers && s->counts[index].n > 0);
    s->counts[index].n++;
    return s;
}

void sp_snapshot_unref(struct sp_snapshot *s, unsigned index)
{
    assert(s && index < s->n_workers && s->counts[index].n > 0);
    if (--s->counts[index].n == 0 && atomic_fetch_sub(&s->shares, 1) == 1)
        s->dead(s);
}
