/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/grpc_client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "event/worker.h"

struct sp_grpc_call {
    struct sp_http_call *http;
    struct sp_turn *turn;
    sp_grpc_call_cb *done;
    void *ctx;
    struct sp_grave grave;
};

static void call_free(struct sp_grave *g)
{
    free(SP_CONTAINER_OF(g, struct sp_grpc_call, grave));
}

static void bury(struct sp_grpc_call *c)
{
    c->http = NULL;
    c->grave.free = call_free;
    sp_bury(c->turn, &c->grave);
}

/* gRPC's mapping for what is no gRPC answer at all: a proxy's, or a server's that is something else. */
static int code_of_http(unsigned status)
{
    return status == 429 || (status >= 502 && status <= 504) ? SP_GRPC_UNAVAILABLE : SP_GRPC_UNKNOWN;
}

static int code_of_abort(enum sp_abort why)
{
    switch (why) {
    case SP_ABORT_TIMEOUT:
        return SP_GRPC_DEADLINE_EXCEEDED;
    case SP_ABORT_TOO_LARGE:
        return SP_GRPC_RESOURCE_EXHAUSTED;
    default:
        return SP_GRPC_UNAVAILABLE;
    }
}

static int judge(const struct sp_grpc_call *c, unsigned status, const struct sp_headers *h, struct sp_buf *body,
                 struct sp_str *ret_message, struct sp_str *ret_why)
{
    if (status != 200) {
        *ret_why = SP_STR("the answer is no gRPC: its status is not 200");
        return code_of_http(status);
    }
    if (!sp_str_istarts(sp_headers_get_id(h, SP_H_CONTENT_TYPE), SP_STR("application/grpc"))) {
        *ret_why = SP_STR("the answer is no gRPC: its content-type is something else");
        return SP_GRPC_UNKNOWN;
    }
    const struct sp_headers *trailers = sp_http_call_trailers(c->http);
    const struct sp_headers *end = trailers ? trailers : h;
    uint64_t code;
    if (sp_str_u64(sp_headers_get_id(end, SP_H_GRPC_STATUS), SP_GRPC_CODE_MAX, &code) < 0) {
        *ret_why = SP_STR("the answer has no grpc-status");
        return SP_GRPC_UNKNOWN;
    }
    if (code != SP_GRPC_OK) {
        *ret_why = sp_headers_get_id(end, SP_H_GRPC_MESSAGE);
        return (int)code;
    }
    if (sp_grpc_unframe(body, ret_message))
        return SP_GRPC_OK;
    *ret_why = SP_STR("the answer is not one message that is not compressed");
    return SP_GRPC_INTERNAL;
}

static void on_done(void *ctx, unsigned status, const struct sp_headers *h, struct sp_buf *body, enum sp_abort why)
{
    struct sp_grpc_call *c = ctx;
    struct sp_str message = SP_STR_NULL, text = SP_STR_NULL;
    int code;
    if (h) {
        code = judge(c, status, h, body, &message, &text);
    } else {
        code = code_of_abort(why);
        text = code == SP_GRPC_DEADLINE_EXCEEDED ? SP_STR("no answer in time")
               : code == SP_GRPC_RESOURCE_EXHAUSTED ? SP_STR("the answer is too large") : SP_STR("no connection, or it ended");
    }
    c->done(c->ctx, code, message, text);
    bury(c);
}

struct sp_grpc_call *sp_grpc_call_start(struct sp_cluster *cluster, struct sp_worker *w, const struct sp_grpc_request *r,
                                        sp_grpc_call_cb *done, void *ctx)
{
    assert(cluster && w && r && done && r->path.len && r->timeout_ns && r->message.len <= UINT32_MAX);
    struct sp_grpc_call *c = sp_xcalloc(1, sizeof(*c));
    char timeout[SP_GRPC_TIMEOUT_MAX], *body = sp_xmalloc(SP_GRPC_PREFIX + r->message.len);
    struct sp_header *headers = sp_xcalloc(3 + r->n_metadata, sizeof(*headers));
    headers[0] = (struct sp_header){.name = SP_STR("content-type"), .value = SP_STR("application/grpc")};
    headers[1] = (struct sp_header){.name = SP_STR("te"), .value = SP_STR("trailers")};
    headers[2] = (struct sp_header){.name = SP_STR("grpc-timeout"), .value = sp_str_n(timeout, sp_grpc_timeout_text(r->timeout_ns, timeout))};
    for (unsigned i = 0; i < r->n_metadata; i++)
        headers[3 + i] = r->metadata[i];
    uint32_t len = (uint32_t)r->message.len;
    sp_grpc_prefix(body, len);
    if (len)
        memcpy(body + SP_GRPC_PREFIX, r->message.ptr, len);
    c->turn = &w->turn;
    c->done = done;
    c->ctx = ctx;
    c->http = sp_http_call_start(cluster, w, &(struct sp_http_request){
        .method = SP_STR("POST"), .scheme = sp_cluster_tls(cluster) ? SP_STR("https") : SP_STR("http"),
        .authority = r->authority.len ? r->authority : sp_cluster_name(cluster), .path = r->path,
        .headers = headers, .n_headers = 3 + r->n_metadata, .parent = r->parent, .span_name = r->span_name, .body = sp_str_n(body, SP_GRPC_PREFIX + len),
        .timeout_ns = r->timeout_ns, .max_body = SP_GRPC_PREFIX + r->max_message}, on_done, c);
    free(headers);
    free(body);
    return c;
}

void sp_grpc_call_cancel(struct sp_grpc_call *call)
{
    assert(call && call->http);
    sp_http_call_cancel(call->http);
    bury(call);
}
