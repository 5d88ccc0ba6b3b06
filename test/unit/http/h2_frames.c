/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "h2_frames.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

uint32_t h2f_get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void h2f_frame(struct sp_buf *to, unsigned type, unsigned flags, uint32_t id, const void *payload, size_t n)
{
    uint8_t h[9] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, (uint8_t)type, (uint8_t)flags};
    put32(h + 5, id);
    sp_buf_append(to, h, sizeof(h));
    sp_buf_append(to, payload, n);
}

void h2f_preface(struct sp_buf *to)
{
    sp_buf_append_str(to, SP_STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    h2f_frame(to, H2F_SETTINGS, 0, 0, NULL, 0);
}

void h2f_u32(struct sp_buf *to, unsigned type, unsigned flags, uint32_t id, uint32_t value)
{
    uint8_t v[4];
    put32(v, value);
    h2f_frame(to, type, flags, id, v, sizeof(v));
}

void h2f_setting(struct sp_buf *to, unsigned id, uint32_t value)
{
    uint8_t v[6] = {(uint8_t)(id >> 8), (uint8_t)id};
    put32(v + 2, value);
    h2f_frame(to, H2F_SETTINGS, 0, 0, v, sizeof(v));
}

void h2f_ping(struct sp_buf *to, unsigned flags)
{
    h2f_frame(to, H2F_PING, flags, 0, "12345678", 8);
}

void h2f_goaway(struct sp_buf *to, uint32_t last, uint32_t code)
{
    uint8_t v[8];
    put32(v, last);
    put32(v + 4, code);
    h2f_frame(to, H2F_GOAWAY, 0, 0, v, sizeof(v));
}

/* HPACK integer with a 7-bit prefix: string lengths. */
static void put_len(struct h2f_block *b, size_t n)
{
    if (n < 127) {
        b->v[b->n++] = (uint8_t)n;
        return;
    }
    b->v[b->n++] = 127;
    for (n -= 127; n >= 128; n >>= 7)
        b->v[b->n++] = (uint8_t)(n | 128);
    b->v[b->n++] = (uint8_t)n;
}

static void put_str(struct h2f_block *b, struct sp_str s)
{
    assert(b->n + s.len + 10 < sizeof(b->v));
    put_len(b, s.len);
    memcpy(b->v + b->n, s.ptr, s.len);
    b->n += s.len;
}

void h2f_field_n(struct h2f_block *b, struct sp_str name, struct sp_str value)
{
    b->v[b->n++] = 0;
    put_str(b, name);
    put_str(b, value);
}

void h2f_field(struct h2f_block *b, const char *name, const char *value)
{
    h2f_field_n(b, sp_str_c(name), sp_str_c(value));
}

void h2f_block(struct sp_buf *to, uint32_t id, unsigned flags, const struct h2f_block *b, size_t piece)
{
    if (piece == 0 || piece > b->n) {
        h2f_frame(to, H2F_HEADERS, flags | H2F_END_HEADERS, id, b->v, b->n);
        return;
    }
    h2f_frame(to, H2F_HEADERS, flags, id, b->v, piece);
    for (size_t at = piece; at < b->n; at += piece) {
        size_t n = SP_MIN(piece, b->n - at);
        h2f_frame(to, H2F_CONTINUATION, at + n == b->n ? H2F_END_HEADERS : 0, id, b->v + at, n);
    }
}

void h2f_headers(struct sp_buf *to, uint32_t id, unsigned flags, ...)
{
    struct h2f_block *b = calloc(1, sizeof(*b));
    assert(b);
    va_list ap;
    va_start(ap, flags);
    for (const char *name; (name = va_arg(ap, const char *)) != NULL;)
        h2f_field(b, name, va_arg(ap, const char *));
    va_end(ap);
    h2f_block(to, id, flags, b, 0);
    free(b);
}

void h2f_get(struct sp_buf *to, uint32_t id, unsigned flags)
{
    h2f_headers(to, id, flags, ":method", "GET", ":scheme", "https", ":authority", "www.example.com", ":path", "/",
                NULL);
}

void h2f_post(struct sp_buf *to, uint32_t id, unsigned flags)
{
    h2f_headers(to, id, flags, ":method", "POST", ":scheme", "https", ":authority", "www.example.com", ":path", "/p",
                NULL);
}

bool h2f_next(struct sp_buf *from, struct h2f_frame *ret)
{
    static uint8_t frame[9 + 70000];
    uint8_t h[9];
    if (sp_buf_peek(from, h, sizeof(h)) < sizeof(h))
        return false;
    uint32_t length = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
    if (from->len < 9 + length)
        return false;
    assert(length <= sizeof(frame) - 9);
    sp_buf_peek(from, frame, 9 + length);
    sp_buf_drain(from, 9 + length);
    *ret = (struct h2f_frame){.length = length,
                              .type = h[3],
                              .flags = h[4],
                              .id = h2f_get32(h + 5) & 0x7fffffff,
                              .payload = frame + 9};
    return true;
}
