/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Early data of TLS 1.3 towards clients (0-RTT: RFC 8446 sections 2.3, 4.2.10 and 8), where sallyport.tls.v1.EarlyData asks for it.
 * It is taken from a client whose first ticket is good, of this context, younger or older than the client says by no more than
 * `window`, issued to the same ALPN protocol, and not used for early data before (net/tls_strikes).  Whatever else is so: the handshake goes on
 * and what came early is passed over.  Tickets are the context's own and die with it, and so does what is known of their use:
 * that is why keys of the config, which others have too, and early data do not go together.  Private to net/tls*.
 */
#ifndef SP_NET_TLS_EARLY_H
#define SP_NET_TLS_EARLY_H

#include "net/tls_conn.h"

struct sp_tls_early;

/* What custom_handshaker says, if it may: NULL without one or after an error. `c` is compiled but for its certificates. */
struct sp_tls_early *sp_tls_early_new(const struct sp_doc *doc, struct sp_diag *diag, const struct sp_tls_ctx *c,
                                      const Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext *msg);
/* A client's context: an error if it has one. */
void sp_tls_early_refuse(const struct sp_doc *doc, struct sp_diag *diag,
                         const Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext *common);
void sp_tls_early_free(struct sp_tls_early *e); /* NULL-safe */
bool sp_tls_early_can(void); /* whether the library is one that can: tickets of such a one have another form */
unsigned sp_tls_early_most(const struct sp_tls_early *e); /* NULL: 0 */

/* For a context of the library, and a connection that is about to read its ClientHello. */
bool sp_tls_early_set_up(const struct sp_tls_early *e, WOLFSSL_CTX *wolf);
void sp_tls_early_expect(struct sp_tls *t);
/* Whether a request of that method may come early. */
bool sp_tls_early_takes(const struct sp_tls_early *e, struct sp_str method);

/*
 * Told by wolfSSL (scripts/wolfssl/early.c), of a ClientHello with early data: the n bytes of its first ticket, which is good, and how old the
 * client says it is; then, when all is agreed upon, asked. 1: its data is taken.
 */
void sp_tls_weigh_early(WOLFSSL *ssl, const unsigned char *ticket, unsigned n, unsigned age_ms);
int sp_tls_take_early(WOLFSSL *ssl);
/* What a ticket is good for, apart from the connection. now_ms: of the clock of tickets; *ret_alpn: of the session, as sp_tls.alpn_at. */
enum sp_tls_early_fate sp_tls_early_judge(struct sp_tls_early *e, uint64_t now_ms, struct sp_str ticket, uint32_t age_ms, uint8_t *ret_alpn);

/* Our Finished is sent: early data to app_in until that holds high_water bytes and max_bytes more. 1: the client's Finished came; 0: there will be more; else
 * wolfSSL_get_error's word for how it failed. */
int sp_tls_early_read(struct sp_tls *t, struct sp_buf *app_in, size_t high_water);

#endif
