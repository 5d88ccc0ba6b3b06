/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_rate_gate: how many connections a listener takes in a time (envoy.filters.listener.local_ratelimit), all workers together.
 * The bucket goes over to the next config when the same is said of it there.  Part of a compiled listener: immutable, any thread.
 */
#ifndef SP_LISTENERS_RATE_GATE_H
#define SP_LISTENERS_RATE_GATE_H

#include "config/doc.h"
#include "envoy/extensions/filters/listener/local_ratelimit/v3/local_ratelimit.pb-c.h"
#include "filters/token_bucket.h"
#include "stats/stats.h"

struct sp_rate_bucket;

struct sp_rate_gate {
    struct sp_rate_bucket *bucket; /* NULL: no limit */
    struct sp_token_rate rate;
    struct sp_stats_scope *scope; /* held */
    struct sp_counter rate_limited;
};

/* False after an error; done either way. `where` is the listener's name. */
bool sp_rate_gate_init(struct sp_rate_gate *g, const struct sp_doc *doc, struct sp_diag *diag,
                       const Envoy__Extensions__Filters__Listener__LocalRatelimit__V3__LocalRateLimit *msg, struct sp_str where);
void sp_rate_gate_done(struct sp_rate_gate *g);
/* Takes a token. False: there is none; counts and logs that. */
bool sp_rate_gate_admit(const struct sp_rate_gate *g, struct sp_str where, uint64_t now_ns);

#endif
