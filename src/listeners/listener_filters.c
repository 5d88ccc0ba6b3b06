/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/listener_filters.h"

#include <assert.h>

#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb-c.h"

typedef Envoy__Config__Listener__V3__Listener Message;
typedef Envoy__Config__Listener__V3__ListenerFilter FilterMessage;
typedef Sallyport__Filters__Listener__IpRestriction__V1__IpRestriction GateMessage;

#define INSPECTOR_DESC &envoy__extensions__filters__listener__tls_inspector__v3__tls_inspector__descriptor
#define PROXY_DESC &envoy__extensions__filters__listener__proxy_protocol__v3__proxy_protocol__descriptor
#define RATE_DESC &envoy__extensions__filters__listener__local_ratelimit__v3__local_rate_limit__descriptor
#define GATE_DESC &sallyport__filters__listener__ip_restriction__v1__ip_restriction__descriptor

struct ctx {
    struct sp_listener *l;
    const struct sp_listener_build *b;
    const GateMessage *wants_peer; /* stands before proxy_protocol, so far */
    bool good;
};

static void fail(struct ctx *x, const void *msg, const char *field, const char *why)
{
    sp_doc_err(x->b->doc, x->b->diag, msg, field, -1, "%s", why);
    x->good = false;
}

static void add_gate(struct ctx *x, const GateMessage *msg)
{
    struct sp_listener *l = x->l;
    bool peer = msg->source == SALLYPORT__COMMON__V1__SOURCE__PEER ||
                (l->proxy.set && msg->source == SALLYPORT__COMMON__V1__SOURCE__SOURCE_UNSPECIFIED);
    if (msg->source == SALLYPORT__COMMON__V1__SOURCE__CLIENT)
        fail(x, msg, "source", "there is no CLIENT before the first request (SOCKET or PEER)");
    else if (l->addr.family == AF_UNIX && !(peer && l->proxy.set))
        fail(x, msg, NULL, "peers of a unix socket have no address to go by (the socket's mode says who may connect)");
    else if (l->n_gates == SP_LISTENER_MAX_GATES)
        sp_doc_err(x->b->doc, x->b->diag, msg, NULL, -1, "more than %d of them (join their lists)", SP_LISTENER_MAX_GATES);
    else if (peer && !l->proxy.set)
        x->wants_peer = msg;
    if (l->n_gates == SP_LISTENER_MAX_GATES) {
        x->good = false;
        return;
    }
    struct sp_ip_gate *g = &l->gates[l->n_gates++];
    x->good &= sp_ip_gate_init(g, x->b->doc, x->b->diag, msg, l->stats.scope);
    g->peer = peer && l->proxy.set;
}

static bool has_socket_gate(const struct sp_listener *l)
{
    for (unsigned i = 0; i < l->n_gates; i++)
        if (!l->gates[i].peer && !l->gates[i].shadow && l->gates[i].sample.percent >= 100 && l->gates[i].rules.allow)
            return true;
    return false;
}

static void add_proxy(struct ctx *x, const void *msg)
{
    struct sp_listener *l = x->l;
    if (l->proxy.set) {
        fail(x, msg, NULL, "a proxy_protocol stands above already (one header is read)");
        return;
    }
    if (x->wants_peer)
        fail(x, x->wants_peer, "source", "PEER is not known before proxy_protocol (list it behind, or say SOCKET)");
    x->good &= sp_proxy_gate_init(&l->proxy, x->b->doc, x->b->diag, msg);
    if (l->inspect)
        sp_doc_warn(x->b->doc, x->b->diag, msg, NULL, -1,
                    "stands behind tls_inspector, but is read first (Envoy would look for TLS in the PROXY header)");
    if (l->proxy.optional && l->addr.family != AF_UNIX && !has_socket_gate(l))
        sp_doc_warn(x->b->doc, x->b->diag, msg, "allow_requests_without_proxy_protocol", -1,
                    "anyone who can connect may name any PEER (list an ip_restriction with the load balancers before it)");
}

static void add_rate(struct ctx *x, const void *msg)
{
    if (x->l->rated) {
        fail(x, msg, NULL, "a local_ratelimit stands above already (one bucket of a listener)");
        return;
    }
    x->l->rated = true;
    x->good &= sp_rate_gate_init(&x->l->rate, x->b->doc, x->b->diag, msg, x->l->name);
}

bool sp_listener_filters(struct sp_listener *l, const struct sp_listener_build *b, const Message *msg)
{
    assert(l && b && msg);
    struct ctx x = {.l = l, .b = b, .good = true};
    for (size_t i = 0; i < msg->n_listener_filters; i++) {
        const FilterMessage *f = msg->listener_filters[i];
        const void *gate = sp_doc_any_as(b->doc, f->typed_config, GATE_DESC);
        const void *proxy = sp_doc_any_as(b->doc, f->typed_config, PROXY_DESC);
        const void *rate = sp_doc_any_as(b->doc, f->typed_config, RATE_DESC);
        if (gate)
            add_gate(&x, gate);
        else if (proxy)
            add_proxy(&x, proxy);
        else if (rate)
            add_rate(&x, rate);
        else if (sp_doc_any_as(b->doc, f->typed_config, INSPECTOR_DESC))
            l->inspect = true;
        else
            fail(&x, f, "typed_config", "no such listener filter (TlsInspector, ProxyProtocol, LocalRateLimit or sallyport's IpRestriction)");
    }
    return x.good;
}

static bool admits(const struct sp_listener *l, const struct sp_addr *a, bool peer)
{
    for (unsigned i = 0; i < l->n_gates; i++)
        if (l->gates[i].peer == peer && !sp_ip_gate_admit(&l->gates[i], a, l->name))
            return false;
    return true;
}

bool sp_listener_admits_socket(const struct sp_listener *l, const struct sp_addr *socket)
{
    assert(l && socket);
    return admits(l, socket, false);
}

bool sp_listener_admits_peer(const struct sp_listener *l, const struct sp_addr *peer)
{
    assert(l && peer);
    return admits(l, peer, true);
}
