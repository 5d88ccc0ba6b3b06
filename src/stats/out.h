/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text as it is put together for a page of stats, before it goes to a buffer. For stats/ only. */
#ifndef SP_STATS_OUT_H
#define SP_STATS_OUT_H

#include "base/buf.h"

struct sp_out {
    char *v;
    size_t n, cap;
};

char *sp_out_room_slow(struct sp_out *o, size_t n);
/* Room for n bytes at the end, of which o->n knows nothing yet. */
static inline char *sp_out_room(struct sp_out *o, size_t n)
{
    return SP_LIKELY(o->cap - o->n >= n) ? o->v + o->n : sp_out_room_slow(o, n);
}

static inline void sp_out_put(struct sp_out *o, struct sp_str s)
{
    if (s.len)
        memcpy(sp_out_room(o, s.len), s.ptr, s.len);
    o->n += s.len;
}

static inline void sp_out_char(struct sp_out *o, char c)
{
    *sp_out_room(o, 1) = c;
    o->n++;
}

#define SP_OUT_LIT(o, lit) sp_out_put(o, SP_STR(lit))
void sp_out_u64(struct sp_out *o, uint64_t v);
/* A measured value: six digits, without an exponent where they are enough. */
void sp_out_value(struct sp_out *o, double v);
/* As printf's %.*g. */
void sp_out_g(struct sp_out *o, double v, int digits);
/* A string of JSON; control bytes are not in it. */
void sp_out_quoted(struct sp_out *o, struct sp_str s);
void sp_out_move(struct sp_out *o, struct sp_buf *to);
void sp_out_done(struct sp_out *o);

#endif
