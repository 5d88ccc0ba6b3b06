/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/thread_tables.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>

#include "base/mem.h"

struct block {
    alignas(max_align_t) struct block *next;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* for its destructor */
static _Thread_local size_t held;

static void free_all(void *p)
{
    for (struct block *b = p, *next; b; b = next) {
        next = b->next;
        free(b);
    }
}

static void make_key(void)
{
    if (pthread_key_create(&key, free_all))
        abort();
}

void *sp_thread_tables(size_t size)
{
    pthread_once(&once, make_key);
    struct block *b = sp_xcalloc(1, sizeof(*b) + size);
    b->next = pthread_getspecific(key);
    if (pthread_setspecific(key, b))
        abort();
    held += size;
    return b + 1;
}

size_t sp_thread_tables_held(void)
{
    return held;
}
