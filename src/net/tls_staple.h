/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OCSP stapling (RFC 6066 section 8, RFC 8446 section 4.4.2.1): the response about a certificate of ours that stands in the config,
 * and who gets it.  Private to net/tls*.  TlsCertificate.ocsp_staple, DownstreamTlsContext.ocsp_staple_policy.
 *
 * wolfSSL judges what it staples by CAs of its own, so that it is given the issuer, and in TLS 1.2 by a question that all
 * connections of a context would share, on whatever thread: such a connection is given a certificate of its own.
 */
#ifndef SP_NET_TLS_STAPLE_H
#define SP_NET_TLS_STAPLE_H

#include "net/tls_conn.h"

/* While m is built, with its leaf: -EINVAL, and `diag` has why. `issuer`: that of the chain, or NULL. */
int sp_tls_staple_load(struct sp_tls_member *m, struct sp_tls_ctx *ctx, const struct sp_doc *doc, struct sp_diag *diag,
                       const Envoy__Extensions__TransportSockets__Tls__V3__TlsCertificate *cert, const struct sp_x509 *issuer);
/* Of a connection whose ClientHello was read: decides t->stapled. False: there is none where one has to be. */
bool sp_tls_staple_decide(struct sp_tls *t);
/* Then, with t->ssl. */
bool sp_tls_staple_start(struct sp_tls *t);

#endif
