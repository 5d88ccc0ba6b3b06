/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making X.509 certificates with P-256 keys in memory: for `sallyport demo` and for tests.  RFC 5280.  One thread at a
 * time; whoever asked owns what comes back.
 */
#ifndef SP_CRYPTO_CERT_GEN_H
#define SP_CRYPTO_CERT_GEN_H

#include "base/arena.h"

struct sp_cert_request {
    const char *common_name;
    const char *const *dns, *const *uri; /* NULL-terminated lists, or NULL */
    const char *const *ip;               /* IPv4 and IPv6 in text */
    bool is_ca, server, client;          /* extended key usages of the latter two */
    int64_t not_before, not_after;       /* Unix seconds; 0: a day ago, and in 30 days */
};

struct sp_made_cert {
    struct sp_str cert_pem, key_pem; /* NUL-terminated too */
    struct sp_str cert_der, key_der;
};

/*
 * Signed by `issuer`, or by itself when NULL. Everything in `arena`, which then holds private keys: end it with
 * sp_arena_done_wipe. 0, or -EINVAL for names that do not fit, -EIO when wolfCrypt fails.
 */
int sp_cert_make(const struct sp_cert_request *req, const struct sp_made_cert *issuer, struct sp_arena *arena,
                 struct sp_made_cert *ret);

#endif
