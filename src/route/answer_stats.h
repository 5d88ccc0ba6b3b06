/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_answer_stats: how some requests to clusters were answered, counted besides: a cluster's from a zone (clusters/zone_stats.h), of
 * canaries, of clients inside and outside; a virtual cluster's or a route's (sp_rq_stats).  Envoy's names.
 */
#ifndef SP_ROUTE_ANSWER_STATS_H
#define SP_ROUTE_ANSWER_STATS_H

#include "stats/stats.h"

struct sp_answer_stats {
    struct sp_counter completed;   /* upstream_rq_completed */
    struct sp_timing time;         /* upstream_rq_time */
    struct sp_code_counters codes; /* upstream_rq_200, upstream_rq_2xx */
};

/* A virtual cluster's, or a route's that has a stat_prefix: vhost.<name>.vcluster.<name>., vhost.<name>.route.<stat_prefix>. */
struct sp_rq_stats {
    struct sp_answer_stats answers;
    struct sp_counter total, timeout, retry, retry_success, retry_overflow, retry_limit; /* upstream_rq_* */
};

/* Under that scope. */
void sp_answer_stats_init(struct sp_answer_stats *s, struct sp_stats_scope *scope);
/* On a worker's thread. */
void sp_answer_stats_charge(struct sp_answer_stats *s, unsigned status);
void sp_rq_stats_init(struct sp_rq_stats *s, struct sp_stats_scope *part);

#endif
