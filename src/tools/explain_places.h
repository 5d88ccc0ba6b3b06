/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From what is compiled back to the messages it was compiled from: for places and words of the config.  Each may be NULL
 * where there is none.  Private to tools/explain*.  Pure.
 */
#ifndef SP_TOOLS_EXPLAIN_PLACES_H
#define SP_TOOLS_EXPLAIN_PLACES_H

#include "config/doc.h"
#include "envoy/config/listener/v3/listener.pb-c.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"

struct sp_places {
    const struct sp_doc *doc;
    const Envoy__Config__Listener__V3__Listener *listener;
    const Envoy__Config__Listener__V3__FilterChain *chain;
    const Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager *hcm;
    const Envoy__Config__Route__V3__RouteConfiguration *routes;
};

/* Filter chain `index` of p->listener, the default one last: chain, hcm and routes. */
void sp_places_chain(struct sp_places *p, unsigned index);
/* Gate i of p->listener: its ListenerFilter. */
const void *sp_places_gate(const struct sp_places *p, unsigned i);
const void *sp_places_filter(const struct sp_places *p, struct sp_str name);
const Envoy__Config__Route__V3__VirtualHost *sp_places_vhost(const struct sp_places *p, unsigned index);
const Envoy__Config__Route__V3__Route *sp_places_route(const struct sp_places *p, unsigned vhost, unsigned index);

#endif
