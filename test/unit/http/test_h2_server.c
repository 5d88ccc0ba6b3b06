/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP/2 server codec against a peer with hand-made frames: malformed requests, and each limit on abuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "h2_rig.h"

/* ---- greeting ---- */

static void test_greeting(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    assert_int_equal(r->n_settings, 1);
    assert_int_equal(r->n_setting_acks, 1);
    assert_int_equal(r->settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], 100);
    assert_int_equal(r->settings[NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE], 65536);
    assert_int_equal(r->settings[NGHTTP2_SETTINGS_HEADER_TABLE_SIZE], 4096);
    assert_int_equal(r->settings[NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES], 1);
    assert_int_equal(r->settings[NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE], 60 * 1024 + 3200);
    assert_int_equal(r->settings[NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL], 0);
    assert_int_equal(r->conn_window, 1024 * 1024 - 65535);
    assert_false(r->side.codec->in_head);
    rig_check_alive(r, 1);
    rig_free(r);
}

/* An acknowledgement of SETTINGS may wait for the answer that follows, and for nothing else. */
static void test_may_wait(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    assert_false(r->side.codec->may_wait);
    h2f_frame(&r->in, H2F_SETTINGS, 0, 0, NULL, 0);
    rig_go(r);
    assert_int_equal(r->n_setting_acks, 2);
    assert_false(r->side.codec->may_wait); /* nobody waits for an answer */
    h2f_frame(&r->in, H2F_SETTINGS, 0, 0, NULL, 0);
    h2f_get(&r->in, 1, H2F_END_STREAM);
    rig_go(r);
    assert_int_equal(r->n_setting_acks, 3);
    assert_true(r->side.codec->may_wait);
    rig_go(r);
    assert_false(r->side.codec->may_wait);
    h2f_frame(&r->in, H2F_SETTINGS, 0, 0, NULL, 0);
    h2f_ping(&r->in, 0);
    rig_go(r);
    assert_false(r->side.codec->may_wait);
    rig_free(r);
}

static void test_bad_preface(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x06\0\0\0\0\0", /* no SETTINGS */
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        for (size_t piece = 0; piece < 2; piece++) {
            struct rig *r = rig_make(true);
            cu_start(&r->side, sp_h2_new);
            r->piece = piece;
            sp_buf_append(&r->in, bad[i], i == 2 ? 33 : strlen(bad[i]));
            rig_go(r);
            assert_int_equal(r->n_settings, 1);
            assert_int_equal(r->goaway, NGHTTP2_PROTOCOL_ERROR);
            assert_true(r->side.codec->want_close);
            assert_int_equal(r->side.events[SP_CE_BAD_REQUEST], 1);
            rig_free(r);
        }
    }
}

/* What rests holds no pages, and answers as before: before its first request, after one, after more than a table of streams. */
static void test_rest(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    struct sp_codec *c = r->side.codec;
    for (uint32_t id = 1; id < 600; id += 2) {
        if (id % 20 == 1)
            c->ops->rest(c);
        rig_check_alive(r, id);
        c->ops->rest(c);
    }
    r->side.hook = NULL; /* nobody answers: it stays open */
    h2f_get(&r->in, 601, H2F_END_STREAM);
    rig_go(r);
    c->ops->rest(c); /* it has a stream: nothing may go */
    assert_int_equal(c->n_streams, 1);
    rig_check_alive(r, 603);
    rig_free(r);
}

static void test_in_head(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    struct h2f_block *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    h2f_field(b, ":method", "GET");
    h2f_frame(&r->in, H2F_HEADERS, H2F_END_STREAM, 1, b->v, b->n);
    rig_go(r);
    assert_true(r->side.codec->in_head);
    b->n = 0;
    h2f_field(b, ":scheme", "https");
    h2f_field(b, ":path", "/");
    h2f_field(b, ":authority", "a");
    h2f_frame(&r->in, H2F_CONTINUATION, 0, 1, b->v, b->n);
    rig_go(r);
    assert_true(r->side.codec->in_head);
    h2f_frame(&r->in, H2F_CONTINUATION, H2F_END_HEADERS, 1, NULL, 0);
    rig_go(r);
    assert_false(r->side.codec->in_head);
    assert_int_equal(r->side.n, 1);
    free(b);
    rig_free(r);
}

/* ---- malformed requests ---- */

struct bad_case {
    const char *detail;
    const char *v[16];
};

#define GOOD ":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", "/"

static const struct bad_case bad_requests[] = {
    {"http2.invalid_header_name", {GOOD, "X-Upper", "1"}},
    {"http2.invalid_header_name", {GOOD, "x y", "1"}},
    {"http2.invalid_header_name", {GOOD, "", "1"}},
    {"http2.invalid_header_name", {GOOD, "x\ny", "1"}},
    {"http2.invalid_header_value", {GOOD, "x-a", "1\n2"}},
    {"http2.invalid_header_value", {GOOD, "x-a", "1\r2"}},
    {"http2.invalid_header_value", {GOOD, "x-a", " 1"}},
    {"http2.invalid_header_value", {GOOD, "x-a", "1\t"}},
    {"http2.invalid_header_value", {GOOD, "cookie", "a\x7f"}},
    {"http2.connection_header", {GOOD, "connection", "close"}},
    {"http2.connection_header", {GOOD, "keep-alive", "1"}},
    {"http2.connection_header", {GOOD, "proxy-connection", "1"}},
    {"http2.connection_header", {GOOD, "transfer-encoding", "chunked"}},
    {"http2.connection_header", {GOOD, "upgrade", "h2c"}},
    {"http2.invalid_te", {GOOD, "te", "gzip"}},
    {"http2.invalid_content_length", {GOOD, "content-length", "+5"}},
    {"http2.invalid_content_length", {GOOD, "content-length", "5", "content-length", "5"}},
    {"http2.invalid_content_length", {GOOD, "content-length", "99999999999999999999"}},
    {"http2.content_length_mismatch", {GOOD, "content-length", "5"}}, /* and END_STREAM */
    {"http2.invalid_pseudo_header", {GOOD, ":path", "/2"}},
    {"http2.invalid_pseudo_header", {GOOD, ":status", "200"}},
    {"http2.invalid_pseudo_header", {GOOD, ":unknown", "1"}},
    {"http2.invalid_pseudo_header", {":method", "GET", ":scheme", "https", "x-a", "1", ":path", "/"}},
    {"http2.invalid_pseudo_header", {":method", "GET", ":scheme", "https", ":authority", "a", ":path", ""}},
    {"http2.extended_connect", {":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "a",
                                ":path", "/"}},
    {"http2.missing_pseudo_header", {":method", "GET", ":scheme", "https", ":authority", "a"}},
    {"http2.missing_pseudo_header", {":method", "GET", ":path", "/", ":authority", "a"}},
    {"http2.missing_pseudo_header", {":scheme", "https", ":path", "/", ":authority", "a"}},
    {"http2.missing_pseudo_header", {":method", "CONNECT", ":scheme", "https", ":authority", "a:1", ":path", "/"}},
    {"http2.missing_pseudo_header", {":method", "CONNECT"}},
    {"http2.invalid_method", {":method", "G T", ":scheme", "https", ":authority", "a", ":path", "/"}},
    {"http2.invalid_scheme", {":method", "GET", ":scheme", "ftp", ":authority", "a", ":path", "/"}},
    {"http2.invalid_path", {":method", "GET", ":scheme", "https", ":authority", "a", ":path", "x"}},
    {"http2.invalid_path", {":method", "GET", ":scheme", "https", ":authority", "a", ":path", "*"}},
    {"http2.invalid_path", {":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/ b"}},
    {"http2.invalid_path", {":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/\tb"}},
    {"http2.invalid_authority", {":method", "GET", ":scheme", "https", ":authority", "u@a", ":path", "/"}},
    {"http2.invalid_authority", {":method", "GET", ":scheme", "https", ":authority", "a/b", ":path", "/"}},
    {"http2.host_is_not_authority", {GOOD, "host", "b.test"}},
    {"http2.invalid_host", {GOOD, "host", "a.test", "host", "a.test"}},
    {"http2.invalid_host", {GOOD, "host", "a b"}},
};

static void put_case(struct rig *r, uint32_t id, const struct bad_case *c)
{
    struct h2f_block *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    for (unsigned i = 0; i < SP_ARRAY_LEN(c->v) && c->v[i]; i += 2)
        h2f_field(b, c->v[i], c->v[i + 1]);
    h2f_block(&r->in, id, H2F_END_STREAM, b, 0);
    free(b);
}

static void test_malformed_requests(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad_requests); i++) {
        uint32_t id = 1 + 2 * i;
        put_case(r, id, &bad_requests[i]);
        rig_go(r);
        assert_string_equal(r->side.last_detail, bad_requests[i].detail);
        assert_int_equal(r->s[id].reset, NGHTTP2_PROTOCOL_ERROR);
        assert_int_equal(r->side.events[SP_CE_BAD_REQUEST], i + 1);
        assert_int_equal(r->rc, 0);
    }
    assert_int_equal(r->side.n, 0); /* nobody heard of them */
    rig_check_alive(r, 999);
    rig_free(r);
}

static void close_on_error(struct sp_codec_config *c)
{
    c->h2_stream_error_on_invalid = false;
}

static void test_malformed_closes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad_requests); i++) {
        struct rig *r = rig_new(true, close_on_error);
        h2f_get(&r->in, 1, H2F_END_STREAM); /* an innocent one */
        put_case(r, 3, &bad_requests[i]);
        rig_go(r);
        assert_int_equal(r->goaway, NGHTTP2_PROTOCOL_ERROR);
        assert_string_equal(r->side.last_detail, bad_requests[i].detail);
        assert_true(r->side.codec->want_close);
        assert_int_equal(r->side.n, r->side.n_closed);
        rig_free(r);
    }
}

static void test_nul_in_value(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    struct h2f_block *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    static const char *const good[] = {GOOD};
    for (unsigned i = 0; i < SP_ARRAY_LEN(good); i += 2)
        h2f_field(b, good[i], good[i + 1]);
    h2f_field_n(b, SP_STR("x-a"), sp_str_n("a\0b", 3));
    h2f_block(&r->in, 1, H2F_END_STREAM, b, 0);
    rig_go(r);
    assert_int_equal(r->s[1].reset, NGHTTP2_PROTOCOL_ERROR);
    free(b);
    rig_free(r);
}

static void test_good_requests(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    static const struct bad_case good[] = {
        {"a.test", {GOOD, "host", "A.Test", "te", "trailers", "x-a", ""}},
        {"b.test:8443", {":method", "GET", ":scheme", "HTTPS", ":path", "/", "host", "b.test:8443"}},
        {"", {":method", "GET", ":scheme", "http", ":path", "/"}}, /* the receiver answers 400 */
        {"a", {":method", "OPTIONS", ":scheme", "https", ":authority", "a", ":path", "*"}},
        {"a:443", {":method", "CONNECT", ":authority", "a:443"}},
        {"a.test", {GOOD, "content-length", "0", "x-a", "v\xe4lue\twith tab"}},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(good); i++) {
        put_case(r, 1 + 2 * i, &good[i]);
        rig_go(r);
        assert_int_equal(r->side.n, i + 1);
        assert_string_equal(r->side.x[i]->authority, good[i].detail);
        assert_true(r->side.x[i]->ended);
        assert_null(sp_headers_get_id(r->side.x[i]->head, SP_H_HOST).ptr);
        assert_string_equal(r->side.x[i]->scheme, i == 2 ? "http" : i == 4 ? "" : "https");
    }
    assert_int_equal(r->side.events[SP_CE_BAD_REQUEST], 0);
    rig_free(r);
}

static void test_cookie_crumbs(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    h2f_headers(&r->in, 1, H2F_END_STREAM, GOOD, "cookie", "a=1", "x-b", "2", "cookie", "", "cookie", "c=3", NULL);
    rig_go(r);
    struct sp_headers *h = r->side.x[0]->head;
    assert_int_equal(h->n, 2);
    assert_true(sp_str_eq(h->v[0].value, SP_STR("a=1; ; c=3")));
    assert_int_equal(h->v[1].id, SP_H_OTHER);
    rig_free(r);
}

static void test_content_length(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    static const struct {
        const char *said;
        size_t sent;
        bool good;
    } cases[] = {{"10", 10, true}, {"10", 9, false}, {"10", 11, false}, {"0", 0, true}, {"0", 1, false}};
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        uint32_t id = 1 + 2 * i;
        h2f_headers(&r->in, id, 0, GOOD, "content-length", cases[i].said, NULL);
        h2f_frame(&r->in, H2F_DATA, H2F_END_STREAM, id, "0123456789abc", cases[i].sent);
        rig_go(r);
        assert_int_equal(r->s[id].reset, cases[i].good ? RIG_NO_CODE : NGHTTP2_PROTOCOL_ERROR);
    }
    /* In two reads: the user knows the stream by then, and hears of its end. */
    h2f_headers(&r->in, 101, 0, GOOD, "content-length", "5", NULL);
    rig_go(r);
    h2f_frame(&r->in, H2F_DATA, 0, 101, "123456", 6);
    rig_go(r);
    struct cu_exchange *x = r->side.x[r->side.n - 1];
    assert_true(x->aborted && x->cancelled && x->closed && x->n_body == 0);
    assert_int_equal(x->abort_why, SP_ABORT_PROTOCOL);
    assert_int_equal(x->closed_why, SP_ABORT_PROTOCOL);
    rig_free(r);
}

static void test_trailers(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    h2f_post(&r->in, 1, 0);
    h2f_frame(&r->in, H2F_DATA, 0, 1, "abc", 3);
    h2f_headers(&r->in, 1, H2F_END_STREAM, "x-t", "1", "content-length", "5", "x-forwarded-for", "1.2.3.4", "cookie", "a=b",
                "cookie", "c=d", NULL);
    rig_go(r);
    assert_true(r->side.x[0]->ended);
    assert_int_equal(r->side.x[0]->trailers->n, 1); /* what may not stand in trailers is gone */
    h2f_post(&r->in, 3, 0);
    h2f_headers(&r->in, 3, H2F_END_STREAM, ":path", "/evil", NULL);
    h2f_post(&r->in, 5, 0);
    h2f_headers(&r->in, 5, 0, "x-t", "1", NULL); /* no END_STREAM */
    rig_go(r);
    assert_int_equal(r->s[3].reset, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(r->s[5].reset, NGHTTP2_PROTOCOL_ERROR);
    rig_check_alive(r, 7);
    rig_free(r);
}

static void refuse_underscores(struct sp_codec_config *c)
{
    c->underscores = 1;
}

static void drop_underscores(struct sp_codec_config *c)
{
    c->underscores = 2;
}

static void test_underscores(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct rig *r = rig_new(true, i == 0 ? NULL : i == 1 ? refuse_underscores : drop_underscores);
        h2f_headers(&r->in, 1, H2F_END_STREAM, GOOD, "x_a", "1", "x-b", "2", NULL);
        rig_go(r);
        assert_int_equal(r->side.n, i != 1);
        assert_int_equal(r->s[1].reset, i == 1 ? NGHTTP2_PROTOCOL_ERROR : RIG_NO_CODE);
        assert_int_equal(r->side.events[SP_CE_REQUESTS_REJECTED_UNDERSCORE], i == 1);
        assert_int_equal(r->side.events[SP_CE_HEADERS_DROPPED_UNDERSCORE], i == 2);
        if (i != 1)
            assert_int_equal(r->side.x[0]->head->n, i == 0 ? 2 : 1);
        rig_free(r);
    }
}

/* ---- what ends the connection ---- */

struct frame_case {
    int goaway;
    unsigned type, flags;
    uint32_t id;
    size_t n;
    const char *payload;
};

static const struct frame_case fatal_frames[] = {
    {NGHTTP2_PROTOCOL_ERROR, H2F_DATA, 0, 0, 1, "x"},
    {NGHTTP2_PROTOCOL_ERROR, H2F_DATA, 0, 5, 1, "x"},                    /* idle */
    {NGHTTP2_PROTOCOL_ERROR, H2F_DATA, H2F_PADDED, 1, 2, "\x05x"},       /* more padding than payload */
    {NGHTTP2_PROTOCOL_ERROR, H2F_HEADERS, H2F_END_HEADERS, 0, 1, "\x82"},
    {NGHTTP2_PROTOCOL_ERROR, H2F_HEADERS, H2F_END_HEADERS, 2, 1, "\x82"}, /* a server's id */
    {NGHTTP2_COMPRESSION_ERROR, H2F_HEADERS, H2F_END_HEADERS, 3, 1, "\xff"},
    {NGHTTP2_COMPRESSION_ERROR, H2F_HEADERS, H2F_END_HEADERS, 3, 1, "\x80"}, /* index 0 */
    {NGHTTP2_FRAME_SIZE_ERROR, H2F_PRIORITY, 0, 1, 4, "\0\0\0\0"},
    {NGHTTP2_PROTOCOL_ERROR, H2F_RST_STREAM, 0, 0, 4, "\0\0\0\x08"},
    {NGHTTP2_PROTOCOL_ERROR, H2F_RST_STREAM, 0, 9, 4, "\0\0\0\x08"},
    {NGHTTP2_FRAME_SIZE_ERROR, H2F_RST_STREAM, 0, 1, 3, "\0\0\0"},
    {NGHTTP2_PROTOCOL_ERROR, H2F_SETTINGS, 0, 1, 0, ""},
    {NGHTTP2_FRAME_SIZE_ERROR, H2F_SETTINGS, 0, 0, 5, "\0\0\0\0\0"},
    {NGHTTP2_FRAME_SIZE_ERROR, H2F_SETTINGS, H2F_ACK, 0, 6, "\0\1\0\0\0\0"},
    {NGHTTP2_PROTOCOL_ERROR, H2F_SETTINGS, H2F_ACK, 0, 0, ""}, /* that nobody waits for */
    {NGHTTP2_FLOW_CONTROL_ERROR, H2F_SETTINGS, 0, 0, 6, "\0\4\x80\0\0\0"},
    {NGHTTP2_PROTOCOL_ERROR, H2F_SETTINGS, 0, 0, 6, "\0\5\0\0\0\1"},
    {NGHTTP2_PROTOCOL_ERROR, H2F_PUSH_PROMISE, H2F_END_HEADERS, 1, 5, "\0\0\0\2\x82"},
    {NGHTTP2_PROTOCOL_ERROR, H2F_PING, 0, 1, 8, "12345678"},
    {NGHTTP2_FRAME_SIZE_ERROR, H2F_PING, 0, 0, 7, "1234567"},
    {NGHTTP2_PROTOCOL_ERROR, H2F_WINDOW_UPDATE, 0, 0, 4, "\0\0\0\0"},
    {NGHTTP2_FLOW_CONTROL_ERROR, H2F_WINDOW_UPDATE, 0, 0, 4, "\x7f\xff\xff\xff"},
    {NGHTTP2_PROTOCOL_ERROR, H2F_CONTINUATION, H2F_END_HEADERS, 1, 1, "\x82"},
};

static void test_fatal_frames(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SP_ARRAY_LEN(fatal_frames); i++) {
        const struct frame_case *c = &fatal_frames[i];
        for (size_t piece = 0; piece < 2; piece++) {
            struct rig *r = rig_new(true, NULL);
            h2f_post(&r->in, 1, 0);
            rig_go(r);
            r->piece = piece;
            h2f_frame(&r->in, c->type, c->flags, c->id, c->payload, c->n);
            rig_go(r);
            assert_int_equal(r->goaway, c->goaway);
            assert_int_equal(r->n_goaways, 1);
            assert_true(r->side.codec->want_close);
            assert_int_equal(r->side.events[SP_CE_BAD_REQUEST], 1);
            struct cu_exchange *x = r->side.x[0];
            assert_true(x->aborted && x->cancelled && x->closed);
            assert_int_equal(x->closed_why, SP_ABORT_PROTOCOL);
            rig_free(r);
        }
    }
}

static void test_frames_after_the_end(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        struct rig *r = rig_new(true, NULL);
        h2f_get(&r->in, 1, H2F_END_STREAM);
        if (kind == 0)
            h2f_frame(&r->in, H2F_DATA, 0, 1, "x", 1);
        else if (kind == 1)
            h2f_headers(&r->in, 1, H2F_END_STREAM, "x-t", "1", NULL);
        else
            h2f_frame(&r->in, H2F_DATA, H2F_END_STREAM, 1, "", 0);
        rig_go(r);
        assert_int_equal(r->goaway, NGHTTP2_STREAM_CLOSED);
        assert_string_equal(r->side.last_detail, "http2.stream_closed");
        rig_free(r);
    }
}

/* A response that no peer would take: the stream is given up, the connection is not. */
static void send_monster(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)side;
    if (at != CU_HEADERS)
        return;
    struct sp_headers *h = cu_response(x, 200);
    char *big = sp_arena_alloc(x->cs->arena, 600001);
    memset(big, 'x', 600000);
    sp_headers_add(h, SP_STR("x-big"), sp_str_n(big, 600000));
    cu_send(x, h, true);
}

static void test_head_too_large_to_send(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    r->side.hook = send_monster;
    h2f_get(&r->in, 1, H2F_END_STREAM);
    rig_go(r);
    assert_int_equal(r->s[1].reset, NGHTTP2_INTERNAL_ERROR);
    assert_int_equal(r->s[1].n_heads, 0);
    assert_true(r->side.x[0]->closed);
    assert_int_equal(r->side.x[0]->closed_why, SP_ABORT_TOO_LARGE);
    rig_check_alive(r, 3);
    rig_free(r);
}

static void test_oversized_frame(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    char *big = calloc(1, 16385);
    assert_non_null(big);
    h2f_post(&r->in, 1, 0);
    h2f_frame(&r->in, H2F_DATA, 0, 1, big, 16384);
    rig_go(r);
    assert_int_equal(r->n_goaways, 0);
    h2f_frame(&r->in, H2F_DATA, 0, 1, big, 16385);
    rig_go(r);
    assert_int_equal(r->goaway, NGHTTP2_FRAME_SIZE_ERROR);
    free(big);
    rig_free(r);
}

/* ---- limits on heads ---- */

static void test_headers_too_large(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    struct h2f_block *b = calloc(1, sizeof(*b));
    char *big = calloc(1, 70001);
    assert_true(b && big);
    memset(big, 'x', 70000);
    static const char *const good[] = {GOOD};
    for (unsigned i = 0; i < SP_ARRAY_LEN(good); i += 2)
        h2f_field(b, good[i], good[i + 1]);
    size_t at = b->n;
    big[62000] = 0;
    h2f_field(b, "x-big", big);
    h2f_block(&r->in, 1, H2F_END_STREAM, b, 16000);
    h2f_block(&r->in, 3, 0, b, 16000); /* with content to come */
    rig_go(r);
    assert_int_equal(r->s[1].status, 431);
    assert_true(r->s[1].end && r->s[3].end);
    assert_int_equal(r->s[1].reset, RIG_NO_CODE);
    assert_int_equal(r->s[3].status, 431);
    assert_int_equal(r->s[3].reset, RIG_NO_CODE);
    h2f_frame(&r->in, H2F_DATA, H2F_END_STREAM, 3, "rest", 4);
    rig_go(r);
    assert_int_equal(r->s[3].reset, RIG_NO_CODE);
    assert_false(r->side.codec->lingers);
    assert_int_equal(r->side.events[SP_CE_HEADERS_TOO_LARGE], 2);
    assert_int_equal(r->side.last_status, 431);
    b->n = at;
    for (unsigned i = 0; i < 101; i++)
        h2f_field(b, "x", "1");
    h2f_block(&r->in, 5, H2F_END_STREAM, b, 0);
    rig_go(r);
    assert_int_equal(r->s[5].status, 431);
    assert_int_equal(r->side.events[SP_CE_TOO_MANY_HEADERS], 1);
    b->n = at;
    for (unsigned i = 0; i < 99; i++)
        h2f_field(b, "x", "1");
    for (unsigned i = 0; i < 100; i++)
        h2f_field(b, "cookie", "a=b"); /* crumbs of one */
    h2f_block(&r->in, 7, H2F_END_STREAM, b, 0);
    rig_go(r);
    assert_int_equal(r->side.n, 1);
    assert_int_equal(r->side.x[0]->head->n, 100);
    big[62000] = 'x';
    big[17000] = 0;
    h2f_headers(&r->in, 9, H2F_END_STREAM, ":method", "GET", ":scheme", "https", ":authority", "a", NULL);
    sp_buf_clear(&r->in);
    b->n = 0;
    h2f_field(b, ":method", "GET");
    h2f_field(b, ":scheme", "https");
    h2f_field(b, ":authority", "a");
    h2f_field(b, ":path", big);
    h2f_block(&r->in, 9, H2F_END_STREAM, b, 16384);
    rig_go(r);
    assert_int_equal(r->s[9].status, 414);
    assert_int_equal(r->side.events[SP_CE_URL_TOO_LONG], 1);
    assert_int_equal(r->side.n, 1);
    rig_check_alive(r, 11);
    free(b);
    free(big);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greeting), cmocka_unit_test(test_may_wait),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_bad_preface),
        cmocka_unit_test(test_in_head),
        cmocka_unit_test(test_malformed_requests),
        cmocka_unit_test(test_malformed_closes),
        cmocka_unit_test(test_nul_in_value),
        cmocka_unit_test(test_good_requests),
        cmocka_unit_test(test_cookie_crumbs),
        cmocka_unit_test(test_content_length),
        cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_underscores),
        cmocka_unit_test(test_fatal_frames),
        cmocka_unit_test(test_frames_after_the_end),
        cmocka_unit_test(test_head_too_large_to_send),
        cmocka_unit_test(test_oversized_frame),
        cmocka_unit_test(test_headers_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
