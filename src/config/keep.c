/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/keep.h"

#include <assert.h>
#include <pthread.h>

enum { BUCKETS = 4096 };

static struct {
    pthread_mutex_t lock;
    bool ready;
    struct sp_list buckets[BUCKETS];
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The key is a hash already. */
static struct sp_list *bucket_of(const struct sp_hash *key)
{
    return &table.buckets[(key->bytes[0] | key->bytes[1] << 8) % BUCKETS];
}

static void lock(void)
{
    pthread_mutex_lock(&table.lock);
    if (table.ready)
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        sp_list_init(&table.buckets[i]);
    table.ready = true;
}

static void unlock(void)
{
    pthread_mutex_unlock(&table.lock);
}

/* Not of one whose last user is about to take it out. */
static bool try_ref(struct sp_kept *k)
{
    unsigned n = atomic_load_explicit(&k->refs, memory_order_relaxed);
    while (n)
        if (atomic_compare_exchange_weak_explicit(&k->refs, &n, n + 1, memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

struct sp_kept *sp_keep_find(const struct sp_kept_kind *kind, const struct sp_hash *key)
{
    assert(kind && key);
    struct sp_kept *found = NULL;
    lock();
    SP_LIST_FOREACH (it, bucket_of(key)) {
        struct sp_kept *k = SP_CONTAINER_OF(it, struct sp_kept, link);
        if (k->kind == kind && sp_hash_eq(&k->key, key) && try_ref(k)) {
            found = k;
            break;
        }
    }
    unlock();
    return found;
}

void sp_kept_init(struct sp_kept *k, const struct sp_kept_kind *kind)
{
    assert(k && kind && kind->free);
    k->kind = kind;
    atomic_init(&k->refs, 1);
    sp_list_init(&k->link);
}

void sp_keep_add(struct sp_kept *k, const struct sp_kept_kind *kind, const struct sp_hash *key)
{
    assert(key);
    sp_kept_init(k, kind);
    k->key = *key;
    lock();
    sp_list_push_front(bucket_of(key), &k->link);
    unlock();
}

struct sp_kept *sp_kept_ref(struct sp_kept *k)
{
    assert(k && atomic_load_explicit(&k->refs, memory_order_relaxed) > 0);
    atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
    return k;
}

void sp_kept_unref(struct sp_kept *k)
{
    if (!k || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
        return;
    lock();
    sp_list_remove(&k->link);
    unlock();
    k->kind->free(k);
}

unsigned sp_keep_count(const struct sp_kept_kind *kind)
{
    unsigned n = 0;
    lock();
    for (unsigned i = 0; i < BUCKETS; i++)
        SP_LIST_FOREACH (it, &table.buckets[i])
            n += !kind || SP_CONTAINER_OF(it, struct sp_kept, link)->kind == kind;
    unlock();
    return n;
}
