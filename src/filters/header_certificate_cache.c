/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/header_certificate_cache.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/hash.h"

enum { WORKERS = 256, SLOTS = 1024 };

struct sp_header_cert_cache {
    _Atomic(struct sp_header_cert_seen *) parts[WORKERS]; /* SLOTS each; NULL until the worker's first */
};

struct sp_header_cert_cache *sp_header_cert_cache_new(void)
{
    return sp_xcalloc(1, sizeof(struct sp_header_cert_cache));
}

void sp_header_cert_cache_free(struct sp_header_cert_cache *c)
{
    for (unsigned i = 0; c && i < WORKERS; i++)
        free(atomic_load_explicit(&c->parts[i], memory_order_acquire));
    free(c);
}

bool sp_header_cert_cache_find(struct sp_header_cert_cache *c, unsigned worker, struct sp_str value,
                               struct sp_header_cert_seen **ret)
{
    assert(c && ret);
    uint8_t key[32];
    *ret = NULL;
    if (worker >= WORKERS)
        return false;
    struct sp_header_cert_seen *part = atomic_load_explicit(&c->parts[worker], memory_order_relaxed);
    if (!part) {
        part = sp_xcalloc(SLOTS, sizeof(*part));
        atomic_store_explicit(&c->parts[worker], part, memory_order_release);
    }
    sp_sha256(value, key);
    struct sp_header_cert_seen *at = &part[(key[0] | key[1] << 8) % SLOTS];
    bool found = at->used && memcmp(at->key, key, sizeof(key)) == 0;
    if (!found) {
        memcpy(at->key, key, sizeof(key));
        at->used = false;
    }
    *ret = at;
    return found;
}

void sp_header_cert_cache_put(struct sp_header_cert_seen *at, uint64_t version, int64_t until)
{
    assert(at);
    at->used = true;
    at->version = version;
    at->until = until;
}
