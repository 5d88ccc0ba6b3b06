/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The span of one attempt at an origin (spawn_upstream_span), a child of the request's: begun when a host is chosen, so that
 * the origin continues it, ended with the attempt.  Only where the request is sampled; else sp_upstream.span stays NULL.
 */
#ifndef SP_CLUSTERS_ATTEMPT_SPAN_H
#define SP_CLUSTERS_ATTEMPT_SPAN_H

#include "clusters/outcome.h"

/* The host is chosen; writes the trace headers of the request anew. */
void sp_attempt_span_start(struct sp_upstream *u);

/* Of each attempt. Nearly always there is nothing to do. */
static inline void sp_attempt_span_begin(struct sp_upstream *u)
{
    if (SP_UNLIKELY(u->setup.info && u->setup.info->span))
        sp_attempt_span_start(u);
}

#endif
