/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_mem.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/blocks.h"
#include "base/reserve.h"
#include "base/defs.h"

enum {
    TABLE = 256 * 16,            /* a new session's table of streams */
    FRAMES = 9 + 1 + 16 * 1024,  /* a frame's head, the length of its padding, its payload */
    PAGES = !SP_ASAN
};

_Static_assert(TABLE + FRAMES <= SP_PAGES_SIZE, "both stand in one run of pages");

static bool has_run(struct sp_h2_mem *m)
{
    return m->pages.mem || sp_pages_take(&m->pages);
}

/* NULL: nghttp2 gives its session up. It can be told, unlike others, so what is left is for those. */
static void *block(size_t size)
{
    return SP_UNLIKELY(sp_memory() == SP_MEM_LOW) ? NULL : sp_block_alloc(size);
}

static void *take(size_t size, void *user)
{
    struct sp_h2_mem *m = user;
    if (!PAGES || size != FRAMES || m->has_frames || !has_run(m))
        return block(size);
    m->has_frames = true;
    return m->pages.mem + TABLE;
}

static void give(void *p, void *user)
{
    struct sp_h2_mem *m = user;
    if (m->has_table && p == m->pages.mem)
        m->has_table = false;
    else if (m->has_frames && p == m->pages.mem + TABLE)
        m->has_frames = false;
    else
        sp_block_free(p);
}

static void *take_zeroed(size_t n, size_t size, void *user)
{
    struct sp_h2_mem *m = user;
    if (size && n > SIZE_MAX / 2 / size)
        return NULL;
    void *p = NULL;
    if (PAGES && n * size == TABLE && !m->has_table && has_run(m)) {
        m->has_table = true;
        p = m->pages.mem;
    } else {
        p = block(n * size);
    }
    return p ? memset(p, 0, n * size) : NULL;
}

static size_t size_of(const struct sp_h2_mem *m, const void *p)
{
    if (m->has_table && p == m->pages.mem)
        return TABLE;
    return m->has_frames && p == m->pages.mem + TABLE ? FRAMES : sp_block_size(p);
}

static void *resize(void *p, size_t size, void *user)
{
    struct sp_h2_mem *m = user;
    if (!p)
        return take(size, m);
    size_t had = size_of(m, p);
    if (size <= had)
        return p;
    void *q = block(size);
    if (!q)
        return NULL;
    memcpy(q, p, had);
    give(p, m);
    return q;
}

nghttp2_mem *sp_h2_mem_init(struct sp_h2_mem *m)
{
    assert(m && !m->pages.mem);
    m->mem = (nghttp2_mem){.mem_user_data = m, .malloc = take, .free = give, .calloc = take_zeroed, .realloc = resize};
    return &m->mem;
}

void sp_h2_mem_done(struct sp_h2_mem *m)
{
    assert(m && !m->has_table && !m->has_frames);
    sp_pages_give(&m->pages);
}

/* A table without streams is zero; should it not be, it stays. */
static bool table_is_empty(const struct sp_h2_mem *m)
{
    const char *t = m->pages.mem;
    return !m->has_table || (t[0] == 0 && memcmp(t, t + 1, TABLE - 1) == 0);
}

void sp_h2_mem_rest(struct sp_h2_mem *m)
{
    assert(m);
    if (m->pages.mem)
        sp_pages_rest(&m->pages, table_is_empty(m) ? 0 : TABLE);
}
