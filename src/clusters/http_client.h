/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small HTTP client over a cluster, for what must call out: remote JWKS, introspection, the rate-limit service.  The
 * whole answer is collected, up to a limit.  Runs on the worker it was started on, through that worker's pools; never
 * calls back from inside sp_http_call_start.
 */
#ifndef SP_CLUSTERS_HTTP_CLIENT_H
#define SP_CLUSTERS_HTTP_CLIENT_H

#include "clusters/cluster.h"
#include "http/message.h"

struct sp_http_call;

struct sp_http_request {
    struct sp_str method, scheme, authority, path; /* copied, as all below */
    const struct sp_header *headers;
    unsigned n_headers;
    struct sp_str body;
    const struct sp_span *parent; /* of a call's span, for as long as it takes; NULL: it is nobody's */
    struct sp_str span_name;      /* static; empty: "async <cluster> egress" */
    uint64_t timeout_ns;
    size_t max_body; /* of the answer */
};

/* status 0: no answer, `why` says why. `body` belongs to the call: take what you need before returning. */
typedef void sp_http_call_cb(void *ctx, unsigned status, const struct sp_headers *h, struct sp_buf *body, enum sp_abort why);

struct sp_http_call *sp_http_call_start(struct sp_cluster *c, struct sp_worker *w, const struct sp_http_request *r,
                                        sp_http_call_cb *done, void *ctx);
/* The answer's trailers, or NULL: while `done` runs. */
const struct sp_headers *sp_http_call_trailers(const struct sp_http_call *call);
/* Before `done` came: it will not come. */
void sp_http_call_cancel(struct sp_http_call *call);

#endif
