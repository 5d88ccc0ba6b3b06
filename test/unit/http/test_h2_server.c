/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP/2 server codec against a peer with hand-made frames: limits on heads, options. What is malformed: test_rfc9113*.c. */
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

static struct rig *new_asking(uint8_t flags)
{
    struct rig *r = rig_make(true);
    cu_start(&r->side, sp_h2_new);
    h2f_preface(&r->in);
    h2f_get(&r->in, 1, flags);
    rig_go(r);
    assert_int_equal(r->n_settings, 1);
    return r;
}

/* Our first SETTINGS as well, where the request came along with the client's and is whole: else its content lacks the windows. */
static void test_greeting_may_wait(void **state)
{
    (void)state;
    struct rig *r = new_asking(H2F_END_STREAM);
    assert_int_equal(r->n_setting_acks, 1);
    assert_true(r->side.codec->may_wait);
    h2f_get(&r->in, 3, H2F_END_STREAM);
    rig_go(r);
    assert_false(r->side.codec->may_wait); /* nothing was written */
    rig_free(r);
    r = new_asking(0);
    assert_false(r->side.codec->may_wait);
    rig_free(r);
    r = rig_make(true);
    r->side.hook = rig_answer; /* at once: there is nothing to wait for */
    cu_start(&r->side, sp_h2_new);
    h2f_preface(&r->in);
    h2f_get(&r->in, 1, H2F_END_STREAM);
    rig_go(r);
    assert_int_equal(r->s[1].status, 200);
    assert_false(r->side.codec->may_wait);
    rig_free(r);
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

/* A request is early by when its head began, not by when it is handed over: that is a flush, behind which more may have been read. */
static void test_early(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    struct sp_codec *c = r->side.codec;
    r->side.hook = NULL; /* both stay open */
    c->early = true;
    h2f_get(&r->in, 1, H2F_END_STREAM);
    assert_int_equal(c->ops->feed(c, &r->in), 0);
    c->early = false;
    h2f_get(&r->in, 3, H2F_END_STREAM);
    rig_go(r);
    assert_int_equal(r->side.n, 2);
    assert_true(r->side.x[0]->cs->early);
    assert_false(r->side.x[1]->cs->early);
    rig_free(r);
}

/* ---- options ---- */

#define GOOD ":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", "/"

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
        cmocka_unit_test(test_greeting), cmocka_unit_test(test_may_wait), cmocka_unit_test(test_greeting_may_wait),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_in_head), cmocka_unit_test(test_early),
        cmocka_unit_test(test_underscores),
        cmocka_unit_test(test_head_too_large_to_send),
        cmocka_unit_test(test_headers_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
