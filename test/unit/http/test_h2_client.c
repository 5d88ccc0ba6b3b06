/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP/2 client codec against a server with hand-made frames; GOAWAY and keepalive of both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "h2_rig.h"
#include "http/h2_conn.h"

static struct cu_exchange *request(struct rig *r, const char *method, bool end)
{
    struct cu_exchange *x = cu_open(&r->side);
    assert_non_null(x);
    cu_send(x, cu_request(x, method, "/some/path"), end);
    rig_go(r);
    return x;
}

/* ---- what goes out ---- */

static void test_greeting(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    assert_int_equal(r->n_settings, 1);
    assert_int_equal(r->settings[NGHTTP2_SETTINGS_ENABLE_PUSH], 0);
    assert_int_equal(r->settings[NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE], 65536);
    assert_int_equal(r->conn_window, 1024 * 1024 - 65535);
    struct cu_exchange *x = request(r, "GET", true);
    assert_int_equal(x->cs->id, 1);
    assert_string_equal(r->s[1].method, "GET");
    assert_string_equal(r->s[1].path, "/some/path");
    assert_true(r->s[1].end);
    rig_free(r);
}

static void test_secrets_are_never_indexed(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    static const struct {
        const char *name, *value;
        bool mark, secret;
    } lines[] = {
        {"authorization", "Basic abcdefghijklmnopqrstuvwxyz", false, true}, {"cookie", "short=1", false, true},
        {"cookie", "long=0123456789012345678901234567890", false, false}, {"x-origin-verify", "s3cret", false, true},
        {"x-api-key", "abc", true, true}, {"x-other", "abc", false, false}, {"te", "trailers", false, false},
    };
    struct cu_exchange *x = cu_open(&r->side);
    struct sp_headers *h = cu_request(x, "GET", "/");
    unsigned secrets = 0;
    for (unsigned i = 0; i < SP_ARRAY_LEN(lines); i++) {
        cu_add(h, lines[i].name, lines[i].value);
        h->v[h->n - 1].never_index = lines[i].mark;
        secrets += lines[i].secret;
    }
    cu_send(x, h, true);
    rig_go(r);
    assert_int_equal(r->n_never_indexed, secrets);
    rig_free(r);
}

static void test_large_head(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    struct cu_exchange *x = cu_open(&r->side);
    struct sp_headers *h = cu_request(x, "GET", "/");
    char *big = calloc(1, 70000);
    assert_non_null(big);
    memset(big, 'y', 69999);
    cu_add(h, "x-big", big);
    for (unsigned i = 0; i < 150; i++)
        cu_add(h, "x-many", "z");
    cu_send(x, h, true);
    rig_go(r);
    assert_true(r->s[1].end && r->s[1].n_heads == 1);
    free(big);
    x = cu_open(&r->side); /* beyond what can be sent at all */
    h = cu_request(x, "GET", "/");
    big = sp_arena_alloc(x->cs->arena, 600000);
    memset(big, 'y', 600000);
    sp_headers_add(h, SP_STR("x-big"), sp_str_n(big, 600000));
    cu_send(x, h, true);
    rig_go(r);
    assert_true(x->closed && x->aborted);
    assert_int_equal(x->closed_why, SP_ABORT_TOO_LARGE);
    assert_int_equal(r->s[3].n_heads, 0);
    assert_int_equal(r->side.codec->ops->room(r->side.codec), 99);
    request(r, "GET", true);
    assert_true(r->s[5].end);
    rig_free(r);
}

/* ---- what comes in ---- */

static void test_response(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    struct cu_exchange *x = request(r, "GET", true);
    h2f_headers(&r->in, 1, 0, ":status", "103", "link", "</a>", NULL);
    h2f_headers(&r->in, 1, 0, ":status", "200", "content-length", "5", NULL);
    h2f_frame(&r->in, H2F_DATA, 0, 1, "hello", 5);
    h2f_headers(&r->in, 1, H2F_END_STREAM, "grpc-status", "0", NULL);
    rig_go(r);
    assert_int_equal(x->n_heads, 2);
    assert_int_equal(x->status, 200);
    assert_true(x->ended && x->got_trailers && x->n_body == 5 && x->closed);
    assert_int_equal(x->closed_why, SP_ABORT_NONE);
    rig_free(r);
}

static void test_9110_8_6_204_with_length_0(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    struct cu_exchange *x = request(r, "GET", true);
    h2f_headers(&r->in, 1, H2F_END_STREAM, ":status", "204", "content-length", "0", NULL);
    rig_go(r);
    assert_true(x->ended && x->closed);
    assert_int_equal(x->status, 204);
    rig_free(r);
}

static void test_9113_8_1_1_head_response(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    struct cu_exchange *x = request(r, "HEAD", true);
    h2f_headers(&r->in, 1, H2F_END_STREAM, ":status", "200", "content-length", "5000", NULL);
    rig_go(r);
    assert_true(x->ended && x->closed && x->closed_why == SP_ABORT_NONE);
    x = request(r, "HEAD", true);
    h2f_headers(&r->in, 3, 0, ":status", "200", "content-length", "5", NULL);
    h2f_frame(&r->in, H2F_DATA, H2F_END_STREAM, 3, "hello", 5);
    rig_go(r);
    assert_true(x->closed);
    assert_int_equal(x->closed_why, SP_ABORT_PROTOCOL);
    rig_free(r);
}

static void test_9113_8_1_content_before_head(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    struct cu_exchange *x = request(r, "GET", true);
    h2f_headers(&r->in, 1, 0, ":status", "100", NULL);
    h2f_frame(&r->in, H2F_DATA, 0, 1, "hello", 5);
    rig_go(r);
    assert_int_equal(r->s[1].reset, NGHTTP2_PROTOCOL_ERROR);
    assert_true(x->closed && x->aborted);
    rig_free(r);
}

static void test_9113_8_1_endless_1xx(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    struct cu_exchange *x = request(r, "GET", true);
    for (unsigned i = 0; i < 17; i++)
        h2f_headers(&r->in, 1, 0, ":status", "103", NULL);
    rig_go(r);
    assert_string_equal(r->side.last_detail, "http2.too_many_1xx");
    assert_true(x->closed);
    x = request(r, "GET", true);
    char big[9000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    for (unsigned i = 0; i < 6; i++)
        h2f_headers(&r->in, 3, 0, ":status", "103", "link", big, NULL);
    rig_go(r);
    assert_false(x->closed);
    h2f_headers(&r->in, 3, 0, ":status", "103", "link", big, NULL); /* 61 KiB by now */
    rig_go(r);
    assert_true(x->closed);
    rig_free(r);
}

static void test_response_head_too_large(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    struct cu_exchange *x = request(r, "GET", true);
    struct h2f_block *b = calloc(1, sizeof(*b));
    char *big = calloc(1, 62001);
    assert_true(b && big);
    memset(big, 'x', 62000);
    h2f_field(b, ":status", "200");
    h2f_field(b, "x-big", big);
    h2f_block(&r->in, 1, 0, b, 16000);
    rig_go(r);
    assert_int_equal(r->s[1].reset, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_int_equal(r->side.events[SP_CE_HEADERS_TOO_LARGE], 1);
    assert_int_equal(x->abort_why, SP_ABORT_TOO_LARGE);
    assert_int_equal(x->closed_why, SP_ABORT_TOO_LARGE);
    free(b);
    free(big);
    rig_free(r);
}

static void test_9113_8_4_push_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    struct cu_exchange *x = request(r, "GET", true);
    static const uint8_t promise[] = {0, 0, 0, 2, 0x82, 0x84, 0x87};
    h2f_frame(&r->in, H2F_PUSH_PROMISE, H2F_END_HEADERS, 1, promise, sizeof(promise));
    rig_go(r);
    assert_int_equal(r->goaway, NGHTTP2_PROTOCOL_ERROR);
    assert_string_equal(r->side.last_detail, "http2.push_promise");
    assert_true(r->side.codec->want_close && x->closed);
    assert_int_equal(x->closed_why, SP_ABORT_PROTOCOL);
    rig_free(r);
}

static void test_9113_8_1_resets(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        bool head;
        enum sp_abort why;
    } cases[] = {
        {NGHTTP2_REFUSED_STREAM, false, SP_ABORT_REFUSED}, {NGHTTP2_REFUSED_STREAM, true, SP_ABORT_RESET},
        {NGHTTP2_CANCEL, false, SP_ABORT_RESET},           {NGHTTP2_NO_ERROR, false, SP_ABORT_RESET},
        {NGHTTP2_HTTP_1_1_REQUIRED, false, SP_ABORT_RESET},
    };
    struct rig *r = rig_new(false, NULL);
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct cu_exchange *x = request(r, "POST", false);
        uint32_t id = (uint32_t)x->cs->id;
        if (cases[i].head)
            h2f_headers(&r->in, id, 0, ":status", "200", NULL);
        h2f_u32(&r->in, H2F_RST_STREAM, 0, id, cases[i].code);
        rig_go(r);
        assert_true(x->aborted && x->cancelled && x->closed);
        assert_int_equal(x->abort_why, cases[i].why);
        assert_int_equal(x->cancel_why, cases[i].why);
        assert_int_equal(x->closed_why, cases[i].why);
        assert_int_equal(r->s[id].reset, RIG_NO_CODE); /* it is gone */
    }
    rig_free(r);
}

/* ---- GOAWAY ---- */

static void test_9113_6_8_goaway_received(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    struct cu_exchange *a = request(r, "GET", true), *b = request(r, "GET", true);
    struct cu_exchange *unsent = cu_open(&r->side);
    h2f_goaway(&r->in, 0x7fffffff, NGHTTP2_NO_ERROR); /* the notice: no new streams, the old go on */
    rig_go(r);
    assert_int_equal(r->side.drains, 1);
    assert_int_equal(r->side.events[SP_CE_GOAWAY_RECEIVED], 1);
    assert_true(r->side.codec->draining && !r->side.codec->want_close);
    assert_null(cu_open(&r->side));
    assert_int_equal(r->side.codec->ops->room(r->side.codec), 0);
    assert_true(unsent->closed);
    assert_int_equal(unsent->closed_why, SP_ABORT_REFUSED);
    assert_false(a->closed || b->closed);
    h2f_goaway(&r->in, 1, NGHTTP2_NO_ERROR); /* the last: the second was not begun */
    rig_go(r);
    assert_true(b->closed && !a->closed);
    assert_int_equal(b->closed_why, SP_ABORT_REFUSED);
    assert_int_equal(b->abort_why, SP_ABORT_REFUSED);
    h2f_headers(&r->in, 1, H2F_END_STREAM, ":status", "200", NULL);
    rig_go(r);
    assert_true(a->ended && a->closed);
    assert_int_equal(a->closed_why, SP_ABORT_NONE);
    assert_true(r->side.codec->want_close);
    rig_free(r);
}

static void test_server_goaway_in_two_steps(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    h2f_get(&r->in, 1, H2F_END_STREAM);
    rig_go(r);
    r->side.codec->ops->goaway(r->side.codec);
    assert_true(r->side.codec->draining);
    assert_int_equal(r->n_goaways, 0); /* not before the flush */
    rig_go(r);
    assert_int_equal(r->n_goaways, 1);
    assert_int_equal(r->goaway_last, 0x7fffffff);
    assert_int_equal(r->goaway, NGHTTP2_NO_ERROR);
    h2f_get(&r->in, 3, H2F_END_STREAM); /* was on its way */
    rig_go(r);
    assert_int_equal(r->side.n, 2);
    r->side.codec->ops->goaway(r->side.codec);
    rig_go(r);
    assert_int_equal(r->n_goaways, 2);
    assert_int_equal(r->goaway_last, 3);
    h2f_get(&r->in, 5, H2F_END_STREAM); /* too late */
    rig_go(r);
    assert_int_equal(r->side.n, 2);
    assert_false(r->side.codec->want_close);
    for (unsigned i = 0; i < 2; i++)
        cu_send(r->side.x[i], cu_response(r->side.x[i], 200), true);
    rig_go(r);
    assert_int_equal(r->side.n_closed, 2);
    assert_int_equal(r->s[3].status, 200);
    assert_true(r->side.codec->want_close);
    r->side.codec->ops->goaway(r->side.codec); /* harmless */
    rig_go(r);
    assert_int_equal(r->n_goaways, 2);
    rig_free(r);
}

static void test_idle_goaway(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    r->side.codec->ops->goaway(r->side.codec);
    rig_go(r);
    assert_false(r->side.codec->want_close);
    r->side.codec->ops->goaway(r->side.codec);
    rig_go(r);
    assert_int_equal(r->goaway_last, 0);
    assert_true(r->side.codec->want_close);
    rig_free(r);
    r = rig_new(false, NULL);
    struct cu_exchange *x = request(r, "GET", true);
    r->side.codec->ops->goaway(r->side.codec);
    rig_go(r);
    assert_int_equal(r->n_goaways, 1);
    assert_null(cu_open(&r->side));
    assert_false(r->side.codec->want_close);
    h2f_headers(&r->in, 1, H2F_END_STREAM, ":status", "200", NULL);
    rig_go(r);
    assert_true(x->closed && r->side.codec->want_close);
    rig_free(r);
}

/* ---- the peer's limits ---- */

static void test_lower_limit_makes_streams_wait(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    struct cu_exchange *x[3];
    for (unsigned i = 0; i < 3; i++) {
        x[i] = cu_open(&r->side);
        cu_send(x[i], cu_request(x[i], "GET", "/"), true);
    }
    h2f_setting(&r->in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1); /* they were opened, but not sent */
    rig_go(r);
    assert_true(r->s[1].end && !r->s[3].end && !r->s[5].end);
    assert_int_equal(r->side.codec->ops->room(r->side.codec), 0);
    x[2]->cs->rx.ops->cancel(&x[2]->cs->rx, SP_ABORT_TIMEOUT);
    h2f_headers(&r->in, 1, H2F_END_STREAM, ":status", "200", NULL);
    rig_go(r);
    rig_flush(r); /* the wake that feed gave */
    assert_true(x[0]->closed && r->s[3].end);
    assert_true(x[2]->closed && x[2]->closed_why == SP_ABORT_TIMEOUT);
    h2f_setting(&r->in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0);
    h2f_headers(&r->in, 3, H2F_END_STREAM, ":status", "200", NULL);
    rig_go(r);
    assert_int_equal(r->side.codec->ops->room(r->side.codec), 0);
    assert_null(cu_open(&r->side));
    rig_free(r);
}

static void test_ids_run_out(void **state)
{
    (void)state;
    struct rig *r = rig_new(false, NULL);
    nghttp2_session_set_next_stream_id(sp_h2_of(r->side.codec)->session, 0x7ffffffb);
    assert_null(cu_open(&r->side));
    assert_int_equal(r->side.codec->ops->room(r->side.codec), 0);
    assert_true(r->side.codec->draining);
    rig_flush(r);
    assert_int_equal(r->side.drains, 1);
    assert_true(r->side.codec->want_close);
    rig_free(r);
}

/* ---- keepalive ---- */

static void keepalive(struct sp_codec_config *c)
{
    c->h2_ping_interval_ns = 10 * SP_NS_PER_S;
    c->h2_ping_timeout_ns = 2 * SP_NS_PER_S;
}

/* The answer is whole, the rest of the request has no window: it has its time, and then the stream is free for another. */
static void test_rest_that_is_never_taken(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        struct rig *r = rig_new(false, NULL);
        h2f_setting(&r->in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10);
        rig_go(r);
        struct cu_exchange *x = request(r, "POST", false);
        cu_send_data(x, 30, true);
        h2f_headers(&r->in, 1, H2F_END_STREAM, ":status", "200", NULL);
        rig_go(r);
        assert_true(x->ended && !x->closed);
        assert_int_equal(r->s[1].body, 10);
        rig_forward(r, 4900 * SP_NS_PER_MS);
        rig_flush(r);
        assert_int_equal(r->s[1].reset, RIG_NO_CODE);
        if (how == 1) { /* it is taken after all */
            h2f_u32(&r->in, H2F_WINDOW_UPDATE, 0, 1, 20);
            rig_go(r);
            assert_true(r->s[1].end && x->closed);
        } else if (how == 2) {
            h2f_u32(&r->in, H2F_RST_STREAM, 0, 1, NGHTTP2_NO_ERROR);
            rig_go(r);
            assert_true(x->closed);
        } else if (how == 3) { /* the connection ends before */
            rig_free(r);
            continue;
        }
        rig_forward(r, 200 * SP_NS_PER_MS);
        rig_flush(r);
        assert_int_equal(r->s[1].reset, how ? RIG_NO_CODE : NGHTTP2_CANCEL);
        assert_true(x->closed);
        assert_int_equal(x->closed_why, SP_ABORT_NONE);
        assert_int_equal(r->side.codec->n_streams, 0);
        x = request(r, "GET", true);
        assert_true(r->s[3].end);
        rig_forward(r, 10 * SP_NS_PER_S); /* waits for its answer, as long as it likes */
        rig_flush(r);
        assert_int_equal(r->s[3].reset, RIG_NO_CODE);
        rig_free(r);
    }
}

static void test_keepalive(void **state)
{
    (void)state;
    for (unsigned server = 0; server < 2; server++) {
        struct rig *r = rig_new(server, keepalive);
        struct cu_exchange *x = NULL;
        if (!server)
            x = request(r, "GET", true);
        for (unsigned i = 1; i <= 3; i++) {
            rig_forward(r, 9 * SP_NS_PER_S);
            rig_flush(r);
            assert_int_equal(r->n_pings, i - 1);
            unsigned wakes = r->side.wakes;
            rig_forward(r, SP_NS_PER_S);
            assert_true(r->side.wakes > wakes);
            rig_flush(r);
            assert_int_equal(r->n_pings, i);
            h2f_frame(&r->in, H2F_PING, H2F_ACK, 0, r->ping, 8);
            rig_go(r);
        }
        rig_forward(r, 10 * SP_NS_PER_S);
        rig_flush(r);
        assert_false(r->side.codec->want_close);
        rig_forward(r, 2 * SP_NS_PER_S); /* no answer */
        assert_true(r->side.codec->want_close);
        rig_flush(r);
        if (x) {
            assert_true(x->closed && x->aborted);
            assert_int_equal(x->closed_why, SP_ABORT_TIMEOUT);
        }
        rig_free(r);
    }
}

static void with_jitter(struct sp_codec_config *c)
{
    keepalive(c);
    c->h2_ping_jitter_ns = 5 * SP_NS_PER_S;
}

/* Each interval is longer by a part of the jitter, and not by the same one. */
static void test_keepalive_jitter(void **state)
{
    (void)state;
    unsigned early = 0, times[40], differ = 0;
    struct rig *r = rig_new(true, with_jitter);
    for (unsigned i = 0; i < SP_ARRAY_LEN(times); i++) {
        unsigned ms = 0;
        while (r->n_pings == i) {
            assert_true(ms <= 15100);
            ms += 100;
            rig_forward(r, 100 * SP_NS_PER_MS);
            rig_flush(r);
        }
        assert_true(ms >= 10000);
        early += ms < 12500;
        times[i] = ms;
        differ += i && times[i] != times[i - 1];
        h2f_frame(&r->in, H2F_PING, H2F_ACK, 0, r->ping, 8);
        rig_go(r);
    }
    assert_in_range(early, 5, 35);
    assert_true(differ > 20);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greeting),
        cmocka_unit_test(test_secrets_are_never_indexed),
        cmocka_unit_test(test_large_head),
        cmocka_unit_test(test_response),
        cmocka_unit_test(test_9110_8_6_204_with_length_0),
        cmocka_unit_test(test_9113_8_1_1_head_response),
        cmocka_unit_test(test_9113_8_1_content_before_head),
        cmocka_unit_test(test_9113_8_1_endless_1xx),
        cmocka_unit_test(test_response_head_too_large),
        cmocka_unit_test(test_9113_8_4_push_refused),
        cmocka_unit_test(test_9113_8_1_resets),
        cmocka_unit_test(test_9113_6_8_goaway_received),
        cmocka_unit_test(test_server_goaway_in_two_steps),
        cmocka_unit_test(test_idle_goaway),
        cmocka_unit_test(test_lower_limit_makes_streams_wait),
        cmocka_unit_test(test_ids_run_out),
        cmocka_unit_test(test_rest_that_is_never_taken), cmocka_unit_test(test_keepalive), cmocka_unit_test(test_keepalive_jitter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
