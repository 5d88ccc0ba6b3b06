/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Heap allocation for small, fixed sizes: aborts with a message when memory is out, so that callers need no
 * unreachable error path.  Sizes that a peer chooses are bounded before they come here.  Any thread.
 */
#ifndef SP_BASE_MEM_H
#define SP_BASE_MEM_H

#include <stddef.h>

void *sp_xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *sp_xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *sp_xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *sp_xstrdup(const char *s) __attribute__((malloc, returns_nonnull));

/* Overwrites memory that held a secret; the compiler may not drop it. */
void sp_wipe(void *p, size_t n);

#endif
