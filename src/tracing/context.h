/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_trace_ctx: which trace a request belongs to and which span of it is the parent of what comes next, and the headers
 * that say so: W3C Trace Context (traceparent, tracestate), and B3 in one header or several.  Values; pure functions.
 */
#ifndef SP_TRACING_CONTEXT_H
#define SP_TRACING_CONTEXT_H

#include "http/headers.h"

enum {
    SP_TRACE_STATE_MEMBERS = 32,   /* W3C Trace Context section 3.3.1.1: more are none */
    SP_TRACE_STATE_BYTES = 512,    /* what is passed on: longer lists lose members */
    SP_TRACE_STATE_LONG = 128,     /* of which these go first */
    SP_TRACEPARENT_LEN = 55,
};

struct sp_trace_ctx {
    uint64_t trace[2];   /* high, low; not both 0 */
    uint64_t span;       /* not 0 */
    struct sp_str state; /* tracestate, checked; may be empty */
    bool sampled;
};

enum sp_propagator { SP_PROPAGATE_W3C, SP_PROPAGATE_B3, SP_PROPAGATE_B3_MULTI, SP_PROPAGATORS };

/* Which headers, in order. */
struct sp_propagators {
    uint8_t v[SP_PROPAGATORS];
    unsigned n;
};

enum sp_trace_found {
    SP_TRACE_NONE,    /* no trace, or nothing that can be read as one: begin anew */
    SP_TRACE_FLAG,    /* b3: no trace either, but ret->sampled is decided */
    SP_TRACE_FOUND,
};

/* The trace of a request's head, by the first of the headers that is good; state is in the head or in its arena. */
enum sp_trace_found sp_trace_extract(const struct sp_propagators *p, const struct sp_headers *h, struct sp_trace_ctx *ret);
/*
 * Says in a head that `ctx` is the parent of what its receiver does, in place of what stood there; `parent` is its own, for
 * B3 (0: none).
 */
void sp_trace_inject(const struct sp_propagators *p, const struct sp_trace_ctx *ctx, uint64_t parent, struct sp_headers *h);

/* The parts, for tests: false when the value is not well-formed; `ret` is then untouched. */
bool sp_traceparent_parse(struct sp_str value, struct sp_trace_ctx *ret);
void sp_traceparent_write(const struct sp_trace_ctx *ctx, char out[static SP_TRACEPARENT_LEN]);
/* What is passed on of a list: empty where it breaks the rules. In `arena` if it is not the list itself. */
struct sp_str sp_tracestate_check(struct sp_str list, struct sp_arena *arena);
enum sp_trace_found sp_b3_parse(struct sp_str value, struct sp_trace_ctx *ret);

/* 16 lower-case digits. */
void sp_trace_hex(uint64_t v, char out[static 16]);
/* The way back, n <= 16 digits, lower-case only where `strict`; false when there are others. */
bool sp_trace_unhex(const char *s, size_t n, bool strict, uint64_t *ret);

#endif
