/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
    BLOCK_SIZE = 4096,   /* of the first and usual block, header included */
    BLOCK_CACHE_MAX = 1024 /* blocks a thread keeps: 4 MiB, of as many as were in use at once */
};

struct sp_arena_block {
    struct sp_arena_block *next;
    size_t size; /* of the whole block */
};

static _Thread_local struct sp_arena_block *cache;
static _Thread_local unsigned cache_count;

void sp_arena_init(struct sp_arena *a)
{
    assert(a);
    *a = (struct sp_arena){0};
}

static struct sp_arena_block *block_take(size_t size)
{
    if (size == BLOCK_SIZE && cache) {
        struct sp_arena_block *b = cache;
        cache = b->next;
        cache_count--;
        return b;
    }
    struct sp_arena_block *b = sp_xmalloc(size);
    b->size = size;
    return b;
}

static void block_give(struct sp_arena_block *b)
{
    if (b->size == BLOCK_SIZE && cache_count < BLOCK_CACHE_MAX) {
        b->next = cache;
        cache = b;
        cache_count++;
        return;
    }
    free(b);
}

void *sp_arena_alloc_slow(struct sp_arena *a, size_t size)
{
    assert(a);
    size_t header = (sizeof(struct sp_arena_block) + 15) & ~(size_t)15;
    assert(size <= SIZE_MAX - header - 16);
    size_t want = BLOCK_SIZE;
    /* Long-lived arenas (a compiled config) grow by ever larger blocks. */
    if (a->total >= 8 * BLOCK_SIZE)
        want = SP_MIN(a->total, (size_t)256 * 1024);
    if (want < size + header)
        want = size + header;
    struct sp_arena_block *b = block_take(want);
    a->total += b->size;
    char *start = (char *)b + header;
    /* A large single allocation must not throw away the room left in the current block. */
    if (a->head && want == size + header) {
        b->next = a->head->next;
        a->head->next = b;
        return start;
    }
    b->next = a->head;
    a->head = b;
    a->cur = start + size;
    a->end = (char *)b + b->size;
    return start;
}

static void release(struct sp_arena *a, bool wipe)
{
    for (struct sp_arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        if (wipe)
            sp_wipe(b + 1, b->size - sizeof(*b));
        block_give(b);
    }
    *a = (struct sp_arena){0};
}

void sp_arena_done(struct sp_arena *a)
{
    assert(a);
    release(a, false);
}

void sp_arena_done_wipe(struct sp_arena *a)
{
    assert(a);
    release(a, true);
}

void *sp_arena_zalloc(struct sp_arena *a, size_t size)
{
    /* An empty arena has no memory to point at when nothing is asked of it. */
    return memset(sp_arena_alloc(a, SP_MAX(size, (size_t)1)), 0, size);
}

struct sp_str sp_arena_str(struct sp_arena *a, struct sp_str s)
{
    return sp_arena_cat(a, s, SP_STR_NULL);
}

struct sp_str sp_arena_u64(struct sp_arena *a, uint64_t v)
{
    char digits[20];
    size_t n = sizeof(digits);
    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    return sp_arena_str(a, sp_str_n(digits + n, sizeof(digits) - n));
}

struct sp_str sp_arena_cat(struct sp_arena *a, struct sp_str x, struct sp_str y)
{
    char *p = sp_arena_alloc(a, x.len + y.len + 1);
    if (x.len)
        memcpy(p, x.ptr, x.len);
    if (y.len)
        memcpy(p + x.len, y.ptr, y.len);
    p[x.len + y.len] = '\0';
    return sp_str_n(p, x.len + y.len);
}

struct sp_str sp_arena_printf(struct sp_arena *a, const char *fmt, ...)
{
    va_list ap, ap2;
    va_start(ap, fmt);
    va_copy(ap2, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    char *p = sp_arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, ap2);
    va_end(ap2);
    return sp_str_n(p, (size_t)n);
}

void sp_arena_thread_done(void)
{
    while (cache) {
        struct sp_arena_block *b = cache;
        cache = b->next;
        free(b);
    }
    cache_count = 0;
}
