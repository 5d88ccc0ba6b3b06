/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP/2 server codec behind an answer that was sent whole while its request still arrives (http/h2_linger.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nghttp2/nghttp2.h>

#include "h2_rig.h"

enum { KIB = 1024, FRAME = 16 * KIB, LIMIT = 256 * KIB, STREAMS = 100 };

static const uint64_t SECOND = SP_NS_PER_S;

static const uint8_t zeros[FRAME];

static void put_data(struct rig *r, uint32_t id, size_t n, bool end)
{
    while (n > FRAME) {
        h2f_frame(&r->in, H2F_DATA, 0, id, zeros, FRAME);
        n -= FRAME;
    }
    h2f_frame(&r->in, H2F_DATA, end ? H2F_END_STREAM : 0, id, zeros, n);
}

/* A request whose head is answered at once, and whose content is to come. */
static void post(struct rig *r, uint32_t id)
{
    r->side.hook = rig_answer;
    h2f_post(&r->in, id, 0);
    rig_go(r);
    assert_int_equal(r->s[id].status, 200);
    assert_true(r->s[id].end);
    assert_int_equal(r->s[id].reset, RIG_NO_CODE);
    assert_int_equal(r->s[id].window, LIMIT);
    assert_true(r->side.codec->lingers);
}

static void expect_alive(struct rig *r, uint32_t id)
{
    assert_false(r->side.codec->lingers);
    rig_check_alive(r, id);
}

/* The user has its end with the answer's, as if there were no lingering. */
static void test_user_is_told_at_once(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    post(r, 1);
    struct cu_exchange *x = r->side.x[0];
    assert_true(x->closed && x->aborted && !x->cancelled);
    assert_int_equal(x->abort_why, SP_ABORT_CANCEL);
    assert_int_equal(x->closed_why, SP_ABORT_NONE);
    assert_int_equal(r->side.codec->n_streams, 0);
    put_data(r, 1, 1000, true);
    rig_go(r);
    assert_int_equal(x->n_body, 0);
    expect_alive(r, 3);
    rig_free(r);
}

static void test_rest_ends_in_time(void **state)
{
    (void)state;
    for (unsigned step = 0; step < 3; step++) {
        struct rig *r = rig_new(true, NULL);
        r->piece = step == 2 ? 997 : 0;
        post(r, 1);
        for (unsigned i = 0; i < 4; i++) {
            put_data(r, 1, 60 * KIB, false);
            rig_forward(r, SECOND / 5);
            rig_go(r);
            assert_int_equal(r->s[1].reset, RIG_NO_CODE);
        }
        if (step == 1)
            h2f_headers(&r->in, 1, H2F_END_STREAM, "x-trailer", "1", NULL);
        else
            put_data(r, 1, 16 * KIB, true);
        rig_go(r);
        expect_alive(r, 3);
        rig_forward(r, 2 * SECOND);
        rig_flush(r);
        assert_int_equal(r->s[1].reset, RIG_NO_CODE);
        assert_int_equal(r->side.events[SP_CE_TX_RESET] + r->side.events[SP_CE_BAD_REQUEST], 0);
        rig_check_alive(r, 5);
        rig_free(r);
    }
}

static void test_limit_of_bytes(void **state)
{
    (void)state;
    for (unsigned step = 0; step < 2; step++) {
        struct rig *r = rig_new(true, NULL);
        post(r, 1);
        put_data(r, 1, LIMIT, false);
        rig_go(r);
        assert_int_equal(r->s[1].reset, RIG_NO_CODE);
        put_data(r, 1, 1, step);
        rig_go(r);
        /* With the end there is nothing to reset. */
        assert_int_equal(r->s[1].reset, step ? RIG_NO_CODE : NGHTTP2_NO_ERROR);
        put_data(r, 1, 10, false); /* crosses the reset */
        if (!step)
            rig_go(r);
        sp_buf_clear(&r->in);
        expect_alive(r, 3);
        rig_forward(r, 2 * SECOND);
        rig_check_alive(r, 5);
        rig_free(r);
    }
}

static void test_limit_of_time(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    post(r, 1);
    rig_forward(r, SECOND / 2);
    post(r, 3);
    rig_forward(r, SECOND / 2 - 1);
    put_data(r, 1, 100, false); /* that it goes on buys no time */
    rig_go(r);
    assert_int_equal(r->s[1].reset, RIG_NO_CODE);
    unsigned wakes = r->side.wakes;
    rig_forward(r, 1);
    assert_true(r->side.wakes > wakes);
    rig_flush(r);
    assert_int_equal(r->s[1].reset, NGHTTP2_NO_ERROR);
    assert_int_equal(r->s[3].reset, RIG_NO_CODE);
    assert_true(r->side.codec->lingers);
    rig_forward(r, SECOND / 2);
    rig_flush(r);
    assert_int_equal(r->s[3].reset, NGHTTP2_NO_ERROR);
    assert_int_equal(r->side.events[SP_CE_TX_RESET], 2);
    expect_alive(r, 5);
    post(r, 7); /* and once more, with the timer at rest */
    rig_forward(r, SECOND);
    rig_flush(r);
    assert_int_equal(r->s[7].reset, NGHTTP2_NO_ERROR);
    expect_alive(r, 9);
    rig_free(r);
}

/* A client may take its request back when it has the answer; as often as it likes. */
static void test_peer_resets(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (uint32_t i = 0; i < 1000; i++) {
        post(r, 2 * i + 1);
        put_data(r, 2 * i + 1, 5000, false);
        h2f_u32(&r->in, H2F_RST_STREAM, 0, 2 * i + 1, i % 2 ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
        rig_go(r);
        assert_int_equal(r->rc, 0);
        assert_int_equal(r->s[2 * i + 1].reset, RIG_NO_CODE);
    }
    expect_alive(r, 2001);
    rig_forward(r, 2 * SECOND);
    rig_check_alive(r, 2003);
    rig_free(r);
}

/* Our reset is due, the peer's comes first. */
static void test_resets_cross(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    post(r, 1);
    rig_forward(r, SECOND);
    h2f_u32(&r->in, H2F_RST_STREAM, 0, 1, NGHTTP2_CANCEL);
    cu_feed(&r->side, &r->in);
    sp_turn_end(&r->turn);
    rig_flush(r);
    assert_int_equal(r->s[1].reset, RIG_NO_CODE);
    expect_alive(r, 3);
    rig_free(r);
}

/* An overrun of the window is the peer's fault as ever. */
static void test_window_is_the_limit(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    post(r, 1);
    for (unsigned i = 0; i < 21; i++)
        h2f_frame(&r->in, H2F_DATA, 0, 1, zeros, FRAME); /* 16 KiB more than 64 + 256 */
    rig_go(r);
    assert_true(r->s[1].reset == NGHTTP2_FLOW_CONTROL_ERROR || r->s[1].reset == NGHTTP2_NO_ERROR);
    expect_alive(r, 3);
    rig_free(r);
}

static void test_connection_ends(void **state)
{
    (void)state;
    for (unsigned step = 0; step < 4; step++) {
        struct rig *r = rig_new(true, NULL);
        for (uint32_t id = 1; id < 20; id += 2)
            post(r, id);
        put_data(r, 1, LIMIT + 1, false); /* of one the reset is due */
        cu_feed(&r->side, &r->in);
        switch (step) {
        case 0:
            break; /* destroyed */
        case 1:
            r->side.codec->ops->eof(r->side.codec, SP_ABORT_CLOSED);
            break;
        case 2:
            r->side.codec->ops->eof(r->side.codec, SP_ABORT_RESET);
            break;
        case 3:
            h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, 0, 0); /* a protocol error */
            rig_go(r);
            assert_int_equal(r->goaway, NGHTTP2_PROTOCOL_ERROR);
            break;
        }
        assert_int_equal(r->side.n_closed, 10);
        if (step) {
            assert_true(r->side.codec->want_close);
            assert_false(r->side.codec->lingers);
            rig_forward(r, 2 * SECOND);
            rig_flush(r);
        }
        rig_free(r);
    }
}

/* They are concurrent streams to both sides, so there are no more of them than of those. */
static void test_many(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    for (uint32_t i = 0; i < STREAMS; i++)
        post(r, 2 * i + 1);
    rig_forward(r, SECOND);
    rig_flush(r);
    for (uint32_t i = 0; i < STREAMS; i++)
        assert_int_equal(r->s[2 * i + 1].reset, NGHTTP2_NO_ERROR);
    assert_false(r->side.codec->lingers);
    for (uint32_t i = STREAMS; i < 2 * STREAMS; i++)
        post(r, 2 * i + 1);
    h2f_post(&r->in, 4 * STREAMS + 1, 0);
    rig_go(r);
    assert_true(r->side.codec->want_close);
    assert_string_equal(r->side.last_detail, "http2.too_many_streams");
    assert_false(r->side.codec->lingers);
    rig_free(r);
}

/* A drain waits for the rest, but for no more than the second. */
static void test_goaway(void **state)
{
    (void)state;
    for (unsigned step = 0; step < 3; step++) {
        struct rig *r = rig_new(true, NULL);
        post(r, 1);
        if (step == 2) {
            h2f_goaway(&r->in, 0, NGHTTP2_NO_ERROR);
            rig_go(r);
        } else {
            r->side.codec->ops->goaway(r->side.codec);
            rig_flush(r);
            r->side.codec->ops->goaway(r->side.codec);
            rig_flush(r);
            assert_int_equal(r->n_goaways, 2);
            assert_int_equal(r->goaway_last, 1);
        }
        assert_true(r->side.codec->lingers);
        assert_false(r->side.codec->want_close);
        if (step) {
            rig_forward(r, SECOND);
            rig_flush(r);
            assert_int_equal(r->s[1].reset, NGHTTP2_NO_ERROR);
        } else {
            put_data(r, 1, 100 * KIB, true);
            rig_go(r);
            assert_int_equal(r->s[1].reset, RIG_NO_CODE);
        }
        assert_false(r->side.codec->lingers);
        assert_true(r->side.codec->want_close);
        rig_free(r);
    }
}

static void answer_with(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)side;
    if (at == CU_HEADERS)
        cu_send(x, cu_response(x, x->path[1] == 'e' ? 403 : 200), true);
}

/* A client that knows that it has more to send than we take sees no answer but an error's. */
static void test_known_to_be_large(void **state)
{
    (void)state;
    static const struct {
        const char *path, *length;
        bool lingers;
    } v[] = {
        {"/ok", "262144", true}, {"/ok", "262145", false}, {"/error", "262145", true}, {"/error", "1000000000", true}};
    for (size_t i = 0; i < SP_ARRAY_LEN(v); i++) {
        struct rig *r = rig_new(true, NULL);
        r->side.hook = answer_with;
        h2f_headers(&r->in, 1, 0, ":method", "POST", ":scheme", "https", ":authority", "a", ":path", v[i].path,
                    "content-length", v[i].length, NULL);
        rig_go(r);
        assert_true(r->s[1].end);
        assert_int_equal(r->s[1].reset, v[i].lingers ? RIG_NO_CODE : NGHTTP2_NO_ERROR);
        assert_int_equal(r->s[1].window, v[i].lingers ? LIMIT : 0);
        assert_int_equal(r->side.codec->lingers, v[i].lingers);
        rig_free(r);
    }
}

/* The window is opened though a reader that did not read had used it up, and the connection's is given back. */
static void test_windows(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    size_t conn = r->conn_window, sent = 0;
    for (uint32_t id = 1; id < 2 * STREAMS; id += 2) {
        r->side.hook = NULL;
        h2f_post(&r->in, id, 0);
        rig_go(r);
        struct cu_exchange *x = r->side.x[r->side.n - 1];
        x->cs->rx.ops->pause(&x->cs->rx);
        put_data(r, id, 64 * KIB, false);
        rig_go(r);
        assert_int_equal(r->s[id].window, 0);
        cu_send(x, cu_response(x, 200), true);
        rig_flush(r);
        assert_int_equal(r->s[id].window, LIMIT);
        put_data(r, id, 128 * KIB, true);
        rig_go(r);
        sent += 192 * KIB;
        assert_in_range(sent - (r->conn_window - conn), 0, 896 * KIB); /* what of 1 MiB is not given back yet */
    }
    expect_alive(r, 2 * STREAMS + 1);
    rig_free(r);
}

/* A request whose end comes between the window's opening and the answer's end. */
static void test_rest_ends_before_the_answer(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    h2f_post(&r->in, 1, 0);
    rig_go(r);
    struct cu_exchange *x = r->side.x[0];
    cu_send(x, cu_response(x, 200), false);
    cu_send_data(x, 100 * KIB, true); /* more than the peer's window */
    rig_flush(r);
    assert_false(r->s[1].end || r->side.codec->lingers);
    put_data(r, 1, 200 * KIB, true);
    rig_go(r);
    assert_int_equal(x->n_body, 200 * KIB);
    assert_true(x->ended && !x->closed);
    h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, 0, 100 * KIB);
    h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, 1, 100 * KIB);
    rig_go(r);
    assert_true(r->s[1].end && x->closed && !x->aborted);
    assert_int_equal(r->s[1].reset, RIG_NO_CODE);
    expect_alive(r, 3);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user_is_told_at_once),
        cmocka_unit_test(test_rest_ends_in_time),
        cmocka_unit_test(test_limit_of_bytes),
        cmocka_unit_test(test_limit_of_time),
        cmocka_unit_test(test_peer_resets),
        cmocka_unit_test(test_resets_cross),
        cmocka_unit_test(test_window_is_the_limit),
        cmocka_unit_test(test_connection_ends),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_goaway),
        cmocka_unit_test(test_known_to_be_large),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_rest_ends_before_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
