/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Abuse of the HTTP/2 codec: each limit has a test that passes it, and one that what is honest does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "h2_rig.h"

static void check_flood(struct rig *r, const char *detail)
{
    rig_go(r);
    assert_int_equal(r->side.events[SP_CE_FLOOD], 1);
    assert_string_equal(r->side.last_detail, detail);
    assert_int_equal(r->rc, -EPROTO);
    assert_int_equal(r->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(r->n_goaways, 1);
    assert_true(r->side.codec->want_close);
    assert_int_equal(r->side.n, r->side.n_closed);
    assert_int_equal(r->side.codec->n_streams, 0);
    /* It is over: more input is nothing to it. */
    h2f_get(&r->in, 4001, H2F_END_STREAM);
    rig_go(r);
    assert_int_equal(r->n_goaways, 1);
    rig_free(r);
}

static void test_ping_flood(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (unsigned i = 0; i < 500; i++) { /* each answered at once: a drained flood */
        h2f_ping(&r->in, 0);
        rig_go(r);
    }
    assert_int_equal(r->n_pongs, 500);
    rig_forward(r, SP_NS_PER_S); /* a hundred a second go on for ever */
    for (unsigned i = 0; i < 100; i++)
        h2f_ping(&r->in, 0);
    rig_go(r);
    rig_check_alive(r, 1);
    h2f_ping(&r->in, 0);
    check_flood(r, "http2.ping_flood");
}

static void test_ping_flood_at_once(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (unsigned i = 0; i < 100000; i++)
        h2f_ping(&r->in, i & 1);
    check_flood(r, "http2.ping_flood");
}

static void test_settings_flood(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (unsigned i = 0; i < 29; i++) /* one was sent */
        h2f_setting(&r->in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535 + i);
    rig_check_alive(r, 1);
    assert_int_equal(r->n_setting_acks, 30);
    h2f_setting(&r->in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535);
    check_flood(r, "http2.settings_flood");
}

static void test_many_settings_in_one(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    uint8_t v[33 * 6] = {0};
    for (unsigned i = 0; i < 33; i++)
        v[6 * i + 1] = 0x77;
    h2f_frame(&r->in, H2F_SETTINGS, 0, 0, v, 32 * 6);
    rig_check_alive(r, 1);
    h2f_frame(&r->in, H2F_SETTINGS, 0, 0, v, 33 * 6);
    rig_go(r);
    assert_int_equal(r->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(r->side.events[SP_CE_FLOOD], 1);
    assert_string_equal(r->side.last_detail, "http2.too_many_settings");
    assert_true(r->side.codec->want_close);
    rig_free(r);
}

static void test_empty_data_flood(void **state)
{
    (void)state;
    for (unsigned padded = 0; padded < 2; padded++) {
        struct rig *r = rig_new(true, NULL);
        static const uint8_t pad[] = {3, 0, 0, 0};
        h2f_post(&r->in, 1, 0);
        for (unsigned i = 0; i < 10; i++) { /* one between content is tolerated */
            h2f_frame(&r->in, H2F_DATA, 0, 1, "x", 1);
            h2f_frame(&r->in, H2F_DATA, padded ? H2F_PADDED : 0, 1, pad, padded ? 4 : 0);
        }
        rig_go(r);
        assert_int_equal(r->rc, 0);
        assert_int_equal(r->side.x[0]->n_body, 10);
        h2f_frame(&r->in, H2F_DATA, padded ? H2F_PADDED : 0, 1, pad, padded ? 4 : 0);
        check_flood(r, "http2.empty_frames_flood");
    }
}

/* Behind an answer, a linger and a reset the content is nobody's. */
static void test_stray_data_flood(void **state)
{
    (void)state;
    static const char zeros[16 * 1024];
    struct rig *r = rig_new(true, NULL);
    r->side.hook = rig_answer;
    h2f_post(&r->in, 1, 0);
    rig_go(r);
    unsigned n = 0;
    while (r->s[1].reset == RIG_NO_CODE && n++ < 100) {
        h2f_frame(&r->in, H2F_DATA, 0, 1, zeros, sizeof(zeros));
        rig_go(r);
    }
    assert_int_equal(r->s[1].reset, NGHTTP2_NO_ERROR);
    for (unsigned i = 0; i < 20; i++) { /* all that the stream's window had left, at the most */
        h2f_frame(&r->in, H2F_DATA, 0, 1, zeros, sizeof(zeros));
        rig_go(r);
    }
    rig_check_alive(r, 3);
    for (n = 0; r->rc == 0 && n < 100; n++) {
        h2f_frame(&r->in, H2F_DATA, 0, 1, zeros, sizeof(zeros));
        rig_go(r);
    }
    assert_in_range(n, 10, 99);
    check_flood(r, "http2.stray_data_flood");
}

/* As many bytes as are content may be padding. */
static void test_padding_flood(void **state)
{
    (void)state;
    static const uint8_t padded[257] = {255, 'x'};
    for (unsigned honest = 0; honest < 2; honest++) {
        struct rig *r = rig_new(true, NULL);
        h2f_post(&r->in, 1, 0);
        unsigned n = 0;
        for (; r->rc == 0 && n < 4000; n++) {
            h2f_frame(&r->in, H2F_DATA, H2F_PADDED, 1, padded, sizeof(padded));
            if (honest)
                h2f_frame(&r->in, H2F_DATA, 0, 1, padded, sizeof(padded));
            rig_go(r);
        }
        if (honest) {
            assert_int_equal(r->rc, 0);
            rig_free(r);
        } else {
            assert_in_range(n, 2000, 3999);
            check_flood(r, "http2.stray_data_flood");
        }
    }
}

static void test_empty_continuation_flood(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    h2f_frame(&r->in, H2F_HEADERS, 0, 1, NULL, 0);
    h2f_frame(&r->in, H2F_CONTINUATION, 0, 1, NULL, 0);
    check_flood(r, "http2.empty_frames_flood");
}

static void test_continuation_flood(void **state)
{
    (void)state;
    for (size_t piece = 0; piece < 2; piece++) {
        struct rig *r = rig_new(true, NULL);
        struct h2f_block *b = calloc(1, sizeof(*b));
        assert_non_null(b);
        h2f_field(b, ":method", "GET");
        h2f_field(b, ":scheme", "https");
        h2f_field(b, ":path", "/");
        h2f_field(b, ":authority", "www.example.com");
        r->piece = piece;
        h2f_block(&r->in, 1, H2F_END_STREAM, b, (b->n + 8) / 9); /* eight CONTINUATIONs are fine, byte by byte too */
        rig_go(r);
        assert_int_equal(r->side.n, 1);
        h2f_block(&r->in, 3, H2F_END_STREAM, b, 1);
        free(b);
        check_flood(r, "http2.continuation_flood");
    }
}

static void test_priority_flood(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    static const uint8_t v[5] = {0, 0, 0, 0, 15};
    for (unsigned i = 0; i < 100; i++)
        h2f_frame(&r->in, H2F_PRIORITY, 0, 1 + 2 * (i % 7), v, sizeof(v));
    rig_check_alive(r, 1); /* which allows a hundred more */
    for (unsigned i = 0; i < 100; i++)
        h2f_frame(&r->in, H2F_PRIORITY, 0, 3, v, sizeof(v));
    rig_check_alive(r, 3);
    for (unsigned i = 0; i < 101; i++)
        h2f_frame(&r->in, H2F_PRIORITY, 0, 3, v, sizeof(v));
    check_flood(r, "http2.priority_flood");
}

static void test_window_update_flood(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (unsigned i = 0; i < 5; i++)
        h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, 0, 1);
    rig_check_alive(r, 1); /* a stream and a DATA frame: 2 * (1 + 10) more */
    for (unsigned i = 0; i < 22; i++)
        h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, 0, 1);
    rig_go(r);
    assert_int_equal(r->rc, 0);
    h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, 0, 1);
    check_flood(r, "http2.window_update_flood");
}

static void test_unknown_frame_flood(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (unsigned i = 0; i < 150; i++)
        h2f_frame(&r->in, 0x0a + i % 6, 0xff, i, "some payload", 12);
    h2f_frame(&r->in, 0x4d, 4, 1, "metadata", 8);
    rig_check_alive(r, 1);
    assert_int_equal(r->side.events[SP_CE_METADATA_REFUSED], 1);
    for (unsigned i = 0; i < 50; i++)
        h2f_frame(&r->in, 0xfe, 0, 0, NULL, 0);
    check_flood(r, "http2.unknown_frame_flood");
}

/* ---- resets ---- */

static void test_rapid_reset(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (unsigned i = 0; i < 100; i++) {
        h2f_get(&r->in, 1 + 2 * i, H2F_END_STREAM);
        rig_go(r);
        h2f_u32(&r->in, H2F_RST_STREAM, 0, 1 + 2 * i, NGHTTP2_CANCEL);
        rig_go(r);
    }
    assert_int_equal(r->rc, 0);
    assert_int_equal(r->side.n_closed, 100);
    assert_int_equal(r->side.x[99]->closed_why, SP_ABORT_RESET);
    assert_true(r->side.x[99]->cancelled);
    h2f_get(&r->in, 1001, H2F_END_STREAM);
    h2f_u32(&r->in, H2F_RST_STREAM, 0, 1001, NGHTTP2_CANCEL);
    check_flood(r, "http2.reset_flood");
}

/* Requests that are reset in the same read are never made known: that attack costs next to nothing. */
static void test_rapid_reset_in_one_read(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (unsigned i = 0; i < 100; i++) {
        h2f_get(&r->in, 1 + 2 * i, H2F_END_STREAM);
        h2f_u32(&r->in, H2F_RST_STREAM, 0, 1 + 2 * i, NGHTTP2_CANCEL);
    }
    rig_go(r);
    assert_int_equal(r->rc, 0);
    assert_int_equal(r->side.n, 0);
    assert_int_equal(r->side.events[SP_CE_RX_RESET], 100);
    rig_check_alive(r, 1001);
    rig_free(r);
}

/* A busy connection earns its resets. */
static void test_honest_resets(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    uint32_t id = 1;
    for (unsigned i = 0; i < 1200; i++) {
        rig_check_alive(r, id);
        rig_check_alive(r, id += 2);
        r->side.hook = NULL;
        h2f_get(&r->in, id += 2, H2F_END_STREAM);
        rig_go(r);
        h2f_u32(&r->in, H2F_RST_STREAM, 0, id, NGHTTP2_CANCEL);
        rig_go(r);
        id += 2;
    }
    assert_int_equal(r->rc, 0);
    assert_int_equal(r->side.events[SP_CE_FLOOD], 0);
    rig_free(r);
}

/* The same attack by provoking us to reset ("made you reset"). */
static void test_provoked_resets(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        struct rig *r = rig_new(true, NULL);
        for (unsigned i = 0; i < 101; i++) {
            uint32_t id = 1 + 2 * i;
            h2f_headers(&r->in, id, 0, ":method", "POST", ":scheme", "https", ":authority", "a", ":path", "/",
                        "content-length", "1", NULL);
            rig_go(r);
            if (kind == 0)
                h2f_frame(&r->in, H2F_DATA, H2F_END_STREAM, id, "12", 2);
            else if (kind == 1)
                h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, id, 0x7fffffff); /* overflows the window */
            else
                h2f_headers(&r->in, id, H2F_END_STREAM, "Bad", "1", NULL);
            if (i < 100) {
                rig_go(r);
                assert_int_equal(r->rc, 0);
                assert_true(r->s[id].reset > 0);
                assert_int_equal(r->side.n_closed, i + 1);
                assert_int_equal(r->side.x[i]->closed_why, SP_ABORT_PROTOCOL);
            }
        }
        rig_go(r);
        assert_int_equal(r->side.events[SP_CE_FLOOD], 1);
        assert_string_equal(r->side.last_detail, "http2.reset_flood");
        assert_int_equal(r->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
        assert_int_equal(r->side.n, r->side.n_closed);
        rig_free(r);
    }
}

static void test_premature_resets(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (unsigned i = 0; i < 250; i++) { /* slow enough for the other limit */
        h2f_get(&r->in, 1 + 2 * i, H2F_END_STREAM);
        rig_go(r);
        h2f_u32(&r->in, H2F_RST_STREAM, 0, 1 + 2 * i, NGHTTP2_CANCEL);
        rig_go(r);
        rig_forward(r, SP_NS_PER_S / 20);
    }
    assert_int_equal(r->rc, 0);
    h2f_get(&r->in, 1001, H2F_END_STREAM);
    h2f_u32(&r->in, H2F_RST_STREAM, 0, 1001, NGHTTP2_CANCEL);
    check_flood(r, "http2.premature_reset_flood");
}

/* ---- streams and heads ---- */

static void test_too_many_streams(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (unsigned i = 0; i < 100; i++)
        h2f_get(&r->in, 1 + 2 * i, 0);
    rig_go(r);
    assert_int_equal(r->side.n, 100);
    assert_int_equal(r->rc, 0);
    h2f_get(&r->in, 201, 0);
    rig_go(r);
    assert_int_equal(r->side.n, 100);
    assert_int_equal(r->side.n_closed, 100);
    assert_int_equal(r->side.events[SP_CE_FLOOD], 1);
    assert_string_equal(r->side.last_detail, "http2.too_many_streams");
    assert_int_equal(r->goaway, NGHTTP2_PROTOCOL_ERROR);
    assert_true(r->side.codec->want_close);
    rig_free(r);
}

/* A field of 4000 bytes in the dynamic table, and a head that names it again and again, a byte each time. */
static void test_header_bomb(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    struct h2f_block *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    char *big = calloc(1, 4001);
    assert_non_null(big);
    memset(big, 'x', 4000);
    h2f_field(b, ":method", "GET");
    h2f_field(b, ":scheme", "https");
    h2f_field(b, ":authority", "a");
    h2f_field(b, ":path", "/");
    size_t at = b->n;
    h2f_field(b, "x", big);
    b->v[at] = 0x40; /* with incremental indexing: it becomes entry 62 */
    for (unsigned i = 0; i < 16; i++)
        b->v[b->n++] = 0x80 | 62;
    h2f_block(&r->in, 1, H2F_END_STREAM, b, 0);
    rig_go(r);
    assert_int_equal(r->s[1].status, 431); /* over the limit, but not by that much */
    assert_int_equal(r->rc, 0);
    b->n = at;
    for (unsigned i = 0; i < 100000; i++)
        b->v[b->n++] = 0x80 | 62;
    h2f_block(&r->in, 3, H2F_END_STREAM, b, 16000);
    free(b);
    free(big);
    check_flood(r, "http2.header_bomb");
}

static void test_field_bomb(void **state)
{
    (void)state;
    for (unsigned cookie = 0; cookie < 2; cookie++) {
        struct rig *r = rig_new(true, NULL);
        struct h2f_block *b = calloc(1, sizeof(*b));
        assert_non_null(b);
        h2f_field(b, ":method", "GET");
        for (unsigned i = 0; i < 2500; i++)
            h2f_field(b, cookie ? "cookie" : "x", "");
        h2f_block(&r->in, 1, H2F_END_STREAM, b, 16000);
        free(b);
        check_flood(r, "http2.header_bomb");
    }
}

static void test_huge_table_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    /* A dynamic table size update beyond what was offered: 5-bit prefix, 4097 - 31 = 4066. */
    static const uint8_t update[] = {0x3f, 0xe2, 0x1f, 0x82};
    h2f_frame(&r->in, H2F_HEADERS, H2F_END_HEADERS, 1, update, sizeof(update));
    rig_go(r);
    assert_int_equal(r->goaway, NGHTTP2_COMPRESSION_ERROR);
    assert_string_equal(r->side.last_detail, "http2.compression_error");
    assert_true(r->side.codec->want_close);
    rig_free(r);
    /* A peer's huge table for us to fill is not filled: output stays decodable by a table of 4096. */
    r = rig_new(true, NULL);
    h2f_setting(&r->in, NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0x7fffffff);
    for (unsigned i = 0; i < 300; i++)
        rig_check_alive(r, 1 + 2 * i);
    rig_free(r);
}

/* ---- a peer that does not read ---- */

static void test_outbound_flood(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    r->room = 0;
    unsigned sent = 0;
    while (r->rc == 0 && sent < 5000) {
        h2f_ping(&r->in, 0);
        rig_go(r);
        sent++;
        if (sent % 100 == 0)
            rig_forward(r, SP_NS_PER_S); /* not the ping limit */
    }
    rig_go(r);
    assert_in_range(sent, 990, 1010);
    assert_string_equal(r->side.last_detail, "http2.outbound_flood");
    assert_int_equal(r->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_true(r->side.codec->want_close);
    rig_free(r);
}

/* Answers are held back too, so that the streams' number bounds what they cost. */
static void test_no_heads_without_room(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    r->side.hook = rig_answer;
    r->room = 0;
    for (unsigned i = 0; i < 100; i++)
        h2f_get(&r->in, 1 + 2 * i, H2F_END_STREAM);
    rig_go(r);
    assert_int_equal(r->s[1].status, 0);
    h2f_get(&r->in, 201, H2F_END_STREAM);
    rig_go(r);
    assert_int_equal(r->goaway, NGHTTP2_PROTOCOL_ERROR); /* one stream too many */
    rig_free(r);
}

/* Streams whose readers wait, with a little content each: they must not hold a chunk of memory each. */
static void pause_all(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)side;
    if (at == CU_STREAM)
        x->cs->rx.ops->pause(&x->cs->rx);
}

static void test_little_content_costs_little(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    r->side.hook = pause_all;
    for (unsigned i = 0; i < 100; i++) {
        h2f_post(&r->in, 1 + 2 * i, 0);
        h2f_frame(&r->in, H2F_DATA, 0, 1 + 2 * i, "0123456789", 10);
        rig_go(r);
    }
    assert_int_equal(r->side.n, 100);
    assert_int_equal(r->side.x[99]->cs->rx_body_bytes, 10);
    assert_in_range(sp_buf_thread_chunks(), 1, 2);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ping_flood),
        cmocka_unit_test(test_ping_flood_at_once),
        cmocka_unit_test(test_settings_flood),
        cmocka_unit_test(test_many_settings_in_one),
        cmocka_unit_test(test_empty_data_flood),
        cmocka_unit_test(test_stray_data_flood),
        cmocka_unit_test(test_padding_flood),
        cmocka_unit_test(test_empty_continuation_flood),
        cmocka_unit_test(test_continuation_flood),
        cmocka_unit_test(test_priority_flood),
        cmocka_unit_test(test_window_update_flood),
        cmocka_unit_test(test_unknown_frame_flood),
        cmocka_unit_test(test_rapid_reset),
        cmocka_unit_test(test_rapid_reset_in_one_read),
        cmocka_unit_test(test_honest_resets),
        cmocka_unit_test(test_provoked_resets),
        cmocka_unit_test(test_premature_resets),
        cmocka_unit_test(test_too_many_streams),
        cmocka_unit_test(test_header_bomb),
        cmocka_unit_test(test_field_bomb),
        cmocka_unit_test(test_huge_table_refused),
        cmocka_unit_test(test_outbound_flood),
        cmocka_unit_test(test_no_heads_without_room),
        cmocka_unit_test(test_little_content_costs_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
