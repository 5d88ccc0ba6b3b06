/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "unit/http/h1_peer.h"

static struct peer p;

static int setup(void **state)
{
    peer_init(&p, false);
    return 0;
}

static int teardown(void **state)
{
    peer_done(&p);
    return 0;
}

#define LOGGED(text) assert_string_equal(peer_log(&p), (text))
#define SENT(text) (peer_flush(&p), assert_string_equal(peer_sent(&p), (text)))
#define ROOM() p.codec->ops->room(p.codec)

/* A GET under way. */
static struct user *get(void)
{
    if (!p.codec)
        peer_start(&p);
    struct user *u = peer_open(&p);
    assert_non_null(u);
    user_request(u, "GET", "/", "", true);
    SENT("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    return u;
}

static void one_exchange_and_another(void **state)
{
    struct user *u = get();
    assert_int_equal(ROOM(), 0);
    assert_null(peer_open(&p));
    peer_feed(&p, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhel");
    assert_int_equal(u->headers->status, 200);
    LOGGED("1: headers 200 content-length=5 x-a=b\n1: data \"hel\"\n");
    peer_feed(&p, "lo");
    LOGGED("1: data \"lo\" end\n1: closed none\n");
    assert_int_equal(ROOM(), 1);
    peer_flush(&p);
    get();
    peer_feed(&p, "HTTP/1.1 204 No Content\r\n\r\n");
    LOGGED("2: headers 204 end\n2: closed none\n");
    assert_false(p.codec->want_close);
}

static void byte_by_byte(void **state)
{
    get();
    peer_drip(&p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n");
    LOGGED("1: headers 200\n1: data \"a\"\n1: data \"b\"\n1: data \"\" end\n1: closed none\n");
    assert_int_equal(ROOM(), 1);
}

static void test_9112_6_3_request_framing(void **state)
{
    peer_start(&p);
    struct user *u = peer_open(&p);
    user_request(u, "POST", "/a?b", "x: y\nconnection: x\nte: trailers\nupgrade: z\nhost: other\nkeep-alive: 1", true);
    SENT("POST /a?b HTTP/1.1\r\nhost: a\r\nx: y\r\nte: trailers\r\ncontent-length: 0\r\n\r\n");
    peer_feed(&p, "HTTP/1.1 204 No\r\n\r\n");
    u = peer_open(&p);
    user_request(u, "PUT", "/", "content-length: 3", false);
    user_data(u, "abc", true);
    SENT("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
    peer_feed(&p, "HTTP/1.1 204 No\r\n\r\n");
    u = peer_open(&p);
    user_request(u, "PUT", "/", "", false);
    user_data(u, "abc", false);
    user_data(u, "", true);
    SENT("PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    peer_feed(&p, "HTTP/1.1 204 No\r\n\r\n");
    u = peer_open(&p);
    user_request(u, "GET", "/", "content-length: 0", true);
    SENT("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    peer_feed(&p, "HTTP/1.1 204 No\r\n\r\n");
    assert_int_equal(ROOM(), 1);
}

static void test_9112_11_1_requests_that_cannot_be_sent(void **state)
{
    static const struct {
        const char *method, *path, *lines;
    } bad[] = {{"GET", "/a b", ""},   {"GET", "", ""},         {"G T", "/", ""},
               {"", "/", ""},         {"CONNECT", "/", ""},    {"GET", "/\r\nX: y", ""},
               {"GET", "/\x80", ""},  {"GET", "/", "x: a\rb"}, {"GET", "/", "content-length: 1"},
               {"GET", "/", "x y: z"}};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        if (i) {
            peer_done(&p);
            peer_init(&p, false);
        }
        peer_start(&p);
        struct user *u = peer_open(&p);
        user_request(u, bad[i].method, bad[i].path, bad[i].lines, true);
        LOGGED("");
        SENT("");
        LOGGED("1: cancel protocol\n1: abort protocol\n1: closed protocol\n");
        assert_true(p.codec->want_close);
        assert_int_equal(ROOM(), 0);
    }
}

static void test_9110_15_2_informational_responses(void **state)
{
    get();
    peer_feed(&p, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 "
                  "OK\r\nContent-Length: 0\r\n\r\n");
    LOGGED("1: headers 100\n1: headers 103 link=x\n1: headers 200 content-length=0 end\n1: closed none\n");
    get();
    for (int i = 0; i < 16; i++)
        peer_feed(&p, "HTTP/1.1 103 Early\r\n\r\n");
    peer_log(&p);
    peer_feed(&p, "HTTP/1.1 103 Early\r\n\r\n");
    LOGGED("event http1.too_many_informational_responses 0\ndraining\n2: abort protocol\n2: closed protocol\nEPROTO\n");
}

static void test_9110_15_2_2_switching_protocols_is_refused(void **state)
{
    get();
    peer_feed(&p, "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nzzz");
    LOGGED("event http1.unexpected_switch_of_protocols 0\ndraining\n1: abort protocol\n1: closed protocol\nEPROTO\n");
    peer_flush(&p);
    assert_true(p.codec->want_close);
}

static void test_9112_6_3_responses_without_body(void **state)
{
    peer_start(&p);
    struct user *u = peer_open(&p);
    user_request(u, "HEAD", "/", "", true);
    peer_flush(&p);
    peer_feed(&p, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
    LOGGED("1: headers 200 content-length=500 end\n1: closed none\n");
    u = peer_open(&p);
    user_request(u, "HEAD", "/", "", true);
    peer_flush(&p);
    peer_feed(&p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    LOGGED("2: headers 200 end\n2: closed none\n");
    peer_sent(&p);
    get();
    peer_feed(&p, "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n");
    LOGGED("3: headers 304 content-length=500 end\n3: closed none\n");
    assert_int_equal(ROOM(), 1);
}

static void test_9112_9_2_bytes_behind_a_response_are_refused(void **state)
{
    get();
    peer_feed(&p, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n");
    LOGGED("1: headers 200 content-length=1\n1: data \"x\" end\n1: closed none\nevent http1.unsolicited_response "
           "0\ndraining\nEPROTO\n");
    assert_int_equal(ROOM(), 0);
    assert_true(p.codec->want_close);
}

static void test_9112_9_2_a_response_to_nothing_is_refused(void **state)
{
    peer_start(&p);
    peer_feed(&p, "HTTP/1.1 408 Request Timeout\r\n\r\n");
    LOGGED("event http1.unsolicited_response 0\ndraining\nEPROTO\n");
    assert_true(p.codec->want_close);
}

static void test_9112_9_2_a_response_before_its_request_is_refused(void **state)
{
    peer_start(&p);
    peer_open(&p);
    peer_feed(&p, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    LOGGED("event http1.unsolicited_response 0\ndraining\n1: abort protocol\n1: cancel protocol\n1: closed "
           "protocol\nEPROTO\n");
}

static void test_9112_9_6_connection_close_drains(void **state)
{
    get();
    peer_feed(&p, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n");
    LOGGED("draining\n1: headers 200 content-length=1\n");
    assert_true(p.codec->draining);
    peer_feed(&p, "x");
    LOGGED("1: data \"x\" end\n1: closed none\n");
    assert_int_equal(ROOM(), 0);
    assert_true(p.codec->want_close);
}

static void test_9112_9_3_http_10_responses(void **state)
{
    get();
    peer_feed(&p, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx");
    LOGGED("1: headers 200 content-length=1\n1: data \"x\" end\n1: closed none\n");
    assert_int_equal(ROOM(), 1);
    get();
    peer_feed(&p, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx");
    LOGGED("draining\n2: headers 200 content-length=1\n2: data \"x\" end\n2: closed none\n");
    assert_true(p.codec->want_close);
}

static void a_body_until_the_end_of_the_connection(void **state)
{
    get();
    peer_feed(&p, "HTTP/1.1 200 OK\r\n\r\nab");
    LOGGED("draining\n1: headers 200\n1: data \"ab\"\n");
    p.codec->ops->eof(p.codec, SP_ABORT_CLOSED);
    LOGGED("1: data \"\" end\n1: closed none\n");
    assert_true(p.codec->want_close);
}

static void test_9112_9_8_an_unclean_end_is_none(void **state)
{
    get();
    peer_feed(&p, "HTTP/1.1 200 OK\r\n\r\nab");
    peer_log(&p);
    p.codec->ops->eof(p.codec, SP_ABORT_RESET);
    LOGGED("1: abort reset\n1: closed reset\n");
}

static void the_end_waits_for_a_paused_reader(void **state)
{
    struct user *u = get();
    peer_feed(&p, "HTTP/1.1 200 OK\r\n\r\nab");
    user_pause(u);
    peer_log(&p);
    p.codec->ops->eof(p.codec, SP_ABORT_CLOSED);
    peer_flush(&p);
    LOGGED("");
    user_resume(u);
    LOGGED("");
    peer_flush(&p);
    LOGGED("1: data \"\" end\n1: closed none\n");
    assert_true(p.codec->want_close);
}

static void test_9112_8_premature_ends(void **state)
{
    static const char *const responses[] = {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
                                            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(responses); i++) {
        if (i) {
            peer_done(&p);
            peer_init(&p, false);
        }
        get();
        peer_feed(&p, responses[i]);
        peer_log(&p);
        p.codec->ops->eof(p.codec, SP_ABORT_CLOSED);
        LOGGED("1: abort closed\n1: closed closed\n");
        assert_true(p.codec->want_close);
    }
}

static void the_origin_closes_an_idle_connection(void **state)
{
    get();
    peer_feed(&p, "HTTP/1.1 204 No\r\n\r\n");
    p.codec->ops->eof(p.codec, SP_ABORT_CLOSED);
    assert_int_equal(ROOM(), 0);
    assert_true(p.codec->want_close);
}

static void test_9112_4_malformed_responses(void **state)
{
    static const struct {
        const char *bytes, *logged;
    } bad[] = {
        {"HTTP/1.1 200 OK\nX: y\n\n",
         "event http1.bare_lf 0\ndraining\n1: abort protocol\n1: closed protocol\nEPROTO\n"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
         "event http1.multiple_content_length 0\ndraining\n1: abort protocol\n1: closed protocol\nEPROTO\n"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
         "1: headers 200\nevent http1.invalid_chunk_size 0\ndraining\n1: abort protocol\n1: closed protocol\nEPROTO\n"},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        if (i) {
            peer_done(&p);
            peer_init(&p, false);
        }
        get();
        peer_feed(&p, bad[i].bytes);
        LOGGED(bad[i].logged);
        assert_true(p.codec->want_close);
    }
    peer_done(&p);
    peer_init(&p, false);
    p.config.max_headers = 1;
    get();
    peer_feed(&p, "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n");
    LOGGED("event http1.too_many_headers 0\ndraining\n1: abort too_large\n1: closed too_large\nEPROTO\n");
}

static void test_9112_9_3_early_responses_stop_the_request(void **state)
{
    peer_start(&p);
    struct user *u = peer_open(&p);
    user_request(u, "POST", "/", "content-length: 10", false);
    user_data(u, "abc", false);
    peer_flush(&p);
    peer_feed(&p, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\na");
    LOGGED("1: headers 413 content-length=2\n1: data \"a\"\n");
    user_data(u, "de", false);
    peer_feed(&p, "b");
    LOGGED("1: data \"b\" end\ndraining\n1: cancel cancel\n1: closed none\n");
    peer_flush(&p);
    assert_true(p.codec->want_close);
    assert_false(p.codec->want_reset);
}

static void pause_stops_the_response(void **state)
{
    struct user *u = get();
    user_pause(u);
    peer_feed(&p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
    LOGGED("");
    assert_false(p.codec->want_read);
    user_resume(u);
    assert_true(p.codec->want_read);
    peer_flush(&p);
    LOGGED("1: headers 200 content-length=2\n1: data \"ab\" end\n1: closed none\n");
}

static void cancel_closes(void **state)
{
    struct user *u = get();
    peer_feed(&p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    peer_log(&p);
    user_cancel(u, SP_ABORT_TIMEOUT);
    peer_feed(&p, "b");
    LOGGED("1: closed timeout\n");
    assert_true(p.codec->want_close);
    assert_int_equal(ROOM(), 0);
}

static void cancel_in_the_middle_of_the_request_resets(void **state)
{
    peer_start(&p);
    struct user *u = peer_open(&p);
    user_request(u, "POST", "/", "content-length: 10", false);
    peer_flush(&p);
    peer_sent(&p);
    user_data(u, "abc", false);
    user_cancel(u, SP_ABORT_CANCEL);
    LOGGED("");
    SENT("");
    LOGGED("1: cancel cancel\n1: closed cancel\n");
    assert_true(p.codec->want_reset);
}

/* As clusters/conn does it: both halves, in either order. */
static void both_halves_ended_by_the_user(void **state)
{
    for (int order = 0; order < 2; order++) {
        if (order) {
            peer_done(&p);
            peer_init(&p, false);
        }
        peer_start(&p);
        struct user *u = peer_open(&p);
        user_request(u, "POST", "/", "content-length: 10", false);
        peer_flush(&p);
        if (order)
            user_abort(u, SP_ABORT_CANCEL);
        user_cancel(u, SP_ABORT_CANCEL);
        if (!order)
            user_abort(u, SP_ABORT_CANCEL);
        LOGGED("");
        peer_flush(&p);
        LOGGED("1: closed cancel\n");
        assert_true(p.codec->want_reset);
        assert_true(p.codec->want_close);
    }
}

static void abort_of_the_request_ends_the_response(void **state)
{
    peer_start(&p);
    struct user *u = peer_open(&p);
    user_request(u, "POST", "/", "", false);
    user_data(u, "abc", false);
    user_abort(u, SP_ABORT_RESET);
    SENT("");
    LOGGED("1: abort reset\n1: closed reset\n");
    assert_true(p.codec->want_reset);
}

static void goaway(void **state)
{
    get();
    p.codec->ops->goaway(p.codec);
    assert_false(p.codec->want_close);
    peer_feed(&p, "HTTP/1.1 204 No\r\n\r\n");
    LOGGED("1: headers 204 end\n1: closed none\n");
    assert_true(p.codec->want_close);
}

static void destroy_ends_all(void **state)
{
    get();
    p.codec->ops->destroy(p.codec);
    p.codec = NULL;
    LOGGED("1: abort closed\n1: closed closed\n");
}

/* --- a client and a server back to back --- */

static struct peer server;

static void echo_headers(struct user *u, struct sp_headers *h, bool end)
{
    user_respond(u, 200, "", end);
}

/* A byte for each piece that came, and one for the end. */
static void echo_data(struct user *u, bool end)
{
    user_data_n(u, 1, end);
}

/* Moves at most n bytes each way, in pieces of its own. */
static void pump(struct peer *from, struct peer *to, size_t n)
{
    from->codec->ops->flush(from->codec, &from->out, n);
    while (from->out.len) {
        char piece[64];
        size_t k = sp_buf_peek(&from->out, piece, 1 + (from->out.len * 7) % sizeof(piece));
        sp_buf_drain(&from->out, k);
        sp_buf_append(&to->in, piece, k);
        to->codec->ops->feed(to->codec, &to->in);
    }
    if (to->in.len && to->codec->want_read)
        to->codec->ops->feed(to->codec, &to->in);
    sp_turn_end(&from->turn);
}

static void back_to_back(void **state)
{
    peer_init(&server, true);
    server.on_headers = echo_headers;
    server.on_data = echo_data;
    server.quiet = p.quiet = true;
    server.config.h1_trailers = p.config.h1_trailers = true;
    peer_start(&server);
    peer_start(&p);
    unsigned seed = 7;
    for (int i = 0; i < 60; i++) {
        struct user *u = peer_open(&p);
        assert_non_null(u);
        size_t n = (size_t)(seed = seed * 1103515245 + 12345) % 3000;
        bool sized = i % 2;
        char lines[64];
        snprintf(lines, sizeof(lines), "%s: %zu", sized ? "content-length" : "x-n", n);
        user_request(u, "POST", "/echo", lines, false);
        user_data_n(u, n, true);
        for (int turn = 0; turn < 20000 && !u->closed; turn++) {
            pump(&p, &server, 1 + seed % 50);
            pump(&server, &p, 1 + seed % 37);
        }
        assert_true(u->closed);
        assert_true(server.user->closed);
        assert_int_equal(u->tx_bytes, n);
        assert_int_equal(server.user->rx_bytes, n);
        assert_int_equal(u->rx_bytes, server.user->tx_bytes);
        assert_true(u->rx_bytes > 0);
    }
    assert_false(server.codec->want_close);
    assert_int_equal(server.n_users, 60);
    peer_done(&server);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(one_exchange_and_another),
        T(byte_by_byte),
        T(test_9112_6_3_request_framing),
        T(test_9112_11_1_requests_that_cannot_be_sent),
        T(test_9110_15_2_informational_responses),
        T(test_9110_15_2_2_switching_protocols_is_refused),
        T(test_9112_6_3_responses_without_body),
        T(test_9112_9_2_bytes_behind_a_response_are_refused),
        T(test_9112_9_2_a_response_to_nothing_is_refused),
        T(test_9112_9_2_a_response_before_its_request_is_refused),
        T(test_9112_9_6_connection_close_drains),
        T(test_9112_9_3_http_10_responses),
        T(a_body_until_the_end_of_the_connection),
        T(test_9112_9_8_an_unclean_end_is_none),
        T(the_end_waits_for_a_paused_reader),
        T(test_9112_8_premature_ends),
        T(the_origin_closes_an_idle_connection),
        T(test_9112_4_malformed_responses),
        T(test_9112_9_3_early_responses_stop_the_request),
        T(pause_stops_the_response),
        T(cancel_closes),
        T(cancel_in_the_middle_of_the_request_resets),
        T(both_halves_ended_by_the_user),
        T(abort_of_the_request_ends_the_response),
        T(goaway),
        T(destroy_ends_all),
        T(back_to_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
