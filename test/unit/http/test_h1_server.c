/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server side of the HTTP/1 codec: requests, responses and how they share a connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/http/h1_peer.h"

static struct peer p;

static int setup(void **state)
{
    peer_init(&p, true);
    return 0;
}

static int teardown(void **state)
{
    peer_done(&p);
    return 0;
}

#define LOGGED(text) assert_string_equal(peer_log(&p), (text))
#define SENT(text) (peer_flush(&p), assert_string_equal(peer_sent(&p), (text)))
#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void start(void)
{
    peer_start(&p);
}

static void one_request_and_its_response(void **state)
{
    start();
    peer_feed(&p, "GET /x HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n");
    LOGGED("stream 1 GET http a /x\n1: headers x-y=z end\n");
    assert_int_equal(p.codec->n_streams, 1);
    assert_true(p.codec->want_read);
    user_respond(p.user, 200, "server: s\ncontent-length: 5", false);
    assert_true(p.wakes > 0);
    SENT("HTTP/1.1 200 OK\r\nserver: s\r\ncontent-length: 5\r\n\r\n");
    user_data(p.user, "hel", false);
    user_data(p.user, "lo", true);
    LOGGED("");
    SENT("hello");
    LOGGED("1: closed none\n");
    assert_int_equal(p.codec->n_streams, 0);
    assert_false(p.codec->want_close);
    peer_feed(&p, GET("/2"));
    LOGGED("stream 2 GET http a /2\n2: headers end\n");
    user_respond(p.user, 204, "", true);
    SENT("HTTP/1.1 204 No Content\r\n\r\n");
    assert_false(p.codec->want_close);
}

static void byte_by_byte(void **state)
{
    start();
    peer_drip(&p, "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n");
    LOGGED("stream 1 POST http a /x\n1: headers\n1: data \"a\"\n1: data \"b\"\n1: data \"c\"\n1: data \"d\"\n1: data "
           "\"\" end\n");
    user_respond(p.user, 200, "", true);
    SENT("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    LOGGED("1: closed none\n");
}

static void bodies_are_delivered_with_their_end(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    LOGGED("stream 1 POST http a /\n1: headers content-length=5\n1: data \"hello\" end\n");
    assert_int_equal(p.user->cs->rx_body_bytes, 5);
    user_respond(p.user, 200, "", true);
    peer_flush(&p);
    peer_feed(
        &p, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nT: 1\r\n\r\n");
    LOGGED("1: closed none\nstream 2 POST http a /\n2: headers\n2: data \"hello\" end\n");
    assert_int_equal(p.user->cs->rx_body_bytes, 5);
}

static void test_9112_7_1_2_trailers_are_delivered_where_enabled(void **state)
{
    p.config.h1_trailers = true;
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\nT: 1\r\n\r\n");
    LOGGED("stream 1 POST http a /\n1: headers\n1: data \"he\"\n1: trailers t=1\n");
    user_respond(p.user, 200, "", false);
    user_data(p.user, "x", false);
    user_trailers(p.user, "t: 2\ncontent-length: 9");
    SENT("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nt: 2\r\n\r\n");
    LOGGED("1: closed none\n");
}

static void test_9112_6_3_response_framing(void **state)
{
    start();
    peer_feed(&p, GET("/"));
    user_respond(p.user, 200, "", false);
    user_data(p.user, "0123456789abcdefg", false);
    user_data(p.user, "", false);
    user_data(p.user, "x", true);
    SENT("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11\r\n0123456789abcdefg\r\n1\r\nx\r\n0\r\n\r\n");
    peer_feed(&p, GET("/"));
    user_respond(p.user, 304, "content-length: 9\netag: x", true);
    SENT("HTTP/1.1 304 Not Modified\r\netag: x\r\ncontent-length: 9\r\n\r\n");
    peer_feed(&p, GET("/"));
    user_respond(p.user, 204, "content-length: 0", false);
    user_data(p.user, "nobody sees this", true);
    SENT("HTTP/1.1 204 No Content\r\n\r\n");
    peer_feed(&p, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    user_respond(p.user, 200, "content-length: 5", false);
    user_data(p.user, "hello", true);
    SENT("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    peer_feed(&p, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    user_respond(p.user, 200, "", true);
    SENT("HTTP/1.1 200 OK\r\n\r\n");
    peer_feed(&p, GET("/"));
    user_respond(p.user, 299, "connection: x\nkeep-alive: 1\ntransfer-encoding: gzip\nupgrade: y\nproxy-connection: z",
                 true);
    SENT("HTTP/1.1 299 Unknown\r\ncontent-length: 0\r\n\r\n");
    assert_false(p.codec->want_close);
}

static void test_9110_15_2_informational_heads_pass(void **state)
{
    start();
    peer_feed(&p, GET("/"));
    user_respond(p.user, 103, "link: x", false);
    user_respond(p.user, 100, "", false); /* nobody asked */
    user_respond(p.user, 200, "", true);
    SENT("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    peer_feed(&p, GET("/"));
    peer_log(&p);
    user_respond(p.user, 101, "upgrade: x", false);
    peer_flush(&p);
    assert_non_null(strstr(peer_sent(&p), "HTTP/1.1 502 Bad Gateway\r\n"));
    LOGGED("2: cancel protocol\n2: closed protocol\n");
    assert_true(p.codec->want_close);
}

static void test_9110_10_1_1_expect_continue(void **state)
{
    static const char head[] = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    start();
    peer_feed(&p, head);
    LOGGED("stream 1 PUT http a /\n1: headers expect=100-continue content-length=2\n");
    SENT("");
    user_respond(p.user, 100, "", false);
    user_respond(p.user, 100, "", false);
    SENT("HTTP/1.1 100 Continue\r\n\r\n");
    peer_feed(&p, "ab");
    user_respond(p.user, 200, "", true);
    SENT("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_false(p.codec->want_close);
    /* Answered without: the client may or may not send the body now. */
    peer_feed(&p, head);
    user_respond(p.user, 403, "", true);
    SENT("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_true(p.codec->want_close);
}

static void test_9110_10_1_1_expect_is_over_once_the_body_comes(void **state)
{
    start();
    peer_feed(&p, "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab");
    user_respond(p.user, 100, "", false);
    user_respond(p.user, 403, "", true);
    SENT("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    assert_false(p.codec->want_close);
}

static void test_9112_9_3_2_pipelined_requests_wait_their_turn(void **state)
{
    start();
    peer_feed(&p, GET("/1") GET("/2") GET("/3"));
    LOGGED("stream 1 GET http a /1\n1: headers end\n");
    assert_false(p.codec->want_read);
    assert_int_equal(p.in.len, 2 * strlen(GET("/1")));
    user_respond(p.user, 200, "n: 1", true);
    LOGGED("");
    p.wakes = 0;
    SENT("HTTP/1.1 200 OK\r\nn: 1\r\ncontent-length: 0\r\n\r\n");
    assert_true(p.wakes > 0);
    LOGGED("1: closed none\nstream 2 GET http a /2\n2: headers end\n");
    user_respond(p.user, 200, "n: 2", true);
    SENT("HTTP/1.1 200 OK\r\nn: 2\r\ncontent-length: 0\r\n\r\n");
    LOGGED("2: closed none\nstream 3 GET http a /3\n3: headers end\n");
    assert_true(p.codec->want_read);
}

static void answer_at_once(struct user *u, struct sp_headers *h, bool end)
{
    user_respond(u, 200, "", true);
}

/* A pipeline of what we answer ourselves is not gone through in one turn: every eighth waits for the next. */
static void a_long_pipeline_lets_others_in(void **state)
{
    p.on_headers = answer_at_once;
    p.quiet = true;
    start();
    for (unsigned i = 0; i < 40; i++)
        sp_buf_append_str(&p.in, SP_STR(GET("/")));
    unsigned later = 0;
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(p.in.len, (40 - i) * strlen(GET("/")));
        p.codec->later = false;
        p.codec->ops->feed(p.codec, &p.in);
        p.codec->ops->flush(p.codec, &p.out, SIZE_MAX);
        later += p.codec->later;
    }
    peer_flush(&p);
    assert_int_equal(p.in.len, 0);
    assert_int_equal(later, 40 / 8 - 1); /* behind the last there is nothing */
}

static void answers_from_inside_headers(void **state)
{
    p.on_headers = answer_at_once;
    start();
    peer_feed(&p, GET("/1") GET("/2"));
    SENT("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    LOGGED("stream 1 GET http a /1\n1: headers end\n1: closed none\nstream 2 GET http a /2\n2: headers end\n2: closed "
           "none\n");
}

static void test_9112_9_6_keep_alive_and_close(void **state)
{
    start();
    peer_feed(&p, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/2"));
    user_respond(p.user, 200, "", true);
    SENT("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_true(p.codec->want_close);
    assert_int_equal(p.n_users, 1);
}

static void the_receiver_can_close(void **state)
{
    start();
    peer_feed(&p, GET("/"));
    user_respond(p.user, 200, "connection: foo, Close", false);
    user_data(p.user, "x", true);
    SENT("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    assert_true(p.codec->want_close);
    peer_feed(&p, GET("/2"));
    assert_int_equal(p.n_users, 1);
    assert_int_equal(p.in.len, 0);
}

static void test_9112_9_3_http_10(void **state)
{
    p.config.h1_accept_10 = true;
    start();
    peer_feed(&p, "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    user_respond(p.user, 103, "", false);
    user_respond(p.user, 200, "content-length: 1", false);
    user_data(p.user, "x", true);
    SENT("HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\nx");
    assert_false(p.codec->want_close);
    peer_feed(&p, "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    user_respond(p.user, 200, "", false);
    user_data(p.user, "xy", false);
    user_data(p.user, "z", true);
    SENT("HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nxyz");
    assert_true(p.codec->want_close);
}

static void test_9112_9_3_http_10_closes_by_default(void **state)
{
    p.config.h1_accept_10 = true;
    start();
    peer_feed(&p, "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    user_respond(p.user, 200, "", true);
    SENT("HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_true(p.codec->want_close);
}

static void drain(void **state)
{
    start();
    peer_feed(&p, GET("/"));
    p.codec->ops->goaway(p.codec);
    assert_false(p.codec->want_close);
    user_respond(p.user, 200, "", true);
    SENT("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_true(p.codec->want_close);
}

static void drain_while_idle_closes(void **state)
{
    start();
    p.codec->ops->goaway(p.codec);
    assert_true(p.codec->want_close);
    assert_true(p.wakes > 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(one_request_and_its_response),
        T(byte_by_byte),
        T(bodies_are_delivered_with_their_end),
        T(test_9112_7_1_2_trailers_are_delivered_where_enabled),
        T(test_9112_6_3_response_framing),
        T(test_9110_15_2_informational_heads_pass),
        T(test_9110_10_1_1_expect_continue),
        T(test_9110_10_1_1_expect_is_over_once_the_body_comes),
        T(test_9112_9_3_2_pipelined_requests_wait_their_turn),
        T(a_long_pipeline_lets_others_in),
        T(answers_from_inside_headers),
        T(test_9112_9_6_keep_alive_and_close),
        T(the_receiver_can_close),
        T(test_9112_9_3_http_10),
        T(test_9112_9_3_http_10_closes_by_default),
        T(drain),
        T(drain_while_idle_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
