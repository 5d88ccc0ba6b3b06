/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/cx_limit.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"

enum { CACHE_LINE = 64 };

struct sp_cx_count {
    _Alignas(CACHE_LINE) _Atomic uint64_t n;
    _Alignas(CACHE_LINE) struct sp_list link;
    struct sp_str name;
    unsigned refs;
};

/* Only while configs are compiled and freed. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sp_list counts = {&counts, &counts};

static struct sp_cx_count *find(struct sp_str name)
{
    SP_LIST_FOREACH_SAFE (i, &counts) {
        struct sp_cx_count *c = SP_CONTAINER_OF(i, struct sp_cx_count, link);
        if (sp_str_eq(c->name, name))
            return c;
    }
    return NULL;
}

static struct sp_cx_count *make(struct sp_str name)
{
    struct sp_cx_count *c = sp_xaligned(sizeof(*c));
    char *copy = sp_xcalloc(1, name.len + 1);
    if (name.len)
        memcpy(copy, name.ptr, name.len);
    *c = (struct sp_cx_count){.name = sp_str_n(copy, name.len)};
    sp_list_push_back(&counts, &c->link);
    return c;
}

void sp_cx_limit_init(struct sp_cx_limit *l, struct sp_str name, uint64_t max)
{
    assert(l && !l->count && max > 0);
    pthread_mutex_lock(&lock);
    struct sp_cx_count *c = find(name);
    if (!c)
        c = make(name);
    c->refs++;
    pthread_mutex_unlock(&lock);
    *l = (struct sp_cx_limit){.count = c, .max = max};
}

void sp_cx_limit_done(struct sp_cx_limit *l)
{
    assert(l);
    if (!l->count)
        return;
    pthread_mutex_lock(&lock);
    struct sp_cx_count *c = l->count;
    if (--c->refs == 0) {
        sp_list_remove(&c->link);
        free((void *)(uintptr_t)c->name.ptr);
        free(c);
    }
    pthread_mutex_unlock(&lock);
    *l = (struct sp_cx_limit){0};
}

bool sp_cx_limit_take(const struct sp_cx_limit *l)
{
    assert(l);
    if (!l->count)
        return true;
    if (atomic_fetch_add_explicit(&l->count->n, 1, memory_order_relaxed) < l->max)
        return true;
    atomic_fetch_sub_explicit(&l->count->n, 1, memory_order_relaxed);
    return false;
}

void sp_cx_limit_give(const struct sp_cx_limit *l)
{
    assert(l);
    if (l->count)
        atomic_fetch_sub_explicit(&l->count->n, 1, memory_order_relaxed);
}

void sp_cx_limit_move(const struct sp_cx_limit *from, const struct sp_cx_limit *to)
{
    assert(from && to);
    if (from->count == to->count)
        return;
    sp_cx_limit_give(from);
    if (to->count)
        atomic_fetch_add_explicit(&to->count->n, 1, memory_order_relaxed);
}
