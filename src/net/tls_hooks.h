/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What wolfSSL calls: reading and writing ciphertext, the peer's certificate, ALPN, session tickets.  Private to
 * net/tls*.
 */
#ifndef SP_NET_TLS_HOOKS_H
#define SP_NET_TLS_HOOKS_H

#include "net/tls_conn.h"

/* For a context of `ctx`; false when wolfSSL refuses. */
bool sp_tls_hooks_ctx(struct sp_tls_ctx *ctx, WOLFSSL_CTX *wolf);
/* For a connection's t->ssl. */
void sp_tls_hooks_conn(struct sp_tls *t);

/* Server: looks at the ClientHello that is due. 1: taken (first: t->sni and *ret_choice set); 0: more is needed; -1: t->why. */
int sp_tls_hello(struct sp_tls *t, struct sp_arena *arena, const struct sp_tls_member **ret_choice);

/* Judges the peer's certificate, at the handshake or again; t->verdict has why not. */
bool sp_tls_judge(struct sp_tls *t);

/* Client, at the end of the handshake: keeps a session of TLS 1.2, one of TLS 1.3 comes by itself. */
void sp_tls_keep12(struct sp_tls *t);

/*
 * Asked by wolfSSL (scripts/deps) about a record of `size` bytes of a client whose handshake is not done, which does not decrypt: whether it
 * is early data that is not taken, and is passed over (RFC 8446 section 4.2.10).
 */
int sp_tls_skip_early(WOLFSSL *ssl, unsigned size);

#endif
