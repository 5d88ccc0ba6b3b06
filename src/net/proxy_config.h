/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * core.v3.ProxyProtocolConfig, compiled: the PROXY header that connections to origins, or tunnels through them, begin with.
 * Immutable, part of whoever compiled it and in its arena; any thread.
 */
#ifndef SP_NET_PROXY_CONFIG_H
#define SP_NET_PROXY_CONFIG_H

#include "config/doc.h"
#include "envoy/config/core/v3/proxy_protocol.pb-c.h"
#include "net/proxy_write.h"

struct sp_proxy_header {
    uint8_t version;     /* 0: none is written; else 1 or 2 */
    struct sp_str tlvs;  /* of version 2 */
    struct sp_str local; /* of connections that are nobody's: health checks, calls of filters */
};

/* `ret` is zeroed; `msg` may be NULL: version 1. Errors go to `diag`. */
void sp_proxy_config_init(struct sp_proxy_header *ret, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                          const Envoy__Config__Core__V3__ProxyProtocolConfig *msg);
/* What a connection for that client begins with; empty: nothing. The addresses may be NULL: nobody's. */
static inline struct sp_str sp_proxy_header_make(const struct sp_proxy_header *h, struct sp_arena *arena,
                                                 const struct sp_addr *source, const struct sp_addr *destination)
{
    return h->version ? sp_proxy_write(arena, h->version, source, destination, h->tlvs) : SP_STR_NULL;
}

#endif
