/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One wolfSSL context: parameters, a certificate and its key.  Private to net/tls*.
 */
#ifndef SP_NET_TLS_MEMBER_H
#define SP_NET_TLS_MEMBER_H

#include "net/tls_core.h"

/*
 * Builds `m` for ctx, whose params, flags, tickets and verify are ready. `cert`: NULL on clients that show none.
 * -EINVAL: errors are in `diag`, which names `owner` where no certificate is to blame; m needs sp_tls_member_done anyway.
 */
int sp_tls_member_init(struct sp_tls_member *m, struct sp_tls_ctx *ctx, const struct sp_doc *doc, struct sp_diag *diag,
                       const void *owner, const Envoy__Extensions__TransportSockets__Tls__V3__TlsCertificate *cert);
void sp_tls_member_done(struct sp_tls_member *m);

#endif
