/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The address sanitizer is to see each block given back. */
#if defined(__SANITIZE_ADDRESS__)
#define NO_CACHE
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NO_CACHE
#endif
#endif

enum {
    STEP = 64, /* bytes from one class to the next */
#ifdef NO_CACHE
    KEPT_MAX = 0
#else
    KEPT_MAX = 16 /* blocks of a class */
#endif
};

/* Stands before each block; as large as the strictest alignment. */
struct sp_h2_mem_block {
    size_t size; /* usable bytes */
    struct sp_h2_mem_block *next;
};

static void *take(size_t size, void *user)
{
    struct sp_h2_mem *m = user;
    size_t class = size ? (size - 1) / STEP : 0;
    if (class < SP_H2_MEM_CLASSES) {
        struct sp_h2_mem_block *b = m->kept[class];
        if (b) {
            m->kept[class] = b->next;
            m->n_kept[class]--;
            return b + 1;
        }
        size = (class + 1) * STEP;
    }
    struct sp_h2_mem_block *b = sp_xmalloc(sizeof(*b) + size);
    b->size = size;
    return b + 1;
}

static void give(void *p, void *user)
{
    if (!p)
        return;
    struct sp_h2_mem *m = user;
    struct sp_h2_mem_block *b = (struct sp_h2_mem_block *)p - 1;
    size_t class = (b->size - 1) / STEP;
    if (class >= SP_H2_MEM_CLASSES || m->n_kept[class] == KEPT_MAX) {
        free(b);
        return;
    }
    b->next = m->kept[class];
    m->kept[class] = b;
    m->n_kept[class]++;
}

static void *take_zeroed(size_t n, size_t size, void *user)
{
    if (size && n > SIZE_MAX / 2 / size)
        return NULL;
    return memset(take(n * size, user), 0, n * size);
}

static void *resize(void *p, size_t size, void *user)
{
    if (!p)
        return take(size, user);
    size_t had = ((struct sp_h2_mem_block *)p - 1)->size;
    if (size <= had)
        return p;
    void *q = memcpy(take(size, user), p, had);
    give(p, user);
    return q;
}

void sp_h2_mem_init(struct sp_h2_mem *m)
{
    assert(m);
    memset(m, 0, sizeof(*m));
    m->mem = (nghttp2_mem){.mem_user_data = m, .malloc = take, .free = give, .calloc = take_zeroed, .realloc = resize};
}

void sp_h2_mem_done(struct sp_h2_mem *m)
{
    assert(m);
    for (unsigned i = 0; i < SP_H2_MEM_CLASSES; i++) {
        while (m->kept[i]) {
            struct sp_h2_mem_block *b = m->kept[i];
            m->kept[i] = b->next;
            free(b);
        }
    }
}
