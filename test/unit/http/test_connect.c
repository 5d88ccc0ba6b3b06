/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CONNECT in both codecs, both sides, and connections that are a tunnel from their first byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <nghttp2/nghttp2.h>

#include "unit/http/h1_peer.h"
#include "unit/http/h2_rig.h"

static struct peer p;

static int setup(void **state)
{
    memset(&p, 0, sizeof(p));
    return 0;
}

#define LOGGED(text) assert_string_equal(peer_log(&p), (text))
#define SENT(text) (peer_flush(&p), assert_string_equal(peer_sent(&p), (text)))
#define CONNECT "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"

static struct sp_headers *head(struct sp_arena *arena, unsigned status, const char *protocol)
{
    struct sp_headers *h = sp_arena_zalloc(arena, sizeof(*h));
    sp_headers_init(h, arena);
    h->status = status;
    h->protocol = sp_str_c(protocol);
    if (!status) {
        h->method = SP_CONNECT;
        h->authority = SP_STR("b:443");
        h->scheme = SP_STR("https"); /* as sanitising leaves it */
    }
    return h;
}

static void send(struct user *u, struct sp_headers *h, bool end)
{
    u->cs->tx.ops->headers(&u->cs->tx, h, end);
}

static void targets(void **state)
{
    static const char *const good[] = {"a:1", "a.test:65535", "[::1]:443", "10.0.0.1:00443"};
    static const char *const bad[] = {"", "a", "a:", ":443", "a:0", "a:000", "a:65536", "[::1]", "::1:443", "u@a:1", "a:1x", "a b:1", "443", "a:1/"};
    for (size_t i = 0; i < SP_ARRAY_LEN(good); i++)
        assert_true(sp_connect_target_valid(sp_str_c(good[i])));
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        assert_false(sp_connect_target_valid(sp_str_c(bad[i])));
}

/* ---- HTTP/1, server ---- */

static void a_server_opens_a_tunnel(void **state)
{
    peer_init(&p, true);
    peer_start(&p);
    peer_feed(&p, CONNECT "GET /");
    LOGGED("stream 1 CONNECT http b:443  {CONNECT}\n1: headers\n1: data \"GET /\"\n");
    struct sp_headers *h = head(p.user->cs->arena, 200, "CONNECT");
    sp_headers_add(h, SP_STR("x-a"), SP_STR("b"));
    sp_headers_add_id(h, SP_H_CONTENT_LENGTH, SP_STR("5")); /* is none (RFC 9110 section 9.3.6) */
    send(p.user, h, false);
    user_data(p.user, "hi", false);
    SENT("HTTP/1.1 200 OK\r\nx-a: b\r\n\r\nhi");
    assert_true(p.codec->tunnel && !p.codec->want_close);
    peer_feed(&p, " HTTP/1.1\r\n\r\n");
    p.codec->ops->eof(p.codec, SP_ABORT_CLOSED);
    LOGGED("1: data \" HTTP/1.1\r\n\r\n\"\n1: data \"\" end\n");
    user_data(p.user, "bye", true);
    SENT("bye");
    LOGGED("1: closed none\n");
    assert_true(p.codec->want_close);
    peer_done(&p);
}

static void any_2xx_opens_it(void **state)
{
    static const unsigned statuses[] = {201, 204};
    for (size_t i = 0; i < SP_ARRAY_LEN(statuses); i++) {
        peer_init(&p, true);
        peer_start(&p);
        peer_feed(&p, CONNECT);
        send(p.user, head(p.user->cs->arena, statuses[i], "CONNECT"), false);
        user_data(p.user, "x", false);
        peer_flush(&p);
        assert_non_null(strstr(peer_sent(&p), "\r\n\r\nx"));
        peer_done(&p);
    }
}

/* What would be read as a tunnel, and is none. */
static void a_server_says_no_2xx_otherwise(void **state)
{
    static const struct {
        unsigned status;
        const char *protocol;
        bool end;
    } cases[] = {{200, "", true}, {200, "", false}, {204, "", true}, {101, "CONNECT", false}, {299, "", true}};
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        peer_init(&p, true);
        peer_start(&p);
        peer_feed(&p, CONNECT);
        send(p.user, head(p.user->cs->arena, cases[i].status, cases[i].protocol), cases[i].end);
        peer_flush(&p);
        assert_memory_equal(peer_sent(&p), "HTTP/1.1 502 ", 13);
        assert_true(p.codec->want_close);
        peer_done(&p);
    }
    peer_init(&p, true); /* and all else is an answer like any other, behind which nothing is read as HTTP */
    peer_start(&p);
    peer_feed(&p, CONNECT "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    peer_log(&p);
    user_respond(p.user, 403, "", true);
    SENT("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    assert_true(p.codec->want_close);
    assert_int_equal(p.n_users, 1);
    peer_done(&p);
}

static void requests_that_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {"CONNECT b:0 HTTP/1.1\r\nHost: b\r\n\r\n", "event http1.invalid_url 400\nEPROTO\n"},
        {"CONNECT b HTTP/1.1\r\nHost: b\r\n\r\n", "event http1.invalid_url 400\nEPROTO\n"},
        {"CONNECT b:1 HTTP/1.1\r\nHost: b\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "event http1.invalid_upgrade 400\nEPROTO\n"},
        {"CONNECT b:1 HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\nabc", "event http1.content_length_not_allowed 400\nEPROTO\n"},
        {"CONNECT b:1 HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n", "event http1.transfer_encoding_not_allowed 400\nEPROTO\n"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        peer_init(&p, true);
        peer_start(&p);
        peer_feed(&p, cases[i][0]);
        LOGGED(cases[i][1]);
        peer_done(&p);
    }
}

/* ---- HTTP/1, client ---- */

static struct user *ask(void)
{
    peer_init(&p, false);
    peer_start(&p);
    struct user *u = peer_open(&p);
    send(u, head(u->cs->arena, 0, "CONNECT"), false);
    SENT("CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n");
    return u;
}

static void a_client_opens_a_tunnel(void **state)
{
    struct user *u = ask();
    peer_feed(&p, "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-A: b\r\n\r\nhello");
    LOGGED("1: headers 100\ndraining\n1: headers 200 x-a=b\n1: data \"hello\"\n");
    assert_true(p.codec->tunnel);
    user_data(u, "raw", true);
    SENT("raw");
    assert_true(p.codec->want_fin);
    p.codec->ops->eof(p.codec, SP_ABORT_CLOSED);
    LOGGED("1: data \"\" end\n1: closed none\n");
    peer_done(&p);
}

static void a_client_is_told_no(void **state)
{
    ask();
    peer_feed(&p, "HTTP/1.1 403 F\r\nContent-Length: 2\r\n\r\nno");
    LOGGED("1: headers 403 content-length=2\n1: data \"no\" end\ndraining\n1: cancel cancel\n1: closed none\n");
    peer_done(&p);
    ask(); /* 101 is no answer to it */
    peer_feed(&p, "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: CONNECT\r\n\r\n");
    peer_log(&p);
    assert_false(p.codec->tunnel);
    peer_done(&p);
}

static void a_client_sends_no_half_target(void **state)
{
    peer_init(&p, false);
    peer_start(&p);
    struct user *u = peer_open(&p);
    struct sp_headers *h = head(u->cs->arena, 0, "CONNECT");
    h->authority = SP_STR("b");
    send(u, h, false);
    SENT("");
    peer_done(&p);
}

/* ---- no HTTP at all ---- */

static struct user *raw(void)
{
    peer_init(&p, false);
    p.config.raw = true;
    peer_start(&p);
    struct user *u = peer_open(&p);
    send(u, head(u->cs->arena, 0, "CONNECT"), false);
    LOGGED(""); /* never from inside */
    SENT("");
    LOGGED("draining\n1: headers 200\n");
    return u;
}

static void a_raw_connection_is_a_tunnel(void **state)
{
    struct user *u = raw();
    user_data(u, "GET / HTTP/1.1\r\n\r\n", false);
    SENT("GET / HTTP/1.1\r\n\r\n");
    peer_feed(&p, "HTTP/1.1 204 N\r\n\r\n");
    LOGGED("1: data \"HTTP/1.1 204 N\r\n\r\n\"\n");
    user_data(u, "", true);
    peer_flush(&p);
    assert_true(p.codec->want_fin && !p.codec->want_close);
    peer_feed(&p, "last");
    p.codec->ops->eof(p.codec, SP_ABORT_CLOSED);
    LOGGED("1: data \"last\"\n1: data \"\" end\n1: closed none\n");
    assert_true(p.codec->want_close);
    assert_int_equal(p.codec->ops->room(p.codec), 0);
    peer_done(&p);
}

static void what_comes_before_anybody_listens_waits(void **state)
{
    peer_init(&p, false);
    p.config.raw = true;
    peer_start(&p);
    peer_feed(&p, "220 hello\r\n");
    LOGGED("");
    assert_int_equal(p.in.len, 11);
    assert_false(p.codec->want_read);
    unsigned wakes = p.wakes;
    peer_flush(&p);
    assert_int_equal(p.wakes, wakes); /* nor does it ask for turns meanwhile */
    struct user *u = peer_open(&p);
    send(u, head(u->cs->arena, 0, "CONNECT"), false);
    peer_flush(&p);
    LOGGED("draining\n1: headers 200\n1: data \"220 hello\r\n\"\n");
    user_pause(u);
    peer_feed(&p, "more");
    LOGGED("");
    assert_int_equal(p.in.len, 4); /* not read on */
    user_resume(u);
    peer_flush(&p);
    LOGGED("1: data \"more\"\n");
    p.codec->ops->eof(p.codec, SP_ABORT_RESET);
    LOGGED("1: abort reset\n1: cancel reset\n1: closed reset\n");
    peer_done(&p);
}

static void a_raw_connection_that_is_given_up(void **state)
{
    struct user *u = raw();
    user_abort(u, SP_ABORT_CANCEL);
    peer_flush(&p);
    assert_true(p.codec->want_reset);
    peer_done(&p);
}

/* ---- HTTP/2 ---- */

static void send_h2(struct cu_exchange *x, unsigned status, const char *protocol, bool end)
{
    cu_send(x, head(x->cs->arena, status, protocol), end);
}

static void an_h2_server_opens_a_tunnel(void **state)
{
    struct rig *r = rig_new(true, NULL); /* no extended CONNECT is offered: it is not needed */
    h2f_headers(&r->in, 1, 0, ":method", "CONNECT", ":authority", "b:443", "content-length", "0", NULL);
    h2f_frame(&r->in, H2F_DATA, 0, 1, "early", 5);
    rig_go(r);
    struct cu_exchange *x = r->side.x[0];
    assert_string_equal(x->method, "CONNECT");
    assert_true(sp_is_connect(x->head));
    assert_null(x->head->path.ptr);
    assert_null(sp_headers_get_id(x->head, SP_H_CONTENT_LENGTH).ptr);
    assert_int_equal(x->n_body, 5);
    send_h2(x, 204, "CONNECT", false);
    cu_send_data(x, 7, false);
    rig_go(r);
    assert_int_equal(r->s[1].status, 204);
    assert_false(r->s[1].end);
    assert_int_equal(r->s[1].body, 7);
    h2f_frame(&r->in, H2F_DATA, H2F_END_STREAM, 1, "x", 1);
    rig_go(r);
    assert_true(x->ended && !x->closed);
    cu_send_data(x, 0, true);
    rig_go(r);
    assert_true(r->s[1].end && x->closed && x->closed_why == SP_ABORT_NONE);
    rig_free(r);
}

static void an_h2_server_says_no_2xx_otherwise(void **state)
{
    struct rig *r = rig_new(true, NULL);
    for (uint32_t id = 1; id < 7; id += 2) {
        h2f_headers(&r->in, id, 0, ":method", "CONNECT", ":authority", "b:443", NULL);
        rig_go(r);
        struct cu_exchange *x = r->side.x[id / 2];
        send_h2(x, id == 1 ? 200 : id == 3 ? 204 : 403, "", false);
        cu_send_data(x, 9, true);
        rig_go(r);
        assert_int_equal(r->s[id].status, id == 5 ? 403 : 502);
        assert_int_equal(r->s[id].body, id == 5 ? 9 : 0);
        assert_true(r->s[id].end);
    }
    h2f_headers(&r->in, 7, 0, ":method", "CONNECT", ":authority", "b:443", "content-length", "1", NULL);
    rig_go(r);
    assert_int_equal(r->s[7].reset, NGHTTP2_PROTOCOL_ERROR);
    assert_string_equal(r->side.last_detail, "http2.extended_connect");
    rig_free(r);
}

static void an_h2_client_opens_a_tunnel(void **state)
{
    struct rig *r = rig_new(false, NULL); /* the peer offers no extended CONNECT */
    struct cu_exchange *x = cu_open(&r->side);
    send_h2(x, 0, "CONNECT", false);
    rig_go(r);
    assert_string_equal(r->s[1].method, "CONNECT");
    assert_string_equal(r->s[1].path, "");
    h2f_headers(&r->in, 1, 0, ":status", "201", "content-length", "3", "x-a", "b", NULL);
    h2f_frame(&r->in, H2F_DATA, 0, 1, "hello", 5); /* more than that length */
    rig_go(r);
    assert_int_equal(x->status, 201);
    assert_true(sp_str_eq(x->head->protocol, SP_CONNECT));
    assert_int_equal(x->head->n, 1);
    assert_int_equal(x->n_body, 5);
    cu_send_data(x, 4, true);
    h2f_frame(&r->in, H2F_DATA, H2F_END_STREAM, 1, "", 0);
    rig_go(r);
    assert_int_equal(r->s[1].body, 4);
    assert_true(x->ended && x->closed && x->closed_why == SP_ABORT_NONE);
    x = cu_open(&r->side);
    send_h2(x, 0, "CONNECT", false);
    rig_go(r);
    h2f_headers(&r->in, 3, H2F_END_STREAM, ":status", "403", NULL);
    rig_go(r);
    assert_int_equal(x->status, 403);
    assert_true(x->ended);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),
        cmocka_unit_test_setup(a_server_opens_a_tunnel, setup),
        cmocka_unit_test_setup(any_2xx_opens_it, setup),
        cmocka_unit_test_setup(a_server_says_no_2xx_otherwise, setup),
        cmocka_unit_test_setup(requests_that_are_refused, setup),
        cmocka_unit_test_setup(a_client_opens_a_tunnel, setup),
        cmocka_unit_test_setup(a_client_is_told_no, setup),
        cmocka_unit_test_setup(a_client_sends_no_half_target, setup),
        cmocka_unit_test_setup(a_raw_connection_is_a_tunnel, setup),
        cmocka_unit_test_setup(what_comes_before_anybody_listens_waits, setup),
        cmocka_unit_test_setup(a_raw_connection_that_is_given_up, setup),
        cmocka_unit_test(an_h2_server_opens_a_tunnel),
        cmocka_unit_test(an_h2_server_says_no_2xx_otherwise),
        cmocka_unit_test(an_h2_client_opens_a_tunnel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
