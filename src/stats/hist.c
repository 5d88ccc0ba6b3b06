/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats/hist.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "stats/stats.h"

static inline unsigned octave_of(uint64_t value)
{
    return 58 - (unsigned)__builtin_clzll(value | (SP_HIST_SUB - 1)); /* 63: 0, 64 to 127: 1 */
}

static inline unsigned sub_of(uint64_t value, unsigned octave)
{
    return (unsigned)(value >> (octave ? octave - 1 : 0)) & (SP_HIST_SUB - 1);
}

unsigned sp_hist_bucket(uint64_t value)
{
    unsigned octave = octave_of(value);
    if (octave >= SP_HIST_OCTAVES)
        return SP_HIST_BUCKETS - 1;
    return octave * SP_HIST_SUB + sub_of(value, octave);
}

uint64_t sp_hist_floor(unsigned bucket)
{
    unsigned octave = bucket / SP_HIST_SUB, sub = bucket % SP_HIST_SUB;
    return octave ? (uint64_t)(SP_HIST_SUB + sub) << (octave - 1) : sub;
}

uint64_t sp_hist_width(unsigned bucket)
{
    unsigned octave = bucket / SP_HIST_SUB;
    return octave ? UINT64_C(1) << (octave - 1) : 1;
}

/* ---- recording ---- */

static void bump(_Atomic uint64_t *p, uint64_t n)
{
    atomic_store_explicit(p, atomic_load_explicit(p, memory_order_relaxed) + n, memory_order_relaxed);
}

static __attribute__((noinline)) struct sp_hist_share *share_new(_Atomic uint64_t *cell)
{
    struct sp_hist_share *share = sp_xcalloc(1, sizeof(*share));
    atomic_store_explicit(cell, (uint64_t)(uintptr_t)share, memory_order_release);
    return share;
}

static __attribute__((noinline)) _Atomic uint64_t *octave_new(struct sp_hist_share *share, unsigned octave)
{
    _Atomic uint64_t *counts = sp_xcalloc(SP_HIST_SUB, sizeof(*counts));
    atomic_store_explicit(&share->octave[octave], counts, memory_order_release);
    return counts;
}

static inline void record(uint32_t cell, uint64_t value, uint64_t sum)
{
    if (SP_UNLIKELY(!cell)) /* one that was never made: no cell of others is a share */
        return;
    _Atomic uint64_t *at = sp_cell(cell);
    struct sp_hist_share *share = (struct sp_hist_share *)(uintptr_t)atomic_load_explicit(at, memory_order_relaxed);
    if (SP_UNLIKELY(!share))
        share = share_new(at);
    unsigned octave = octave_of(value), sub = sub_of(value, octave);
    if (SP_UNLIKELY(octave >= SP_HIST_OCTAVES)) {
        octave = SP_HIST_OCTAVES - 1;
        sub = SP_HIST_SUB - 1;
    }
    _Atomic uint64_t *counts = atomic_load_explicit(&share->octave[octave], memory_order_relaxed);
    if (SP_UNLIKELY(!counts))
        counts = octave_new(share, octave);
    bump(&counts[sub], 1);
    bump(&share->sum, sum);
    bump(&share->n, 1);
}

void sp_histogram_record(struct sp_histogram h, uint64_t value)
{
    record(h.cell, value, value);
}

/* Sums of nanoseconds would be full after some years of connections. */
void sp_timing_record(struct sp_timing t, uint64_t ns)
{
    record(t.cell, ns, (ns + 500) / 1000);
}

void sp_hist_share_zero(struct sp_hist_share *share)
{
    atomic_store_explicit(&share->n, 0, memory_order_relaxed);
    atomic_store_explicit(&share->sum, 0, memory_order_relaxed);
    for (unsigned o = 0; o < SP_HIST_OCTAVES; o++) {
        _Atomic uint64_t *counts = atomic_load_explicit(&share->octave[o], memory_order_acquire);
        for (unsigned i = 0; counts && i < SP_HIST_SUB; i++)
            atomic_store_explicit(&counts[i], 0, memory_order_relaxed);
    }
}

void sp_hist_share_free(struct sp_hist_share *share)
{
    if (!share)
        return;
    for (unsigned o = 0; o < SP_HIST_OCTAVES; o++)
        free((void *)atomic_load(&share->octave[o]));
    free(share);
}

/* ---- adding up ---- */

void sp_hist_sum_clear(struct sp_hist_sum *h)
{
    h->n = h->sum = h->has = 0;
}

static uint64_t *counts_of(struct sp_hist_sum *h, unsigned octave)
{
    if (!(h->has >> octave & 1))
        memset(h->count[octave], 0, sizeof(h->count[octave]));
    h->has |= UINT64_C(1) << octave;
    return h->count[octave];
}

/* n is what the buckets have, so that no line of a page says more than another, however it is written meanwhile. */
void sp_hist_sum_add(struct sp_hist_sum *h, const struct sp_hist_share *share)
{
    h->sum += atomic_load_explicit(&share->sum, memory_order_relaxed);
    for (unsigned o = 0; o < SP_HIST_OCTAVES; o++) {
        _Atomic uint64_t *from = atomic_load_explicit(&share->octave[o], memory_order_acquire);
        if (!from)
            continue;
        uint64_t *to = counts_of(h, o);
        for (unsigned i = 0; i < SP_HIST_SUB; i++) {
            uint64_t n = atomic_load_explicit(&from[i], memory_order_relaxed);
            to[i] += n;
            h->n += n;
        }
    }
}

void sp_hist_sum_of_kept(struct sp_hist_sum *h, const struct sp_hist_kept *kept)
{
    sp_hist_sum_clear(h);
    if (!kept)
        return;
    for (unsigned i = 0; i < kept->n_some; i++)
        counts_of(h, kept->some[i].bucket / SP_HIST_SUB)[kept->some[i].bucket % SP_HIST_SUB] = kept->some[i].count;
    h->n = kept->some_n;
    h->sum = kept->some_sum;
}

void sp_hist_quantiles(const struct sp_hist_sum *h, const double *shares, unsigned n, double *ret)
{
    uint64_t seen = 0;
    unsigned done = 0;
    assert(h->n);
    for (unsigned o = 0; o < SP_HIST_OCTAVES && done < n; o++) {
        if (!(h->has >> o & 1))
            continue;
        for (unsigned i = 0; i < SP_HIST_SUB && done < n; i++) {
            uint64_t here = h->count[o][i];
            if (!here)
                continue;
            seen += here;
            unsigned b = o * SP_HIST_SUB + i;
            double middle = (double)sp_hist_floor(b) + (double)(sp_hist_width(b) - 1) / 2;
            while (done < n && (double)seen >= shares[done] * (double)h->n)
                ret[done++] = middle;
        }
    }
    assert(done == n);
}

void sp_hist_below(const struct sp_hist_sum *h, const double *bounds, unsigned n, uint64_t *ret)
{
    uint64_t seen = 0;
    unsigned b = 0;
    for (unsigned i = 0; i < n; i++) {
        while (b < SP_HIST_BUCKETS) {
            if (!(h->has >> (b / SP_HIST_SUB) & 1)) {
                b += SP_HIST_SUB - b % SP_HIST_SUB;
                continue;
            }
            if ((double)(sp_hist_floor(b) + (sp_hist_width(b) - 1)) > bounds[i])
                break;
            seen += h->count[b / SP_HIST_SUB][b % SP_HIST_SUB];
            b++;
        }
        ret[i] = seen;
    }
}

/* ---- what flushes leave ---- */

static void keep_some(struct sp_hist_kept *k, unsigned bucket, uint32_t count)
{
    if (k->n_some == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 8;
        k->some = sp_xrealloc(k->some, k->cap * sizeof(*k->some));
    }
    k->some[k->n_some++] = (struct sp_hist_some){(uint16_t)bucket, count};
    k->some_n += count;
}

void sp_hist_keep_none(struct sp_hist_kept *k)
{
    k->n_some = 0;
    k->some_n = k->some_sum = 0;
}

void sp_hist_keep(struct sp_hist_kept **kept, const struct sp_hist_sum *now, uint64_t n)
{
    if (!*kept)
        *kept = sp_xcalloc(1, sizeof(**kept));
    struct sp_hist_kept *k = *kept;
    sp_hist_keep_none(k);
    k->some_sum = now->sum - k->sum;
    for (unsigned o = 0; o < SP_HIST_OCTAVES; o++) {
        if (!(now->has >> o & 1))
            continue;
        if (!k->octave[o])
            k->octave[o] = sp_xcalloc(SP_HIST_SUB, sizeof(*k->octave[o]));
        for (unsigned i = 0; i < SP_HIST_SUB; i++) {
            uint32_t more = (uint32_t)now->count[o][i] - k->octave[o][i];
            if (more)
                keep_some(k, o * SP_HIST_SUB + i, more);
            k->octave[o][i] = (uint32_t)now->count[o][i];
        }
    }
    k->n = n;
    k->sum = now->sum;
}

void sp_hist_kept_free(struct sp_hist_kept *kept)
{
    if (!kept)
        return;
    for (unsigned o = 0; o < SP_HIST_OCTAVES; o++)
        free(kept->octave[o]);
    free(kept->some);
    free(kept);
}
