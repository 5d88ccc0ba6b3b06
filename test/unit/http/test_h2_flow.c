/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flow control and backpressure of the HTTP/2 codec, both ways: exact windows, slow readers, watermarks, room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec_user.h"
#include "h2_frames.h"

enum { KIB = 1024 };

struct pair {
    struct sp_turn turn;
    struct cu_side server, client;
};

static void pair_init(struct pair *p)
{
    sp_turn_init(&p->turn);
    sp_turn_begin(&p->turn, SP_NS_PER_S, 1);
    cu_init(&p->server, &p->turn, true);
    cu_init(&p->client, &p->turn, false);
}

static void pair_start(struct pair *p)
{
    cu_start(&p->server, sp_h2_new);
    cu_start(&p->client, sp_h2_new);
    cu_pump(&p->client, &p->server, 0, SIZE_MAX); /* settings */
}

static void pair_done(struct pair *p)
{
    cu_done(&p->client);
    cu_done(&p->server);
    sp_turn_done(&p->turn);
    sp_arena_thread_done();
    assert_int_equal(sp_buf_thread_chunks(), 0);
    sp_buf_thread_done();
}

static void pump(struct pair *p)
{
    cu_pump(&p->client, &p->server, 0, SIZE_MAX);
}

static struct cu_exchange *post(struct pair *p)
{
    struct cu_exchange *c = cu_open(&p->client);
    assert_non_null(c);
    cu_send(c, cu_request(c, "POST", "/"), false);
    pump(p);
    return c;
}

static void pause_rx(struct cu_exchange *x)
{
    x->cs->rx.ops->pause(&x->cs->rx);
}

static void resume_rx(struct cu_exchange *x)
{
    x->cs->rx.ops->resume(&x->cs->rx);
}

static void pause_first(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    if (at == CU_STREAM && x == side->x[0])
        pause_rx(x);
}

static void pause_all(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)side;
    if (at == CU_STREAM)
        pause_rx(x);
}

/* ---- the receiving side ---- */

static void test_slow_stream_stalls_no_other(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.server.hook = pause_first;
    p.server.config.h2_conn_window = 128 * KIB;
    pair_start(&p);
    struct cu_exchange *slow = post(&p), *quick = post(&p);
    cu_send_data(slow, 300 * KIB, false);
    cu_send_data(quick, 1000 * KIB, true);
    pump(&p);
    struct cu_exchange *s_slow = p.server.x[0], *s_quick = p.server.x[1];
    assert_true(s_quick->ended && cu_body_ok(s_quick, 1000 * KIB));
    assert_int_equal(s_slow->n_heads, 0); /* paused before its head */
    assert_int_equal(s_slow->n_body, 0);
    resume_rx(s_slow);
    assert_int_equal(s_slow->n_heads, 0); /* not from inside resume */
    pump(&p);
    assert_int_equal(s_slow->n_heads, 1);
    cu_send_data(slow, 0, true);
    pump(&p);
    assert_true(s_slow->ended && cu_body_ok(s_slow, 300 * KIB));
    pair_done(&p);
}

/* What the peer may send on a stream whose reader does not read is the stream's window, to the byte. */
static void test_stream_window_is_exact(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.server.config.h2_stream_window = 70000;
    pair_start(&p);
    struct cu_exchange *c = post(&p);
    struct cu_exchange *s = p.server.x[0];
    pause_rx(s);
    cu_send_data(c, 500000, false);
    pump(&p);
    assert_int_equal(s->cs->rx_body_bytes, 70000);
    assert_int_equal(s->n_body, 0);
    resume_rx(s);
    pump(&p);
    assert_int_equal(s->n_body, 500000);
    pair_done(&p);
}

static void pause_in_data(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)side;
    if (at == CU_DATA && !x->ended)
        pause_rx(x);
}

static void test_pause_mid_delivery(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.server.hook = pause_in_data;
    pair_start(&p);
    struct cu_exchange *c = post(&p);
    cu_send_data(c, 1000 * KIB, true);
    pump(&p);
    struct cu_exchange *s = p.server.x[0];
    unsigned turns = 0;
    while (!s->ended) {
        uint64_t had = s->n_body;
        assert_true(had > 0 && had + 64 * KIB >= s->cs->rx_body_bytes);
        pump(&p);
        assert_int_equal(s->n_body, had); /* nothing while paused */
        resume_rx(s);
        pump(&p);
        assert_true(++turns < 100);
    }
    assert_true(cu_body_ok(s, 1000 * KIB));
    pair_done(&p);
}

static void test_pauses_are_counted(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = post(&p);
    struct cu_exchange *s = p.server.x[0];
    pause_rx(s);
    pause_rx(s);
    cu_send_data(c, 1000, true);
    pump(&p);
    resume_rx(s);
    pump(&p);
    assert_int_equal(s->n_body, 0);
    resume_rx(s);
    pause_rx(s); /* changed its mind before the turn ended */
    pump(&p);
    assert_int_equal(s->n_body, 0);
    resume_rx(s);
    pump(&p);
    assert_true(s->ended && cu_body_ok(s, 1000));
    pair_done(&p);
}

/* Held bytes stop the connection's window, and free it again. */
static void test_connection_held_max(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.server.hook = pause_all;
    p.server.config.h2_conn_window = 256 * KIB;
    p.server.config.h2_conn_held_max = 512 * KIB;
    p.server.config.h2_stream_window = 64 * KIB;
    pair_start(&p);
    struct cu_exchange *c[20];
    for (unsigned i = 0; i < 20; i++) {
        c[i] = post(&p);
        cu_send_data(c[i], 64 * KIB, true);
    }
    pump(&p);
    uint64_t got = 0;
    for (unsigned i = 0; i < 20; i++)
        got += p.server.x[i]->cs->rx_body_bytes;
    /* Once the limit is passed nothing more is given back, so one window may come on top of it. */
    assert_in_range(got, 512 * KIB, (512 + 256) * KIB);
    for (unsigned i = 0; i < 20; i++) {
        resume_rx(p.server.x[i]);
        pump(&p);
    }
    for (unsigned i = 0; i < 20; i++)
        assert_true(p.server.x[i]->ended && cu_body_ok(p.server.x[i], 64 * KIB));
    pair_done(&p);
}

/* A reader that gives up frees what it held. */
static void test_cancel_frees_the_window(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.server.hook = pause_first;
    p.server.config.h2_conn_window = 64 * KIB;
    p.server.config.h2_conn_held_max = 32 * KIB;
    pair_start(&p);
    struct cu_exchange *a = post(&p), *b = post(&p);
    cu_send_data(a, 64 * KIB, false);
    pump(&p);
    cu_send_data(b, 64 * KIB, true);
    pump(&p);
    assert_false(p.server.x[1]->ended);
    p.server.x[0]->cs->rx.ops->cancel(&p.server.x[0]->cs->rx, SP_ABORT_CANCEL);
    pump(&p);
    assert_true(p.server.x[1]->ended && cu_body_ok(p.server.x[1], 64 * KIB));
    pair_done(&p);
}

/* Content of a stream that was reset, or refused with 431, is given back to the connection too. */
static void test_dropped_content_is_given_back(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.server.config.h2_conn_window = 64 * KIB;
    pair_start(&p);
    for (unsigned i = 0; i < 20; i++) {
        struct cu_exchange *c = cu_open(&p.client);
        struct sp_headers *h = cu_request(c, "POST", "/");
        char big[2000];
        memset(big, 'x', sizeof(big) - 1);
        big[sizeof(big) - 1] = 0;
        for (unsigned k = 0; k < 40; k++)
            cu_add(h, "x-big", big);
        cu_send(c, h, false);
        cu_send_data(c, 30 * KIB, true);
        pump(&p);
        assert_true(c->closed);
        assert_int_equal(c->status, 431);
    }
    struct cu_exchange *c = post(&p);
    cu_send_data(c, 500 * KIB, true);
    pump(&p);
    assert_true(p.server.x[0]->ended);
    pair_done(&p);
}

/* A response that is here as a whole is delivered, however late, though the stream and the connection are gone. */
static void test_late_reader_gets_all(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.server.keep_bodies = true;
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client);
    cu_send(c, cu_request(c, "GET", "/"), true);
    pause_rx(c);
    pump(&p);
    struct cu_exchange *s = p.server.x[0];
    cu_send(s, cu_response(s, 200), false);
    cu_send_data(s, 50 * KIB, true);
    pump(&p);
    assert_true(s->closed && !c->closed && c->n_heads == 0);
    assert_int_equal(p.client.codec->n_streams, 1);
    p.client.codec->ops->eof(p.client.codec, SP_ABORT_CLOSED);
    assert_false(c->closed);
    resume_rx(c);
    unsigned wakes = p.client.wakes;
    sp_turn_end(&p.turn);
    assert_true(c->ended && cu_body_ok(c, 50 * KIB));
    assert_false(c->closed); /* only from feed, flush, eof and destroy */
    assert_true(p.client.wakes > wakes);
    cu_flush(&p.client, 0);
    assert_true(c->closed);
    assert_int_equal(c->closed_why, SP_ABORT_NONE);
    pair_done(&p);
}

/* ---- the sending side ---- */

static void test_watermarks(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.server.config.high_water = 100 * KIB;
    p.client.config.h2_stream_window = 70000;
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client);
    cu_send(c, cu_request(c, "GET", "/"), true);
    pump(&p);
    pause_rx(c);
    struct cu_exchange *s = p.server.x[0];
    cu_send(s, cu_response(s, 200), false);
    cu_send_data(s, 100 * KIB, false);
    assert_int_equal(s->pauses, 0);
    cu_send_data(s, 1, false);
    assert_int_equal(s->pauses, 1);
    cu_send_data(s, 1000, false); /* still takes what comes, and does not pause twice */
    assert_int_equal(s->pauses, 1);
    pump(&p); /* 70,000 bytes go, 33,401 are left: below half */
    assert_int_equal(s->resumes, 1);
    cu_send_data(s, 100 * KIB, false);
    assert_int_equal(s->pauses, 2);
    pump(&p);
    assert_int_equal(s->resumes, 1);
    resume_rx(c);
    pump(&p);
    assert_int_equal(s->resumes, 2);
    cu_send_data(s, 200 * KIB, true); /* the last: no pause, nobody would be resumed */
    assert_int_equal(s->pauses, 2);
    pump(&p);
    assert_true(c->ended && cu_body_ok(c, 400 * KIB + 1001));
    pair_done(&p);
}

static void test_pause_is_unwound_at_the_end(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.server.config.high_water = 1000;
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client);
    cu_send(c, cu_request(c, "GET", "/"), true);
    pump(&p);
    struct cu_exchange *s = p.server.x[0];
    cu_send(s, cu_response(s, 200), false);
    cu_send_data(s, 5000, false);
    assert_int_equal(s->pauses, 1);
    cu_send_data(s, 0, true);
    assert_int_equal(s->resumes, 1);
    pump(&p);
    assert_true(c->ended && cu_body_ok(c, 5000));
    pair_done(&p);
}

/* `room` bounds what one flush hands out; without room there are control frames only. */
static void test_room(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client);
    cu_send(c, cu_request(c, "GET", "/"), true);
    pump(&p);
    struct cu_exchange *s = p.server.x[0];
    cu_send(s, cu_response(s, 200), false);
    cu_send_data(s, 60 * KIB, true);
    cu_flush(&p.server, 0);
    assert_int_equal(p.server.out.len, 0);
    cu_flush(&p.server, 1); /* the head; then there is no more room */
    assert_in_range(p.server.out.len, 10, 100);
    size_t before = p.server.out.len;
    cu_flush(&p.server, 20 * KIB);
    assert_in_range(p.server.out.len - before, 20 * KIB, 20 * KIB + 16384 + 18);
    cu_flush(&p.server, SIZE_MAX);
    assert_int_equal(cu_feed(&p.client, &p.server.out), 0);
    assert_true(c->ended && cu_body_ok(c, 60 * KIB));
    pair_done(&p);
}

/* Content passes through the codec without being copied: the very segments come out. */
static void test_segments_are_moved(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client);
    cu_send(c, cu_request(c, "GET", "/"), true);
    pump(&p);
    struct cu_exchange *s = p.server.x[0];
    cu_send(s, cu_response(s, 200), false);
    struct sp_buf b;
    sp_buf_init(&b);
    static const char page[10000];
    sp_buf_append_static(&b, page, sizeof(page));
    s->cs->tx.ops->data(&s->cs->tx, &b, true);
    cu_flush(&p.server, SIZE_MAX);
    bool found = false;
    for (const struct sp_seg *g = p.server.out.head; g; g = g->next)
        found |= g->ptr == page && g->len == sizeof(page);
    assert_true(found);
    /* And in: the reader's segment points into what was fed. */
    const char *from = NULL;
    struct sp_buf in;
    sp_buf_init(&in);
    for (const struct sp_seg *g = p.server.out.head; g; g = g->next)
        sp_buf_append(&in, g->ptr, g->len);
    from = in.head->ptr;
    size_t len = in.head->len;
    cu_feed(&p.client, &in);
    assert_true(c->ended && c->body.head && c->body.head->ptr > from && c->body.head->ptr < from + len);
    pair_done(&p);
}

/* Streams share a connection's output evenly, whatever the first of them has to say. */
static void test_fair(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.client.config.h2_stream_window = 1000 * KIB;
    pair_start(&p);
    struct cu_exchange *c[4];
    for (unsigned i = 0; i < 4; i++) {
        c[i] = cu_open(&p.client);
        cu_send(c[i], cu_request(c[i], "GET", "/"), true);
    }
    pump(&p);
    for (unsigned i = 0; i < 4; i++) {
        struct cu_exchange *s = p.server.x[i];
        cu_send(s, cu_response(s, 200), false);
        cu_send_data(s, 300 * KIB, true);
    }
    cu_flush(&p.server, 400 * KIB);
    cu_feed(&p.client, &p.server.out);
    for (unsigned i = 0; i < 4; i++)
        assert_in_range(c[i]->n_body, 80 * KIB, 120 * KIB);
    pump(&p);
    for (unsigned i = 0; i < 4; i++)
        assert_true(c[i]->ended && cu_body_ok(c[i], 300 * KIB));
    pair_done(&p);
}

/* Trailers are no content: they go out though the peer's window is shut. */
static void test_trailers_pass_a_shut_window(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    p.client.config.h2_stream_window = 65535;
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client);
    cu_send(c, cu_request(c, "GET", "/"), true);
    pump(&p);
    pause_rx(c);
    struct cu_exchange *s = p.server.x[0];
    cu_send(s, cu_response(s, 200), false);
    cu_send_data(s, 65535, false);
    pump(&p);
    struct sp_headers *t = cu_trailers(s);
    cu_add(t, "x-t", "1");
    s->cs->tx.ops->trailers(&s->cs->tx, t);
    pump(&p);
    assert_true(s->closed);
    resume_rx(c);
    pump(&p);
    assert_true(c->ended && c->got_trailers && cu_body_ok(c, 65535));
    pair_done(&p);
}

static void check_head(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)side;
    const struct sp_headers *h = at == CU_TRAILERS ? x->trailers : at == CU_HEADERS ? x->head : NULL;
    if (h)
        assert_true(sp_str_eq(sp_headers_get(h, SP_STR("x-status")), SP_STR("of another stream")));
}

/* A head or trailers that cannot go out in their turn are copied: they may belong to a stream that is gone then. */
static void test_heads_are_not_borrowed_for_long(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client);
    cu_send(c, cu_request(c, "GET", "/"), true);
    pump(&p);
    struct cu_exchange *s = p.server.x[0];
    char status[] = "x-status", value[] = "of another stream";
    for (unsigned step = 0; step < 2; step++) {
        struct sp_arena arena;
        sp_arena_init(&arena);
        struct sp_headers *h = sp_arena_zalloc(&arena, sizeof(*h));
        sp_headers_init(h, &arena);
        sp_headers_add(h, sp_arena_str(&arena, sp_str_c(status)), sp_arena_str(&arena, sp_str_c(value)));
        if (step == 0) {
            h->status = 200;
            cu_send(s, h, false);
            cu_send_data(s, 100 * KIB, false);
            cu_flush(&p.server, 0); /* no room */
        } else {
            s->cs->tx.ops->trailers(&s->cs->tx, h); /* behind content that waits for the window */
            cu_flush(&p.server, SIZE_MAX);
        }
        sp_turn_end(&p.turn);
        sp_arena_done_wipe(&arena);
    }
    pause_rx(c);
    pump(&p);
    resume_rx(c);
    p.client.hook = check_head;
    pump(&p);
    assert_true(c->ended && c->got_trailers && c->status == 200 && c->closed);
    pair_done(&p);
}

/* Window updates come in batches, not one a frame. */
static void test_few_window_updates(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = post(&p);
    unsigned updates = 0;
    struct sp_buf in, out;
    struct h2f_frame f;
    sp_buf_init(&in);
    sp_buf_init(&out);
    for (unsigned i = 0; i < 1000; i++) {
        cu_send_data(c, 1000, false);
        cu_flush(&p.client, SIZE_MAX);
        cu_feed(&p.server, &p.client.out);
        cu_flush(&p.server, SIZE_MAX);
        sp_buf_append(&out, "", 0);
        for (const struct sp_seg *g = p.server.out.head; g; g = g->next) {
            sp_buf_append(&in, g->ptr, g->len);
            sp_buf_append(&out, g->ptr, g->len);
        }
        sp_buf_clear(&p.server.out);
        cu_feed(&p.client, &in);
        sp_turn_end(&p.turn);
    }
    while (h2f_next(&out, &f))
        updates += f.type == H2F_WINDOW_UPDATE;
    assert_int_equal(p.server.x[0]->n_body, 1000000);
    assert_in_range(updates, 15, 35);
    sp_buf_clear(&out);
    pair_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_stream_stalls_no_other),
        cmocka_unit_test(test_stream_window_is_exact),
        cmocka_unit_test(test_pause_mid_delivery),
        cmocka_unit_test(test_pauses_are_counted),
        cmocka_unit_test(test_connection_held_max),
        cmocka_unit_test(test_cancel_frees_the_window),
        cmocka_unit_test(test_dropped_content_is_given_back),
        cmocka_unit_test(test_late_reader_gets_all),
        cmocka_unit_test(test_watermarks),
        cmocka_unit_test(test_pause_is_unwound_at_the_end),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_segments_are_moved),
        cmocka_unit_test(test_fair),
        cmocka_unit_test(test_trailers_pass_a_shut_window),
        cmocka_unit_test(test_heads_are_not_borrowed_for_long),
        cmocka_unit_test(test_few_window_updates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
