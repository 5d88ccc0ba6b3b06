/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_x509_trust: certificates that are trusted and lists of what they revoked, and the question whether a peer's chain
 * leads to one of them (RFC 5280 section 6, without policies).  Built by one thread, immutable afterwards: any thread
 * may verify, nothing that a peer sent is kept.  That is why it stands here and not in wolfSSL, which adds the
 * intermediates of peers to the set that all connections share, for good.
 *
 * Every trusted certificate ends a path, whether it signed itself or not, as Envoy has it.  Names of hosts are no
 * matter of this file.
 */
#ifndef SP_CRYPTO_X509_TRUST_H
#define SP_CRYPTO_X509_TRUST_H

#include "crypto/x509.h"

enum { SP_X509_WHY_MAX = 256, SP_X509_MAX_CHAIN = 10 };

struct sp_x509_trust;

struct sp_x509_trust *sp_x509_trust_new(void);
void sp_x509_trust_free(struct sp_x509_trust *t); /* NULL-safe */
/* Adds all certificates of a PEM text; at least one. -EINVAL, and `why` says what is wrong. Other PEM blocks are skipped. */
int sp_x509_trust_add(struct sp_x509_trust *t, struct sp_str pem, char why[SP_X509_WHY_MAX]);
/* The same for revocation lists, which come after the certificates; one in DER alone is taken too. With one list, all
 * certificates of a path need one of their issuer. */
int sp_x509_trust_add_crl(struct sp_x509_trust *t, struct sp_str text, char why[SP_X509_WHY_MAX]);
/* Another number for each sp_x509_trust of the process: what was judged by another one may be judged otherwise now. */
uint64_t sp_x509_trust_version(const struct sp_x509_trust *t);
/* When the first of the lists expires, Unix seconds; INT64_MAX without lists. */
int64_t sp_x509_trust_lists_until(const struct sp_x509_trust *t);
unsigned sp_x509_trust_count(const struct sp_x509_trust *t);
const struct sp_x509 *sp_x509_trust_at(const struct sp_x509_trust *t, unsigned i);

enum sp_x509_purpose { SP_X509_FOR_SERVER, SP_X509_FOR_CLIENT }; /* what the leaf's holder is */

struct sp_x509_found {
    int64_t until;                /* Unix seconds: a certificate of the path expires then, or the lists that spoke for it */
    const struct sp_x509 *issuer; /* the leaf's: in the chain or the trust; NULL where the leaf itself is trusted */
};

struct sp_x509_check {
    enum sp_x509_purpose purpose;
    int64_t now;        /* Unix seconds */
    unsigned max_depth; /* certificates between leaf and trusted one */
    bool allow_expired; /* dates of certificates (not of lists) are not looked at */
    bool any_rsa_usage; /* keyUsage of a leaf with an RSA key is not looked at */
    bool crl_leaf_only; /* lists are asked about the leaf only */
    bool crl_optional;  /* without a list of its issuer a certificate counts as not revoked */
    int64_t crl_grace;  /* seconds that a list is taken after its nextUpdate */
    struct sp_x509_found *ret_found; /* filled where the answer is yes; may be NULL */
};

struct sp_x509_problem {
    const char *text; /* static, as OpenSSL puts it: "certificate has expired" */
    unsigned depth;   /* 0: the leaf */
};

/* chain[0] is the leaf, the others came with it in any order. False: *ret_problem says why. */
bool sp_x509_trust_verify(const struct sp_x509_trust *t, const struct sp_x509 *chain, unsigned n,
                          const struct sp_x509_check *check, struct sp_x509_problem *ret_problem);

#endif
