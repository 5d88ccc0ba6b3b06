/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/audit_look.h"

#include <assert.h>

#include "sallyport/filters/listener/ip_restriction/v1/ip_restriction.pb-c.h"
#include "stream/staged.h"

typedef Sallyport__Filters__Listener__IpRestriction__V1__IpRestriction ListenerGate;
typedef Sallyport__Filters__Http__OriginShield__V1__OriginShield Shield;

#define HCM_DESC \
    &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor
#define TLS_DESC &envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor
#define GATE_DESC &sallyport__filters__listener__ip_restriction__v1__ip_restriction__descriptor
#define SHIELD_DESC &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor

/* ---- walks ---- */

static struct sp_look_chain look_at(const struct sp_audit *a, const sp_look_listener *l, const Envoy__Config__Listener__V3__FilterChain *c)
{
    struct sp_look_chain found = {.listener = l, .chain = c, .outside = sp_look_is_outside(l->address)};
    for (size_t i = 0; !found.hcm && i < c->n_filters; i++)
        found.hcm = sp_doc_any_as(a->doc, c->filters[i]->typed_config, HCM_DESC);
    found.tls = c->transport_socket ? sp_doc_any_as(a->doc, c->transport_socket->typed_config, TLS_DESC) : NULL;
    return found;
}

bool sp_look_chain_of(const struct sp_audit *a, const sp_look_listener *l, size_t i, struct sp_look_chain *ret)
{
    assert(a && l && ret);
    size_t n = l->n_filter_chains;
    if (i > n || (i == n && !l->default_filter_chain))
        return false;
    *ret = look_at(a, l, i < n ? l->filter_chains[i] : l->default_filter_chain);
    return true;
}

static void in_vhost(struct sp_audit *a, const struct sp_look_chain *c, const sp_look_vhost *v)
{
    if (a->check->vhost)
        a->check->vhost(a, c, v);
    for (size_t i = 0; a->check->route && i < v->n_routes; i++)
        a->check->route(a, c, v->routes[i]);
}

static void in_chain(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (a->check->chain)
        a->check->chain(a, c);
    const Envoy__Config__Route__V3__RouteConfiguration *table = sp_look_table(c->hcm);
    for (size_t i = 0; table && i < table->n_virtual_hosts; i++)
        in_vhost(a, c, table->virtual_hosts[i]);
}

static void in_message(void *arg, const ProtobufCMessage *msg)
{
    struct sp_audit *a = arg;
    a->check->message(a, msg);
}

void sp_look_run(struct sp_audit *a, const struct sp_audit_check *check)
{
    assert(a && check);
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *res = a->bootstrap->static_resources;
    struct sp_look_chain c;
    a->check = check;
    if (check->whole)
        check->whole(a);
    if (check->message)
        sp_doc_each(a->doc, in_message, a);
    for (size_t i = 0; check->listener && res && i < res->n_listeners; i++)
        check->listener(a, res->listeners[i]);
    for (size_t i = 0; check->cluster && res && i < res->n_clusters; i++)
        check->cluster(a, res->clusters[i]);
    for (size_t i = 0; (check->chain || check->vhost || check->route) && res && i < res->n_listeners; i++)
        for (size_t k = 0; sp_look_chain_of(a, res->listeners[i], k, &c); k++)
            in_chain(a, &c);
}

/* ---- filters ---- */

const ProtobufCMessage *sp_look_filter(const struct sp_audit *a, const sp_look_hcm *hcm, size_t i)
{
    assert(a && hcm && i < hcm->n_http_filters);
    const Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpFilter *f = hcm->http_filters[i];
    const ProtobufCMessage *whole = sp_doc_any(a->doc, f->typed_config);
    const ProtobufCMessage *msg = sp_staged_content(a->doc, f->typed_config);
    if (!whole || !msg || f->disabled || !sp_look_enforces(msg) || !sp_look_enforces(whole))
        return NULL;
    return msg;
}

const void *sp_look_filter_as(const struct sp_audit *a, const sp_look_hcm *hcm, size_t *i, const ProtobufCMessageDescriptor *desc)
{
    assert(a && i && desc);
    while (hcm && *i < hcm->n_http_filters) {
        const ProtobufCMessage *msg = sp_look_filter(a, hcm, (*i)++);
        if (msg && msg->descriptor == desc)
            return msg;
    }
    return NULL;
}

bool sp_look_has_filter(const struct sp_audit *a, const sp_look_hcm *hcm, const ProtobufCMessageDescriptor *desc)
{
    size_t i = 0;
    return sp_look_filter_as(a, hcm, &i, desc) != NULL;
}

/* ---- what stands in the way ---- */

/* An enforcing ip_restriction among the first `n` listener filters; with `allow`: one that knows who may, not who may not. */
bool sp_look_gated_at_accept(const struct sp_audit *a, const sp_look_listener *l, size_t n, bool allow)
{
    for (size_t i = 0; i < n; i++) {
        const ListenerGate *g = sp_doc_any_as(a->doc, l->listener_filters[i]->typed_config, GATE_DESC);
        if (g && sp_look_enforces(g) && (!allow || g->n_allow || g->n_allow_lists))
            return true;
    }
    return false;
}

bool sp_look_needs_certificate(const sp_look_tls *tls)
{
    return tls && sp_look_true(tls->require_client_certificate);
}

const sp_look_validation *sp_look_client_validation(const sp_look_tls *tls)
{
    return tls ? sp_look_validation_of(tls->common_tls_context) : NULL;
}

const Shield *sp_look_shield(const struct sp_audit *a, const sp_look_hcm *hcm)
{
    size_t i = 0;
    return sp_look_filter_as(a, hcm, &i, SHIELD_DESC);
}

bool sp_look_knows_peer(const struct sp_audit *a, const struct sp_look_chain *c)
{
    return sp_look_shield(a, c->hcm) || sp_look_gated_at_accept(a, c->listener, c->listener->n_listener_filters, true) ||
           sp_look_needs_certificate(c->tls);
}
