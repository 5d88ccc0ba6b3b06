/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any header block, judged by http/h2_fields and by nghttp2's own HTTP rules, which the codec switches off: what the
 * first accepts the second must accept too, but for the differences that are listed in `excused`.
 *
 * Input: a byte of kind (0 request, 1 response, 2 trailers; +4: good pseudo-headers come first), then fields: a byte of
 * name length, the name, a byte of value length, the value.
 */
#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "base/buf.h"
#include "http/h2_fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 60, BLOCK_MAX = 16000 };

struct block {
    struct sp_str name[FIELDS_MAX], value[FIELDS_MAX];
    unsigned n;
    enum sp_h2_block kind;
};

static void add(struct block *b, struct sp_str name, struct sp_str value)
{
    b->name[b->n] = name;
    b->value[b->n++] = value;
}

static void read_block(struct block *b, const uint8_t *data, size_t size)
{
    b->n = 0;
    b->kind = (enum sp_h2_block)(data[0] % 4 % 3);
    if (data[0] & 4 && b->kind == SP_H2_REQUEST) {
        add(b, SP_STR(":method"), SP_STR("GET"));
        add(b, SP_STR(":scheme"), SP_STR("https"));
        add(b, SP_STR(":authority"), SP_STR("a.test"));
        add(b, SP_STR(":path"), SP_STR("/"));
    } else if (data[0] & 4 && b->kind == SP_H2_RESPONSE) {
        add(b, SP_STR(":status"), SP_STR("200"));
    }
    size_t at = 1, total = 0;
    while (b->n < FIELDS_MAX && at < size) {
        struct sp_str part[2];
        for (unsigned i = 0; i < 2; i++) {
            if (at >= size)
                return;
            size_t len = SP_MIN((size_t)data[at], size - at - 1);
            part[i] = sp_str_n((const char *)data + at + 1, len);
            at += 1 + len;
        }
        total += part[0].len + part[1].len + 8;
        if (total > BLOCK_MAX - 200)
            return;
        add(b, part[0], part[1]);
    }
}

static enum sp_h2_verdict ours(const struct block *b, struct sp_headers *h, struct sp_arena *arena)
{
    static struct sp_h2_fields f;
    struct sp_codec_config config;
    sp_codec_config_init(&config, b->kind != SP_H2_RESPONSE);
    sp_headers_init(h, arena);
    sp_h2_fields_begin(&f, &config, b->kind, h);
    for (unsigned i = 0; i < b->n; i++) {
        struct sp_h2_field field = {.name = b->name[i], .value = b->value[i]};
        if (!sp_h2_fields_add(&f, &field))
            return SP_H2_TOO_MANY;
    }
    return sp_h2_fields_end(&f);
}

static uint8_t *put_str(uint8_t *p, struct sp_str s)
{
    size_t n = s.len;
    if (n < 127) {
        *p++ = (uint8_t)n;
    } else {
        *p++ = 127;
        for (n -= 127; n >= 128; n >>= 7)
            *p++ = (uint8_t)(n | 128);
        *p++ = (uint8_t)n;
    }
    return mempcpy(p, s.len ? s.ptr : "", s.len);
}

/* A HEADERS frame of literals that are not indexed. */
static size_t put_frame(uint8_t *to, const struct block *b, unsigned flags)
{
    uint8_t *p = to + 9;
    for (unsigned i = 0; i < b->n; i++) {
        *p++ = 0;
        p = put_str(put_str(p, b->name[i]), b->value[i]);
    }
    size_t n = (size_t)(p - to) - 9;
    const uint8_t head[9] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, NGHTTP2_HEADERS, (uint8_t)flags,
                             0, 0, 0, 1};
    memcpy(to, head, sizeof(head));
    return n + 9;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    *(unsigned *)user += frame->hd.type == NGHTTP2_HEADERS;
    return 0;
}

static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t namelen,
                      const uint8_t *value, size_t valuelen, uint8_t flags, void *user)
{
    (void)session, (void)frame, (void)name, (void)namelen, (void)value, (void)valuelen, (void)flags, (void)user;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void feed(nghttp2_session *session, const void *p, size_t n)
{
    ssize_t done = nghttp2_session_mem_recv(session, p, n);
    assert(done == (ssize_t)n);
    (void)done;
}

static bool theirs(const struct block *b)
{
    static const uint8_t settings[9] = {0, 0, 0, NGHTTP2_SETTINGS};
    static const struct block post = {
        .name = {SP_STR_INIT(":method"), SP_STR_INIT(":scheme"), SP_STR_INIT(":authority"), SP_STR_INIT(":path")},
        .value = {SP_STR_INIT("POST"), SP_STR_INIT("https"), SP_STR_INIT("a.test"), SP_STR_INIT("/")},
        .n = 4};
    uint8_t frame[BLOCK_MAX + 9];
    unsigned heads = 0;
    nghttp2_session_callbacks *cb;
    nghttp2_session *session;
    if (nghttp2_session_callbacks_new(&cb) != 0)
        abort();
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid);
    if (b->kind == SP_H2_RESPONSE) {
        static uint8_t method[] = ":method", get[] = "GET";
        nghttp2_nv nv = {.name = method, .value = get, .namelen = 7, .valuelen = 3};
        const uint8_t *out;
        if (nghttp2_session_client_new(&session, cb, &heads) != 0)
            abort();
        nghttp2_submit_request(session, NULL, &nv, 1, NULL, NULL);
        while (nghttp2_session_mem_send(session, &out) > 0)
            continue;
        feed(session, settings, sizeof(settings));
    } else {
        if (nghttp2_session_server_new(&session, cb, &heads) != 0)
            abort();
        feed(session, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
        feed(session, settings, sizeof(settings));
    }
    if (b->kind == SP_H2_TRAILERS)
        feed(session, frame, put_frame(frame, &post, NGHTTP2_FLAG_END_HEADERS));
    heads = 0;
    unsigned end = b->kind == SP_H2_TRAILERS ? NGHTTP2_FLAG_END_STREAM : 0;
    feed(session, frame, put_frame(frame, b, NGHTTP2_FLAG_END_HEADERS | end));
    nghttp2_session_callbacks_del(cb);
    nghttp2_session_del(session);
    return heads == 1;
}

static bool has(const struct block *b, const char *name)
{
    for (unsigned i = 0; i < b->n; i++)
        if (sp_str_eq(b->name[i], sp_str_c(name)))
            return true;
    return false;
}

/* Where we are the milder ones, knowingly. */
static bool excused(const struct block *b, const struct sp_headers *h)
{
    switch (b->kind) {
    case SP_H2_REQUEST:
        return !h->authority.ptr; /* the receiver answers 400 */
    case SP_H2_RESPONSE:
        /* Dropped. A 204's is zero, which nghttp2 knows as "0" only; RFC 9110 section 8.6 has 1*DIGIT. */
        return (h->status < 200 || h->status == 204) && has(b, "content-length");
    case SP_H2_TRAILERS:
        return has(b, "content-length") || has(b, "host"); /* dropped */
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct block *b = malloc(sizeof(*b));
    assert(b);
    struct sp_arena arena;
    struct sp_headers h;
    sp_arena_init(&arena);
    read_block(b, data, size);
    if (ours(b, &h, &arena) == SP_H2_GOOD && !excused(b, &h) && !theirs(b))
        abort();
    sp_arena_done(&arena);
    free(b);
    return 0;
}
