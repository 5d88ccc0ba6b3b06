/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of sp_x509_trust (crypto/x509_trust.h), for the file that fills it and the one that looks for paths.
 * Private to crypto/x509_*.
 */
#ifndef SP_CRYPTO_X509_STORE_H
#define SP_CRYPTO_X509_STORE_H

#include "base/map.h"
#include "crypto/x509_crl.h"
#include "crypto/x509_trust.h"

struct sp_x509_anchor {
    struct sp_x509 cert;
    struct sp_x509_anchor *next; /* in the order they were added */
    struct sp_x509_anchor *same_subject;
};

struct sp_x509_list {
    struct sp_x509_crl crl;
    const struct sp_x509_anchor *signer; /* whose signature was verified when it was added; NULL: not a trusted one's */
    struct sp_x509_list *next;
};

struct sp_x509_trust {
    struct sp_arena arena;
    struct sp_map by_subject; /* the first anchor of it */
    struct sp_x509_anchor *first, **end;
    struct sp_x509_list *lists;
    unsigned n;
    uint64_t version;
};

static inline struct sp_x509_anchor *sp_x509_anchors_of(const struct sp_x509_trust *t, struct sp_str subject)
{
    return sp_map_get(&t->by_subject, subject);
}

bool sp_x509_is_anchor(const struct sp_x509_trust *t, const struct sp_x509 *cert);

#endif
