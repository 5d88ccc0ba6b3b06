/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OCSP responses that origins staple to their certificates (RFC 6066 section 8, RFC 8446 section 4.4.2.1), as a client asks for
 * them and judges them: Revocation.staples, and the TLS feature of certificates (RFC 7633).  Private to net/tls*.
 *
 * wolfSSL hands over what came as it came (scripts/deps); it is read once the handshake is done, with the issuer by whom the
 * certificate was found good, and before a byte goes up or down.  A library that is not built so keeps it, and then none counts.
 */
#ifndef SP_NET_TLS_STAPLED_H
#define SP_NET_TLS_STAPLED_H

#include "net/tls_conn.h"

/* Before the handshake, with t->ssl. False: wolfSSL refuses. */
bool sp_tls_stapled_ask(struct sp_tls *t);
/* At the end of the handshake, with a good certificate: t->staple. False: it is not enough, and t->why says why. */
bool sp_tls_stapled_settle(struct sp_tls *t);
/* Before t->ssl goes. */
void sp_tls_stapled_done(struct sp_tls *t);

#endif
