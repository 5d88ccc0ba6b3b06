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
#include "net/proxy_write.h"

/* Part of a cluster, immutable. */
struct sp_proxy_header {
    uint8_t version;     /* 0: none is written; else 1 or 2 */
    struct sp_str tlvs;  /* of version 2; in the cluster's arena */
    struct sp_str local; /* of connections that are nobody's: health checks, calls of filters; static */
};

/* The socket behind a PROXY header, where `socket` is one; else `socket`, which may be NULL. */
const Envoy__Config__Core__V3__TransportSocket *sp_transport_inner(const struct sp_doc *doc,
                                                                   const Envoy__Config__Core__V3__TransportSocket *socket);
/* The TLS that a cluster speaks, behind a PROXY header or not; NULL: none. `socket` may be NULL. */
const Envoy__Extensions__TransportSockets__Tls__V3__UpstreamTlsContext *
sp_transport_tls(const struct sp_doc *doc, const Envoy__Config__Core__V3__TransportSocket *socket);
/* `ret` is zeroed. Errors go to `diag`. */
void sp_proxy_header_init(struct sp_proxy_header *ret, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                          const Envoy__Config__Core__V3__TransportSocket *socket);
/* What a connection for that client begins with; empty: nothing. The addresses may be NULL: nobody's. */
static inline struct sp_str sp_proxy_header_make(const struct sp_proxy_header *h, struct sp_arena *arena,
                                                 const struct sp_addr *source, const struct sp_addr *destination)
{
    return h->version ? sp_proxy_write(arena, h->version, source, destination, h->tlvs) : SP_STR_NULL;
}

#endif
