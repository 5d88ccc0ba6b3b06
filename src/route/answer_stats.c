/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/answer_stats.h"

#include <assert.h>

void sp_answer_stats_init(struct sp_answer_stats *s, struct sp_stats_scope *scope)
{
    assert(s && scope);
    s->completed = sp_stats_counter(scope, SP_STR("upstream_rq_completed"));
    s->time = sp_stats_timing(scope, SP_STR("upstream_rq_time"));
    sp_code_counters_init(&s->codes, scope, "upstream_rq_");
}

void sp_rq_stats_init(struct sp_rq_stats *s, struct sp_stats_scope *part)
{
    assert(s && part);
    sp_answer_stats_init(&s->answers, part);
    s->total = sp_stats_counter(part, SP_STR("upstream_rq_total"));
    s->timeout = sp_stats_counter(part, SP_STR("upstream_rq_timeout"));
    s->retry = sp_stats_counter(part, SP_STR("upstream_rq_retry"));
    s->retry_success = sp_stats_counter(part, SP_STR("upstream_rq_retry_success"));
    s->retry_overflow = sp_stats_counter(part, SP_STR("upstream_rq_retry_overflow"));
    s->retry_limit = sp_stats_counter(part, SP_STR("upstream_rq_retry_limit_exceeded"));
}

void sp_answer_stats_charge(struct sp_answer_stats *s, unsigned status)
{
    assert(s);
    sp_counter_inc(s->completed);
    sp_code_counters_inc(&s->codes, status, true);
}
