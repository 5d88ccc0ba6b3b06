/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the allocator says of this process.  Any thread.
 */
#ifndef SP_SERVER_MEMORY_H
#define SP_SERVER_MEMORY_H

#include <stdint.h>

/*
 * Bytes in use, and taken from the system.  Counting takes the longer the more pieces of free memory there are (some ms where a large config was read),
 * so it is done for a thousandth of the time at most, or every two seconds; in between what the process has grown by in memory is added to the last count.
 */
void sp_memory_use(uint64_t *ret_allocated, uint64_t *ret_heap);
/* Bytes of it that are in memory; 0: unknown. */
uint64_t sp_memory_resident(void);

#endif
