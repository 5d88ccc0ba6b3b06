/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"

#include <assert.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/reserve.h"

/* malloc has nothing. */
static void *spare(size_t size)
{
    void *p = sp_reserve_take(size);
    if (p)
        return p;
    fprintf(stderr, "sallyport: out of memory (%zu bytes)\n", size);
    abort();
}

void *sp_xmalloc(size_t size)
{
    void *p = malloc(SP_MAX(size, (size_t)1));
    /* cppcheck-suppress memleak; it is what is returned */
    return SP_LIKELY(p != NULL) ? p : spare(size);
}

void *sp_xcalloc(size_t n, size_t size)
{
    assert(!size || n <= SIZE_MAX / size);
    void *p = calloc(SP_MAX(n, (size_t)1), SP_MAX(size, (size_t)1));
    /* cppcheck-suppress memleak; it is what is returned */
    return SP_LIKELY(p != NULL) ? p : memset(spare(n * size), 0, n * size);
}

void *sp_xrealloc(void *p, size_t size)
{
    void *q = realloc(p, SP_MAX(size, (size_t)1));
    if (SP_LIKELY(q != NULL))
        return q;
    q = spare(size);
    if (p)
        memcpy(q, p, SP_MIN(malloc_usable_size(p), size));
    free(p);
    return q;
}

char *sp_xstrdup(const char *s)
{
    assert(s);
    size_t n = strlen(s) + 1;
    return memcpy(sp_xmalloc(n), s, n);
}

void *sp_xaligned(size_t size)
{
    assert(size <= SIZE_MAX - SP_CACHELINE);
    size = (SP_MAX(size, (size_t)1) + SP_CACHELINE - 1) / SP_CACHELINE * SP_CACHELINE;
    void *p = aligned_alloc(SP_CACHELINE, size);
    /* cppcheck-suppress memleak; it is what is returned */
    return SP_LIKELY(p != NULL) ? p : spare(size);
}

void *sp_try_malloc(size_t size)
{
    void *p = malloc(SP_MAX(size, (size_t)1));
    if (SP_UNLIKELY(!p))
        sp_reserve_miss(size);
    return p;
}

void sp_wipe(void *p, size_t n)
{
    if (n)
        explicit_bzero(p, n);
}
