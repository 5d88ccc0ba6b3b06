/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small gRPC client for unary calls (one message each way, not compressed), over clusters/http_client and so over a
 * cluster's own HTTP/2 pools: the rate limit service.  Follows gRPC's "protocol over HTTP/2": length-prefixed messages,
 * grpc-timeout, grpc-status in trailers or in a head without a body.  Runs on the worker it was started on; never calls
 * back from inside sp_grpc_call_start.
 */
#ifndef SP_CLUSTERS_GRPC_CLIENT_H
#define SP_CLUSTERS_GRPC_CLIENT_H

#include "clusters/grpc_frame.h"
#include "clusters/http_client.h"

struct sp_grpc_call;

struct sp_grpc_request {
    struct sp_str authority, path; /* "/package.Service/Method" */
    struct sp_str message;         /* serialised; copied, as all here */
    const struct sp_header *metadata;
    unsigned n_metadata;
    const struct sp_span *parent;  /* as in sp_http_request */
    struct sp_str span_name;
    uint64_t timeout_ns;           /* for the whole call; more than 0 */
    size_t max_message;            /* of the answer */
};

/*
 * `code`: SP_GRPC_OK, with the answer's message, or why there is none, with a text for the log (the peer's grpc-message
 * as it came, or what is wrong with its answer).  Both are gone when this returns.
 */
typedef void sp_grpc_call_cb(void *ctx, int code, struct sp_str message, struct sp_str why);

struct sp_grpc_call *sp_grpc_call_start(struct sp_cluster *c, struct sp_worker *w, const struct sp_grpc_request *r,
                                        sp_grpc_call_cb *done, void *ctx);
/* Before `done` came: it will not come. */
void sp_grpc_call_cancel(struct sp_grpc_call *call);

#endif
