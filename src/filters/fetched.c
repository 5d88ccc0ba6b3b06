/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/fetched.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/identity.h"
#include "config/keep.h"

struct sp_fetched {
    struct sp_kept kept;
    pthread_mutex_t lock; /* of what follows */
    struct sp_str body;   /* ptr NULL: nothing yet */
    uint64_t good_ns;
};

static void drop(struct sp_fetched *f)
{
    free((void *)(uintptr_t)f->body.ptr);
    f->body = SP_STR_NULL;
}

static void give_back(struct sp_kept *k)
{
    struct sp_fetched *f = SP_CONTAINER_OF(k, struct sp_fetched, kept);
    drop(f);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static const struct sp_kept_kind kind = {"fetched", give_back};

struct sp_fetched *sp_fetched_get(struct sp_str what, const struct sp_fetch_target *t)
{
    assert(t && t->cluster);
    struct sp_hash key;
    const struct sp_str parts[] = {what, t->scheme, t->authority, t->path};
    sp_cluster_identity(t->cluster, &key);
    for (size_t i = 0; i < SP_ARRAY_LEN(parts); i++)
        sp_hash_mix(&key, parts[i]);
    struct sp_kept *k = sp_keep_find(&kind, &key);
    if (k)
        return SP_CONTAINER_OF(k, struct sp_fetched, kept);
    struct sp_fetched *f = sp_xcalloc(1, sizeof(*f));
    pthread_mutex_init(&f->lock, NULL);
    sp_keep_add(&f->kept, &kind, &key);
    return f;
}

void sp_fetched_unref(struct sp_fetched *f)
{
    if (f)
        sp_kept_unref(&f->kept);
}

void sp_fetched_put(struct sp_fetched *f, struct sp_str body, uint64_t now_ns)
{
    assert(f && body.ptr);
    pthread_mutex_lock(&f->lock);
    if (!f->body.ptr || !sp_str_eq(f->body, body)) {
        drop(f);
        f->body = sp_str_n(sp_str_dup(body), body.len);
    }
    f->good_ns = now_ns;
    pthread_mutex_unlock(&f->lock);
}

void sp_fetched_drop(struct sp_fetched *f)
{
    assert(f);
    pthread_mutex_lock(&f->lock);
    drop(f);
    pthread_mutex_unlock(&f->lock);
}

bool sp_fetched_copy(struct sp_fetched *f, struct sp_arena *arena, struct sp_str *ret_body, uint64_t *ret_good_ns)
{
    assert(f && arena && ret_body && ret_good_ns);
    pthread_mutex_lock(&f->lock);
    bool there = f->body.ptr;
    if (there) {
        *ret_body = sp_arena_str(arena, f->body);
        *ret_good_ns = f->good_ns;
    }
    pthread_mutex_unlock(&f->lock);
    return there;
}
