/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding one's way in a config, for the checks of `sallyport audit`.  Private to tools/audit*.  Pure, one thread. */
#ifndef SP_TOOLS_AUDIT_LOOK_H
#define SP_TOOLS_AUDIT_LOOK_H

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"
#include "stream/filter.h"
#include "tools/audit_checks.h"

typedef Envoy__Config__Listener__V3__Listener sp_look_listener;
typedef Envoy__Config__Cluster__V3__Cluster sp_look_cluster;
typedef Envoy__Config__Route__V3__Route sp_look_route;
typedef Envoy__Config__Route__V3__VirtualHost sp_look_vhost;
typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager sp_look_hcm;
typedef Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext sp_look_tls;
typedef Envoy__Extensions__TransportSockets__Tls__V3__UpstreamTlsContext sp_look_up_tls;
typedef Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext sp_look_validation;

struct sp_look_chain {
    const sp_look_listener *listener;
    const Envoy__Config__Listener__V3__FilterChain *chain;
    const sp_look_hcm *hcm; /* or NULL */
    const sp_look_tls *tls; /* or NULL */
    bool outside;           /* its address can be reached from other machines */
};

/* Runs a check on all that it looks at: each filter chain of each listener, the default ones too, each virtual host ... */
void sp_look_run(struct sp_audit *a, const struct sp_audit_check *check);
/* Filter chain `i` of a listener; its default one is the last. False: it has no more. */
bool sp_look_chain_of(const struct sp_audit *a, const sp_look_listener *l, size_t i, struct sp_look_chain *ret);

/* A message's field of that name and type that is not repeated, or NULL. */
const void *sp_look_field(const void *msg, const char *name, ProtobufCType type);
/* Whether a gate or a filter refuses everybody whom it should: the fields are the same in all of ours. */
bool sp_look_enforces(const void *msg);
/* The registry's entry for a filter's message, or NULL. */
const struct sp_filter_ops *sp_look_ops(const void *msg);
/* The message of HTTP filter `i`, what a Staged holds instead of it; NULL if it is disabled or only on trial. */
const ProtobufCMessage *sp_look_filter(const struct sp_audit *a, const sp_look_hcm *hcm, size_t i);
/* The first enforced one of that type at or behind *i, which is set behind it; NULL: none. */
const void *sp_look_filter_as(const struct sp_audit *a, const sp_look_hcm *hcm, size_t *i, const ProtobufCMessageDescriptor *desc);
bool sp_look_has_filter(const struct sp_audit *a, const sp_look_hcm *hcm, const ProtobufCMessageDescriptor *desc);

/* The parts of a message that has only one of several, or NULL. */
const Envoy__Config__Route__V3__RouteConfiguration *sp_look_table(const sp_look_hcm *hcm);
const Envoy__Config__Route__V3__RouteAction *sp_look_action(const sp_look_route *r);
const Envoy__Config__Route__V3__RedirectAction *sp_look_redirect(const sp_look_route *r);
const sp_look_validation *sp_look_validation_of(const Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext *c);
/* Whether a route names this cluster, alone or among others. */
bool sp_look_goes_to(const sp_look_route *r, const char *cluster);

/* Whether other machines can reach it. */
bool sp_look_is_outside(const Envoy__Config__Core__V3__Address *address);
static inline bool sp_look_true(const Google__Protobuf__BoolValue *v)
{
    return v && v->value;
}
/* A duration that is written as 0. */
static inline bool sp_look_is_zero(const Google__Protobuf__Duration *d)
{
    return d && d->seconds == 0 && d->nanos == 0;
}

/* What stands in the way of who reaches a listener's address. */
bool sp_look_gated_at_accept(const struct sp_audit *a, const sp_look_listener *l, size_t n, bool allow);
bool sp_look_needs_certificate(const sp_look_tls *tls);
const sp_look_validation *sp_look_client_validation(const sp_look_tls *tls);
/* An enforced origin_shield, or NULL. */
const Sallyport__Filters__Http__OriginShield__V1__OriginShield *sp_look_shield(const struct sp_audit *a, const sp_look_hcm *hcm);
/* Somebody is known to be at the other end: an origin_shield, an allow list at accept, a client certificate. */
bool sp_look_knows_peer(const struct sp_audit *a, const struct sp_look_chain *c);

#endif
