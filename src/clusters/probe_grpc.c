/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/probe_grpc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/grpc_frame.h"
#include "clusters/probe_stream.h"
#include "grpc/health/v1/health.pb-c.h"

enum { MAX_ANSWER = 4096 };

struct grpc_probe {
    struct sp_probe_stream stream;
    struct sp_buf body;
    char text[64];
};

static struct grpc_probe *of(struct sp_probe_stream *p)
{
    return SP_CONTAINER_OF(p, struct grpc_probe, stream);
}

static struct sp_str authority(const struct sp_probe_stream *p)
{
    return sp_probe_stream_name(p, p->base.config->host);
}

static struct sp_str request(struct sp_probe_stream *p, struct sp_headers *h)
{
    char *timeout = sp_arena_alloc(h->arena, SP_GRPC_TIMEOUT_MAX);
    sp_buf_clear(&of(p)->body);
    h->method = SP_STR("POST");
    h->path = SP_STR("/grpc.health.v1.Health/Check");
    sp_headers_add_id(h, SP_H_CONTENT_TYPE, SP_STR("application/grpc"));
    sp_headers_add_id(h, SP_H_TE, SP_STR("trailers"));
    sp_probe_stream_edit(p, h);
    sp_headers_set(h, SP_STR("grpc-timeout"), sp_str_n(timeout, sp_grpc_timeout_text(p->base.config->timeout_ns, timeout)));
    return p->base.config->send;
}

/* --- the answer --- */

static void over(struct grpc_probe *p, enum sp_probe_result result, struct sp_str text)
{
    sp_buf_clear(&p->body);
    sp_probe_stream_over(&p->stream, &(struct sp_probe_verdict){.result = result, .text = text});
}

static void refuse(struct grpc_probe *p, const char *text)
{
    over(p, SP_PROBE_UNHEALTHY, sp_str_c(text));
}

static void refuse_number(struct grpc_probe *p, const char *what, unsigned n)
{
    over(p, SP_PROBE_UNHEALTHY, sp_str_n(p->text, (size_t)snprintf(p->text, sizeof(p->text), "%s %u", what, n)));
}

/* The call succeeded: what does the message say? */
static void judge_message(struct grpc_probe *p)
{
    struct sp_str message;
    if (!sp_grpc_unframe(&p->body, &message)) {
        refuse(p, "the answer is not one message that is not compressed");
        return;
    }
    Grpc__Health__V1__HealthCheckResponse *r =
        grpc__health__v1__health_check_response__unpack(NULL, message.len, (const uint8_t *)message.ptr);
    if (!r) {
        refuse(p, "the answer is no HealthCheckResponse");
        return;
    }
    unsigned status = (unsigned)r->status;
    grpc__health__v1__health_check_response__free_unpacked(r, NULL);
    if (status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING)
        over(p, SP_PROBE_HEALTHY, SP_STR_NULL);
    else if (status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING)
        refuse(p, "it says NOT_SERVING");
    else
        refuse_number(p, "it says serving status", status);
}

/* The head of an answer that is nothing else, or trailers. */
static void judge_end(struct grpc_probe *p, const struct sp_headers *end)
{
    uint64_t code;
    if (sp_str_u64(sp_headers_get_id(end, SP_H_GRPC_STATUS), SP_GRPC_CODE_MAX, &code) < 0)
        refuse(p, "the answer has no grpc-status");
    else if (code != SP_GRPC_OK)
        refuse_number(p, "grpc-status", (unsigned)code);
    else
        judge_message(p);
}

static bool is_grpc(const struct sp_headers *h)
{
    struct sp_str type = sp_headers_get_id(h, SP_H_CONTENT_TYPE), name = SP_STR("application/grpc");
    return sp_str_istarts(type, name) && (type.len == name.len || type.ptr[name.len] == '+' || type.ptr[name.len] == ';');
}

static void headers(struct sp_probe_stream *s, const struct sp_headers *h, bool end)
{
    struct grpc_probe *p = of(s);
    if (end && sp_headers_find_id(h, SP_H_GRPC_STATUS, NULL))
        judge_end(p, h);
    else if (h->status != 200)
        refuse_number(p, "the answer is no gRPC: status", h->status);
    else if (end)
        refuse(p, "the answer has no grpc-status");
    else if (!is_grpc(h))
        refuse(p, "the answer is no gRPC: its content-type is something else");
}

static void data(struct sp_probe_stream *s, struct sp_buf *b, bool end)
{
    struct grpc_probe *p = of(s);
    sp_buf_move(&p->body, b);
    if (p->body.len > MAX_ANSWER)
        refuse(p, "the answer is too large");
    else if (end)
        refuse(p, "the answer has no grpc-status");
}

static void trailers(struct sp_probe_stream *s, const struct sp_headers *t)
{
    judge_end(of(s), t);
}

static void destroy(struct sp_probe_stream *s)
{
    struct grpc_probe *p = of(s);
    sp_buf_clear(&p->body);
    free(p);
}

static const struct sp_probe_stream_ops ask = {authority, request, headers, data, trailers, destroy};

struct sp_probe *sp_probe_grpc_new(void)
{
    struct grpc_probe *p = sp_xcalloc(1, sizeof(*p));
    sp_buf_init(&p->body);
    sp_probe_stream_init(&p->stream, &ask);
    return &p->stream.base;
}
