/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_answer_stats: how some of a cluster's requests were answered, counted besides: those of a zone (clusters/zone_stats.h), those of
 * canaries (cluster.<name>.canary.).  Envoy's names.
 */
#ifndef SP_CLUSTERS_ANSWER_STATS_H
#define SP_CLUSTERS_ANSWER_STATS_H

#include "stats/stats.h"

struct sp_answer_stats {
    struct sp_counter completed;   /* upstream_rq_completed */
    struct sp_histogram time;      /* upstream_rq_time, milliseconds */
    struct sp_code_counters codes; /* upstream_rq_200, upstream_rq_2xx */
};

/* Under that scope. */
void sp_answer_stats_init(struct sp_answer_stats *s, struct sp_stats_scope *scope);
/* On a worker's thread. */
void sp_answer_stats_charge(struct sp_answer_stats *s, unsigned status);

#endif
