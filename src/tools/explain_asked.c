/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What would have gone out: the upstream request, and what filters ask others. */
#include <assert.h>

#include "clusters/cluster.h"
#include "event/turn.h"
#include "route/route.h"
#include "tools/explain_stream.h"

static void set_ms(json_t *o, const char *name, uint64_t ns)
{
    if (ns)
        json_object_set_new(o, name, json_integer((json_int_t)(ns / SP_NS_PER_MS)));
}

static json_t *head_of(const struct sp_report *r, const struct sp_headers *h)
{
    json_t *o = json_object();
    sp_report_set(o, "method", h->method);
    sp_report_set(o, "scheme", h->scheme);
    sp_report_set(o, "authority", h->authority);
    sp_report_set(o, "path", h->path);
    json_object_set_new(o, "headers", sp_report_headers(r, h));
    return o;
}

static void add_host(json_t *o, const struct sp_offline_request *q)
{
    char text[SP_ADDR_TEXT_MAX];
    if (!q->has_host)
        return;
    sp_addr_format(&q->host, text);
    sp_report_set(o, "host", sp_str_c(text));
    sp_report_set(o, "hostname", q->hostname);
}

static void upstream(struct sp_explain_asked *a, const struct sp_offline_request *q)
{
    struct sp_report *r = a->report;
    json_t *o = json_object();
    sp_report_set(o, "cluster", q->cluster_name);
    add_host(o, q);
    json_object_set_new(o, "protocol", json_string(q->protocol));
    json_object_set_new(o, "tls", json_boolean(q->tls));
    sp_report_set(o, "sni", q->sni);
    sp_report_set(o, "verify_name", q->verify_name);
    json_object_set_new(o, "request", head_of(r, q->head));
    set_ms(o, "connect_timeout_ms", q->connect_ns);
    set_ms(o, "timeout_ms", q->timeout_ns);
    set_ms(o, "per_try_timeout_ms", q->per_try_ns);
    json_object_set_new(o, "retries", json_integer(q->retries));
    json_object_set_new(r->root, "upstream", o);
    a->upstream = true;
}

/* A filter's, or one of those at the start: JWKS, discovery. */
static void call(struct sp_explain_asked *a, const struct sp_offline_request *q)
{
    struct sp_report *r = a->report;
    a->last = sp_arena_printf(&r->arena, "%.*s", SP_STR_ARG(q->cluster_name));
    a->at_start |= !a->info;
    json_t *step = sp_report_step(r, "asks", q->cluster_name, "unknown", "%s", a->info ? "nobody is asked here"
                                                                                       : "at the start; nobody is asked here");
    json_object_set_new(step, "request", head_of(r, q->head));
    add_host(step, q);
}

static void on_asked(struct sp_offline *o, const struct sp_offline_request *q)
{
    struct sp_explain_asked *a = SP_CONTAINER_OF(o, struct sp_explain_asked, o);
    if (q->info && q->info == a->info)
        upstream(a, q);
    else
        call(a, q);
}

void sp_explain_asked_init(struct sp_explain_asked *a, struct sp_report *report)
{
    assert(a && report);
    *a = (struct sp_explain_asked){.o.asked = on_asked, .report = report};
}
