/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Header values whose certificates were good: the same value comes with every request of a client, and its signatures
 * need not be verified each time.  Kept are SHA-256 of the value, what it was judged by, and until when that holds; new
 * ones take old ones' places.  One a config, with a part for each worker, which that worker alone touches.
 */
#ifndef SP_FILTERS_HEADER_CERTIFICATE_CACHE_H
#define SP_FILTERS_HEADER_CERTIFICATE_CACHE_H

#include "base/str.h"

struct sp_header_cert_cache;

struct sp_header_cert_seen {
    uint8_t key[32];
    bool used;
    uint64_t version;
    int64_t until;
};

struct sp_header_cert_cache *sp_header_cert_cache_new(void);
void sp_header_cert_cache_free(struct sp_header_cert_cache *c); /* NULL-safe */
/* True: *ret is what was put. False: it is where to put it, or NULL where nothing is kept (a worker of a high number). */
bool sp_header_cert_cache_find(struct sp_header_cert_cache *c, unsigned worker, struct sp_str value,
                               struct sp_header_cert_seen **ret);
void sp_header_cert_cache_put(struct sp_header_cert_seen *at, uint64_t version, int64_t until);

#endif
