/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats/out.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

char *sp_out_room_slow(struct sp_out *o, size_t n)
{
    o->cap = SP_MAX(o->cap * 2, o->n + n + SP_CHUNK_SIZE);
    o->v = sp_xrealloc(o->v, o->cap);
    return o->v + o->n;
}

void sp_out_u64(struct sp_out *o, uint64_t v)
{
    char text[20], *p = text + sizeof(text);
    do
        *--p = (char)('0' + v % 10);
    while (v /= 10);
    sp_out_put(o, sp_str_n(p, (size_t)(text + sizeof(text) - p)));
}

void sp_out_g(struct sp_out *o, double v, int digits)
{
    char *at = sp_out_room(o, 40);
    o->n += (size_t)snprintf(at, 40, "%.*g", digits, v);
}

void sp_out_value(struct sp_out *o, double v)
{
    if (v >= 100000 && v < 1e15) {
        sp_out_u64(o, (uint64_t)(v + 0.5));
        return;
    }
    sp_out_g(o, v, 6);
}

void sp_out_quoted(struct sp_out *o, struct sp_str s)
{
    char *at = sp_out_room(o, 2 * s.len + 2), *begin = at;
    *at++ = '"';
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\')
            *at++ = '\\';
        *at++ = s.ptr[i];
    }
    *at++ = '"';
    o->n += (size_t)(at - begin);
}

void sp_out_move(struct sp_out *o, struct sp_buf *to)
{
    sp_buf_append(to, o->v, o->n);
    o->n = 0;
}

void sp_out_done(struct sp_out *o)
{
    free(o->v);
    *o = (struct sp_out){0};
}
