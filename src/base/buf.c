/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/buf.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/reserve.h"

enum {
    SHARE_COPY_MAX = 4096, /* less than that is copied by sp_buf_share: a byte must not hold the chunk it was read into */
    CHUNK_CACHE_MAX = 64, /* chunks and segments that a thread keeps for itself */
    SEG_CACHE_MAX = 1024,
    COPY_MAX = 512 /* a moved piece this small is copied when the tail has room */
};

struct sp_chunk {
    unsigned refs;
    size_t used; /* the high mark: bytes behind it are free to the chunk's newest segment */
    size_t cap;
    struct sp_chunk *next_free;
    char data[];
};

static _Thread_local struct sp_chunk *chunk_cache;
static _Thread_local unsigned chunk_cached;
static _Thread_local size_t chunk_live;
static _Thread_local struct sp_chunk *small_chunk; /* a reference; sp_buf_append_small writes into it */
static _Thread_local struct sp_seg *seg_cache;
static _Thread_local unsigned seg_cached;

enum { CHUNK_CAP = SP_CHUNK_SIZE };
_Static_assert(sizeof(struct sp_chunk) + CHUNK_CAP + SP_CHUNK_SLACK <= SP_RESERVE_CHUNK, "or the reserve has only a few blocks for it");

static struct sp_chunk *chunk_new(size_t cap)
{
    struct sp_chunk *c;
    if (cap <= CHUNK_CAP && chunk_cache) {
        c = chunk_cache;
        chunk_cache = c->next_free;
        chunk_cached--;
    } else {
        cap = SP_MAX(cap, (size_t)CHUNK_CAP);
        c = sp_xmalloc(sizeof(*c) + cap + SP_CHUNK_SLACK);
        c->cap = cap;
    }
    c->refs = 1;
    c->used = 0;
    chunk_live++;
    return c;
}

static void chunk_unref(struct sp_chunk *c)
{
    if (!c || --c->refs)
        return;
    chunk_live--;
    if (c->cap == CHUNK_CAP && chunk_cached < CHUNK_CACHE_MAX) {
        c->next_free = chunk_cache;
        chunk_cache = c;
        chunk_cached++;
        return;
    }
    free(c);
}

static struct sp_seg *seg_new(struct sp_chunk *c, char *ptr, size_t len)
{
    struct sp_seg *s = seg_cache;
    if (s) {
        seg_cache = s->next;
        seg_cached--;
    } else {
        s = sp_xmalloc(sizeof(*s));
    }
    *s = (struct sp_seg){.chunk = c, .ptr = ptr, .len = len};
    return s;
}

static void seg_free(struct sp_seg *s)
{
    chunk_unref(s->chunk);
    if (seg_cached < SEG_CACHE_MAX) {
        s->next = seg_cache;
        seg_cache = s;
        seg_cached++;
        return;
    }
    free(s);
}

static void link_tail(struct sp_buf *b, struct sp_seg *s)
{
    if (b->tail)
        b->tail->next = s;
    else
        b->head = s;
    b->tail = s;
}

/* Whether the bytes directly behind the segment are its own to write into. */
static bool seg_grows(const struct sp_seg *s)
{
    return s->chunk && s->ptr + s->len == s->chunk->data + s->chunk->used;
}

static size_t seg_room(const struct sp_seg *s)
{
    return seg_grows(s) && s->chunk->used < s->chunk->cap ? s->chunk->cap - s->chunk->used : 0;
}

/* The same with what only sp_buf_reserve_whole uses. */
static size_t seg_space(const struct sp_seg *s)
{
    return seg_grows(s) ? s->chunk->cap + SP_CHUNK_SLACK - s->chunk->used : 0;
}

void sp_buf_clear(struct sp_buf *b)
{
    assert(b);
    for (struct sp_seg *s = b->head, *next; s; s = next) {
        next = s->next;
        seg_free(s);
    }
    sp_buf_init(b);
}

char *sp_buf_reserve(struct sp_buf *b, size_t min, size_t *ret_room)
{
    assert(b && ret_room && min <= CHUNK_CAP / 2);
    size_t room = b->tail ? seg_room(b->tail) : 0;
    if (room < SP_MAX(min, (size_t)1)) {
        struct sp_chunk *c = chunk_new(CHUNK_CAP);
        link_tail(b, seg_new(c, c->data, 0));
        room = c->cap;
    }
    *ret_room = room;
    return b->tail->ptr + b->tail->len;
}

char *sp_buf_reserve_whole(struct sp_buf *b, size_t n)
{
    assert(b && n > 0 && n <= SP_CHUNK_SIZE + SP_CHUNK_SLACK);
    if (!b->tail || seg_space(b->tail) < n) {
        struct sp_chunk *c = chunk_new(CHUNK_CAP);
        link_tail(b, seg_new(c, c->data, 0));
    }
    return b->tail->ptr + b->tail->len;
}

static void drop_empty_tail(struct sp_buf *b)
{
    struct sp_seg *t = b->tail;
    if (b->head == t) {
        b->head = b->tail = NULL;
    } else {
        struct sp_seg *p = b->head;
        while (p->next != t)
            p = p->next;
        p->next = NULL;
        b->tail = p;
    }
    seg_free(t);
}

void sp_buf_commit(struct sp_buf *b, size_t n)
{
    assert(b && b->tail && n <= seg_space(b->tail));
    b->tail->len += n;
    b->tail->chunk->used += n;
    b->len += n;
    if (b->tail->len == 0)
        drop_empty_tail(b);
}

void sp_buf_cut(struct sp_buf *b, size_t n)
{
    assert(b && b->tail && n <= b->tail->len);
    if (seg_grows(b->tail)) /* else others have written behind it, and the bytes are lost to the chunk */
        b->tail->chunk->used -= n;
    b->tail->len -= n;
    b->len -= n;
    if (b->tail->len == 0)
        drop_empty_tail(b);
}

void sp_buf_append(struct sp_buf *b, const void *p, size_t n)
{
    assert(b && (p || n == 0));
    const char *from = p;
    while (n) {
        size_t room;
        char *to = sp_buf_reserve(b, 1, &room);
        size_t k = SP_MIN(room, n);
        memcpy(to, from, k);
        sp_buf_commit(b, k);
        from += k;
        n -= k;
    }
}

static struct sp_chunk *small_chunk_with(size_t n)
{
    struct sp_chunk *c = small_chunk;
    if (c && c->refs == 1)
        c->used = 0; /* all pieces are gone */
    if (c && c->used <= c->cap && c->cap - c->used >= n)
        return c;
    chunk_unref(c);
    return small_chunk = chunk_new(CHUNK_CAP);
}

char *sp_buf_reserve_shared(struct sp_buf *b, size_t min, size_t *ret_room)
{
    assert(b && ret_room && min > 0 && min <= CHUNK_CAP / 2);
    size_t room = b->tail ? seg_room(b->tail) : 0;
    if (room < min) {
        struct sp_chunk *c = small_chunk_with(min);
        c->refs++;
        link_tail(b, seg_new(c, c->data + c->used, 0));
        room = c->cap - c->used;
    }
    *ret_room = room;
    return b->tail->ptr + b->tail->len;
}

void sp_buf_append_small(struct sp_buf *b, const void *p, size_t n)
{
    assert(b && (p || n == 0) && n <= SP_SMALL_MAX);
    if (n == 0)
        return;
    if (b->tail && seg_room(b->tail) >= n) {
        sp_buf_append(b, p, n);
        return;
    }
    struct sp_chunk *c = small_chunk_with(n);
    char *to = c->data + c->used;
    memcpy(to, p, n);
    c->used += n;
    c->refs++;
    link_tail(b, seg_new(c, to, n));
    b->len += n;
}

void sp_buf_append_static(struct sp_buf *b, const void *p, size_t n)
{
    assert(b && (p || n == 0));
    if (n == 0)
        return;
    if (b->tail && seg_room(b->tail) >= n) {
        sp_buf_append(b, p, n);
        return;
    }
    link_tail(b, seg_new(NULL, (char *)(uintptr_t)p, n));
    b->len += n;
}

void sp_buf_move(struct sp_buf *to, struct sp_buf *from)
{
    assert(to && from && to != from);
    if (!from->head)
        return;
    if (from->len <= COPY_MAX && to->tail && seg_room(to->tail) >= from->len) {
        for (struct sp_seg *s = from->head; s; s = s->next)
            sp_buf_append(to, s->ptr, s->len);
        sp_buf_clear(from);
        return;
    }
    if (to->tail)
        to->tail->next = from->head;
    else
        to->head = from->head;
    to->tail = from->tail;
    to->len += from->len;
    sp_buf_init(from);
}

static struct sp_seg *unlink_head(struct sp_buf *b)
{
    struct sp_seg *s = b->head;
    b->head = s->next;
    if (!b->head)
        b->tail = NULL;
    b->len -= s->len;
    s->next = NULL;
    return s;
}

void sp_buf_move_n(struct sp_buf *to, struct sp_buf *from, size_t n)
{
    assert(to && from && to != from);
    if (n >= from->len) {
        sp_buf_move(to, from);
        return;
    }
    while (n && from->head->len <= n) {
        struct sp_seg *s = unlink_head(from);
        n -= s->len;
        to->len += s->len;
        link_tail(to, s);
    }
    if (!n)
        return;
    struct sp_seg *h = from->head;
    if (n <= COPY_MAX && h->chunk) {
        sp_buf_append(to, h->ptr, n);
    } else {
        if (h->chunk)
            h->chunk->refs++;
        link_tail(to, seg_new(h->chunk, h->ptr, n));
        to->len += n;
    }
    sp_buf_drain(from, n);
}

void sp_buf_share(struct sp_buf *to, const struct sp_buf *from)
{
    assert(to && from && to != from);
    for (const struct sp_seg *s = from->head; s; s = s->next) {
        if (s->len <= SHARE_COPY_MAX) {
            if (s->len <= SP_SMALL_MAX)
                sp_buf_append_small(to, s->ptr, s->len);
            else
                sp_buf_append(to, s->ptr, s->len);
            continue;
        }
        if (s->chunk)
            s->chunk->refs++;
        link_tail(to, seg_new(s->chunk, s->ptr, s->len));
        to->len += s->len;
    }
}

void sp_buf_drain(struct sp_buf *b, size_t n)
{
    assert(b);
    if (n >= b->len) {
        sp_buf_clear(b);
        return;
    }
    while (n) {
        struct sp_seg *h = b->head;
        if (h->len > n) {
            h->ptr += n;
            h->len -= n;
            b->len -= n;
            return;
        }
        n -= h->len;
        seg_free(unlink_head(b));
    }
}

size_t sp_buf_peek(const struct sp_buf *b, void *out, size_t n)
{
    assert(b && (out || n == 0));
    size_t done = 0;
    for (const struct sp_seg *s = b->head; s && done < n; s = s->next) {
        size_t k = SP_MIN(s->len, n - done);
        memcpy((char *)out + done, s->ptr, k);
        done += k;
    }
    return done;
}

const char *sp_buf_pullup(struct sp_buf *b, size_t n)
{
    assert(b && n <= b->len && n <= 1024 * 1024);
    if (n == 0)
        return "";
    if (b->head->len >= n)
        return b->head->ptr;
    struct sp_chunk *c = chunk_new(n);
    sp_buf_peek(b, c->data, n);
    c->used = n;
    sp_buf_drain(b, n);
    struct sp_seg *s = seg_new(c, c->data, n);
    s->next = b->head;
    b->head = s;
    if (!b->tail)
        b->tail = s;
    b->len += n;
    return s->ptr;
}

ptrdiff_t sp_buf_chr(const struct sp_buf *b, char ch, size_t limit)
{
    assert(b);
    size_t at = 0;
    for (const struct sp_seg *s = b->head; s && at < limit; s = s->next) {
        const char *p = memchr(s->ptr, ch, SP_MIN(s->len, limit - at));
        if (p)
            return (ptrdiff_t)at + (p - s->ptr);
        at += s->len;
    }
    return -1;
}

unsigned sp_buf_iov(const struct sp_buf *b, struct iovec *iov, unsigned max)
{
    assert(b && iov);
    unsigned n = 0;
    for (const struct sp_seg *s = b->head; s && n < max; s = s->next)
        if (s->len)
            iov[n++] = (struct iovec){s->ptr, s->len};
    return n;
}

void sp_buf_thread_done(void)
{
    chunk_unref(small_chunk);
    small_chunk = NULL;
    while (chunk_cache) {
        struct sp_chunk *c = chunk_cache;
        chunk_cache = c->next_free;
        free(c);
    }
    chunk_cached = 0;
    while (seg_cache) {
        struct sp_seg *s = seg_cache;
        seg_cache = s->next;
        free(s);
    }
    seg_cached = 0;
}

size_t sp_buf_thread_chunks(void)
{
    return chunk_live - (small_chunk && small_chunk->refs == 1);
}
