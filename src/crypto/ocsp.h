/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OCSP (RFC 6960): the question about one certificate, and the reading of what a responder answers.  No I/O; pure, any
 * thread.
 *
 * An answer counts only if the certificate's issuer signed it, or a responder whose certificate that issuer signed for
 * OCSPSigning; what else a response brings is not looked at.  The hashes that name issuer and key in it are SHA-1, as all
 * responders have them (RFC 5019): they select the answer, the signature is what it is believed by.
 */
#ifndef SP_CRYPTO_OCSP_H
#define SP_CRYPTO_OCSP_H

#include "crypto/x509.h"

enum { SP_OCSP_NONCE = 32, SP_OCSP_MAX_RESPONSE = 64 * 1024 };

/* Which certificate is asked about. Slices point into the two certificates. */
struct sp_ocsp_id {
    uint8_t issuer_name[20], issuer_key[20];
    struct sp_str serial;
};

void sp_ocsp_id(const struct sp_x509 *cert, const struct sp_x509 *issuer, struct sp_ocsp_id *ret);
/* DER of an OCSPRequest, in `arena`. `nonce`: SP_OCSP_NONCE bytes, or NULL. */
struct sp_str sp_ocsp_request(const struct sp_ocsp_id *id, const uint8_t *nonce, struct sp_arena *arena);

enum sp_ocsp_status { SP_OCSP_GOOD, SP_OCSP_REVOKED, SP_OCSP_UNKNOWN };

struct sp_ocsp_answer {
    enum sp_ocsp_status status;
    int64_t this_update, next_update; /* Unix seconds; next_update 0: it has none */
};

struct sp_ocsp_check {
    const struct sp_ocsp_id *id;
    const struct sp_x509 *issuer;
    const uint8_t *nonce; /* that was sent: it has to come back; NULL: none was */
    int64_t now;
    int64_t max_age;      /* seconds that an answer without nextUpdate counts */
    bool any_time;        /* whether it is current is looked at elsewhere */
};

/* 0: an answer that counts now. -EINVAL: none does, and *ret_why (static) says why. */
int sp_ocsp_read(struct sp_str der, const struct sp_ocsp_check *check, struct sp_ocsp_answer *ret, const char **ret_why);

#endif
