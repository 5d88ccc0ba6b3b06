/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_block: small heap blocks for what takes and gives back many of them a request (nghttp2 does).  A thread keeps what
 * was given back, by size, for whoever asks next: the connections of a worker share what each of them needs at times.
 * A block is given back on the thread that took it.  Sizes over SP_BLOCK_MAX go to malloc.  Aborts when memory is out.
 */
#ifndef SP_BASE_BLOCKS_H
#define SP_BASE_BLOCKS_H

#include <stddef.h>

enum {
    SP_BLOCK_MAX = 512,          /* bytes of the largest block that is kept */
    SP_BLOCKS_KEPT = 128 * 1024, /* bytes that a thread keeps of each size: 1 MiB in all */
};

/* Aligned as malloc's; uninitialised. */
void *sp_block_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void sp_block_free(void *p); /* NULL: nothing */
/* Bytes that may be used: at least what was asked for. */
size_t sp_block_size(const void *p);

/* Frees what the calling thread keeps: at the thread's end. */
void sp_block_thread_done(void);
/* Bytes that the calling thread keeps, for tests. */
size_t sp_block_thread_kept(void);

#endif
