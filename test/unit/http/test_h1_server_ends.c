/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server side of the HTTP/1 codec: bad input, backpressure, early ends, resets. */
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

static void test_9112_2_2_malformed_requests_are_answered(void **state)
{
    start();
    peer_feed(&p, "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n" GET("/2"));
    LOGGED("event http1.invalid_header_name 400\nEPROTO\n");
    assert_int_equal(p.in.len, 0);
    SENT("HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 11\r\nconnection: close\r\n\r\nBad "
         "Request");
    assert_true(p.codec->want_close);
    peer_feed(&p, GET("/3"));
    LOGGED("EPROTO\n");
    SENT("");
}

static void test_9112_11_2_malformed_request_behind_a_good_one(void **state)
{
    start();
    peer_feed(&p, GET("/1") "GET /2\r\n");
    LOGGED("stream 1 GET http a /1\n1: headers end\n");
    user_respond(p.user, 200, "", true);
    SENT("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
         "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 11\r\nconnection: close\r\n\r\nBad "
         "Request");
    LOGGED("1: closed none\nevent http1.invalid_request_line 400\nEPROTO\n");
    assert_true(p.codec->want_close);
}

static void test_9110_15_5_22_old_versions_are_told_what_to_speak(void **state)
{
    start();
    peer_feed(&p, "GET / HTTP/1.0\r\n\r\n");
    LOGGED("event low_version 426\nEPROTO\n");
    SENT("HTTP/1.1 426 Upgrade Required\r\ncontent-type: text/plain\r\ncontent-length: 16\r\nupgrade: HTTP/1.1\r\n"
         "connection: upgrade, close\r\n\r\nUpgrade Required");
}

static void error_can_leave_the_connection_open(void **state)
{
    p.config.h1_keep_open_on_error = true;
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a b\r\nContent-Length: 3\r\n\r\nabc" GET("/2"));
    LOGGED("event http.invalid_authority 400\n");
    SENT("HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 11\r\n\r\nBad Request");
    LOGGED("stream 2 GET http a /2\n2: headers end\n");
    user_respond(p.user, 200, "", true);
    peer_flush(&p);
    peer_sent(&p);
    peer_feed(&p, "HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    SENT("HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 11\r\n\r\n");
    assert_false(p.codec->want_close);
    /* Where the message ends is in doubt: closed all the same. */
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
    peer_flush(&p);
    assert_true(p.codec->want_close);
}

static void test_9112_7_1_bad_body_is_answered_by_the_codec(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    peer_log(&p);
    peer_feed(&p, "zz\r\n" GET("/2"));
    LOGGED("event http1.invalid_chunk_size 0\n1: abort protocol\n1: cancel protocol\nEPROTO\n");
    SENT("HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 11\r\nconnection: close\r\n\r\nBad "
         "Request");
    LOGGED("1: closed protocol\n");
    assert_true(p.codec->want_close);
}

static void answer_abort(struct user *u, enum sp_abort why)
{
    user_respond(u, 400, "x: mine", true);
}

static void bad_body_is_answered_by_the_receiver(void **state)
{
    p.on_abort = answer_abort;
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
    LOGGED("stream 1 POST http a /\n1: headers\nevent http1.invalid_chunk_size 0\n1: abort protocol\nEPROTO\n");
    SENT("HTTP/1.1 400 Bad Request\r\nx: mine\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    LOGGED("1: closed protocol\n");
}

static void bad_trailers(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX y\r\n\r\n");
    LOGGED("stream 1 POST http a /\n1: headers\nevent http1.invalid_header_name 0\n1: abort protocol\n1: cancel "
           "protocol\nEPROTO\n");
    peer_flush(&p);
    assert_true(p.codec->want_close);
}

static void pause_stops_delivery(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab");
    user_pause(p.user);
    user_pause(p.user);
    LOGGED("stream 1 POST http a /\n1: headers content-length=6\n1: data \"ab\"\n");
    peer_feed(&p, "cd");
    LOGGED("");
    assert_false(p.codec->want_read);
    user_resume(p.user);
    assert_false(p.codec->want_read);
    peer_flush(&p);
    LOGGED("");
    p.wakes = 0;
    user_resume(p.user);
    assert_true(p.codec->want_read);
    assert_int_equal(p.wakes, 1);
    LOGGED("");
    peer_flush(&p);
    LOGGED("1: data \"cd\"\n");
    peer_feed(&p, "ef");
    LOGGED("1: data \"ef\" end\n");
}

static void pauses_do_not_reach_the_next_request(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    user_pause(p.user);
    user_respond(p.user, 200, "", true);
    peer_flush(&p);
    peer_log(&p);
    peer_feed(&p, GET("/2"));
    LOGGED("stream 2 GET http a /2\n2: headers end\n");
}

static void source_is_paused_above_the_mark(void **state)
{
    p.config.high_water = 1000;
    start();
    peer_feed(&p, GET("/"));
    peer_log(&p);
    user_respond(p.user, 200, "content-length: 5000", false);
    user_data_n(p.user, 500, false);
    LOGGED("");
    user_data_n(p.user, 900, false);
    user_data_n(p.user, 900, false);
    LOGGED("1: pause\n");
    peer_flush_n(&p, 1000);
    LOGGED("");
    peer_flush_n(&p, 1000);
    LOGGED("1: resume\n");
    peer_flush_n(&p, 0);
    user_data_n(p.user, 2700, true);
    LOGGED("");
    peer_flush(&p);
    LOGGED("1: closed none\n");
    assert_int_equal(strlen(strstr(peer_sent(&p), "\r\n\r\n")), 5004);
}

static void room_limits_what_is_flushed(void **state)
{
    start();
    peer_feed(&p, GET("/"));
    user_respond(p.user, 200, "content-length: 10", false);
    user_data(p.user, "0123456789", true);
    peer_flush_n(&p, 0);
    assert_string_equal(peer_sent(&p), "");
    peer_flush_n(&p, 20);
    assert_int_equal(strlen(peer_sent(&p)), 20);
    assert_int_equal(p.codec->n_streams, 1);
    peer_flush(&p);
    assert_int_equal(p.codec->n_streams, 0);
}

static void early_answer_drops_a_little_rest(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    user_respond(p.user, 200, "", true);
    peer_log(&p);
    SENT("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    LOGGED("1: abort cancel\n1: closed none\n");
    assert_false(p.codec->want_close);
    peer_feed(&p, "defghij" GET("/2"));
    LOGGED("stream 2 GET http a /2\n2: headers end\n");
}

static void test_9112_9_3_early_answer_closes_on_a_large_rest(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc");
    user_respond(p.user, 200, "", true);
    SENT("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_true(p.codec->want_close);
}

static void endless_rest_of_chunks_is_cut(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    user_cancel(p.user, SP_ABORT_CANCEL);
    user_respond(p.user, 413, "", true);
    SENT("HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n");
    LOGGED("stream 1 POST http a /\n1: headers\n1: closed none\n");
    char chunk[2000 + 8];
    memset(chunk, 'x', sizeof(chunk));
    memcpy(chunk, "7d0\r\n", 5);
    memcpy(chunk + 2005, "\r\n", 2);
    for (int i = 0; i < 32; i++)
        peer_feed_n(&p, chunk, 2007);
    assert_false(p.codec->want_close);
    peer_feed_n(&p, chunk, 2007);
    assert_true(p.codec->want_close);
    LOGGED("");
}

static void cancel_then_the_request_ends(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n");
    user_cancel(p.user, SP_ABORT_CANCEL);
    peer_log(&p);
    peer_feed(&p, "2\r\ncd\r\n0\r\nX: y\r\n\r\n" GET("/2"));
    LOGGED("");
    user_respond(p.user, 200, "", true);
    peer_flush(&p);
    LOGGED("1: closed none\nstream 2 GET http a /2\n2: headers end\n");
}

static void test_9112_6_3_a_response_of_the_wrong_length_resets(void **state)
{
    start();
    peer_feed(&p, GET("/"));
    user_respond(p.user, 200, "content-length: 3", false);
    user_data(p.user, "ab", false);
    peer_flush(&p);
    peer_log(&p);
    user_data(p.user, "cd", true);
    LOGGED("");
    peer_sent(&p);
    SENT("");
    LOGGED("1: cancel protocol\n1: closed protocol\n");
    assert_true(p.codec->want_reset);
    assert_true(p.codec->want_close);
}

static void test_9112_8_a_response_that_is_too_short_resets(void **state)
{
    start();
    peer_feed(&p, GET("/"));
    user_respond(p.user, 200, "content-length: 3", false);
    user_data(p.user, "ab", true);
    peer_flush(&p);
    assert_true(p.codec->want_reset);
    peer_sent(&p);
}

/* A whole response that the client does not take ends with the server's patience. */
static void whole_response_times_out(void **state)
{
    start();
    peer_feed(&p, GET("/"));
    user_respond(p.user, 200, "content-length: 3", false);
    user_data(p.user, "abc", true);
    peer_flush_n(&p, 10);
    peer_log(&p);
    user_abort(p.user, SP_ABORT_CANCEL);
    peer_flush_n(&p, 10);
    LOGGED("");
    assert_false(p.codec->want_reset);
    user_abort(p.user, SP_ABORT_TIMEOUT);
    peer_flush_n(&p, 10);
    LOGGED("1: closed timeout\n");
    assert_true(p.codec->want_reset);
    peer_sent(&p);
}

static void abort_resets(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na");
    peer_log(&p);
    user_abort(p.user, SP_ABORT_LOCAL);
    LOGGED("");
    SENT("");
    LOGGED("1: abort local\n1: closed local\n");
    assert_true(p.codec->want_reset);
    peer_feed(&p, "abcd" GET("/2"));
    LOGGED("");
}

static void test_9112_11_1_nothing_of_the_users_choice_splits_a_response(void **state)
{
    static const char *const bad[] = {"x: a\rb",
                                      "x: a\tb\rc",
                                      "x: \x01",
                                      "x y: z",
                                      "x: \x7f",
                                      "content-length: 1x",
                                      "content-length: 1\ncontent-length: 1"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        struct peer *q = &p;
        if (i) {
            peer_done(q);
            peer_init(q, true);
        }
        start();
        peer_feed(q, GET("/"));
        peer_log(q);
        user_respond(q->user, 200, bad[i], false);
        peer_flush(q);
        const char *sent = peer_sent(q);
        assert_non_null(strstr(sent, "HTTP/1.1 502 Bad Gateway\r\n"));
        LOGGED("1: cancel protocol\n1: closed protocol\n");
        assert_true(q->codec->want_close);
    }
    /* A real line feed cannot come through add_lines. */
    peer_done(&p);
    peer_init(&p, true);
    start();
    peer_feed(&p, GET("/"));
    struct sp_headers *h = sp_arena_alloc(p.user->cs->arena, sizeof(*h));
    sp_headers_init(h, p.user->cs->arena);
    h->status = 200;
    sp_headers_add(h, SP_STR("location"), SP_STR("/a\r\nset-cookie: x=y"));
    p.user->cs->tx.ops->headers(&p.user->cs->tx, h, true);
    peer_flush(&p);
    assert_null(strstr(peer_sent(&p), "set-cookie"));
}

static void a_status_that_is_none_becomes_502(void **state)
{
    start();
    peer_feed(&p, GET("/"));
    user_respond(p.user, 0, "", true);
    peer_flush(&p);
    assert_non_null(strstr(peer_sent(&p), "HTTP/1.1 502 Bad Gateway\r\n"));
}

static void answer_with_no_status(struct user *u, enum sp_abort why)
{
    (void)why;
    user_respond(u, 0, "", false);
}

/* Who hears that the client is gone may answer all the same, with what cannot be sent: it has to hear of that, too. */
static void what_is_refused_while_the_request_is_aborted_is_told(void **state)
{
    p.on_abort = answer_with_no_status;
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    peer_log(&p);
    p.codec->ops->eof(p.codec, SP_ABORT_CLOSED);
    LOGGED("1: abort closed\n1: cancel protocol\n1: closed protocol\n");
}

static void large_heads_are_written_whole(void **state)
{
    static char lines[40000];
    start();
    peer_feed(&p, GET("/"));
    memset(lines, 'v', sizeof(lines) - 1);
    memcpy(lines, "x: ", 3);
    user_respond(p.user, 200, lines, true);
    peer_flush(&p);
    const char *sent = peer_sent(&p);
    assert_int_equal(strlen(sent),
                     strlen("HTTP/1.1 200 OK\r\n") + strlen(lines) + strlen("\r\ncontent-length: 0\r\n\r\n"));
}

static void the_peer_goes_away(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na");
    peer_log(&p);
    p.codec->ops->eof(p.codec, SP_ABORT_CLOSED);
    LOGGED("1: abort closed\n1: cancel closed\n1: closed closed\n");
    peer_flush(&p);
    assert_true(p.codec->want_close);
}

static void the_peer_half_closes_while_its_answer_is_sent(void **state)
{
    start();
    peer_feed(&p, GET("/"));
    user_respond(p.user, 200, "content-length: 2", false);
    user_data(p.user, "ok", true);
    peer_log(&p);
    p.codec->ops->eof(p.codec, SP_ABORT_CLOSED);
    LOGGED("");
    SENT("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    LOGGED("1: closed none\n");
    assert_true(p.codec->want_close);
}

static void the_peer_resets_while_its_answer_is_sent(void **state)
{
    start();
    peer_feed(&p, GET("/"));
    user_respond(p.user, 200, "content-length: 2", false);
    user_data(p.user, "ok", true);
    peer_log(&p);
    p.codec->ops->eof(p.codec, SP_ABORT_RESET);
    LOGGED("1: closed none\n");
}

static void the_peer_goes_away_while_idle_or_in_a_head(void **state)
{
    start();
    peer_feed(&p, "GET / HT");
    assert_true(p.codec->in_head);
    p.codec->ops->eof(p.codec, SP_ABORT_CLOSED);
    assert_true(p.codec->want_close);
    LOGGED("");
}

static void in_head_is_told(void **state)
{
    start();
    assert_false(p.codec->in_head);
    peer_feed(&p, "G");
    assert_true(p.codec->in_head);
    peer_feed(&p, "ET / HTTP/1.1\r\nHost: a\r\n\r");
    assert_true(p.codec->in_head);
    peer_feed(&p, "\n");
    assert_false(p.codec->in_head);
    user_respond(p.user, 200, "", true);
    peer_flush(&p);
    assert_false(p.codec->in_head);
}

static void destroy_ends_all(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\na");
    user_respond(p.user, 200, "", false);
    peer_log(&p);
    p.codec->ops->destroy(p.codec);
    p.codec = NULL;
    LOGGED("1: abort closed\n1: cancel closed\n1: closed closed\n");
}

static void a_refused_stream_gets_503(void **state)
{
    p.refuse = true;
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde" GET("/2"));
    LOGGED("stream 1 POST http a /\n");
    peer_flush(&p);
    assert_non_null(strstr(peer_sent(&p), "HTTP/1.1 503 Service Unavailable\r\n"));
    assert_int_equal(p.codec->n_streams, 0);
    assert_true(p.codec->want_close);
}

static void test_9110_7_8_connect_and_upgrade_end_the_connection(void **state)
{
    start();
    peer_feed(&p, "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\nbytes of another protocol");
    LOGGED("stream 1 CONNECT http b:443  {CONNECT}\n1: headers\n1: data \"bytes of another protocol\"\n");
    user_respond(p.user, 404, "", true);
    SENT("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    LOGGED("1: abort cancel\n1: closed none\n");
    assert_true(p.codec->want_close);
    peer_done(&p);
    peer_init(&p, true);
    start();
    peer_feed(&p, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    LOGGED("stream 1 GET http a / {websocket}\n1: headers\n");
    user_respond(p.user, 403, "", true);
    SENT("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    LOGGED("1: abort cancel\n1: closed none\n");
    assert_true(p.codec->want_close);
}

static void underscores_are_counted(void **state)
{
    p.config.underscores = 2;
    start();
    peer_feed(&p, "GET / HTTP/1.1\r\nHost: a\r\na_b: c\r\nd_e: f\r\n\r\n");
    LOGGED(
        "event http1.dropped_underscore 0\nevent http1.dropped_underscore 0\nstream 1 GET http a /\n1: headers end\n");
}

static void nothing_is_taken_while_paused_at_the_head(void **state)
{
    start();
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    user_pause(p.user);
    peer_log(&p);
    peer_feed(&p, "ab" GET("/2"));
    LOGGED("");
    user_respond(p.user, 200, "", true);
    SENT("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    LOGGED("1: abort cancel\n1: closed none\nstream 2 GET http a /2\n2: headers end\n");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_9112_2_2_malformed_requests_are_answered),
        T(test_9112_11_2_malformed_request_behind_a_good_one),
        T(test_9110_15_5_22_old_versions_are_told_what_to_speak),
        T(error_can_leave_the_connection_open),
        T(test_9112_7_1_bad_body_is_answered_by_the_codec),
        T(bad_body_is_answered_by_the_receiver),
        T(bad_trailers),
        T(pause_stops_delivery),
        T(pauses_do_not_reach_the_next_request),
        T(source_is_paused_above_the_mark),
        T(room_limits_what_is_flushed),
        T(early_answer_drops_a_little_rest),
        T(test_9112_9_3_early_answer_closes_on_a_large_rest),
        T(endless_rest_of_chunks_is_cut),
        T(cancel_then_the_request_ends),
        T(test_9112_6_3_a_response_of_the_wrong_length_resets),
        T(test_9112_8_a_response_that_is_too_short_resets),
        T(whole_response_times_out), T(abort_resets),
        T(test_9112_11_1_nothing_of_the_users_choice_splits_a_response),
        T(a_status_that_is_none_becomes_502),
        T(what_is_refused_while_the_request_is_aborted_is_told),
        T(large_heads_are_written_whole),
        T(the_peer_goes_away),
        T(the_peer_half_closes_while_its_answer_is_sent),
        T(the_peer_resets_while_its_answer_is_sent),
        T(the_peer_goes_away_while_idle_or_in_a_head),
        T(in_head_is_told),
        T(destroy_ends_all),
        T(a_refused_stream_gets_503),
        T(test_9110_7_8_connect_and_upgrade_end_the_connection),
        T(underscores_are_counted),
        T(nothing_is_taken_while_paused_at_the_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
