/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What would have gone out: the upstream request, and what filters ask others. */
#include <assert.h>

#include "clusters/cluster.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "event/turn.h"
#include "route/mirror.h"
#include "route/route.h"
#include "stream/chain.h"
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

typedef Envoy__Config__Cluster__V3__Cluster Cluster;

static const Cluster *message_of(const struct sp_report *r, struct sp_str name)
{
    const Envoy__Config__Bootstrap__V3__Bootstrap *b = sp_doc_root(r->doc);
    for (size_t i = 0; b->static_resources && i < b->static_resources->n_clusters; i++)
        if (sp_str_eq(sp_str_c(b->static_resources->clusters[i]->name), name))
            return b->static_resources->clusters[i];
    return NULL;
}

/* Names that the server would ask DNS for: "origin.example.com:443". Returns one, for the authority. */
static struct sp_str add_names(struct sp_report *r, json_t *o, const Cluster *msg)
{
    json_t *list = json_array();
    struct sp_str first = SP_STR_NULL;
    for (size_t i = 0; msg->load_assignment && i < msg->load_assignment->n_endpoints; i++) {
        const Envoy__Config__Endpoint__V3__LocalityLbEndpoints *l = msg->load_assignment->endpoints[i];
        for (size_t k = 0; k < l->n_lb_endpoints; k++) {
            const Envoy__Config__Endpoint__V3__Endpoint *e = l->lb_endpoints[k]->endpoint;
            if (!e || !e->address || !e->address->socket_address)
                continue;
            const Envoy__Config__Core__V3__SocketAddress *a = e->address->socket_address;
            struct sp_str text = sp_arena_printf(&r->arena, "%s:%u", a->address, a->port_value);
            json_array_append_new(list, sp_report_str(text));
            if (!first.len)
                first = sp_str_c(e->hostname[0] ? e->hostname : a->address);
        }
    }
    if (json_array_size(list))
        json_object_set(o, "by_dns", list);
    json_decref(list);
    return first;
}

/* The host; of a cluster whose hosts are found by name, the names. */
static void add_host(struct sp_report *r, json_t *o, const struct sp_offline_request *q)
{
    char text[SP_ADDR_TEXT_MAX];
    const Cluster *msg = q->has_host ? NULL : message_of(r, q->cluster_name);
    if (msg) {
        struct sp_str name = add_names(r, o, msg);
        json_t *head = json_object_get(o, "request");
        if (q->auto_host_rewrite && name.len)
            json_object_set_new(head, "authority", sp_report_str(name));
    }
    if (!q->has_host)
        return;
    sp_addr_format(&q->host, text);
    sp_report_set(o, "host", sp_str_c(text));
    sp_report_set(o, "hostname", q->hostname);
}

/* By whom a copy is named: NULL, where a header says no cluster's name. */
static json_t *copy_of(const struct sp_report *r, const struct sp_mirror_policy *p, const struct sp_headers *h)
{
    struct sp_str name = p->cluster ? sp_cluster_name(p->cluster) : sp_headers_get(h, p->header);
    if (!p->cluster && (!name.len || !message_of(r, name)))
        return NULL;
    json_t *o = json_object();
    sp_report_set(o, "cluster", name);
    sp_report_set(o, "cluster_header", p->header);
    if (p->denominator)
        sp_report_setf(o, "share", "%u of %u requests", SP_MIN(p->numerator, p->denominator), p->denominator);
    return o;
}

/* request_mirror_policies of the route, or what it has of its virtual host or table. */
static void add_copies(const struct sp_explain_asked *a, json_t *o, const struct sp_headers *h)
{
    const struct sp_route *route = a->chain->route;
    json_t *list = json_array();
    for (unsigned i = 0; route && !h->protocol.len && i < route->n_mirrors; i++) {
        json_t *copy = copy_of(a->report, &route->mirrors[i], h);
        if (copy)
            json_array_append_new(list, copy);
    }
    if (json_array_size(list))
        json_object_set(o, "copies", list);
    json_decref(list);
}

static void upstream(struct sp_explain_asked *a, const struct sp_offline_request *q)
{
    struct sp_report *r = a->report;
    json_t *o = json_object();
    sp_report_set(o, "cluster", q->cluster_name);
    json_object_set_new(o, "protocol", json_string(q->protocol));
    json_object_set_new(o, "tls", json_boolean(q->tls));
    sp_report_set(o, "sni", q->sni);
    sp_report_set(o, "verify_name", q->verify_name);
    json_object_set_new(o, "request", head_of(r, q->head));
    add_host(r, o, q);
    set_ms(o, "connect_timeout_ms", q->connect_ns);
    set_ms(o, "timeout_ms", q->timeout_ns);
    set_ms(o, "per_try_timeout_ms", q->per_try_ns);
    json_object_set_new(o, "retries", json_integer(q->retries));
    json_object_set_new(o, "follows_redirects", json_boolean(q->redirects));
    add_copies(a, o, q->head);
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
    add_host(r, step, q);
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
