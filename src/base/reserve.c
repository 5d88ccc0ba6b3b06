/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/reserve.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* Blocks of one size, linked through themselves. */
struct rank {
    size_t size;
    unsigned each;  /* of a share */
    unsigned want, n;
    struct free_block {
        struct free_block *next;
    } *first;
};

/* What one thread takes at most between two looks: heads and small objects, tables, arenas' and buffers' blocks, and one of the large ones. */
static struct rank ranks[] = {
    {.size = 128, .each = 256},       {.size = 512, .each = 128},       {.size = 2048, .each = 32},
    {.size = 4096 + 64, .each = 48},  {.size = SP_RESERVE_CHUNK, .each = 16}, {.size = 65536 + 64, .each = 2},
    {.size = 262144 + 64, .each = 1}, {.size = SP_RESERVE_LARGEST, .each = 1},
};
enum { SMALL = 5 }; /* the ranks that SP_MEM_LOW goes by */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t missed; /* the largest allocation that was given up; 0: none */
static _Atomic uint64_t failed;
_Atomic bool sp_reserve_touched;

/* Under the lock. False: malloc has nothing. */
static bool fill(void)
{
    bool all = true;
    for (size_t i = 0; i < SP_ARRAY_LEN(ranks); i++) {
        struct rank *r = &ranks[i];
        while (r->n < r->want) {
            struct free_block *b = aligned_alloc(SP_CACHELINE, r->size);
            if (!b) {
                all = false;
                break;
            }
            b->next = r->first;
            r->first = b;
            r->n++;
        }
    }
    void *p = all && missed ? malloc(missed) : NULL;
    if (all && missed && !p)
        return false;
    free(p);
    if (all)
        missed = 0;
    return all;
}

/* Under the lock. For each size half as many blocks have to be there, of that size or larger, as were put aside of it. */
static bool is_low(void)
{
    unsigned n = 0;
    for (size_t i = SMALL; i-- > 0;) {
        n += ranks[i].n;
        if (n < ranks[i].want / 2)
            return true;
    }
    return false;
}

bool sp_reserve_open(unsigned shares)
{
    assert(shares > 0);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < SP_ARRAY_LEN(ranks); i++)
        ranks[i].want = ranks[i].each * shares;
    bool all = fill();
    pthread_mutex_unlock(&lock);
    return all;
}

void sp_reserve_close(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < SP_ARRAY_LEN(ranks); i++) {
        struct rank *r = &ranks[i];
        for (struct free_block *b = r->first, *next; b; b = next) {
            next = b->next;
            free(b);
        }
        r->first = NULL;
        r->n = r->want = 0;
    }
    missed = 0;
    atomic_store(&sp_reserve_touched, false);
    pthread_mutex_unlock(&lock);
}

static void touched(void)
{
    atomic_fetch_add_explicit(&failed, 1, memory_order_relaxed);
    atomic_store_explicit(&sp_reserve_touched, true, memory_order_relaxed);
}

void *sp_reserve_take(size_t size)
{
    struct free_block *b = NULL;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < SP_ARRAY_LEN(ranks) && !b; i++) {
        struct rank *r = &ranks[i];
        if (r->size < size || !r->n)
            continue;
        b = r->first;
        /* cppcheck-suppress nullPointerRedundantCheck; there is one, by r->n */
        r->first = b->next;
        r->n--;
    }
    touched();
    pthread_mutex_unlock(&lock);
    return b;
}

void sp_reserve_miss(size_t size)
{
    pthread_mutex_lock(&lock);
    missed = SP_MAX(missed, size);
    touched();
    pthread_mutex_unlock(&lock);
}

enum sp_memory sp_reserve_look(void)
{
    pthread_mutex_lock(&lock);
    bool all = fill(), low = is_low();
    if (all)
        atomic_store_explicit(&sp_reserve_touched, false, memory_order_relaxed);
    pthread_mutex_unlock(&lock);
    if (all)
        return SP_MEM_WELL;
    return low ? SP_MEM_LOW : SP_MEM_SHORT;
}

struct sp_reserve_counts sp_reserve_counts(void)
{
    struct sp_reserve_counts c = {.failed = atomic_load_explicit(&failed, memory_order_relaxed)};
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < SP_ARRAY_LEN(ranks); i++) {
        c.size += (uint64_t)ranks[i].size * ranks[i].want;
        c.left += (uint64_t)ranks[i].size * ranks[i].n;
    }
    pthread_mutex_unlock(&lock);
    return c;
}
