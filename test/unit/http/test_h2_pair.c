/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server codec against the client codec, back to back, in pieces of all sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec_user.h"

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

static struct cu_exchange *get(struct pair *p, const char *path)
{
    struct cu_exchange *x = cu_open(&p->client);
    assert_non_null(x);
    cu_send(x, cu_request(x, "GET", path), true);
    return x;
}

static struct cu_exchange *last(struct cu_side *s)
{
    assert_true(s->n > 0);
    return s->x[s->n - 1];
}

/* ---- plain exchanges ---- */

static void one_exchange(size_t piece, size_t room)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client);
    struct sp_headers *h = cu_request(c, "POST", "/a?b=c");
    cu_add(h, "x-some", "thing");
    cu_add(h, "content-type", "text/plain");
    cu_add(h, "connection", "close"); /* must not go out */
    cu_send(c, h, false);
    cu_send_data(c, 100000, false);
    cu_pump(&p.client, &p.server, piece, room);
    struct cu_exchange *s = last(&p.server);
    assert_string_equal(s->method, "POST");
    assert_string_equal(s->path, "/a?b=c");
    assert_string_equal(s->scheme, "https");
    assert_string_equal(s->authority, "www.example.com");
    assert_int_equal(s->head->n, 2);
    assert_true(sp_str_eq(sp_headers_get(s->head, SP_STR("x-some")), SP_STR("thing")));
    assert_int_equal(s->head->v[1].id, SP_H_CONTENT_TYPE);
    assert_int_equal(s->head->version, SP_HTTP_2);
    assert_int_equal(s->head->bytes, s->cs->rx_head_bytes);
    assert_false(s->ended);
    struct sp_headers *t = cu_trailers(c);
    cu_add(t, "x-sum", "7");
    c->cs->tx.ops->trailers(&c->cs->tx, t);
    cu_pump(&p.client, &p.server, piece, room);
    assert_true(s->ended && cu_body_ok(s, 100000));
    assert_true(sp_str_eq(sp_headers_get(s->trailers, SP_STR("x-sum")), SP_STR("7")));
    assert_false(s->closed);
    assert_int_equal(p.server.codec->n_streams, 1);

    cu_send(s, cu_response(s, 100), false);
    cu_send(s, cu_response(s, 103), false);
    struct sp_headers *r = cu_response(s, 200);
    cu_add(r, "server", "sallyport");
    cu_send(s, r, false);
    cu_send_data(s, 70000, false);
    struct sp_headers *rt = cu_trailers(s);
    cu_add(rt, "grpc-status", "0");
    s->cs->tx.ops->trailers(&s->cs->tx, rt);
    cu_pump(&p.client, &p.server, piece, room);
    assert_true(s->closed && c->closed);
    assert_int_equal(s->closed_why, SP_ABORT_NONE);
    assert_int_equal(c->closed_why, SP_ABORT_NONE);
    assert_int_equal(c->n_heads, 3);
    assert_int_equal(c->status, 200);
    assert_true(c->ended && cu_body_ok(c, 70000));
    assert_int_equal(p.server.codec->n_streams, 0);
    assert_int_equal(p.client.codec->n_streams, 0);
    assert_int_equal(p.server.events[SP_CE_BAD_REQUEST] + p.client.events[SP_CE_BAD_REQUEST], 0);
    pair_done(&p);
}

static void test_exchange(void **state)
{
    static const size_t pieces[] = {0, 1, 2, 3, 8, 9, 10, 17, 100, 1000, 16384};
    for (size_t i = 0; i < SP_ARRAY_LEN(pieces); i++)
        one_exchange(pieces[i], SIZE_MAX);
    one_exchange(0, 1);
    one_exchange(0, 1000);
    one_exchange(7, 20000);
}

static void test_random_pieces(void **state)
{
    uint32_t seed = 7;
    for (unsigned i = 0; i < 50; i++) {
        seed = seed * 1664525 + 1013904223;
        one_exchange(1 + (seed >> 8) % 5000, 1 + (seed >> 4) % 50000);
    }
}

static void test_empty_messages(void **state)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    /* Heads that end, ends without data, trailers without data, each way. */
    for (unsigned kind = 0; kind < 3; kind++) {
        struct cu_exchange *c = cu_open(&p.client);
        cu_send(c, cu_request(c, "POST", "/"), kind == 0);
        if (kind == 1)
            cu_send_data(c, 0, true);
        if (kind == 2) {
            struct sp_headers *t = cu_trailers(c);
            cu_add(t, "x-t", "1");
            c->cs->tx.ops->trailers(&c->cs->tx, t);
        }
        pump(&p);
        struct cu_exchange *s = last(&p.server);
        assert_true(s->ended && s->n_body == 0);
        assert_int_equal(s->trailers != NULL, kind == 2);
        cu_send(s, cu_response(s, 200), kind == 0);
        if (kind) /* in a turn of its own: nghttp2 waits for data by then */
            pump(&p);
        if (kind == 1)
            cu_send_data(s, 0, true);
        if (kind == 2) {
            struct sp_headers *t = cu_trailers(s);
            cu_add(t, "x-t", "1");
            s->cs->tx.ops->trailers(&s->cs->tx, t);
        }
        pump(&p);
        assert_true(c->ended && c->closed && s->closed && c->n_body == 0);
    }
    pair_done(&p);
}

static void answer_now(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)side;
    if (at != CU_HEADERS)
        return;
    cu_send(x, cu_response(x, 200), false);
    cu_send_data(x, 10, true);
}

static void test_many(void **state)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    p.server.hook = answer_now;
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 100; i++)
            get(&p, "/x");
        assert_null(cu_open(&p.client)); /* the limit */
        assert_int_equal(p.client.codec->ops->room(p.client.codec), 0);
        pump(&p);
        assert_int_equal(p.client.codec->ops->room(p.client.codec), 100);
    }
    assert_int_equal(p.server.n, 1000);
    for (unsigned i = 0; i < p.client.n; i++)
        assert_true(p.client.x[i]->ended && cu_body_ok(p.client.x[i], 10));
    pair_done(&p);
}

static void test_peer_limit(void **state)
{
    struct pair p;
    pair_init(&p);
    p.server.config.h2_max_streams = 3;
    pair_start(&p);
    pump(&p); /* the client learns of it */
    assert_int_equal(p.client.codec->ops->room(p.client.codec), 3);
    struct cu_exchange *x[4];
    for (unsigned i = 0; i < 3; i++)
        x[i] = get(&p, "/");
    assert_null(cu_open(&p.client));
    pump(&p);
    assert_int_equal(p.server.n, 3);
    cu_send(p.server.x[1], cu_response(p.server.x[1], 204), true);
    pump(&p);
    assert_true(x[1]->closed);
    assert_non_null(get(&p, "/4"));
    pump(&p);
    assert_int_equal(p.server.n, 4);
    pair_done(&p);
}

static void test_refused(void **state)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    p.server.refuse = true;
    struct cu_exchange *c = get(&p, "/");
    pump(&p);
    assert_true(c->aborted && c->closed);
    assert_int_equal(c->abort_why, SP_ABORT_REFUSED);
    assert_int_equal(c->closed_why, SP_ABORT_REFUSED);
    assert_int_equal(p.server.n, 0);
    assert_int_equal(p.server.codec->n_streams, 0);
    pair_done(&p);
}

/* ---- HEAD, 204, 304 ---- */

static void test_no_content(void **state)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client);
    cu_send(c, cu_request(c, "HEAD", "/"), true);
    pump(&p);
    struct cu_exchange *s = last(&p.server);
    struct sp_headers *r = cu_response(s, 200);
    cu_add(r, "content-length", "1000");
    cu_send(s, r, false);
    cu_send_data(s, 1000, true); /* a careless user's */
    pump(&p);
    assert_true(c->ended && c->closed && c->n_body == 0);
    assert_int_equal(c->closed_why, SP_ABORT_NONE);
    assert_true(s->closed && !s->cancelled);
    for (unsigned status = 204; status <= 304; status += 100) {
        c = get(&p, "/");
        pump(&p);
        s = last(&p.server);
        cu_send(s, cu_response(s, status), false);
        pump(&p);
        assert_true(c->ended && c->closed && s->closed);
    }
    pair_done(&p);
}

/* ---- early ends ---- */

static void test_early_response(void **state)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client);
    cu_send(c, cu_request(c, "POST", "/"), false);
    cu_send_data(c, 5000, false);
    pump(&p);
    struct cu_exchange *s = last(&p.server);
    cu_send(s, cu_response(s, 413), false);
    cu_send_data(s, 300, true);
    pump(&p);
    /* The whole response arrives; the server's user has done with it, the request's rest is dropped. */
    assert_true(c->ended && !c->aborted && cu_body_ok(c, 300));
    assert_false(c->cancelled || c->closed);
    assert_true(s->aborted && s->closed);
    assert_int_equal(s->closed_why, SP_ABORT_NONE);
    uint64_t had = s->n_body;
    cu_send_data(c, 200000, true);
    pump(&p);
    assert_true(c->closed && !c->cancelled);
    assert_int_equal(c->closed_why, SP_ABORT_NONE);
    assert_int_equal(s->n_body, had);
    assert_int_equal(p.server.events[SP_CE_TX_RESET] + p.client.events[SP_CE_TX_RESET], 0);
    pair_done(&p);
}

static void test_early_response_to_a_long_request(void **state)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client);
    cu_send(c, cu_request(c, "POST", "/"), false);
    pump(&p);
    struct cu_exchange *s = last(&p.server);
    cu_send(s, cu_response(s, 413), true);
    pump(&p);
    cu_send_data(c, 400000, false);
    pump(&p);
    assert_true(s->closed && c->ended && !c->aborted);
    assert_true(c->cancelled && c->closed);
    assert_int_equal(c->closed_why, SP_ABORT_NONE);
    assert_int_equal(p.server.events[SP_CE_TX_RESET], 1);
    pair_done(&p);
}

static void test_server_cancels_request(void **state)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client);
    cu_send(c, cu_request(c, "POST", "/"), false);
    cu_send_data(c, 50000, false);
    pump(&p);
    struct cu_exchange *s = last(&p.server);
    uint64_t had = s->n_body;
    s->cs->rx.ops->cancel(&s->cs->rx, SP_ABORT_CANCEL);
    cu_send_data(c, 50000, true);
    pump(&p);
    assert_int_equal(s->n_body, had);
    assert_false(s->closed || s->aborted);
    cu_send(s, cu_response(s, 200), true);
    pump(&p);
    assert_true(s->closed && !s->aborted && c->closed && c->ended);
    pair_done(&p);
}

static void test_client_cancels(void **state)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = get(&p, "/");
    pump(&p);
    struct cu_exchange *s = last(&p.server);
    cu_send(s, cu_response(s, 200), false);
    cu_send_data(s, 1000, false);
    pump(&p);
    c->cs->rx.ops->cancel(&c->cs->rx, SP_ABORT_TIMEOUT);
    assert_false(c->closed);
    pump(&p);
    assert_true(c->closed && !c->aborted);
    assert_int_equal(c->closed_why, SP_ABORT_TIMEOUT);
    assert_true(s->cancelled && s->closed);
    assert_int_equal(s->cancel_why, SP_ABORT_RESET);
    assert_int_equal(s->closed_why, SP_ABORT_RESET);
    assert_false(s->aborted); /* the request was complete */
    pair_done(&p);
}

static void test_server_aborts(void **state)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = get(&p, "/");
    pump(&p);
    struct cu_exchange *s = last(&p.server);
    cu_send(s, cu_response(s, 200), false);
    cu_send_data(s, 1000, false);
    pump(&p);
    cu_send_data(s, 1000, false);
    s->cs->tx.ops->abort(&s->cs->tx, SP_ABORT_RESET);
    pump(&p);
    assert_true(c->aborted && c->closed && s->closed);
    assert_int_equal(c->abort_why, SP_ABORT_RESET);
    assert_int_equal(c->n_body, 1000); /* what waited was dropped */
    assert_int_equal(s->closed_why, SP_ABORT_RESET);
    pair_done(&p);
}

/* A response that its reader does not take ends with the server's patience. */
static void test_whole_response_times_out(void **state)
{
    struct pair p;
    pair_init(&p);
    p.client.config.h2_stream_window = 65535;
    pair_start(&p);
    struct cu_exchange *c = get(&p, "/");
    c->cs->rx.ops->pause(&c->cs->rx);
    pump(&p);
    struct cu_exchange *s = last(&p.server);
    cu_send(s, cu_response(s, 200), false);
    cu_send_data(s, 100000, true);
    pump(&p);
    assert_false(s->closed);
    s->cs->tx.ops->abort(&s->cs->tx, SP_ABORT_CANCEL); /* it is said already */
    pump(&p);
    assert_false(s->closed);
    s->cs->tx.ops->abort(&s->cs->tx, SP_ABORT_TIMEOUT);
    pump(&p);
    assert_true(s->closed);
    assert_int_equal(s->closed_why, SP_ABORT_TIMEOUT);
    pair_done(&p);
}

static void test_abort_before_sending(void **state)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = get(&p, "/");
    c->cs->rx.ops->cancel(&c->cs->rx, SP_ABORT_CANCEL);
    struct cu_exchange *d = cu_open(&p.client);
    cu_send(d, cu_request(d, "POST", "/"), false);
    d->cs->tx.ops->abort(&d->cs->tx, SP_ABORT_CANCEL);
    assert_int_equal(p.client.codec->n_streams, 2);
    pump(&p);
    assert_true(c->closed && d->closed);
    assert_true(d->aborted); /* it was told that no response comes */
    assert_int_equal(p.server.n, 0);
    assert_int_equal(p.client.codec->ops->room(p.client.codec), 100);
    pair_done(&p);
}

/* ---- acting from inside callbacks ---- */

enum deed { RX_CANCEL, TX_ABORT, RX_PAUSE, BOTH, DEEDS };
static enum cu_point deed_at;
static enum deed deed;

static void do_deed(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)side;
    if (at != deed_at || !x->cs)
        return;
    if (deed == RX_CANCEL || deed == BOTH)
        x->cs->rx.ops->cancel(&x->cs->rx, SP_ABORT_LOCAL);
    if (deed == TX_ABORT || deed == BOTH)
        x->cs->tx.ops->abort(&x->cs->tx, SP_ABORT_LOCAL);
    if (deed == RX_PAUSE)
        x->cs->rx.ops->pause(&x->cs->rx);
}

static void deed_in_server(enum cu_point at, enum deed what, size_t piece)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    deed_at = at;
    deed = what;
    p.server.hook = do_deed;
    struct cu_exchange *c = cu_open(&p.client);
    cu_send(c, cu_request(c, "POST", "/"), false);
    cu_send_data(c, 1000, false);
    struct sp_headers *t = cu_trailers(c);
    cu_add(t, "x-t", "1");
    c->cs->tx.ops->trailers(&c->cs->tx, t);
    cu_pump(&p.client, &p.server, piece, SIZE_MAX);
    struct cu_exchange *s = last(&p.server);
    if (what == RX_PAUSE) {
        assert_false(s->ended && at != CU_TRAILERS);
        assert_true(s->n_heads == (at != CU_STREAM));
        while (!s->ended) {
            s->cs->rx.ops->resume(&s->cs->rx);
            cu_pump(&p.client, &p.server, piece, SIZE_MAX);
        }
        assert_true(cu_body_ok(s, 1000) && s->trailers);
    } else if (what == RX_CANCEL) {
        assert_false(s->closed);
    } else {
        assert_true(s->closed && c->closed && c->aborted);
        assert_int_equal(s->closed_why, SP_ABORT_LOCAL);
        assert_false(s->aborted && what == BOTH);
    }
    pair_done(&p);
}

static void test_deeds(void **state)
{
    for (enum cu_point at = CU_STREAM; at <= CU_TRAILERS; at++)
        for (enum deed what = 0; what < DEEDS; what++)
            for (size_t piece = 0; piece < 2; piece++)
                deed_in_server(at, what, piece);
}

static void test_client_deeds(void **state)
{
    for (enum cu_point at = CU_HEADERS; at <= CU_DATA; at++) {
        for (enum deed what = 0; what < DEEDS; what++) {
            if (what == RX_PAUSE)
                continue;
            struct pair p;
            pair_init(&p);
            pair_start(&p);
            deed_at = at;
            deed = what;
            p.client.hook = do_deed;
            struct cu_exchange *c = cu_open(&p.client);
            cu_send(c, cu_request(c, "POST", "/"), false);
            pump(&p);
            struct cu_exchange *s = last(&p.server);
            cu_send(s, cu_response(s, 200), false);
            cu_send_data(s, 1000, false);
            pump(&p);
            assert_true(c->closed && s->closed);
            assert_int_equal(c->closed_why, SP_ABORT_LOCAL);
            assert_true(s->aborted && s->cancelled);
            pair_done(&p);
        }
    }
}

/* From on_stream_closed the owner may open the next one, and it goes out in the same flush. */
static void reopen(struct cu_side *side, struct cu_exchange *x, enum cu_point at)
{
    (void)x;
    if (at != CU_CLOSED || side->n >= 5)
        return;
    struct cu_exchange *next = cu_open(side);
    assert_non_null(next);
    cu_send(next, cu_request(next, "GET", "/next"), true);
}

static void test_reopen(void **state)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    p.client.hook = reopen;
    p.server.hook = answer_now;
    get(&p, "/first");
    pump(&p);
    assert_int_equal(p.client.n, 5);
    assert_int_equal(p.client.n_closed, 5);
    p.client.hook = NULL;
    pair_done(&p);
}

static void test_destroy(void **state)
{
    struct pair p;
    pair_init(&p);
    pair_start(&p);
    struct cu_exchange *c = cu_open(&p.client), *unsent = cu_open(&p.client);
    cu_send(c, cu_request(c, "POST", "/"), false);
    cu_send_data(c, 100000, false);
    (void)unsent;
    pump(&p);
    struct cu_exchange *s = last(&p.server);
    s->cs->rx.ops->pause(&s->cs->rx);
    cu_send(s, cu_response(s, 200), false);
    cu_send_data(s, 100000, false);
    p.server.codec->ops->destroy(p.server.codec);
    p.server.codec = NULL;
    assert_true(s->aborted && s->cancelled && s->closed);
    assert_int_equal(s->closed_why, SP_ABORT_CLOSED);
    p.client.codec->ops->eof(p.client.codec, SP_ABORT_CLOSED);
    assert_true(c->closed && c->aborted && c->cancelled);
    assert_int_equal(c->closed_why, SP_ABORT_CLOSED);
    assert_true(unsent->closed);
    assert_int_equal(unsent->closed_why, SP_ABORT_REFUSED);
    assert_true(p.client.codec->want_close);
    assert_null(cu_open(&p.client));
    pair_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchange),
        cmocka_unit_test(test_random_pieces),
        cmocka_unit_test(test_empty_messages),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_peer_limit),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_content),
        cmocka_unit_test(test_early_response),
        cmocka_unit_test(test_early_response_to_a_long_request),
        cmocka_unit_test(test_server_cancels_request),
        cmocka_unit_test(test_client_cancels),
        cmocka_unit_test(test_whole_response_times_out),
        cmocka_unit_test(test_server_aborts),
        cmocka_unit_test(test_abort_before_sending),
        cmocka_unit_test(test_deeds),
        cmocka_unit_test(test_client_deeds),
        cmocka_unit_test(test_reopen),
        cmocka_unit_test(test_destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
