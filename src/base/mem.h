/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Heap allocation that does not fail, so that callers need no error path that nobody ever walks: when malloc has nothing, the
 * block comes from what was put aside at the start (base/reserve.h), and from then on nothing new is begun until malloc has some
 * again.  Only when that is used up too the process aborts with a message: so for sizes that a peer chooses it is asked for
 * sp_try_malloc, or they are bounded before they come here (to SP_RESERVE_LARGEST at most).  All of it is freed by free.
 * Any thread.
 */
#ifndef SP_BASE_MEM_H
#define SP_BASE_MEM_H

#include <stddef.h>

void *sp_xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *sp_xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *sp_xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *sp_xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
/* Aligned to SP_CACHELINE; whole lines of it. */
void *sp_xaligned(size_t size) __attribute__((malloc, returns_nonnull));
/* NULL when malloc has nothing, which counts as memory that is short (base/reserve.h): for what can be done without. */
void *sp_try_malloc(size_t size) __attribute__((malloc));

/* Overwrites memory that held a secret; the compiler may not drop it. */
void sp_wipe(void *p, size_t n);

#endif
