/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The buckets of one local_ratelimit config: the default one, one for each descriptor, and tables of them for descriptors
 * with empty values and for limits that hold for each connection.  Part of the config, and of the next one when what is said of
 * buckets there is the same: a reload fills none.  Any thread.
 */
#ifndef SP_FILTERS_LOCAL_BUCKETS_H
#define SP_FILTERS_LOCAL_BUCKETS_H

#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb-c.h"
#include "filters/token_bucket.h"
#include "stream/filter.h"
#include "stream/rate_limits.h"

struct sp_local_buckets;

/* NULL after an error. */
struct sp_local_buckets *sp_local_buckets_new(const struct sp_filter_build *build,
                                              const Envoy__Extensions__Filters__Http__LocalRatelimit__V3__LocalRateLimit *msg);
void sp_local_buckets_free(struct sp_local_buckets *b); /* one's own reference; NULL-safe */

struct sp_local_verdict {
    bool allowed;
    bool counted;        /* some bucket was asked: `max` and `left` are that one's */
    uint32_t max;
    struct sp_token_left left;
    unsigned shadowed;   /* buckets on trial that would have refused */
    unsigned taken_over; /* keys that took over the bucket of another */
};

/* As Envoy: of the descriptors that match, the slowest first; then the default bucket. */
struct sp_local_verdict sp_local_buckets_take(struct sp_local_buckets *b, const struct sp_descriptors *d, uint64_t conn,
                                              uint64_t now_ns, struct sp_arena *arena);

#endif
