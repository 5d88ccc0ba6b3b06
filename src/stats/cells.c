/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cells of all slabs: giving them out, taking them back, adding them up. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/registry.h"

static _Atomic uint64_t *cell_in(unsigned slab, uint32_t cell)
{
    return &atomic_load_explicit(&sp_registry.slabs[slab]->chunks[cell / SP_STATS_CHUNK], memory_order_acquire)[cell % SP_STATS_CHUNK];
}

static struct sp_hist_share *share_in(unsigned slab, uint32_t cell)
{
    return (struct sp_hist_share *)(uintptr_t)atomic_load_explicit(cell_in(slab, cell), memory_order_acquire);
}

static uint32_t again(struct sp_freed *f, bool hist)
{
    uint32_t cell = f->v[--f->n];
    for (unsigned i = 0; i < sp_registry.n_slabs; i++) {
        if (!hist)
            atomic_store_explicit(cell_in(i, cell), 0, memory_order_relaxed);
        else if (share_in(i, cell))
            sp_hist_share_zero(share_in(i, cell));
    }
    if (cell < sp_registry.n_latched)
        sp_registry.latched[cell] = 0;
    return cell;
}

static void add_chunk(unsigned chunk)
{
    assert(chunk < SP_STATS_CHUNKS);
    for (unsigned i = 0; i < sp_registry.n_slabs; i++)
        atomic_store(&sp_registry.slabs[i]->chunks[chunk], sp_xcalloc(SP_STATS_CHUNK, sizeof(uint64_t)));
}

/* Over the limit they share number 0, which nobody reads. */
uint32_t sp_cell_new(bool hist)
{
    struct sp_stats_registry *r = &sp_registry;
    struct sp_freed *f = hist ? &r->free_hists : &r->free_cells;
    if (f->n)
        return again(f, hist);
    if (r->cells == (uint32_t)SP_STATS_CHUNK * SP_STATS_CHUNKS)
        return 0;
    if (r->cells % SP_STATS_CHUNK == 0)
        add_chunk(r->cells / SP_STATS_CHUNK);
    return r->cells++;
}

void sp_cells_init(void)
{
    add_chunk(0);
    sp_registry.cells = 1; /* cell 0 is the one that nobody reads */
}

void sp_cell_free(uint32_t cell, bool hist)
{
    struct sp_freed *f = hist ? &sp_registry.free_hists : &sp_registry.free_cells;
    if (!cell)
        return;
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->v = sp_xrealloc(f->v, f->cap * sizeof(*f->v));
    }
    f->v[f->n++] = cell;
}

void sp_hist_cell_free(uint32_t cell)
{
    for (unsigned i = 0; cell && i < sp_registry.n_slabs; i++)
        sp_hist_share_free(share_in(i, cell));
}

void sp_slabs_free(void)
{
    struct sp_stats_registry *r = &sp_registry;
    for (unsigned i = 0; i < r->free_hists.n; i++)
        sp_hist_cell_free(r->free_hists.v[i]);
    for (unsigned i = 0; i < r->n_slabs; i++) {
        for (unsigned c = 0; c < SP_STATS_CHUNKS; c++)
            free((void *)atomic_load(&r->slabs[i]->chunks[c]));
        free(r->slabs[i]);
    }
    free(r->slabs);
    free(r->latched);
    free(r->free_cells.v);
    free(r->free_hists.v);
}

void sp_gauge_set(struct sp_gauge g, uint64_t value)
{
    atomic_store_explicit(sp_cell(g.cell), value, memory_order_relaxed);
}

static uint64_t cell_sum(uint32_t cell)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < sp_registry.n_slabs; i++)
        sum += atomic_load_explicit(cell_in(i, cell), memory_order_relaxed);
    return sum;
}

uint64_t sp_counter_value(struct sp_counter c)
{
    return cell_sum(c.cell);
}

uint64_t sp_gauge_value(struct sp_gauge g)
{
    return cell_sum(g.cell);
}

uint64_t sp_stat_value(struct sp_stat *s)
{
    uint64_t v = cell_sum(s->cell);
    /* Shares are read one after the other: a moving gauge can look negative. Hashes (version) have the other large values. */
    if (s->kind == SP_STAT_GAUGE && v > UINT64_MAX - (UINT64_C(1) << 40))
        v = 0;
    s->used |= v != 0;
    return s->kind == SP_STAT_GAUGE ? v : v - s->u.base;
}

/* What a histogram's shares say that they have. */
static uint64_t recorded(const struct sp_stat *s)
{
    uint64_t n = 0;
    for (unsigned i = 0; s->cell && i < sp_registry.n_slabs; i++) {
        const struct sp_hist_share *share = share_in(i, s->cell);
        n += share ? atomic_load_explicit(&share->n, memory_order_acquire) : 0;
    }
    return n;
}

bool sp_stat_used(struct sp_stat *s)
{
    if (!s->used && sp_stat_is_hist(s))
        s->used = recorded(s) != 0;
    else if (!s->used)
        sp_stat_value(s);
    return s->used;
}

void sp_stat_hist(const struct sp_stat *s, struct sp_hist_sum *ret)
{
    sp_hist_sum_clear(ret);
    for (unsigned i = 0; s->cell && i < sp_registry.n_slabs; i++) {
        const struct sp_hist_share *share = share_in(i, s->cell);
        if (share)
            sp_hist_sum_add(ret, share);
    }
}

uint64_t sp_stat_latch(struct sp_stat *s)
{
    struct sp_stats_registry *r = &sp_registry;
    if (s->cell >= r->n_latched) {
        uint32_t n = r->cells + SP_STATS_CHUNK;
        r->latched = sp_xrealloc(r->latched, n * sizeof(*r->latched));
        memset(r->latched + r->n_latched, 0, (n - r->n_latched) * sizeof(*r->latched));
        r->n_latched = n;
    }
    uint64_t now = cell_sum(s->cell), more = now - r->latched[s->cell];
    r->latched[s->cell] = now;
    return more;
}

void sp_stats_reset_counters(void)
{
    struct sp_stats_registry *r = &sp_registry;
    pthread_mutex_lock(&r->lock);
    for (unsigned i = 0; i < r->by_name.cap; i++) {
        struct sp_stat *s = r->by_name.v[i].p;
        if (s && s->kind == SP_STAT_COUNTER)
            s->u.base = cell_sum(s->cell);
    }
    pthread_mutex_unlock(&r->lock);
}

void sp_stats_flush_begin(void)
{
    pthread_mutex_lock(&sp_registry.lock);
    sp_registry.flush_at = 0;
    pthread_mutex_unlock(&sp_registry.lock);
}

static void flush(struct sp_stat *s, struct sp_hist_sum *sum)
{
    uint64_t n = recorded(s);
    if (n == (s->u.kept ? s->u.kept->n : 0)) {
        if (s->u.kept)
            sp_hist_keep_none(s->u.kept);
        return;
    }
    sp_stat_hist(s, sum);
    sp_hist_keep(&s->u.kept, sum, n);
}

bool sp_stats_flush_step(void)
{
    enum { LOOKED_AT = 1024, FLUSHED = 64 };
    struct sp_stats_registry *r = &sp_registry;
    static _Thread_local struct sp_hist_sum sum;
    pthread_mutex_lock(&r->lock);
    for (unsigned looked = 0, flushed = 0; r->flush_at < r->hists.n && looked < LOOKED_AT && flushed < FLUSHED; looked++) {
        struct sp_stat *s = r->hists.v[r->flush_at++];
        uint64_t before = s->u.kept ? s->u.kept->n : 0;
        flush(s, &sum);
        flushed += s->u.kept && s->u.kept->n != before;
    }
    bool more = r->flush_at < r->hists.n;
    pthread_mutex_unlock(&r->lock);
    return more;
}
