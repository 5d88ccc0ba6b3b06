/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_writer: the end of a buffer as one flat piece of memory after the other, and bytes of peers written there so that
 * they cannot be taken for something else.  For log lines and JSON: control characters (C0, DEL, C1), and those that
 * end a line or turn it round (U+2028 to U+202E, U+2066 to U+2069), come out as \uXXXX, '"' and '\' behind a backslash,
 * what is no UTF-8 as U+FFFD.  Inside a pair of '"' this is always valid JSON.  A writer lives on the stack of one call;
 * nothing else touches the buffer until sp_writer_done.
 */
#ifndef SP_STREAM_ESCAPE_H
#define SP_STREAM_ESCAPE_H

#include <assert.h>

#include "base/buf.h"

struct sp_writer {
    struct sp_buf *out;
    char *start, *p, *end;
};

static inline void sp_writer_init(struct sp_writer *w, struct sp_buf *out)
{
    *w = (struct sp_writer){.out = out};
}
void sp_writer_done(struct sp_writer *w);

void sp_writer_put_slow(struct sp_writer *w, const char *p, size_t n);
/* Bytes as they are. */
static inline void sp_writer_put(struct sp_writer *w, const char *p, size_t n)
{
    if (SP_LIKELY(n <= (size_t)(w->end - w->p))) {
        assert(w->p || n == 0);
        if (n > 4) {
            memcpy(w->p, p, n);
        } else if (n == 4) { /* most literals: shorter than the call of memcpy */
            memcpy(w->p, p, 4);
        } else {
            if (n & 2)
                memcpy(w->p, p, 2);
            if (n & 1)
                w->p[n - 1] = p[n - 1];
        }
        w->p += n;
        return;
    }
    sp_writer_put_slow(w, p, n);
}
static inline void sp_writer_str(struct sp_writer *w, struct sp_str s)
{
    sp_writer_put(w, s.ptr, s.len);
}
void sp_writer_u64(struct sp_writer *w, uint64_t n);

void sp_writer_escaped(struct sp_writer *w, struct sp_str s);
/* JSON text that is believed to be valid: as it is but for control characters (a space) and what is no UTF-8. */
void sp_writer_json(struct sp_writer *w, struct sp_str s);
/* How many bytes at the start need no escape. */
size_t sp_clean_run(struct sp_str s);

/* Decimal digits of n to out; how many. */
size_t sp_format_u64(uint64_t n, char out[static 20]);

#endif
