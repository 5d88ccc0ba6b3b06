/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_mem.h"

#include <stdint.h>
#include <string.h>

#include "base/blocks.h"

static void *take(size_t size, void *user)
{
    (void)user;
    return sp_block_alloc(size);
}

static void give(void *p, void *user)
{
    (void)user;
    sp_block_free(p);
}

static void *take_zeroed(size_t n, size_t size, void *user)
{
    (void)user;
    if (size && n > SIZE_MAX / 2 / size)
        return NULL;
    return memset(sp_block_alloc(n * size), 0, n * size);
}

static void *resize(void *p, size_t size, void *user)
{
    (void)user;
    if (!p)
        return sp_block_alloc(size);
    size_t had = sp_block_size(p);
    if (size <= had)
        return p;
    void *q = memcpy(sp_block_alloc(size), p, had);
    sp_block_free(p);
    return q;
}

nghttp2_mem *sp_h2_mem(void)
{
    static nghttp2_mem mem = {.malloc = take, .free = give, .calloc = take_zeroed, .realloc = resize};
    return &mem;
}
