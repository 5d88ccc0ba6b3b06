/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_ticket.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <wolfssl/wolfcrypt/aes.h>

#include "base/mem.h"
#include "crypto/ct.h"
#include "net/tls_ticket_keys.h"

enum { KEY = 32, GCM_IV = 12, GCM_TAG = 16, ID = 8 };

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
    struct sp_tls_ticket_keys *shared; /* or NULL; then nothing above counts but lifetime_s */
    uint8_t context[SP_TICKET_CONTEXT];
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

struct sp_tls_tickets *sp_tls_tickets_new_shared(unsigned lifetime_s, struct sp_tls_ticket_keys *keys)
{
    assert(lifetime_s > 0 && keys);
    struct sp_tls_tickets *t = sp_xcalloc(1, sizeof(*t));
    pthread_mutex_init(&t->mutex, NULL);
    t->lifetime_s = SP_MIN(lifetime_s, (unsigned)SP_TICKET_SHARED_MAX_S);
    t->shared = keys;
    return t;
}

void sp_tls_tickets_bind(struct sp_tls_tickets *t, const uint8_t context[SP_TICKET_CONTEXT])
{
    assert(t && t->shared);
    memcpy(t->context, context, SP_TICKET_CONTEXT);
}

void sp_tls_tickets_free(struct sp_tls_tickets *t)
{
    if (!t)
        return;
    sp_tls_ticket_keys_free(t->shared);
    pthread_mutex_destroy(&t->mutex);
    sp_wipe(t, sizeof(*t));
    free(t);
}

unsigned sp_tls_tickets_lifetime(const struct sp_tls_tickets *t)
{
    assert(t);
    return t->lifetime_s;
}

struct sp_tls_ticket_keys *sp_tls_tickets_keys(const struct sp_tls_tickets *t)
{
    assert(t);
    return t->shared;
}

uint64_t sp_tls_tickets_now(const struct sp_tls_tickets *t)
{
    struct timespec ts;
    assert(t);
    clock_gettime(t->shared ? CLOCK_REALTIME : CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec;
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

static size_t extra(const uint8_t name[SP_TICKET_NAME], struct sp_str binding, uint8_t out[SP_TICKET_NAME + SP_TICKET_BINDING_MAX])
{
    assert(binding.len <= SP_TICKET_BINDING_MAX);
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

static bool seal_own(struct sp_tls_tickets *t, uint64_t now_s, struct sp_str binding, const struct sp_ticket_parts *x)
{
    uint8_t key[KEY], aad[SP_TICKET_NAME + SP_TICKET_BINDING_MAX];
    Aes aes;
    if (!key_of(t, now_s, now_s / SP_TICKET_ROTATE_S + 1, key))
        return false;
    memcpy(x->name, t->id, ID);
    sp_ticket_put_time(x->name + ID, now_s);
    x->name[ID] = x->note;
    memset(x->mac, 0, SP_TICKET_MAC);
    memset(x->iv, 0, SP_TICKET_IV);
    sp_random_bytes(x->iv, GCM_IV);
    size_t n_aad = extra(x->name, binding, aad);
    bool good = begin(&aes, key);
    if (good) {
        good = wc_AesGcmEncrypt(&aes, x->p, x->p, (word32)x->n, x->iv, GCM_IV, x->mac, GCM_TAG, aad, (word32)n_aad) == 0;
        wc_AesFree(&aes);
    }
    sp_wipe(key, sizeof(key));
    atomic_store_explicit(&t->size, x->n, memory_order_relaxed);
    return good;
}

static bool open_own(struct sp_tls_tickets *t, uint64_t now_s, struct sp_str binding, const struct sp_ticket_parts *x)
{
    uint8_t key[KEY], aad[SP_TICKET_NAME + SP_TICKET_BINDING_MAX];
    Aes aes;
    if (x->n != atomic_load_explicit(&t->size, memory_order_relaxed) || memcmp(x->name, t->id, ID) != 0)
        return false;
    uint64_t issued;
    uint8_t note;
    sp_ticket_name_read(x->name, &issued, &note);
    if (issued > now_s || now_s - issued > t->lifetime_s || !key_of(t, now_s, issued / SP_TICKET_ROTATE_S + 1, key))
        return false;
    size_t n_aad = extra(x->name, binding, aad);
    bool good = begin(&aes, key);
    if (good) {
        good = wc_AesGcmDecrypt(&aes, x->p, x->p, (word32)x->n, x->iv, GCM_IV, x->mac, GCM_TAG, aad, (word32)n_aad) == 0;
        wc_AesFree(&aes);
    }
    sp_wipe(key, sizeof(key));
    return good;
}

/* Clocks of machines differ a little. */
static bool open_shared(struct sp_tls_tickets *t, uint64_t now_s, struct sp_str binding, const struct sp_ticket_parts *x, size_t *ret_n)
{
    uint64_t issued;
    size_t n;
    if (!sp_tls_ticket_keys_open(t->shared, t->context, binding, x, &n, &issued) || issued > now_s + SP_TICKET_SKEW_S ||
        (issued < now_s && now_s - issued > t->lifetime_s))
        return false;
    *ret_n = n;
    return true;
}

bool sp_tls_ticket_seal(struct sp_tls_tickets *t, uint64_t now_s, struct sp_str binding, const struct sp_ticket_parts *parts,
                        size_t *ret_n)
{
    assert(t && parts && parts->p && parts->n && parts->n <= parts->size && ret_n);
    if (t->shared)
        return sp_tls_ticket_keys_seal(t->shared, now_s, t->context, binding, parts, ret_n);
    *ret_n = parts->n;
    return seal_own(t, now_s, binding, parts);
}

bool sp_tls_ticket_open(struct sp_tls_tickets *t, uint64_t now_s, struct sp_str binding, const struct sp_ticket_parts *parts,
                        size_t *ret_n)
{
    assert(t && parts && parts->p && ret_n);
    if (parts->n == 0)
        return false;
    if (t->shared)
        return open_shared(t, now_s, binding, parts, ret_n);
    *ret_n = parts->n;
    return open_own(t, now_s, binding, parts);
}
