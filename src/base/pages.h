/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_pages: runs of whole pages for large blocks that are worth nothing while their owner rests, as malloc cannot do it: it
 * packs what is small around them.  What rests holds addresses, and no memory.  A thread keeps some runs as they are for
 * whoever asks next; the system gets the memory of others back at once, and their addresses once a slab of them is empty.  A run is
 * given back on the thread that took it.
 */
#ifndef SP_BASE_PAGES_H
#define SP_BASE_PAGES_H

#include <stdbool.h>
#include <stddef.h>

enum {
    SP_PAGES_SIZE = 24 * 1024, /* usable bytes of a run */
    SP_PAGES_KEPT = 64,        /* runs that a thread keeps with their memory */
};

struct sp_page_slab;

/* Zero: it has none. */
struct sp_pages {
    char *mem; /* page-aligned; its content is anything */
    struct sp_page_slab *slab;
};

/* False: the system gives no addresses. */
bool sp_pages_take(struct sp_pages *p);
void sp_pages_give(struct sp_pages *p); /* none: nothing */
/* The system gets back the memory of all whole pages from byte `from` on, if it wants it; read again, they are zero then. */
void sp_pages_rest(struct sp_pages *p, size_t from);

/* Gives back what the calling thread keeps: at the thread's end. */
void sp_pages_thread_done(void);
/* Bytes of addresses that the calling thread has, for tests. */
size_t sp_pages_thread_mapped(void);

#endif
