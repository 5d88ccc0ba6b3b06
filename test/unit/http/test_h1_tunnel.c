/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Upgrades in the HTTP/1 codec, both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/http/h1_peer.h"

static struct peer p;

static int teardown(void **state)
{
    peer_done(&p);
    return 0;
}

#define LOGGED(text) assert_string_equal(peer_log(&p), (text))
#define SENT(text) (peer_flush(&p), assert_string_equal(peer_sent(&p), (text)))
#define ROOM() p.codec->ops->room(p.codec)

#define UPGRADE "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
#define ANSWER "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"

static void respond_101(struct user *u, const char *protocol)
{
    struct sp_headers *h = sp_arena_zalloc(u->cs->arena, sizeof(*h));
    sp_headers_init(h, u->cs->arena);
    h->status = 101;
    h->protocol = sp_str_c(protocol);
    u->cs->tx.ops->headers(&u->cs->tx, h, false);
}

static void an_upgrade_becomes_a_tunnel(void **state)
{
    peer_init(&p, true);
    peer_start(&p);
    peer_feed(&p, UPGRADE "GET /");
    LOGGED("stream 1 GET http a / {websocket}\n1: headers\n1: data \"GET /\"\n");
    assert_false(p.codec->tunnel);
    respond_101(p.user, "websocket");
    user_data(p.user, "hi", false);
    SENT(ANSWER "hi");
    assert_true(p.codec->tunnel && !p.codec->want_close);
    peer_feed(&p, " HTTP/1.1\r\n\r\n"); /* whatever it looks like */
    LOGGED("1: data \" HTTP/1.1\r\n\r\n\"\n");
    p.codec->ops->eof(p.codec, SP_ABORT_CLOSED); /* the client's side only */
    LOGGED("1: data \"\" end\n");
    user_data(p.user, "bye", true);
    SENT("bye");
    LOGGED("1: closed none\n");
    assert_true(p.codec->want_close && !p.codec->want_fin);
}

static void a_tunnel_ends_with_its_connection(void **state)
{
    peer_init(&p, true);
    peer_start(&p);
    peer_feed(&p, UPGRADE);
    respond_101(p.user, "websocket");
    SENT(ANSWER);
    peer_log(&p);
    p.codec->ops->goaway(p.codec); /* a drain lets it live */
    assert_false(p.codec->want_close);
    p.codec->ops->eof(p.codec, SP_ABORT_RESET);
    LOGGED("1: abort reset\n1: cancel reset\n1: closed reset\n");
}

static void test_9110_15_2_2_a_switch_that_nobody_asked_for_is_a_502(void **state)
{
    peer_init(&p, true);
    peer_start(&p);
    peer_feed(&p, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    respond_101(p.user, "websocket");
    peer_flush(&p);
    assert_non_null(strstr(peer_sent(&p), "HTTP/1.1 502 "));
}

static void test_9110_7_8_an_upgrade_has_no_body(void **state)
{
    peer_init(&p, true);
    peer_start(&p);
    peer_feed(&p, "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\na");
    LOGGED("event http1.upgrade_with_body 400\nEPROTO\n");
}

/* An offer under way. */
static struct user *offer(void)
{
    peer_start(&p);
    struct user *u = peer_open(&p);
    struct sp_headers *h = sp_arena_zalloc(u->cs->arena, sizeof(*h));
    sp_headers_init(h, u->cs->arena);
    h->method = SP_STR("GET");
    h->path = SP_STR("/");
    h->authority = SP_STR("a");
    h->protocol = SP_STR("websocket");
    u->cs->tx.ops->headers(&u->cs->tx, h, false);
    SENT("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    return u;
}

#define SWITCHED "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"

static void an_offer_that_is_taken(void **state)
{
    peer_init(&p, false);
    struct user *u = offer();
    peer_feed(&p, SWITCHED "HTTP/1.1 200 OK\r\n");
    LOGGED("draining\n1: headers 101\n1: data \"HTTP/1.1 200 OK\r\n\"\n");
    user_data(u, "raw", false);
    SENT("raw");
    assert_int_equal(ROOM(), 0);
    user_data(u, "end", true);
    SENT("end");
    assert_true(p.codec->want_fin && !p.codec->want_close); /* the origin may still speak */
    peer_feed(&p, "more");
    p.codec->ops->eof(p.codec, SP_ABORT_CLOSED);
    LOGGED("1: data \"more\"\n1: data \"\" end\n1: closed none\n");
    assert_true(p.codec->want_close);
}

static void test_9110_7_8_an_offer_that_is_not_taken(void **state)
{
    peer_init(&p, false);
    struct user *u = offer();
    peer_feed(&p, "HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
    LOGGED("1: headers 103\n1: headers 200 content-length=1\n");
    user_data(u, "GET /evil", false); /* whoever sends it now has not understood: the connection ends before it does */
    SENT("");
    assert_true(p.codec->want_reset);
}

static void an_offer_that_is_taken_wrongly(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 S\r\nConnection: Upgrade\r\n\r\n"};
    for (size_t i = 0; i < SP_ARRAY_LEN(answers); i++) {
        if (i)
            peer_done(&p);
        peer_init(&p, false);
        offer();
        peer_feed(&p, answers[i]);
        LOGGED("event http1.unexpected_switch_of_protocols 0\ndraining\n1: abort protocol\n1: cancel protocol\n"
               "1: closed protocol\nEPROTO\n");
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        T(an_upgrade_becomes_a_tunnel),
        T(a_tunnel_ends_with_its_connection),
        T(test_9110_15_2_2_a_switch_that_nobody_asked_for_is_a_502),
        T(test_9110_7_8_an_upgrade_has_no_body),
        T(an_offer_that_is_taken),
        T(test_9110_7_8_an_offer_that_is_not_taken),
        T(an_offer_that_is_taken_wrongly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
