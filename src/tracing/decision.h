/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a request is traced, and why, as Envoy's connection manager decides it: by what the client asks for, and by chance
 * that goes by x-request-id, so that all that see the id decide alike.  The id itself carries the reason in its 15th digit
 * (request_id_extension).  Pure.
 */
#ifndef SP_TRACING_DECISION_H
#define SP_TRACING_DECISION_H

#include "base/arena.h"

enum sp_trace_reason { SP_TRACE_NOT_TRACEABLE, SP_TRACE_SAMPLING, SP_TRACE_SERVICE_FORCED, SP_TRACE_CLIENT_ENABLED, SP_TRACE_REASONS };

/* A part of all requests. */
struct sp_trace_share {
    uint32_t parts, whole;
};

struct sp_sampling {
    struct sp_trace_share client, random, overall;
};

struct sp_id_rules {
    bool packs;   /* pack_trace_reason */
    bool decides; /* use_request_id_for_trace_sampling */
};

struct sp_trace_ask {
    bool client_trace_id, forced; /* x-client-trace-id, x-envoy-force-trace */
    uint64_t random;              /* for client_sampling */
};

/* An id that an edge keeps, though a stranger sent it: it is not him who decides. True: *request_id is another one, in `arena`. */
bool sp_trace_forget_reason(struct sp_str *request_id, struct sp_arena *arena);
/* `request_id` may be empty; if the reason has to be written into it, it becomes another one in `arena`. */
enum sp_trace_reason sp_trace_decide(const struct sp_sampling *s, const struct sp_id_rules *rules, const struct sp_trace_ask *ask,
                                     struct sp_str *request_id, struct sp_arena *arena);

#endif
