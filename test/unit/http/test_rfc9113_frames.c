/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 9113, sections 3 to 6: frames that end the connection. A test's name begins with the section that it is about; h2spec asks more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "h2_rig.h"

struct frame_case {
    int goaway;
    unsigned type, flags;
    uint32_t id;
    size_t n;
    const char *payload;
};

/* Behind a POST that is under way as stream 1; whole, and byte by byte. */
static void fatal(const struct frame_case *table, size_t n)
{
    for (size_t i = 0; i < 2 * n; i++) {
        const struct frame_case *c = &table[i / 2];
        struct rig *r = rig_new(true, NULL);
        h2f_post(&r->in, 1, 0);
        rig_go(r);
        r->piece = i % 2;
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

#define FATAL(...)                                                                                                     \
    do {                                                                                                               \
        static const struct frame_case table_[] = {__VA_ARGS__};                                                      \
        fatal(table_, SP_ARRAY_LEN(table_));                                                                           \
    } while (0)

static void test_9113_3_4_preface(void **state)
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

static void test_9113_4_2_frame_size(void **state)
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

static void test_9113_4_3_field_blocks(void **state)
{
    (void)state;
    FATAL({NGHTTP2_COMPRESSION_ERROR, H2F_HEADERS, H2F_END_HEADERS, 3, 1, "\xff"},          /* an index that goes on */
          {NGHTTP2_COMPRESSION_ERROR, H2F_HEADERS, H2F_END_HEADERS, 3, 1, "\x80"},          /* RFC 7541 section 6.1: index 0 */
          {NGHTTP2_COMPRESSION_ERROR, H2F_HEADERS, H2F_END_HEADERS, 3, 1, "\xbe"},          /* section 2.3.3: beyond the tables */
          {NGHTTP2_COMPRESSION_ERROR, H2F_HEADERS, H2F_END_HEADERS, 3, 4, "\x3f\xe2\x1f\x82"}, /* section 6.3: over what we allow */
          {NGHTTP2_COMPRESSION_ERROR, H2F_HEADERS, H2F_END_HEADERS, 3, 2, "\x82\x20"},      /* section 4.2: not at the beginning */
          {NGHTTP2_COMPRESSION_ERROR, H2F_HEADERS, H2F_END_HEADERS, 3, 4, "\x00\x01\x78\x05"}, /* a string that is cut off */
          {NGHTTP2_COMPRESSION_ERROR, H2F_HEADERS, H2F_END_HEADERS, 3, 5, "\x00\x81\xff\x01\x78"}); /* section 5.2: padding of ones only */
}

static void test_9113_5_1_frames_after_the_end(void **state)
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

/* Streams that are over, by both sides' ends or the peer's reset; what comes of one that we reset was under way. */
static void test_9113_5_1_closed_streams(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 8; kind++) {
        struct rig *r = rig_new(true, NULL);
        r->side.hook = kind & 1 ? NULL : rig_answer;
        bool reset = kind & 1;
        if (reset)
            h2f_post(&r->in, 1, 0);
        else
            h2f_get(&r->in, 1, H2F_END_STREAM);
        rig_go(r);
        r->piece = kind >> 2;
        if (reset)
            h2f_u32(&r->in, H2F_RST_STREAM, 0, 1, NGHTTP2_CANCEL); /* and what follows comes in the same read */
        if (kind & 2)
            h2f_frame(&r->in, H2F_DATA, 0, 1, "x", 1);
        else
            h2f_headers(&r->in, 1, H2F_END_STREAM, "x-t", "1", NULL);
        rig_go(r);
        assert_int_equal(r->goaway, NGHTTP2_STREAM_CLOSED);
        assert_string_equal(r->side.last_detail, "http2.stream_closed");
        rig_free(r);
    }
}

static void test_9113_5_1_streams_that_we_reset(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (uint32_t id = 1; id <= 19; id += 2) { /* malformed */
        h2f_headers(&r->in, id, 0, ":method", "GET", NULL);
        rig_go(r);
        assert_int_equal(r->s[id].reset, NGHTTP2_PROTOCOL_ERROR);
    }
    for (uint32_t id = 1; id <= 19; id += 2) {
        h2f_frame(&r->in, H2F_DATA, 0, id, "x", 1);
        h2f_headers(&r->in, id, H2F_END_STREAM, "x-t", "1", NULL);
    }
    rig_go(r);
    assert_int_equal(r->n_goaways, 0);
    rig_check_alive(r, 21);
    r->side.codec->ops->goaway(r->side.codec); /* from now on new streams are ignored, and all that belongs to them */
    rig_go(r);
    rig_forward(r, SP_NS_PER_S);
    rig_flush(r);
    h2f_frame(&r->in, H2F_DATA, 0, 21, "x", 1);
    rig_go(r);
    assert_int_not_equal(r->goaway, NGHTTP2_STREAM_CLOSED);
    rig_free(r);
}

static void test_9113_5_1_1_stream_identifiers(void **state)
{
    (void)state;
    FATAL({NGHTTP2_PROTOCOL_ERROR, H2F_HEADERS, H2F_END_HEADERS, 2, 1, "\x82"}); /* a server's */
    struct rig *r = rig_new(true, NULL);
    h2f_get(&r->in, 5, H2F_END_STREAM);
    rig_go(r);
    h2f_get(&r->in, 3, H2F_END_STREAM); /* they only grow */
    rig_go(r);
    assert_int_equal(r->goaway, NGHTTP2_PROTOCOL_ERROR);
    assert_int_equal(r->side.n, 1);
    rig_free(r);
}

static void test_9113_5_5_unknown_frames_are_ignored(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    h2f_frame(&r->in, 0x42, 0xff, 0, "12345", 5);
    h2f_frame(&r->in, 0x42, 0xff, 7, "12345", 5);
    rig_go(r);
    rig_check_alive(r, 1);
    h2f_frame(&r->in, H2F_HEADERS, 0, 3, "\x82", 1);
    h2f_frame(&r->in, 0x42, 0, 3, "", 0); /* but not within a field block (section 6.10) */
    rig_go(r);
    assert_int_equal(r->goaway, NGHTTP2_PROTOCOL_ERROR);
    rig_free(r);
}

static void test_9113_6_1_data(void **state)
{
    (void)state;
    FATAL({NGHTTP2_PROTOCOL_ERROR, H2F_DATA, 0, 0, 1, "x"}, {NGHTTP2_PROTOCOL_ERROR, H2F_DATA, 0, 5, 1, "x"}, /* idle */
          {NGHTTP2_PROTOCOL_ERROR, H2F_DATA, H2F_PADDED, 1, 2, "\x05x"}, /* more padding than payload */
          {NGHTTP2_PROTOCOL_ERROR, H2F_DATA, H2F_PADDED, 1, 1, "\x01"});
}

static void test_9113_6_2_headers(void **state)
{
    (void)state;
    FATAL({NGHTTP2_PROTOCOL_ERROR, H2F_HEADERS, H2F_END_HEADERS, 0, 1, "\x82"},
          {NGHTTP2_PROTOCOL_ERROR, H2F_HEADERS, H2F_END_HEADERS | H2F_PADDED, 3, 2, "\x05\x82"});
}

static void test_9113_6_3_priority(void **state)
{
    (void)state;
    FATAL({NGHTTP2_FRAME_SIZE_ERROR, H2F_PRIORITY, 0, 1, 4, "\0\0\0\0"}, {NGHTTP2_PROTOCOL_ERROR, H2F_PRIORITY, 0, 0, 5, "\0\0\0\1\1"},
          {NGHTTP2_PROTOCOL_ERROR, H2F_PRIORITY, 0, 3, 5, "\x80\0\0\3\1"}); /* of itself */
}

static void test_9113_6_4_rst_stream(void **state)
{
    (void)state;
    FATAL({NGHTTP2_PROTOCOL_ERROR, H2F_RST_STREAM, 0, 0, 4, "\0\0\0\x08"}, {NGHTTP2_PROTOCOL_ERROR, H2F_RST_STREAM, 0, 9, 4, "\0\0\0\x08"},
          {NGHTTP2_FRAME_SIZE_ERROR, H2F_RST_STREAM, 0, 1, 3, "\0\0\0"});
}

static void test_9113_6_5_settings(void **state)
{
    (void)state;
    FATAL({NGHTTP2_PROTOCOL_ERROR, H2F_SETTINGS, 0, 1, 0, ""}, {NGHTTP2_FRAME_SIZE_ERROR, H2F_SETTINGS, 0, 0, 5, "\0\0\0\0\0"},
          {NGHTTP2_FRAME_SIZE_ERROR, H2F_SETTINGS, H2F_ACK, 0, 6, "\0\1\0\0\0\0"},
          {NGHTTP2_PROTOCOL_ERROR, H2F_SETTINGS, H2F_ACK, 0, 0, ""}, /* that nobody waits for */
          {NGHTTP2_PROTOCOL_ERROR, H2F_SETTINGS, 0, 0, 6, "\0\2\0\0\0\2"},
          {NGHTTP2_FLOW_CONTROL_ERROR, H2F_SETTINGS, 0, 0, 6, "\0\4\x80\0\0\0"},
          {NGHTTP2_PROTOCOL_ERROR, H2F_SETTINGS, 0, 0, 6, "\0\5\0\0\0\1"},
          {NGHTTP2_PROTOCOL_ERROR, H2F_SETTINGS, 0, 0, 6, "\0\5\1\0\0\0"});
}

static void test_9113_6_6_push_promise(void **state)
{
    (void)state;
    FATAL({NGHTTP2_PROTOCOL_ERROR, H2F_PUSH_PROMISE, H2F_END_HEADERS, 1, 5, "\0\0\0\2\x82"});
}

static void test_9113_6_7_ping(void **state)
{
    (void)state;
    FATAL({NGHTTP2_PROTOCOL_ERROR, H2F_PING, 0, 1, 8, "12345678"}, {NGHTTP2_FRAME_SIZE_ERROR, H2F_PING, 0, 0, 7, "1234567"});
}

static void test_9113_6_9_window_update(void **state)
{
    (void)state;
    FATAL({NGHTTP2_PROTOCOL_ERROR, H2F_WINDOW_UPDATE, 0, 0, 4, "\0\0\0\0"},
          {NGHTTP2_FRAME_SIZE_ERROR, H2F_WINDOW_UPDATE, 0, 0, 3, "\0\0\1"},
          {NGHTTP2_FLOW_CONTROL_ERROR, H2F_WINDOW_UPDATE, 0, 0, 4, "\x7f\xff\xff\xff"});
}

static void test_9113_6_10_continuation(void **state)
{
    (void)state;
    FATAL({NGHTTP2_PROTOCOL_ERROR, H2F_CONTINUATION, H2F_END_HEADERS, 1, 1, "\x82"},
          {NGHTTP2_PROTOCOL_ERROR, H2F_CONTINUATION, H2F_END_HEADERS, 0, 1, "\x82"});
    struct rig *r = rig_new(true, NULL);
    h2f_frame(&r->in, H2F_HEADERS, 0, 1, "\x82", 1);
    h2f_ping(&r->in, 0); /* nothing may stand within a field block */
    rig_go(r);
    assert_int_equal(r->goaway, NGHTTP2_PROTOCOL_ERROR);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_9113_3_4_preface),
        cmocka_unit_test(test_9113_4_2_frame_size),
        cmocka_unit_test(test_9113_4_3_field_blocks),
        cmocka_unit_test(test_9113_5_1_frames_after_the_end),
        cmocka_unit_test(test_9113_5_1_closed_streams),
        cmocka_unit_test(test_9113_5_1_streams_that_we_reset),
        cmocka_unit_test(test_9113_5_1_1_stream_identifiers),
        cmocka_unit_test(test_9113_5_5_unknown_frames_are_ignored),
        cmocka_unit_test(test_9113_6_1_data),
        cmocka_unit_test(test_9113_6_2_headers),
        cmocka_unit_test(test_9113_6_3_priority),
        cmocka_unit_test(test_9113_6_4_rst_stream),
        cmocka_unit_test(test_9113_6_5_settings),
        cmocka_unit_test(test_9113_6_6_push_promise),
        cmocka_unit_test(test_9113_6_7_ping),
        cmocka_unit_test(test_9113_6_9_window_update),
        cmocka_unit_test(test_9113_6_10_continuation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
