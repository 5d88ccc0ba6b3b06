/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/asks.h"

#include <assert.h>

#include "clusters/proxy_header.h"
#include "net/tls_ctx.h"

typedef Sallyport__Tls__V1__Ocsp ocsp_msg;

static const ocsp_msg *of_socket(const struct sp_doc *doc, const Envoy__Config__Core__V3__TransportSocket *outer)
{
    const Envoy__Config__Core__V3__TransportSocket *socket = sp_transport_inner(doc, outer);
    const Envoy__Extensions__TransportSockets__Tls__V3__UpstreamTlsContext *tls =
        socket && socket->typed_config ? sp_doc_any_as(doc, socket->typed_config,
                                                       &envoy__extensions__transport_sockets__tls__v3__upstream_tls_context__descriptor)
                                       : NULL;
    return tls ? sp_tls_ctx_ocsp(doc, tls->common_tls_context) : NULL;
}

void sp_asks_each(const struct sp_doc *doc, const Envoy__Config__Cluster__V3__Cluster *msg,
                  void (*each)(void *arg, unsigned socket, const ocsp_msg *ocsp), void *arg)
{
    assert(doc && msg && each);
    const ocsp_msg *own = of_socket(doc, msg->transport_socket);
    if (own)
        each(arg, 0, own);
    for (unsigned i = 0; i < msg->n_transport_socket_matches; i++) {
        const ocsp_msg *ocsp = of_socket(doc, msg->transport_socket_matches[i]->transport_socket);
        if (ocsp)
            each(arg, i + 1, ocsp);
    }
}

static void note(void *arg, unsigned socket, const ocsp_msg *ocsp)
{
    (void)socket, (void)ocsp;
    *(bool *)arg = true;
}

bool sp_asks(const struct sp_doc *doc, const Envoy__Config__Cluster__V3__Cluster *msg)
{
    bool any = false;
    sp_asks_each(doc, msg, note, &any);
    return any;
}
