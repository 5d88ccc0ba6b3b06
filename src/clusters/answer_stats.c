/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/answer_stats.h"

#include <assert.h>

void sp_answer_stats_init(struct sp_answer_stats *s, struct sp_stats_scope *scope)
{
    assert(s && scope);
    s->completed = sp_stats_counter(scope, SP_STR("upstream_rq_completed"));
    s->time = sp_stats_histogram(scope, SP_STR("upstream_rq_time"));
    sp_code_counters_init(&s->codes, scope, "upstream_rq_");
}

void sp_answer_stats_charge(struct sp_answer_stats *s, unsigned status)
{
    assert(s);
    sp_counter_inc(s->completed);
    sp_code_counters_inc(&s->codes, status, true);
}
