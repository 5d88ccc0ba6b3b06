/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client context's sessions of TLS 1.3, kept for resumption.  A session is bound to the server name and to the name
 * that was verified, brings along the certificate that was judged then, and is used once (RFC 8446 appendix C.4).  Any
 * thread: the slots are swapped atomically, so that a session belongs to one connection at a time.  Private to net/tls*.
 *
 * Not of TLS 1.2: there wolfSSL takes it for granted that a ticket it offers is accepted, and fails where it is not.
 */
#ifndef SP_NET_TLS_SESSIONS_H
#define SP_NET_TLS_SESSIONS_H

#include <wolfssl/ssl.h>

#include "net/tls_peer.h"

struct sp_tls_sessions;

enum { SP_TLS_MAX_SESSIONS = 1024 };

struct sp_tls_sessions *sp_tls_sessions_new(unsigned n);
void sp_tls_sessions_free(struct sp_tls_sessions *s); /* NULL-safe */
/* Keeps a copy of `session`; names may be NULL. Another one may have to go for it. */
void sp_tls_sessions_put(struct sp_tls_sessions *s, WOLFSSL_SESSION *session, const char *sni, const char *host,
                         struct sp_tls_peer *peer);
/* Gives a session for these names to ssl, before its handshake. True: *ret_peer is a reference, or NULL. */
bool sp_tls_sessions_take(struct sp_tls_sessions *s, WOLFSSL *ssl, const char *sni, const char *host,
                          struct sp_tls_peer **ret_peer);

#endif
