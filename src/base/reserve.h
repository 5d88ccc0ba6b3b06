/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_reserve: memory that was put aside at the start, for when malloc has none.  sp_xmalloc and its kin (base/mem.h) take from it
 * instead of failing, so that what is under way can come to its end; whoever would begin something new asks sp_memory first, and
 * refuses it: a connection, a stream, a read, an attempt, a compile.  The reserve has to last for what is under way only.
 *
 * Its blocks are malloc's own, of fixed sizes: whoever has one frees it as any other.  Taken ones are put aside anew as soon as
 * malloc gives them.  One for the process; any thread; the lock is taken only when memory is out.
 */
#ifndef SP_BASE_RESERVE_H
#define SP_BASE_RESERVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/defs.h"

enum sp_memory {
    SP_MEM_WELL,
    SP_MEM_SHORT, /* malloc has failed, and the reserve is not whole again: nothing new is begun */
    SP_MEM_LOW,   /* half of it is gone: what takes more is ended */
};

enum { SP_RESERVE_CHUNK = 16384 + 1024 }; /* bytes that a buffer's chunk may take, with what stands before and behind it */
enum { SP_RESERVE_LARGEST = 1024 * 1024 + 65536 }; /* bytes of its largest block: more than any single allocation that a peer can cause */

/* Puts aside; `shares`: how many threads may need of it. Less than all is an error: false. */
bool sp_reserve_open(unsigned shares);
void sp_reserve_close(void);
/* A block of at least `size` bytes, aligned to SP_CACHELINE; NULL: none is left. */
void *sp_reserve_take(size_t size);
/* malloc had no `size` bytes, and whoever wanted them can do without: SP_MEM_SHORT until it has. */
void sp_reserve_miss(size_t size);

extern _Atomic bool sp_reserve_touched;
/* Tries to make it whole, then says how it stands. */
enum sp_memory sp_reserve_look(void);

/* How memory stands: asked before anything new is begun. A load, while all is well. */
static inline enum sp_memory sp_memory(void)
{
    return SP_LIKELY(!atomic_load_explicit(&sp_reserve_touched, memory_order_relaxed)) ? SP_MEM_WELL : sp_reserve_look();
}

struct sp_reserve_counts {
    uint64_t failed; /* allocations that malloc had nothing for, since the start */
    uint64_t size, left; /* bytes */
};
struct sp_reserve_counts sp_reserve_counts(void);

#endif
