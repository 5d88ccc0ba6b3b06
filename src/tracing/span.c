/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tracing/span.h"

#include <assert.h>

#include "crypto/ct.h"
#include "event/worker.h"

void sp_span_begin_child(struct sp_span *s, const struct sp_span *parent, const struct sp_turn *turn)
{
    assert(s && parent && parent->ctx.span && turn);
    *s = (struct sp_span){.rules = parent->rules, .ctx = parent->ctx, .parent = parent->ctx.span, .start_ns = turn->now_ns,
                          .start_wall_ns = turn->wall_ns};
    s->ctx.span = sp_random_u64() | 1;
}

void sp_span_tell(const struct sp_span *s, struct sp_headers *h)
{
    assert(s && h);
    if (s->rules && !s->rules->hidden)
        sp_trace_inject(&s->rules->tracer->propagators, &s->ctx, s->parent, h);
}

void sp_span_end(struct sp_span *s, struct sp_turn *turn, struct sp_span_data *data)
{
    assert(s && turn && data);
    if (sp_span_counts(s)) {
        const struct sp_worker *w = turn->worker;
        data->ctx = &s->ctx;
        data->parent = s->parent;
        data->remote = s->remote;
        data->start_ns = s->start_wall_ns;
        data->end_ns = sp_span_wall(s, turn->now_ns);
        sp_tracer_add(s->rules->tracer, turn, w ? w->index : 0, data);
    }
    s->rules = NULL;
}
