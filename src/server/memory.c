/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

void sp_memory_use(uint64_t *ret_allocated, uint64_t *ret_heap)
{
    struct mallinfo2 m = mallinfo2();
    *ret_allocated = m.uordblks + m.hblkhd;
    *ret_heap = m.arena + m.hblkhd;
}

uint64_t sp_memory_resident(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%*u %lu", &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
