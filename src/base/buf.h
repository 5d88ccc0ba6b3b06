/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_buf: a queue of bytes made of segments that point into reference-counted 16 KiB chunks.  Moving bytes from
 * one buffer to another moves segments, not bytes.  Chunks come from a per-thread pool; an empty buffer holds no
 * memory.  Buffers and their chunks stay on one thread.
 */
#ifndef SP_BASE_BUF_H
#define SP_BASE_BUF_H

#include <sys/uio.h>

#include "base/str.h"

enum {
    SP_CHUNK_SIZE = 16384, /* usable bytes of a pooled chunk, a little less after its header */
    SP_CHUNK_SLACK = 128,  /* behind them, for sp_buf_reserve_whole: a TLS record of 16 KiB is a little longer */
    SP_SMALL_MAX = 1024,   /* of sp_buf_append_small */
};

struct sp_chunk;

struct sp_seg {
    struct sp_seg *next;
    struct sp_chunk *chunk; /* a reference; NULL when the bytes are static */
    char *ptr;
    size_t len;
};

struct sp_buf {
    struct sp_seg *head, *tail;
    size_t len; /* bytes in all segments */
};

static inline void sp_buf_init(struct sp_buf *b)
{
    b->head = b->tail = NULL;
    b->len = 0;
}

/* Drops all bytes; the buffer may be used again. */
void sp_buf_clear(struct sp_buf *b);

/* Copies bytes to the end. */
void sp_buf_append(struct sp_buf *b, const void *p, size_t n);
static inline void sp_buf_append_str(struct sp_buf *b, struct sp_str s)
{
    sp_buf_append(b, s.ptr, s.len);
}
/*
 * Copies n <= SP_SMALL_MAX bytes to the end, into a chunk that all small pieces of the thread share if there is no room
 * at the buffer's end: so that a buffer of few bytes does not hold a chunk of its own.
 */
void sp_buf_append_small(struct sp_buf *b, const void *p, size_t n);
/* Appends bytes that live for ever (string literals), without a copy. */
void sp_buf_append_static(struct sp_buf *b, const void *p, size_t n);
/* Moves everything of `from` to the end of `to`; small pieces are joined by copying. */
void sp_buf_move(struct sp_buf *to, struct sp_buf *from);
/* Moves the first n (at most from->len) bytes. */
void sp_buf_move_n(struct sp_buf *to, struct sp_buf *from, size_t n);
/*
 * Appends all bytes of `from`, which keeps them too: both point at the same chunks. Small pieces are copied: what is kept for long
 * holds no more than four times its length in chunks, however small the reads were that it came in.
 */
void sp_buf_share(struct sp_buf *to, const struct sp_buf *from);
/* Drops the first n (at most len) bytes. */
void sp_buf_drain(struct sp_buf *b, size_t n);
/* Copies the first n bytes out without draining; returns how many there were. */
size_t sp_buf_peek(const struct sp_buf *b, void *out, size_t n);
/*
 * Makes the first n bytes lie together (n <= len, n <= 1 MiB) and returns them; valid until the buffer changes.
 * Costs a copy only when they straddle segments.
 */
const char *sp_buf_pullup(struct sp_buf *b, size_t n);
/* The bytes of the first segment, or an empty slice. */
static inline struct sp_str sp_buf_front(const struct sp_buf *b)
{
    return b->head ? sp_str_n(b->head->ptr, b->head->len) : SP_STR_NULL;
}
/* Offset of the first `c`, or -1; looks at no more than the first `limit` bytes. */
ptrdiff_t sp_buf_chr(const struct sp_buf *b, char c, size_t limit);
/* Fills at most max iovecs from the start; returns how many. */
unsigned sp_buf_iov(const struct sp_buf *b, struct iovec *iov, unsigned max);

/*
 * Room to write into at the end: at least `min` bytes (min <= SP_CHUNK_SIZE / 2), *ret_room says how much there
 * is.  Follow with sp_buf_commit for what was written (0 gives the room back); nothing else may touch the buffer
 * in between.
 */
char *sp_buf_reserve(struct sp_buf *b, size_t min, size_t *ret_room);
/* The same in the chunk that small pieces of the thread share: for what is mostly short and soon gone. */
char *sp_buf_reserve_shared(struct sp_buf *b, size_t min, size_t *ret_room);
/* Room for n (at most SP_CHUNK_SIZE + SP_CHUNK_SLACK) bytes, neither more nor less. */
char *sp_buf_reserve_whole(struct sp_buf *b, size_t n);
void sp_buf_commit(struct sp_buf *b, size_t n);
/* Takes the last n bytes off again, all of them of the last segment: what was committed before it was known how much is needed. */
void sp_buf_cut(struct sp_buf *b, size_t n);

/* Frees the calling thread's pools: at the thread's end. */
void sp_buf_thread_done(void);
/* Chunks in use by buffers on this thread, for tests and memory stats. */
size_t sp_buf_thread_chunks(void);

#endif
