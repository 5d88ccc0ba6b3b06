/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a TLS handshake with a server's context would come to, without one: the certificate that would be shown, the
 * protocol agreed upon, the verdict on a client's certificate, for which no key is needed.  For tools that explain a
 * config.  One thread.
 */
#ifndef SP_NET_TLS_WHATIF_H
#define SP_NET_TLS_WHATIF_H

#include "net/tls_ctx.h"
#include "net/tls_info.h"

struct sp_tls_whatif {
    /* What the client brings: all borrowed. */
    struct sp_str sni;
    const struct sp_str *alpn;
    unsigned n_alpn;
    const struct sp_str *ders; /* its certificate and what comes behind it; n_ders of them, 0: none */
    unsigned n_ders;
    /* What comes of it. */
    bool asks, needs;          /* a client certificate is asked for; none will not do */
    bool good;                 /* the handshake is done */
    char why[256];             /* it is not: as the server would log it */
    struct sp_tls_info info;   /* it is: strings are the context's, the caller's, or live until sp_tls_whatif_done */
    struct sp_str peer_der;
    const struct sp_str *others;
    unsigned n_others;
    struct sp_tls_peer *peer;
};

void sp_tls_whatif(struct sp_tls_ctx *ctx, struct sp_tls_whatif *w);
void sp_tls_whatif_done(struct sp_tls_whatif *w);

#endif
