/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_tracer: where spans of one connection manager go: each worker has a batch of its own, of encoded spans, that is handed
 * to `send` when it has enough of them or the oldest waits too long (Envoy's tracing.opentelemetry.min_flush_spans and
 * flush_interval_ms).  Bounded: what no longer fits, and what nobody took, is dropped and counted.
 *
 * The base of a struct (clusters/trace_export.h).  Counted: the config holds one reference, each worker one while something of
 * its batch waits or is under way, so that a config may go before its last spans have.  Any thread for the count; a batch is
 * its worker's.
 */
#ifndef SP_TRACING_TRACER_H
#define SP_TRACING_TRACER_H

#include <stdatomic.h>

#include "event/turn.h"
#include "stats/stats.h"
#include "tracing/otlp.h"

struct sp_tracer;
struct sp_span_batch;

enum {
    SP_TRACER_WORKERS = 257,         /* serving ones (server/options.h), and the prober */
    SP_TRACER_CALLS = 4,             /* of one batch under way at a time; more spans wait */
    SP_TRACER_BYTES = 1024 * 1024,   /* that wait, a worker */
};

struct sp_tracer_ops {
    /* Takes a whole request, which is gone afterwards; false: it cannot. Never calls sp_tracer_sent from inside. */
    bool (*send)(struct sp_tracer *t, struct sp_span_batch *b, struct sp_turn *turn, struct sp_str request);
    void (*free)(struct sp_tracer *t); /* any thread; gives back what is around the base, and the base's memory */
};

/* Who is sampled, beyond what the connection manager decided. */
enum sp_sampler_kind { SP_SAMPLE_AS_PARENT, SP_SAMPLE_ALWAYS, SP_SAMPLE_RATIO };
struct sp_sampler {
    enum sp_sampler_kind kind; /* SP_SAMPLE_AS_PARENT: those that begin here too */
    bool parent_first;         /* a trace that is continued goes by its flag */
    uint64_t parts, whole;     /* SP_SAMPLE_RATIO */
};

struct sp_tracer_stats {
    struct sp_counter sent, dropped, timer_flushed;
};

struct sp_tracer {
    const struct sp_tracer_ops *ops;
    _Atomic unsigned refs;
    struct sp_sampler sampler;
    struct sp_propagators propagators;
    struct sp_tracer_stats stats;
    unsigned min_flush, max_spans; /* a worker */
    uint64_t flush_ns;
    struct sp_otlp resource, scope; /* as they stand before the spans; empty resource: spans are not sent anywhere */
    struct sp_span_batch *batches[SP_TRACER_WORKERS]; /* NULL: the worker has had none */
};

/* `t` is zeroed but for ops; one reference; stats, limits and propagators of Envoy's defaults. */
void sp_tracer_init(struct sp_tracer *t);
struct sp_tracer *sp_tracer_ref(struct sp_tracer *t);
void sp_tracer_unref(struct sp_tracer *t); /* NULL-safe */
/* For ops->free: what the base holds. */
void sp_tracer_done(struct sp_tracer *t);

/* Whether a span of this trace is sent, of a request that the connection manager wants traced; `parent`: NULL where it begins. */
bool sp_sampler_takes(const struct sp_sampler *s, const struct sp_trace_ctx *ctx, const struct sp_trace_ctx *parent);

/* On the worker `index`. */
void sp_tracer_add(struct sp_tracer *t, struct sp_turn *turn, unsigned index, const struct sp_span_data *span);
/* What `send` took has an answer: the spans are there, or lost. */
void sp_tracer_sent(struct sp_span_batch *b, unsigned n_spans, bool good);
/* How many spans are in the request that is being sent: for `send`. */
unsigned sp_span_batch_sending(const struct sp_span_batch *b);

/* Of all tracers, on this thread: hands over all that waits; how many requests are under way; drops what still waits. */
void sp_tracers_flush(void);
unsigned sp_tracers_busy(void);
void sp_tracers_end(void);

#endif
