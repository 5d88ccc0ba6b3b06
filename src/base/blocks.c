/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/blocks.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/defs.h"
#include "base/mem.h"

enum {
    STEP = 64, /* bytes from one size to the next */
    SIZES = SP_BLOCK_MAX / STEP,
    KEPT = SP_ASAN ? 0 : SP_BLOCKS_KEPT
};

/* Stands before each block; as large as the strictest alignment. */
struct block {
    size_t size; /* usable bytes */
    struct block *next;
};

_Static_assert(sizeof(struct block) == alignof(max_align_t), "what follows it is aligned");

static _Thread_local struct {
    struct block *first;
    size_t bytes;
} kept[SIZES];

void *sp_block_alloc(size_t size)
{
    size_t i = size ? (size - 1) / STEP : 0;
    if (i < SIZES) {
        struct block *b = kept[i].first;
        if (b) {
            kept[i].first = b->next;
            kept[i].bytes -= b->size;
            return b + 1;
        }
        size = (i + 1) * STEP;
    }
    assert(size <= SIZE_MAX - sizeof(struct block));
    struct block *b = sp_xmalloc(sizeof(*b) + size);
    b->size = size;
    return b + 1;
}

void sp_block_free(void *p)
{
    if (!p)
        return;
    struct block *b = (struct block *)p - 1;
    size_t i = (b->size - 1) / STEP;
    if (i >= SIZES || kept[i].bytes + b->size > KEPT) {
        free(b);
        return;
    }
    b->next = kept[i].first;
    kept[i].first = b;
    kept[i].bytes += b->size;
}

size_t sp_block_size(const void *p)
{
    assert(p);
    return ((const struct block *)p - 1)->size;
}

void sp_block_thread_done(void)
{
    for (unsigned i = 0; i < SIZES; i++) {
        while (kept[i].first) {
            struct block *b = kept[i].first;
            kept[i].first = b->next;
            free(b);
        }
        kept[i].bytes = 0;
    }
}

size_t sp_block_thread_kept(void)
{
    size_t n = 0;
    for (unsigned i = 0; i < SIZES; i++)
        n += kept[i].bytes;
    return n;
}
