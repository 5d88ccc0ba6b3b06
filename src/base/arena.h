/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_arena: bump allocation that is given back all at once.  One arena a stream, a connection's codec or a
 * compiled config.  One thread at a time.  The first block comes from a per-thread cache, so an arena's life
 * costs no malloc in the steady state.  Memory is 16-byte aligned; nothing is freed singly.
 */
#ifndef SP_BASE_ARENA_H
#define SP_BASE_ARENA_H

#include "base/str.h"

struct sp_arena_block;

struct sp_arena {
    struct sp_arena_block *head;
    char *cur, *end;
    size_t total; /* bytes held in blocks, for limits */
};

/* Empty; takes no memory until the first allocation. */
void sp_arena_init(struct sp_arena *a);
/* Gives all memory back; the arena may be used again. */
void sp_arena_done(struct sp_arena *a);
/* Wipes all it holds first: for arenas that held secrets. */
void sp_arena_done_wipe(struct sp_arena *a);

void *sp_arena_alloc_slow(struct sp_arena *a, size_t size);

/* Uninitialised memory; aborts when memory is out. */
static inline void *sp_arena_alloc(struct sp_arena *a, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (SP_LIKELY(size <= (size_t)(a->end - a->cur))) {
        void *p = a->cur;
        a->cur += size;
        return p;
    }
    return sp_arena_alloc_slow(a, size);
}

void *sp_arena_zalloc(struct sp_arena *a, size_t size);
/* A copy, NUL-terminated behind its end for the C string users. */
struct sp_str sp_arena_str(struct sp_arena *a, struct sp_str s);
/* In decimal, NUL-terminated. */
struct sp_str sp_arena_u64(struct sp_arena *a, uint64_t v);
/* a followed by b, NUL-terminated. */
struct sp_str sp_arena_cat(struct sp_arena *a, struct sp_str x, struct sp_str y);
struct sp_str sp_arena_printf(struct sp_arena *a, const char *fmt, ...) SP_PRINTF(2, 3);

/* Frees the calling thread's cached blocks: at the thread's end. */
void sp_arena_thread_done(void);

#endif
