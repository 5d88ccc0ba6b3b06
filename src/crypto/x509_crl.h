/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_x509_crl: a certificate revocation list (RFC 5280 section 5), read once, then asked from any thread.  Full lists
 * of one issuer only: delta lists, indirect ones and those of a part of its certificates are refused, since taking
 * them for full would let revoked certificates pass.
 */
#ifndef SP_CRYPTO_X509_CRL_H
#define SP_CRYPTO_X509_CRL_H

#include "crypto/x509.h"

struct sp_x509_crl {
    struct sp_str issuer; /* Name, with its head */
    int64_t this_update, next_update; /* Unix seconds; next_update INT64_MAX where it has none */
    struct sp_signature signature;
    struct sp_str tbs;
    uint8_t digest[SP_DIGEST_MAX];    /* of tbs, made once: lists are long */
    size_t digest_len;
    struct sp_str *serials;           /* sorted */
    unsigned n_serials;
};

/* 0, or -EINVAL with a static *ret_why. Slices point into `der`; the list of serials is in `arena`. */
int sp_x509_crl_parse(struct sp_str der, struct sp_arena *arena, struct sp_x509_crl *ret, const char **ret_why);
bool sp_x509_crl_has(const struct sp_x509_crl *crl, struct sp_str serial);
/* The issuer's key signed it. */
bool sp_x509_crl_signed_by(const struct sp_x509_crl *crl, const struct sp_x509 *issuer);

#endif
