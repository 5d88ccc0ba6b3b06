/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_cert_check: a CertificateValidationContext for client certificates that did not come by a TLS connection of ours.
 * The rules are those of listeners, CA set and revocation lists are watched as theirs are.  Compiled with a config,
 * immutable, any thread.
 */
#ifndef SP_NET_CERT_CHECK_H
#define SP_NET_CERT_CHECK_H

#include "config/doc.h"
#include "crypto/x509.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb-c.h"
#include "net/tls_info.h"
#include "sallyport/tls/v1/revocation.pb-c.h"

struct sp_cert_check;

enum { SP_CERT_CHECK_MAX_CHAIN = 10 };

/* NULL after an error: one that trusts no CA, or whose verdict on the chain is waived, is one too. */
struct sp_cert_check *sp_cert_check_new(
    const struct sp_doc *doc, struct sp_diag *diag,
    const Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext *msg);
void sp_cert_check_free(struct sp_cert_check *c); /* NULL-safe */
/* Whom to ask about certificates that are good by all else; NULL: nobody. */
const Sallyport__Tls__V1__Ocsp *sp_cert_check_ocsp(const struct sp_cert_check *c);

struct sp_cert_verdict {
    uint64_t version;             /* of what it was judged by, and until when that holds: for sp_cert_check_holds */
    int64_t until;
    const struct sp_x509 *issuer; /* of the leaf, in the chain or the trust: this turn only; NULL: the leaf is trusted itself */
    const char *why;              /* not good: static, OpenSSL's words or ours */
};

/* chain[0] is the leaf, the others in any order; n <= SP_CERT_CHECK_MAX_CHAIN. Whether it is good. */
bool sp_cert_check(const struct sp_cert_check *c, const struct sp_x509 *chain, unsigned n, struct sp_cert_verdict *ret);
/* A good verdict of that version still holds. */
bool sp_cert_check_holds(const struct sp_cert_check *c, uint64_t version, int64_t until);

/* Fills the peer_* fields, as those of a verified certificate. Strings in `arena` and in the certificate. */
void sp_cert_tell(const struct sp_x509 *cert, struct sp_arena *arena, struct sp_tls_info *info);
/* Empties them. */
void sp_cert_tell_none(struct sp_tls_info *info);

#endif
