/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding one's way in the messages of a config: for the tools that read it instead of running it.  Pure, any thread. */
#ifndef SP_TOOLS_LOOK_H
#define SP_TOOLS_LOOK_H

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"
#include "stream/filter.h"

typedef Envoy__Config__Listener__V3__Listener sp_look_listener;
typedef Envoy__Config__Cluster__V3__Cluster sp_look_cluster;
typedef Envoy__Config__Route__V3__Route sp_look_route;
typedef Envoy__Config__Route__V3__VirtualHost sp_look_vhost;
typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager sp_look_hcm;
typedef Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext sp_look_tls;
typedef Envoy__Extensions__TransportSockets__Tls__V3__UpstreamTlsContext sp_look_up_tls;
typedef Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext sp_look_validation;

/* A message's field of that name and type that is not repeated, or NULL. */
const void *sp_look_field(const void *msg, const char *name, ProtobufCType type);
/* Calls back for each DataSource of msg itself that holds a secret; index: -1 where the field is no list. */
void sp_look_secrets(const ProtobufCMessage *msg, void (*each)(void *arg, const ProtobufCMessage *msg, const char *field, int index,
                                                               const Envoy__Config__Core__V3__DataSource *source), void *arg);
/* Whether a gate or a filter refuses everybody whom it should: the fields are the same in all of ours. */
bool sp_look_enforces(const void *msg);
/* The registry's entry for a filter's message, or NULL. */
const struct sp_filter_ops *sp_look_ops(const void *msg);
/* The parts of a message that has only one of several, or NULL. */
const Envoy__Config__Route__V3__RouteConfiguration *sp_look_table(const sp_look_hcm *hcm);
const Envoy__Config__Route__V3__RouteAction *sp_look_action(const sp_look_route *r);
const Envoy__Config__Route__V3__RedirectAction *sp_look_redirect(const sp_look_route *r);
const sp_look_validation *sp_look_validation_of(const Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext *c);
/* Whether a listener takes early data; tls may be NULL. */
bool sp_look_early_data(const struct sp_doc *doc, const sp_look_tls *tls);
/* Whether every request has it: a prefix of "/", or the like, and no other condition. */
bool sp_look_takes_all(const Envoy__Config__Route__V3__RouteMatch *m);
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

#endif
