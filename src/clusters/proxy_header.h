/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster's transport socket: what is in it, and the PROXY header that its connections begin with
 * (ProxyProtocolUpstreamTransport).  A header names one client's connection, so it is part of a pool's key
 * (clusters/pool.h), and nobody else's requests go over that connection.
 */
#ifndef SP_CLUSTERS_PROXY_HEADER_H
#define SP_CLUSTERS_PROXY_HEADER_H

#include "config/doc.h"
#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"
#include "net/proxy_config.h"

/* The socket behind a PROXY header, where `socket` is one; else `socket`, which may be NULL. */
const Envoy__Config__Core__V3__TransportSocket *sp_transport_inner(const struct sp_doc *doc,
                                                                   const Envoy__Config__Core__V3__TransportSocket *socket);
/* The TLS that a cluster speaks, behind a PROXY header or not; NULL: none. `socket` may be NULL. */
const Envoy__Extensions__TransportSockets__Tls__V3__UpstreamTlsContext *
sp_transport_tls(const struct sp_doc *doc, const Envoy__Config__Core__V3__TransportSocket *socket);
/* `ret` is zeroed. Errors go to `diag`. */
void sp_proxy_header_init(struct sp_proxy_header *ret, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                          const Envoy__Config__Core__V3__TransportSocket *socket);
#endif
