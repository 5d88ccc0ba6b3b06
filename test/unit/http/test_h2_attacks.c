/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Published attacks on HTTP/2 servers by their numbers, as far as test_h2_floods.c has not got them, and what a shared connection bears. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <nghttp2/nghttp2.h>

#include "h2_rig.h"

static void expect_flood(struct rig *r, const char *detail)
{
    assert_int_equal(r->side.events[SP_CE_FLOOD], 1);
    assert_string_equal(r->side.last_detail, detail);
    assert_int_equal(r->rc, -EPROTO);
    assert_int_equal(r->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(r->side.n, r->side.n_closed);
    rig_free(r);
}

/* ---- CVE-2019-9511, data dribble: a window of a byte at a time ---- */

static void answer_much(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)side;
    if (at != CU_HEADERS)
        return;
    cu_send(x, cu_response(x, 200), false);
    cu_send_data(x, 60000, true);
}

static struct rig *with_window(uint32_t window)
{
    struct rig *r = rig_new(true, NULL);
    r->side.hook = answer_much;
    h2f_setting(&r->in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window);
    return r;
}

static void test_data_dribble(void **state)
{
    (void)state;
    struct rig *r = with_window(1);
    unsigned n = 0;
    h2f_get(&r->in, 1, H2F_END_STREAM);
    rig_go(r);
    for (; !r->n_goaways && n < 5000; n++) {
        h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, 1, 1);
        rig_go(r);
    }
    assert_in_range(n, 1000, 1100);
    rig_go(r);
    expect_flood(r, "http2.data_dribble_flood");
}

/* The same by opening a stream for each byte: that costs the peer a request each. */
static void test_data_dribble_of_many_streams(void **state)
{
    (void)state;
    struct rig *r = with_window(1);
    unsigned n = 0;
    for (; r->rc == 0 && n < 5000; n++) {
        h2f_get(&r->in, 1 + 2 * n, H2F_END_STREAM);
        rig_go(r);
        h2f_u32(&r->in, H2F_RST_STREAM, 0, 1 + 2 * n, NGHTTP2_CANCEL);
        rig_forward(r, SP_NS_PER_S / 20);
        rig_go(r);
    }
    assert_in_range(n, 900, 1100);
    expect_flood(r, "http2.data_dribble_flood");
}

/* Small windows, and the crumbs at the end of large ones, are nobody's attack. */
static void test_small_windows(void **state)
{
    (void)state;
    static const struct {
        uint32_t window, again;
    } cases[] = {{512, 512}, {1024, 700}, {20000, 16385}};
    for (size_t k = 0; k < SP_ARRAY_LEN(cases); k++) {
        struct rig *r = with_window(cases[k].window);
        for (uint32_t id = 1; id < 101; id += 2) {
            h2f_get(&r->in, id, H2F_END_STREAM);
            h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, 0, 60000);
            rig_go(r);
            while (!r->s[id].end && r->rc == 0) {
                h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, id, cases[k].again);
                rig_go(r);
            }
        }
        assert_int_equal(r->rc, 0);
        assert_int_equal(r->n_goaways, 0);
        rig_free(r);
    }
}

/* Clients there are that open each stream's window as they begin it, and a hundred requests come in one read. */
static void test_a_window_update_with_each_request(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    r->side.hook = rig_answer;
    for (uint32_t id = 1; id < 201; id += 2) {
        h2f_get(&r->in, id, H2F_END_STREAM);
        h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, id, 1000000);
        h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, 0, 1000);
    }
    rig_go(r);
    assert_int_equal(r->rc, 0);
    assert_int_equal(r->s[199].status, 200);
    rig_free(r);
}

/* ---- heads of streams that are over: nobody's, but decoded ---- */

static void test_stray_headers(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    h2f_headers(&r->in, 1, 0, ":method", "GET", NULL); /* malformed: we reset it, and what comes of it may have been under way */
    rig_go(r);
    assert_int_equal(r->s[1].reset, NGHTTP2_PROTOCOL_ERROR);
    for (unsigned i = 0; i < 1900; i++)
        h2f_get(&r->in, 1, H2F_END_STREAM);
    rig_go(r);
    assert_int_equal(r->rc, 0);
    rig_check_alive(r, 3);
    for (unsigned i = 0; i < 200; i++)
        h2f_get(&r->in, 1, H2F_END_STREAM);
    rig_go(r);
    expect_flood(r, "http2.stray_headers_flood");
}

/* Trailers that cross our reset, one for each stream, for ever. */
static void test_trailers_that_cross_a_reset(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (uint32_t id = 1; id < 12000; id += 2) {
        r->side.hook = NULL;
        h2f_post(&r->in, id, 0);
        rig_go(r);
        assert_int_equal(r->rc, 0);
        struct cu_exchange *x = r->side.x[r->side.n - 1];
        cu_send(x, cu_response(x, 413), true);
        rig_flush(r);
        rig_forward(r, 2 * SP_NS_PER_S);
        rig_go(r);
        assert_int_equal(r->s[id].reset, NGHTTP2_NO_ERROR);
        h2f_headers(&r->in, id, H2F_END_STREAM, "x", "1", NULL);
        rig_go(r);
        assert_int_equal(r->rc, 0);
        assert_int_equal(r->n_goaways, 0);
        if (r->side.n > 3000)
            break;
    }
    rig_free(r);
}

/* ---- CVE-2019-9516: heads with empty names, which others kept ---- */

static void test_empty_names(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (uint32_t id = 1; r->rc == 0 && id < 1000; id += 2) {
        h2f_headers(&r->in, id, 0, ":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/", "", "", NULL);
        rig_go(r);
        assert_int_equal(r->side.n, 0);
    }
    expect_flood(r, "http2.reset_flood");
}

/* ---- CVE-2023-35945: a reset right behind a GOAWAY, with requests that wait; others leaked them ---- */

static void test_reset_behind_goaway(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    h2f_setting(&r->in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1);
    rig_go(r);
    struct cu_exchange *x[2] = {cu_open(&r->side), NULL};
    assert_non_null(x[0]);
    cu_send(x[0], cu_request(x[0], "GET", "/"), true);
    x[1] = cu_open(&r->side);
    if (x[1])
        cu_send(x[1], cu_request(x[1], "GET", "/"), true);
    h2f_goaway(&r->in, 0x7fffffff, NGHTTP2_NO_ERROR);
    h2f_u32(&r->in, H2F_RST_STREAM, 0, 1, NGHTTP2_CANCEL);
    rig_go(r);
    h2f_goaway(&r->in, 0, NGHTTP2_NO_ERROR);
    h2f_u32(&r->in, H2F_RST_STREAM, 0, 1, NGHTTP2_CANCEL);
    rig_go(r);
    assert_int_equal(r->side.n_closed, r->side.n);
    assert_int_equal(r->side.codec->n_streams, 0);
    rig_free(r);
}

/* ---- CVE-2020-11080 and its like: SETTINGS whose work is in the number of streams ---- */

static void test_window_size_games(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    r->side.hook = answer_much;
    h2f_setting(&r->in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    for (unsigned i = 0; i < 100; i++)
        h2f_get(&r->in, 1 + 2 * i, H2F_END_STREAM);
    rig_go(r);
    for (unsigned i = 0; i < 27; i++) /* the preface's and one above are of the thirty */
        h2f_setting(&r->in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, i % 2 ? 0 : 0x7fffffff);
    rig_go(r);
    assert_int_equal(r->rc, 0);
    h2f_setting(&r->in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    h2f_setting(&r->in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    rig_go(r);
    expect_flood(r, "http2.settings_flood");
}

/* ---- a connection that strangers share ---- */

static void bad_stream(struct rig *r, uint32_t id, unsigned kind)
{
    h2f_headers(&r->in, id, 0, ":method", "POST", ":scheme", "https", ":authority", "a", ":path", "/", "content-length", "1", NULL);
    switch (kind) {
    case 0:
        h2f_frame(&r->in, H2F_DATA, H2F_END_STREAM, id, "12", 2); /* more than was said */
        break;
    case 1:
        h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, id, 0x7fffffff); /* a window that overflows */
        break;
    case 2:
        h2f_headers(&r->in, id, H2F_END_STREAM, "Bad", "1", NULL);
        break;
    case 3:
        h2f_u32(&r->in, H2F_RST_STREAM, 0, id, NGHTTP2_CANCEL);
        break;
    default:
        h2f_headers(&r->in, id, 0, "x", "1", NULL); /* trailers that end nothing */
        break;
    }
    rig_go(r);
}

/* A hundred bad ones at once spoil nothing for the good ones beside them; with one more it is an attack. */
static void test_a_shared_connection(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    struct cu_exchange *slow;
    uint32_t id = 3;
    h2f_get(&r->in, 1, H2F_END_STREAM); /* a good one, which takes its time */
    rig_go(r);
    slow = r->side.x[0];
    for (unsigned i = 0; i < 100; i++, id += 2) {
        r->side.hook = NULL;
        bad_stream(r, id, i % 5);
        assert_int_equal(r->rc, 0);
    }
    assert_int_equal(r->n_goaways, 0);
    cu_send(slow, cu_response(slow, 200), true);
    rig_flush(r);
    assert_int_equal(r->s[1].status, 200);
    rig_check_alive(r, id); /* which earned a half */
    for (unsigned i = 1; i <= 2 && r->rc == 0; i++) {
        r->side.hook = NULL;
        bad_stream(r, id + 2 * i, 0);
    }
    rig_go(r);
    expect_flood(r, "http2.reset_flood");
}

/* One bad for two good: that is a CDN on a bad day, and goes on for ever. */
static void test_two_good_ones_pay_for_a_bad_one(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    uint32_t id = 1;
    for (unsigned i = 0; i < 1000; i++) {
        rig_check_alive(r, id);
        rig_check_alive(r, id += 2);
        r->side.hook = NULL;
        bad_stream(r, id += 2, i % 5);
        id += 2;
        assert_int_equal(r->rc, 0);
    }
    assert_int_equal(r->n_goaways, 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_dribble),
        cmocka_unit_test(test_data_dribble_of_many_streams),
        cmocka_unit_test(test_small_windows),
        cmocka_unit_test(test_a_window_update_with_each_request),
        cmocka_unit_test(test_stray_headers),
        cmocka_unit_test(test_trailers_that_cross_a_reset),
        cmocka_unit_test(test_empty_names),
        cmocka_unit_test(test_reset_behind_goaway),
        cmocka_unit_test(test_window_size_games),
        cmocka_unit_test(test_a_shared_connection),
        cmocka_unit_test(test_two_good_ones_pay_for_a_bad_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
