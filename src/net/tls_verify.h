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

#include "net/tls_match.h"
#include "net/tls_trust.h"

struct sp_tls_verify;

/* NULL after an error; errors are in `diag`. `client`: it is for peers of a client, that is for servers. */
struct sp_tls_verify *sp_tls_verify_new(
    const struct sp_doc *doc, struct sp_diag *diag,
    const Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext *msg, bool client);
void sp_tls_verify_free(struct sp_tls_verify *v); /* NULL-safe */
/* While it is made: what keyUsage says of a leaf with an RSA key does not count. */
void sp_tls_verify_any_rsa_usage(struct sp_tls_verify *v);

/* A chain is demanded, and not waived. */
bool sp_tls_verify_chain(const struct sp_tls_verify *v);
/* There is something to tell good certificates from bad ones by, or ACCEPT_UNTRUSTED says that any will do. */
bool sp_tls_verify_decides(const struct sp_tls_verify *v);
/* NULL: no CAs. */
const struct sp_tls_trust *sp_tls_verify_trust(const struct sp_tls_verify *v);
/* Somebody is to be asked about a certificate that is good by all else (sp_tls_revocation_ocsp). */
bool sp_tls_verify_asks(const struct sp_tls_verify *v);
/* What origins staple is asked for, and by which policy it counts. */
enum sp_tls_staples { SP_TLS_NO_STAPLES, SP_TLS_LENIENT_STAPLES, SP_TLS_STRICT_STAPLES };
enum sp_tls_staples sp_tls_verify_staples(const struct sp_tls_verify *v);

enum sp_tls_verdict { SP_TLS_GOOD, SP_TLS_BAD_CHAIN, SP_TLS_BAD_NAME, SP_TLS_BAD_PIN };

/* What came of looking at a certificate. */
struct sp_tls_finding {
    bool trusted;                   /* it chained to a trusted one (false with GOOD where the chain is waived) */
    uint64_t version;               /* by this sp_x509_trust */
    int64_t until;                  /* and that holds until then, Unix seconds */
    const struct sp_x509 *issuer;   /* in the chain or the trust, until the end of the turn; NULL: the leaf itself is trusted */
    struct sp_x509_problem problem; /* with BAD_CHAIN */
};

/* The verdict on chain[0], which came with the others. `host`: the name it has to bear, or empty. */
enum sp_tls_verdict sp_tls_verify_peer(const struct sp_tls_verify *v, const struct sp_x509 *chain, unsigned n,
                                       struct sp_str host, struct sp_tls_finding *ret);
/* Whether that finding need not be looked for again: the CAs and lists are the same, and it is not late. */
bool sp_tls_verify_holds(const struct sp_tls_verify *v, uint64_t version, int64_t until);

#endif
