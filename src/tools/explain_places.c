/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/explain_places.h"

#include <assert.h>

#include "sallyport/filters/listener/ip_restriction/v1/ip_restriction.pb-c.h"

#define HCM_DESC \
    &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor
#define GATE_DESC &sallyport__filters__listener__ip_restriction__v1__ip_restriction__descriptor

void sp_places_chain(struct sp_places *p, unsigned index)
{
    assert(p);
    if (!p->listener)
        return;
    p->chain = index < p->listener->n_filter_chains ? p->listener->filter_chains[index] : p->listener->default_filter_chain;
    for (size_t i = 0; p->chain && !p->hcm && i < p->chain->n_filters; i++)
        p->hcm = sp_doc_any_as(p->doc, p->chain->filters[i]->typed_config, HCM_DESC);
    if (p->hcm)
        p->routes = p->hcm->route_config;
}

const void *sp_places_gate(const struct sp_places *p, unsigned i)
{
    for (size_t k = 0; p->listener && k < p->listener->n_listener_filters; k++)
        if (sp_doc_any_as(p->doc, p->listener->listener_filters[k]->typed_config, GATE_DESC) && i-- == 0)
            return p->listener->listener_filters[k];
    return NULL;
}

const void *sp_places_filter(const struct sp_places *p, struct sp_str name)
{
    for (size_t i = 0; p->hcm && i < p->hcm->n_http_filters; i++)
        if (sp_str_eq(sp_str_c(p->hcm->http_filters[i]->name), name))
            return p->hcm->http_filters[i];
    return NULL;
}

const Envoy__Config__Route__V3__VirtualHost *sp_places_vhost(const struct sp_places *p, unsigned index)
{
    return p->routes && index < p->routes->n_virtual_hosts ? p->routes->virtual_hosts[index] : NULL;
}

const Envoy__Config__Route__V3__Route *sp_places_route(const struct sp_places *p, unsigned vhost, unsigned index)
{
    const Envoy__Config__Route__V3__VirtualHost *v = sp_places_vhost(p, vhost);
    return v && index < v->n_routes ? v->routes[index] : NULL;
}
