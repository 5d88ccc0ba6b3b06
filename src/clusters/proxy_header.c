/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/proxy_header.h"

#include <assert.h>

#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb-c.h"

typedef Envoy__Config__Core__V3__TransportSocket socket_msg;
typedef Envoy__Extensions__TransportSockets__ProxyProtocol__V3__ProxyProtocolUpstreamTransport proxy_msg;

static const proxy_msg *proxy_of(const struct sp_doc *doc, const socket_msg *socket)
{
    return !socket ? NULL
                   : sp_doc_any_as(doc, socket->typed_config,
                                   &envoy__extensions__transport_sockets__proxy_protocol__v3__proxy_protocol_upstream_transport__descriptor);
}

const socket_msg *sp_transport_inner(const struct sp_doc *doc, const socket_msg *socket)
{
    assert(doc);
    const proxy_msg *proxy = proxy_of(doc, socket);
    return proxy ? proxy->transport_socket : socket;
}

const Envoy__Extensions__TransportSockets__Tls__V3__UpstreamTlsContext *sp_transport_tls(const struct sp_doc *doc,
                                                                                         const socket_msg *socket)
{
    const socket_msg *inner = sp_transport_inner(doc, socket);
    return inner ? sp_doc_any_as(doc, inner->typed_config,
                                 &envoy__extensions__transport_sockets__tls__v3__upstream_tls_context__descriptor)
                 : NULL;
}

void sp_proxy_header_init(struct sp_proxy_header *ret, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                          const socket_msg *socket)
{
    assert(ret && arena && doc && diag);
    const proxy_msg *proxy = proxy_of(doc, socket);
    if (!proxy)
        return;
    if (proxy_of(doc, proxy->transport_socket))
        sp_doc_err(doc, diag, proxy, "transport_socket", -1,
                   "is another PROXY header, and a connection has one (use an UpstreamTlsContext or a RawBuffer)");
    sp_proxy_config_init(ret, arena, doc, diag, proxy->config);
}
