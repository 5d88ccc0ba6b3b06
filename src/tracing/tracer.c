/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tracing/tracer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

struct sp_span_batch {
    struct sp_tracer *tracer; /* a reference while anything waits or is under way */
    struct sp_turn *turn;
    struct sp_otlp spans;
    unsigned n, calls, sending;
    struct sp_timer timer;
    struct sp_list link; /* in `busy`, as long as the reference is held */
};

/* This thread's batches that have something to do. */
static _Thread_local struct sp_list busy;

enum { DEFAULT_MIN_FLUSH = 5, DEFAULT_MAX_SPANS = 1024 };
static const uint64_t default_flush_ns = 5 * SP_NS_PER_S;

/* --- the tracer --- */

void sp_tracer_init(struct sp_tracer *t)
{
    assert(t && t->ops && t->ops->free);
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("tracing.opentelemetry"), NULL, SP_STR_NULL);
    atomic_init(&t->refs, 1);
    t->stats.sent = sp_stats_counter(scope, SP_STR("spans_sent"));
    t->stats.dropped = sp_stats_counter(scope, SP_STR("spans_dropped"));
    t->stats.timer_flushed = sp_stats_counter(scope, SP_STR("timer_flushed"));
    t->min_flush = DEFAULT_MIN_FLUSH;
    t->max_spans = DEFAULT_MAX_SPANS;
    t->flush_ns = default_flush_ns;
    t->propagators = (struct sp_propagators){{SP_PROPAGATE_W3C}, 1};
}

struct sp_tracer *sp_tracer_ref(struct sp_tracer *t)
{
    assert(t);
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void sp_tracer_unref(struct sp_tracer *t)
{
    if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
        t->ops->free(t);
}

void sp_tracer_done(struct sp_tracer *t)
{
    assert(t);
    for (unsigned i = 0; i < SP_TRACER_WORKERS; i++) {
        if (!t->batches[i])
            continue;
        assert(!t->batches[i]->n && !t->batches[i]->calls);
        sp_otlp_done(&t->batches[i]->spans);
        free(t->batches[i]);
    }
    sp_otlp_done(&t->resource);
    sp_otlp_done(&t->scope);
}

/* As Envoy reads the id's first eight bytes. */
static bool by_ratio(const struct sp_sampler *s, const struct sp_trace_ctx *ctx)
{
    return s->whole && __builtin_bswap64(ctx->trace[0]) % s->whole < s->parts;
}

bool sp_sampler_takes(const struct sp_sampler *s, const struct sp_trace_ctx *ctx, const struct sp_trace_ctx *parent)
{
    assert(s && ctx);
    if (parent && (s->parent_first || s->kind == SP_SAMPLE_AS_PARENT))
        return parent->sampled;
    return s->kind != SP_SAMPLE_RATIO || by_ratio(s, ctx);
}

/* --- batches --- */

static void settle(struct sp_span_batch *b)
{
    bool needed = b->n || b->calls;
    if (!busy.next)
        sp_list_init(&busy);
    if (needed == sp_list_linked(&b->link))
        return;
    if (needed) {
        sp_list_push_back(&busy, &b->link);
        sp_tracer_ref(b->tracer);
        return;
    }
    sp_list_remove(&b->link);
    sp_timer_stop(&b->timer);
    sp_tracer_unref(b->tracer); /* the last: `b` may go with it */
}

static void drop(struct sp_span_batch *b)
{
    sp_counter_add(b->tracer->stats.dropped, b->n);
    b->spans.len = 0;
    b->n = 0;
}

/* Does not settle. */
static void flush(struct sp_span_batch *b)
{
    struct sp_tracer *t = b->tracer;
    struct sp_otlp request = {0};
    sp_otlp_request(&request, sp_str_n(t->resource.p, t->resource.len), sp_str_n(t->scope.p, t->scope.len), sp_str_n(b->spans.p, b->spans.len));
    b->sending = b->n;
    if (t->ops->send(t, b, b->turn, sp_str_n(request.p, request.len))) {
        sp_counter_add(t->stats.sent, b->n);
        b->calls++;
        b->spans.len = 0;
        b->n = 0;
    } else {
        drop(b);
    }
    sp_otlp_done(&request);
    sp_timer_stop(&b->timer);
}

static void on_timer(struct sp_timer *timer)
{
    struct sp_span_batch *b = SP_CONTAINER_OF(timer, struct sp_span_batch, timer);
    if (b->n && b->calls < SP_TRACER_CALLS) {
        sp_counter_inc(b->tracer->stats.timer_flushed);
        flush(b);
    } else if (b->n) {
        sp_timer_start(b->turn, &b->timer, b->tracer->flush_ns);
    }
    settle(b);
}

static struct sp_span_batch *batch_of(struct sp_tracer *t, struct sp_turn *turn, unsigned index)
{
    struct sp_span_batch *b = t->batches[index];
    if (!b) {
        b = t->batches[index] = sp_xcalloc(1, sizeof(*b));
        b->tracer = t;
        b->timer.fire = on_timer;
    }
    b->turn = turn;
    return b;
}

void sp_tracer_add(struct sp_tracer *t, struct sp_turn *turn, unsigned index, const struct sp_span_data *span)
{
    assert(t && turn && index < SP_TRACER_WORKERS && span);
    if (!t->resource.len)
        return;
    struct sp_span_batch *b = batch_of(t, turn, index);
    if (b->n >= t->max_spans || b->spans.len >= SP_TRACER_BYTES) {
        sp_counter_inc(t->stats.dropped);
        return;
    }
    sp_otlp_span(&b->spans, span);
    if (b->n++ == 0)
        sp_timer_start(turn, &b->timer, t->flush_ns);
    if (b->n >= t->min_flush && b->calls < SP_TRACER_CALLS)
        flush(b);
    settle(b);
}

void sp_tracer_sent(struct sp_span_batch *b, unsigned n_spans, bool good)
{
    assert(b && b->calls);
    b->calls--;
    if (!good)
        sp_counter_add(b->tracer->stats.dropped, n_spans);
    if (b->n >= b->tracer->min_flush)
        flush(b);
    settle(b);
}

unsigned sp_span_batch_sending(const struct sp_span_batch *b)
{
    assert(b);
    return b->sending;
}

/* --- the end of a thread --- */

void sp_tracers_flush(void)
{
    if (!busy.next)
        return;
    SP_LIST_FOREACH_SAFE (n, &busy) {
        struct sp_span_batch *b = SP_CONTAINER_OF(n, struct sp_span_batch, link);
        if (b->n)
            flush(b);
        settle(b);
    }
}

unsigned sp_tracers_busy(void)
{
    unsigned calls = 0;
    if (!busy.next)
        return 0;
    SP_LIST_FOREACH (n, &busy)
        calls += SP_CONTAINER_OF(n, struct sp_span_batch, link)->calls;
    return calls;
}

void sp_tracers_end(void)
{
    if (!busy.next)
        return;
    SP_LIST_FOREACH_SAFE (n, &busy) {
        struct sp_span_batch *b = SP_CONTAINER_OF(n, struct sp_span_batch, link);
        drop(b);
        settle(b);
    }
}
