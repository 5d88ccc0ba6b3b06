/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compiled CertificateValidationContext: which peer certificates are good.  Immutable, any thread.  Private to
 * net/tls*.
 *
 * In Envoy's order: the chain, the host name (clients), the matchers, the pins.  ACCEPT_UNTRUSTED waives the chain only:
 * matchers and pins that somebody wrote down still decide (Envoy would let those pass too and leave them to a route).
 */
#ifndef SP_NET_TLS_VERIFY_H
#define SP_NET_TLS_VERIFY_H

#include "crypto/x509_trust.h"
#include "net/tls_match.h"

struct sp_tls_verify;

/* NULL after an error; errors are in `diag`. `client`: it is for peers of a client, that is for servers. */
struct sp_tls_verify *sp_tls_verify_new(
    const struct sp_doc *doc, struct sp_diag *diag,
    const Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext *msg, bool client);
void sp_tls_verify_free(struct sp_tls_verify *v); /* NULL-safe */

/* A chain is demanded, and not waived. */
bool sp_tls_verify_chain(const struct sp_tls_verify *v);
/* There is something to tell good certificates from bad ones by, or ACCEPT_UNTRUSTED says that any will do. */
bool sp_tls_verify_decides(const struct sp_tls_verify *v);
/* NULL: no trusted_ca. */
const struct sp_x509_trust *sp_tls_verify_trust(const struct sp_tls_verify *v);
struct sp_str sp_tls_verify_trust_path(const struct sp_tls_verify *v);

enum sp_tls_verdict { SP_TLS_GOOD, SP_TLS_BAD_CHAIN, SP_TLS_BAD_NAME, SP_TLS_BAD_PIN };

/*
 * The verdict on chain[0], which came with the others. `host`: the name it has to bear, or empty. *ret_trusted: it
 * chained to a trusted certificate (false with GOOD where the chain is waived). With BAD_CHAIN *ret_problem is set.
 */
enum sp_tls_verdict sp_tls_verify_peer(const struct sp_tls_verify *v, const struct sp_x509 *chain, unsigned n,
                                       struct sp_str host, bool *ret_trusted, struct sp_x509_problem *ret_problem);

#endif
