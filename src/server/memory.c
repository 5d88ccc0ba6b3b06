/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/memory.h"

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "event/turn.h"

enum { SHARE = 1000 }; /* counting has one part of the time of so many, at most */
#define AGE_MAX_NS (2 * SP_NS_PER_S) /* and yet: what was given back is noticed behind so much */

static struct {
    pthread_mutex_t lock;
    uint64_t at_ns, cost_ns; /* of the last count; 0: there was none */
    uint64_t allocated, heap, resident;
} last = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t now_ns(clockid_t clock)
{
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * SP_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* malloc goes through all that is free in each of its arenas, and holds the arena's lock for as long. */
static void count(uint64_t now)
{
    uint64_t began = now_ns(CLOCK_THREAD_CPUTIME_ID);
    struct mallinfo2 m = mallinfo2();
    last.cost_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - began;
    last.at_ns = now;
    last.allocated = m.uordblks + m.hblkhd;
    last.heap = m.arena + m.hblkhd;
    last.resident = sp_memory_resident();
}

void sp_memory_use(uint64_t *ret_allocated, uint64_t *ret_heap)
{
    assert(ret_allocated && ret_heap);
    uint64_t now = now_ns(CLOCK_MONOTONIC), grown = 0;
    pthread_mutex_lock(&last.lock);
    if (last.at_ns && now - last.at_ns < SP_MIN(last.cost_ns * SHARE, AGE_MAX_NS)) {
        uint64_t resident = sp_memory_resident();
        grown = resident > last.resident ? resident - last.resident : 0;
    } else {
        count(now);
    }
    *ret_allocated = last.allocated + grown;
    *ret_heap = last.heap + grown;
    pthread_mutex_unlock(&last.lock);
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
