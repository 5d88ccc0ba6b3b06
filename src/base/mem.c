/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *check(void *p, size_t size)
{
    if (p || size == 0)
        return p ? p : check(malloc(1), 1);
    fprintf(stderr, "sallyport: out of memory (%zu bytes)\n", size);
    abort();
}

void *sp_xmalloc(size_t size)
{
    return check(malloc(size ? size : 1), size);
}

void *sp_xcalloc(size_t n, size_t size)
{
    return check(calloc(n ? n : 1, size ? size : 1), size);
}

void *sp_xrealloc(void *p, size_t size)
{
    return check(realloc(p, size ? size : 1), size);
}

char *sp_xstrdup(const char *s)
{
    assert(s);
    return check(strdup(s), strlen(s) + 1);
}

void sp_wipe(void *p, size_t n)
{
    if (n)
        explicit_bzero(p, n);
}
