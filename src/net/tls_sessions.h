/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client context's sessions, kept for resumption.  A session is bound to the server name and to the name that was verified,
 * and brings along the certificate that was judged then.  One of TLS 1.3 is used once (RFC 8446 appendix C.4); one of TLS 1.2
 * any number of times and by any number of connections at once, and there is one for the same names, the newest, which takes
 * the older one's place.  An hour at most from the handshake in which the certificate was shown, and no longer than what was
 * stapled to it.  Any thread: a mutex is held to find one, and each connection gets a copy of its own.  Private to net/tls*.
 *
 * Of TLS 1.2 it takes a wolfSSL that knows by the session id alone whether it resumes (scripts/deps).  With such a session
 * wolfSSL offers nothing but TLS 1.2; where that is not resumed it is forgotten, and the next hello has both versions.
 */
#ifndef SP_NET_TLS_SESSIONS_H
#define SP_NET_TLS_SESSIONS_H

#include <wolfssl/ssl.h>

#include "net/tls_peer.h"

struct sp_tls_sessions;

enum { SP_TLS_MAX_SESSIONS = 1024 };

struct sp_tls_sessions *sp_tls_sessions_new(unsigned n);
void sp_tls_sessions_free(struct sp_tls_sessions *s); /* NULL-safe */
/* Keeps a copy of `session`; names may be NULL. `until`: of sp_tls_sessions_take, or 0. Another one may have to go for it. */
void sp_tls_sessions_put(struct sp_tls_sessions *s, WOLFSSL_SESSION *session, bool tls12, const char *sni, const char *host,
                         struct sp_tls_peer *peer, int64_t until);
/*
 * Gives a session for these names to ssl, before its handshake: TLS1_2_VERSION or TLS1_3_VERSION (*ret_peer is a reference, or
 * NULL; *ret_until its end), or 0.
 */
int sp_tls_sessions_take(struct sp_tls_sessions *s, WOLFSSL *ssl, const char *sni, const char *host,
                         struct sp_tls_peer **ret_peer, int64_t *ret_until);
/* Those of TLS 1.2 for these names are of no use any more. */
void sp_tls_sessions_drop12(struct sp_tls_sessions *s, const char *sni, const char *host);

#endif
