/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_x509: the fields of an X.509 certificate (RFC 5280), read strictly from DER.  Slices point into the DER, which the
 * caller keeps; lists are in the caller's arena.  Reading says nothing about trust: crypto/x509_trust.h does.  Pure, any
 * thread.
 */
#ifndef SP_CRYPTO_X509_H
#define SP_CRYPTO_X509_H

#include "base/arena.h"
#include "crypto/signature.h"

enum { SP_X509_MAX_NAMES = 1000, SP_X509_MAX_DER = 64 * 1024 };

enum sp_x509_key_usage {
    SP_KU_DIGITAL_SIGNATURE = 1 << 0,
    SP_KU_CERT_SIGN = 1 << 5,
    SP_KU_CRL_SIGN = 1 << 6,
};

enum sp_x509_ext_usage { SP_EKU_SERVER = 1, SP_EKU_CLIENT = 2, SP_EKU_ANY = 4, SP_EKU_OCSP = 8 };

struct sp_x509 {
    struct sp_str der, tbs;        /* all of it; what is signed */
    struct sp_str serial;          /* the INTEGER's bytes */
    struct sp_str issuer, subject; /* Name, with its head: equal names are equal bytes */
    int64_t not_before, not_after; /* Unix seconds, both included */
    struct sp_public_key key;
    struct sp_str spki;            /* SubjectPublicKeyInfo with its head */
    struct sp_signature signature; /* kind SP_SIG_UNKNOWN where it is none that we verify */

    bool is_ca;                    /* basicConstraints, or a version 1 certificate that issued itself */
    int path_len;                  /* -1: no limit */
    bool has_key_usage, has_ext_usage;
    unsigned key_usage, ext_usage; /* of the enums above; others are left out */
    struct sp_str name_constraints; /* the extension's content, or empty */
    bool must_staple;              /* TLS feature (RFC 7633) status_request */
    bool unknown_critical;         /* has a critical extension that we do not know: no path may use it */

    const struct sp_str *dns, *uri, *email, *ip; /* of subjectAltName; ip as text */
    const struct sp_str *ip_bytes;               /* n_ip of them, 4 or 16 bytes */
    const struct sp_str *directory;              /* Name, with its head */
    const struct sp_str *other;                  /* otherName's content: type and value */
    unsigned n_dns, n_uri, n_email, n_ip, n_directory, n_other;
};

/* 0, or -EINVAL with a static *ret_why. `der` is one certificate and nothing behind it. */
int sp_x509_parse(struct sp_str der, struct sp_arena *arena, struct sp_x509 *ret, const char **ret_why);

/* The text of an otherName (x509.other) if it is of this type (the OID's content) and its value a string; else NULL. */
struct sp_str sp_x509_other_text(struct sp_str other, struct sp_str oid);
/* "1.3.6.1.4.1.311.20.2.3" to an OID's content, in `arena`; NULL when it is none. */
struct sp_str sp_x509_oid(struct sp_arena *arena, struct sp_str dotted);

/* RFC 2253 text of a Name: "CN=x,O=y", the last first; bytes outside printable ASCII as \xx. */
struct sp_str sp_x509_name_text(struct sp_arena *arena, struct sp_str name);

#endif
