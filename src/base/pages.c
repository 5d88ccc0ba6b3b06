/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/pages.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"

enum { RUNS = 64 }; /* of a slab: bits of a word */

struct sp_page_slab {
    struct sp_list link; /* in `slabs` */
    char *mem;
    uint64_t free, cold; /* cold: free, and without memory */
};

static _Thread_local struct {
    struct sp_list slabs; /* those with free runs; the others are known to their runs only */
    size_t mapped, stride, page;
    unsigned warm; /* free runs that have memory */
} own;

static void set_up(void)
{
    if (own.page)
        return;
    own.page = (size_t)sysconf(_SC_PAGESIZE);
    own.stride = (SP_PAGES_SIZE + own.page - 1) / own.page * own.page;
    sp_list_init(&own.slabs);
}

static struct sp_page_slab *slab_new(void)
{
    size_t size = RUNS * own.stride;
    char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mem == MAP_FAILED)
        return NULL;
    struct sp_page_slab *s = sp_xcalloc(1, sizeof(*s));
    s->mem = mem;
    madvise(s->mem, size, MADV_NOHUGEPAGE); /* one page of 2 MiB would be held for the sake of any run in it */
    own.mapped += size;
    s->free = s->cold = UINT64_MAX;
    sp_list_push_front(&own.slabs, &s->link);
    return s;
}

static void slab_free(struct sp_page_slab *s)
{
    sp_list_remove(&s->link);
    own.warm -= (unsigned)__builtin_popcountll(s->free & ~s->cold);
    own.mapped -= RUNS * own.stride;
    munmap(s->mem, RUNS * own.stride);
    free(s);
}

bool sp_pages_take(struct sp_pages *p)
{
    assert(p && !p->mem);
    set_up();
    struct sp_page_slab *s =
        sp_list_empty(&own.slabs) ? slab_new() : SP_CONTAINER_OF(own.slabs.next, struct sp_page_slab, link);
    if (!s)
        return false;
    uint64_t warm = s->free & ~s->cold, of = warm ? warm : s->free;
    unsigned i = (unsigned)__builtin_ctzll(of);
    own.warm -= warm != 0;
    s->free &= ~(1ull << i);
    s->cold &= ~(1ull << i);
    if (!s->free)
        sp_list_remove(&s->link);
    *p = (struct sp_pages){s->mem + i * own.stride, s};
    return true;
}

void sp_pages_rest(struct sp_pages *p, size_t from)
{
    assert(p && p->mem && from <= SP_PAGES_SIZE);
    size_t at = (from + own.page - 1) / own.page * own.page;
    if (at < own.stride)
        madvise(p->mem + at, own.stride - at, MADV_DONTNEED); /* if it fails, the memory stays: that is all */
}

void sp_pages_give(struct sp_pages *p)
{
    assert(p);
    struct sp_page_slab *s = p->slab;
    if (!s)
        return;
    uint64_t bit = 1ull << (size_t)(p->mem - s->mem) / own.stride;
    assert(!(s->free & bit));
    if (own.warm < SP_PAGES_KEPT) {
        own.warm++;
    } else {
        sp_pages_rest(p, 0);
        s->cold |= bit;
    }
    if (!s->free)
        sp_list_push_front(&own.slabs, &s->link);
    s->free |= bit;
    *p = (struct sp_pages){0};
    if (s->free == UINT64_MAX && own.slabs.next->next != &own.slabs) /* another one has free runs, too */
        slab_free(s);
}

void sp_pages_thread_done(void)
{
    if (!own.page)
        return;
    for (struct sp_list *n = own.slabs.next, *next; n != &own.slabs; n = next) {
        struct sp_page_slab *s = SP_CONTAINER_OF(n, struct sp_page_slab, link);
        next = n->next;
        if (s->free == UINT64_MAX) /* else somebody has not given back what he took, and may still use it */
            slab_free(s);
    }
}

size_t sp_pages_thread_mapped(void)
{
    return own.mapped;
}
