/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of histograms, for stats/ only.  Buckets are log-linear: whole numbers up to 63 have one each, each octave above is
 * cut into 64 equal ones, so that a value taken from the middle of its bucket is off by less than 1/128 (0.8 %).  A thread has a
 * share of each histogram that it records into, and in it an octave's counts once a value falls there: both stay, so that
 * recording allocates in the beginning only.
 */
#ifndef SP_STATS_HIST_H
#define SP_STATS_HIST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SP_HIST_SUB = 64, SP_HIST_OCTAVES = 47, SP_HIST_BUCKETS = SP_HIST_SUB * SP_HIST_OCTAVES };

/* One thread's. Written by that thread alone. */
struct sp_hist_share {
    _Atomic uint64_t n, sum;
    _Atomic(uint64_t) *_Atomic octave[SP_HIST_OCTAVES];
};

/* A histogram added up over threads. Large; octaves without their bit in `has` are not set. */
struct sp_hist_sum {
    uint64_t n, sum, has;
    uint64_t count[SP_HIST_OCTAVES][SP_HIST_SUB];
};

/* What the last flushes left of a histogram: all until then, and what the last interval brought. */
struct sp_hist_kept {
    uint64_t n, sum;                     /* what the shares said of themselves, all of it, at the last flush */
    uint32_t *octave[SP_HIST_OCTAVES];   /* the low halves of its counts: an interval brings fewer than 2^32 */
    struct sp_hist_some {
        uint16_t bucket;
        uint32_t count;
    } *some;                             /* n_some of them: the interval, in order */
    unsigned n_some, cap;
    uint64_t some_n, some_sum;
};

/* A bucket's least value, and how many whole numbers fall into it. */
uint64_t sp_hist_floor(unsigned bucket);
uint64_t sp_hist_width(unsigned bucket);
/* Of a value; the last one has all that is too large. */
unsigned sp_hist_bucket(uint64_t value);

void sp_hist_sum_clear(struct sp_hist_sum *h);
void sp_hist_sum_add(struct sp_hist_sum *h, const struct sp_hist_share *share);
/* The interval as a sum of its own. */
void sp_hist_sum_of_kept(struct sp_hist_sum *h, const struct sp_hist_kept *kept);
/* The values that `n` rising shares (0 to 1) of all recorded ones are at most. h->n is not 0. */
void sp_hist_quantiles(const struct sp_hist_sum *h, const double *shares, unsigned n, double *ret);
/* How many fell into buckets that are wholly at or under the bounds, which rise. */
void sp_hist_below(const struct sp_hist_sum *h, const double *bounds, unsigned n, uint64_t *ret);

/* A flush: the interval is what came since the last one. `n` is the sum of the shares' own, read before they were added up. */
void sp_hist_keep(struct sp_hist_kept **kept, const struct sp_hist_sum *now, uint64_t n);
/* A flush to which nothing came. */
void sp_hist_keep_none(struct sp_hist_kept *kept);
void sp_hist_kept_free(struct sp_hist_kept *kept);
void sp_hist_share_zero(struct sp_hist_share *share);
void sp_hist_share_free(struct sp_hist_share *share);

#endif
