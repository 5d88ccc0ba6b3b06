/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_ticket.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <wolfssl/wolfcrypt/aes.h>

#include "base/mem.h"
#include "crypto/ct.h"

enum { KEY = 32, GCM_IV = 12, GCM_TAG = 16, ID = 8, BINDING_MAX = 512 };

struct key {
    uint64_t hour; /* which one it is for */
    uint8_t bytes[KEY];
};

struct sp_tls_tickets {
    pthread_mutex_t mutex; /* held to copy or change keys, for tens of nanoseconds a handshake */
    struct key now, before;
    bool any;
    unsigned lifetime_s;
    uint8_t id[ID];      /* of this context; a ticket's key name is this and its time */
    _Atomic size_t size; /* of what was sealed: whatever has another is no ticket of ours */
};

struct sp_tls_tickets *sp_tls_tickets_new(unsigned lifetime_s)
{
    assert(lifetime_s > 0);
    struct sp_tls_tickets *t = sp_xcalloc(1, sizeof(*t));
    pthread_mutex_init(&t->mutex, NULL);
    t->lifetime_s = SP_MIN(lifetime_s, (unsigned)SP_TICKET_ROTATE_S);
    do {
        sp_random_bytes(t->id, sizeof(t->id));
    } while (t->id[0] == 0); /* wolfSSL takes a name of zeros for none */
    return t;
}

void sp_tls_tickets_free(struct sp_tls_tickets *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->mutex);
    sp_wipe(t, sizeof(*t));
    free(t);
}

unsigned sp_tls_tickets_lifetime(const struct sp_tls_tickets *t)
{
    assert(t);
    return t->lifetime_s;
}

/* What is older than the hour before is overwritten: nobody can read those tickets any more. */
static void rotate(struct sp_tls_tickets *t, uint64_t hour)
{
    if (t->any && hour <= t->now.hour)
        return;
    t->before = t->now;
    if (!t->any || hour != t->now.hour + 1) {
        sp_random_bytes(t->before.bytes, KEY);
        t->before.hour = hour - 1;
    }
    t->now.hour = hour;
    sp_random_bytes(t->now.bytes, KEY);
    t->any = true;
}

/* The key of that hour, if it is still there. */
static bool key_of(struct sp_tls_tickets *t, uint64_t now_s, uint64_t hour, uint8_t out[KEY])
{
    pthread_mutex_lock(&t->mutex);
    rotate(t, now_s / SP_TICKET_ROTATE_S + 1);
    const struct key *k = hour == t->now.hour ? &t->now : hour == t->before.hour ? &t->before : NULL;
    if (k)
        memcpy(out, k->bytes, KEY);
    pthread_mutex_unlock(&t->mutex);
    return k != NULL;
}

static void put_time(uint8_t out[8], uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t get_time(const uint8_t in[8])
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v = v << 8 | in[i];
    return v;
}

static size_t extra(const uint8_t name[SP_TICKET_NAME], struct sp_str binding, uint8_t out[SP_TICKET_NAME + BINDING_MAX])
{
    assert(binding.len <= BINDING_MAX);
    memcpy(out, name, SP_TICKET_NAME);
    if (binding.len)
        memcpy(out + SP_TICKET_NAME, binding.ptr, binding.len);
    return SP_TICKET_NAME + binding.len;
}

static bool begin(Aes *aes, const uint8_t key[KEY])
{
    if (wc_AesInit(aes, NULL, INVALID_DEVID) != 0)
        return false;
    if (wc_AesGcmSetKey(aes, key, KEY) == 0)
        return true;
    wc_AesFree(aes);
    return false;
}

bool sp_tls_ticket_seal(struct sp_tls_tickets *t, uint64_t now_s, struct sp_str binding, uint8_t name[SP_TICKET_NAME],
                        uint8_t iv[SP_TICKET_IV], uint8_t mac[SP_TICKET_MAC], uint8_t *p, size_t n)
{
    uint8_t key[KEY], aad[SP_TICKET_NAME + BINDING_MAX];
    Aes aes;
    assert(t && p && n);
    if (!key_of(t, now_s, now_s / SP_TICKET_ROTATE_S + 1, key))
        return false;
    memcpy(name, t->id, ID);
    put_time(name + ID, now_s);
    memset(mac, 0, SP_TICKET_MAC);
    memset(iv, 0, SP_TICKET_IV);
    sp_random_bytes(iv, GCM_IV);
    size_t n_aad = extra(name, binding, aad);
    bool good = begin(&aes, key);
    if (good) {
        good = wc_AesGcmEncrypt(&aes, p, p, (word32)n, iv, GCM_IV, mac, GCM_TAG, aad, (word32)n_aad) == 0;
        wc_AesFree(&aes);
    }
    sp_wipe(key, sizeof(key));
    atomic_store_explicit(&t->size, n, memory_order_relaxed);
    return good;
}

bool sp_tls_ticket_open(struct sp_tls_tickets *t, uint64_t now_s, struct sp_str binding,
                        const uint8_t name[SP_TICKET_NAME], const uint8_t iv[SP_TICKET_IV],
                        const uint8_t mac[SP_TICKET_MAC], uint8_t *p, size_t n)
{
    uint8_t key[KEY], aad[SP_TICKET_NAME + BINDING_MAX];
    Aes aes;
    assert(t && p);
    if (n == 0 || n != atomic_load_explicit(&t->size, memory_order_relaxed) || memcmp(name, t->id, ID) != 0)
        return false;
    uint64_t issued = get_time(name + ID);
    if (issued > now_s || now_s - issued > t->lifetime_s || !key_of(t, now_s, issued / SP_TICKET_ROTATE_S + 1, key))
        return false;
    size_t n_aad = extra(name, binding, aad);
    bool good = begin(&aes, key);
    if (good) {
        good = wc_AesGcmDecrypt(&aes, p, p, (word32)n, iv, GCM_IV, mac, GCM_TAG, aad, (word32)n_aad) == 0;
        wc_AesFree(&aes);
    }
    sp_wipe(key, sizeof(key));
    return good;
}
