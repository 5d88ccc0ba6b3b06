/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_log_ring: bytes from one thread to one other, without locks.  What is put is seen whole or not at all, so that the
 * reader always finds whole lines.  For stream/log_file.c.
 */
#ifndef SP_STREAM_LOG_RING_H
#define SP_STREAM_LOG_RING_H

#include <assert.h>
#include <stdatomic.h>
#include <sys/uio.h>

#include "base/buf.h"

struct sp_log_ring {
    struct sp_log_ring *next; /* of its file; set before it is published */
    const void *owner;        /* the putting thread's token */
    size_t size;              /* a power of two */
    _Alignas(SP_CACHELINE) _Atomic uint64_t tail; /* bytes ever put: the owner's */
    _Alignas(SP_CACHELINE) _Atomic uint64_t head; /* bytes ever taken: the writer's */
    _Atomic bool signalled;   /* the writer knows that there is something */
    _Alignas(SP_CACHELINE) char data[];
};

static inline size_t sp_log_ring_used(const struct sp_log_ring *r)
{
    return (size_t)(atomic_load_explicit(&r->tail, memory_order_acquire) -
                    atomic_load_explicit(&r->head, memory_order_acquire));
}

/* The owner. False when there is no room. */
static inline bool sp_log_ring_put(struct sp_log_ring *r, const struct sp_buf *line)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    assert(tail - head <= r->size);
    if (line->len > r->size - (size_t)(tail - head))
        return false;
    for (const struct sp_seg *s = line->head; s; s = s->next) {
        size_t at = (size_t)tail & (r->size - 1), n = SP_MIN(s->len, r->size - at);
        if (n)
            memcpy(r->data + at, s->ptr, n);
        if (s->len > n)
            memcpy(r->data, s->ptr + n, s->len - n);
        tail += s->len;
    }
    atomic_store_explicit(&r->tail, tail, memory_order_release);
    return true;
}

/* The writer. All there is, in at most two pieces; how many. */
static inline int sp_log_ring_peek(struct sp_log_ring *r, struct iovec iov[2])
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    size_t n = (size_t)(tail - head), at = (size_t)head & (r->size - 1), first = SP_MIN(n, r->size - at);
    iov[0] = (struct iovec){r->data + at, first};
    iov[1] = (struct iovec){r->data, n - first};
    return (first > 0) + (n > first);
}

static inline void sp_log_ring_take(struct sp_log_ring *r, size_t n)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    atomic_store_explicit(&r->head, head + n, memory_order_release);
}

#endif
