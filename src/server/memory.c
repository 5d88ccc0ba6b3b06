/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/memory.h"

#include <malloc.h>

void sp_memory_use(uint64_t *ret_allocated, uint64_t *ret_heap)
{
    struct mallinfo2 m = mallinfo2();
    *ret_allocated = m.uordblks + m.hblkhd;
    *ret_heap = m.arena + m.hblkhd;
}
