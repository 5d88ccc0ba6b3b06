/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/probe_http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/health_payload.h"
#include "clusters/probe_stream.h"

struct http_probe {
    struct sp_probe_stream stream;
    struct sp_probe_verdict verdict; /* by the head of the answer */
    struct sp_buf body;              /* what `receive` is looked for in */
    bool strange;                    /* of another service than the one that is meant */
    char text[64];
};

static struct http_probe *of(struct sp_probe_stream *p)
{
    return SP_CONTAINER_OF(p, struct http_probe, stream);
}

static struct sp_str authority(const struct sp_probe_stream *p)
{
    return sp_probe_stream_name(p, p->base.config->host);
}

static struct sp_str request(struct sp_probe_stream *p, struct sp_headers *h)
{
    const struct sp_health_config *c = p->base.config;
    sp_buf_clear(&of(p)->body);
    h->method = c->method;
    h->path = c->path;
    sp_probe_stream_edit(p, h);
    if (c->send.len) {
        char *length = sp_arena_alloc(h->arena, 24);
        sp_headers_remove(h, SP_STR("content-length"));
        sp_headers_add_id(h, SP_H_CONTENT_LENGTH, sp_str_n(length, (size_t)snprintf(length, 24, "%zu", c->send.len)));
    }
    return c->send;
}

static bool in_ranges(const struct sp_status_range *r, unsigned n, unsigned status)
{
    for (unsigned i = 0; i < n; i++)
        if (status >= r[i].from && status < r[i].upto)
            return true;
    return false;
}

static bool stranger(const struct sp_health_config *c, const struct sp_headers *h)
{
    const struct sp_header *name = sp_headers_find(h, SP_STR("x-envoy-upstream-healthchecked-cluster"), NULL);
    return c->service && !sp_string_match(c->service, name ? name->value : SP_STR_NULL);
}

/* By the head, which is gone when the body has come. */
static void judge_head(struct http_probe *p, const struct sp_headers *h)
{
    const struct sp_health_config *c = p->stream.base.config;
    struct sp_probe_verdict *v = &p->verdict;
    *v = (struct sp_probe_verdict){.result = SP_PROBE_HEALTHY, .status = h->status};
    v->immediate_fail = sp_headers_find(h, SP_STR("x-envoy-immediate-health-check-fail"), NULL) != NULL;
    p->strange = stranger(c, h);
    if (in_ranges(c->expected, c->n_expected, h->status)) {
        if (sp_headers_find(h, SP_STR("x-envoy-degraded"), NULL))
            v->result = SP_PROBE_DEGRADED;
        return;
    }
    v->result = in_ranges(c->retriable, c->n_retriable, h->status) ? SP_PROBE_RETRIABLE : SP_PROBE_UNHEALTHY;
    v->text = sp_str_n(p->text, (size_t)snprintf(p->text, sizeof(p->text), "status %u", h->status));
}

/* In Envoy's order: the body, the status, the service. Only who fails by one of the first two can exclude itself. */
static void answered(struct http_probe *p)
{
    const struct sp_health_config *c = p->stream.base.config;
    struct sp_probe_verdict *v = &p->verdict;
    bool fine = v->result == SP_PROBE_HEALTHY || v->result == SP_PROBE_DEGRADED;
    if (!sp_payload_match(c->receive, c->n_receive, &p->body)) {
        v->result = SP_PROBE_UNHEALTHY;
        v->text = SP_STR("its body has not what was to be received");
    } else if (fine) {
        v->immediate_fail = false;
        if (c->service)
            v->asked_service = true;
        if (p->strange) {
            v->result = SP_PROBE_UNHEALTHY;
            v->text = SP_STR("it is of another service than service_name_matcher wants");
        }
    }
    sp_buf_clear(&p->body);
    sp_probe_stream_over(&p->stream, v);
}

static void headers(struct sp_probe_stream *s, const struct sp_headers *h, bool end)
{
    judge_head(of(s), h);
    if (end)
        answered(of(s));
}

/* How long a body may take is bounded by the timeout, how much of it is kept by response_limit. */
static void data(struct sp_probe_stream *s, struct sp_buf *b, bool end)
{
    struct http_probe *p = of(s);
    const struct sp_health_config *c = s->base.config;
    if (c->n_receive && p->body.len < c->response_limit)
        sp_buf_move_n(&p->body, b, SP_MIN(b->len, c->response_limit - p->body.len));
    sp_buf_clear(b);
    if (end)
        answered(p);
}

static void trailers(struct sp_probe_stream *s, const struct sp_headers *t)
{
    (void)t;
    answered(of(s));
}

static void destroy(struct sp_probe_stream *s)
{
    struct http_probe *p = of(s);
    sp_buf_clear(&p->body);
    free(p);
}

static const struct sp_probe_stream_ops ask = {authority, request, headers, data, trailers, destroy};

struct sp_probe *sp_probe_http_new(void)
{
    struct http_probe *p = sp_xcalloc(1, sizeof(*p));
    sp_buf_init(&p->body);
    sp_probe_stream_init(&p->stream, &ask);
    return &p->stream.base;
}
