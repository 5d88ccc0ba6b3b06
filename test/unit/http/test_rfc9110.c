/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 9110, what it says of messages on their way through a gateway, as far as HTTP/1's parser sees to it. */
#include "unit/http/h1_table.h"

#include "http/headers.h"

#define NOMINATED(names) WITH("Connection: " names)

/* No user, no empty host: whoever sends one means to be misread. */
static void test_9110_4_2_authorities(void **state)
{
    static const struct message table[] = {
        M("GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET http://u:p@b/ HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET http://@b/ HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET http://:80/ HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET http://b#c HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "!http.invalid_authority"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

/* Lines of one name keep their order, whatever stands between them. */
static void test_9110_5_3_order_of_fields(void **state)
{
    CHECK(SP_H1_REQUEST, WITH("X: 1\r\nY: a\r\nx: 2\r\nX: 3"), "POST http a / 1.1 x=1 y=a x=2 x=3|");
    CHECK(SP_H1_REQUEST, WITH("Accept: b\r\nAccept: a"), "POST http a / 1.1 accept=b accept=a|");
}

/* What trailers may not say, of requests and of answers, over HTTP/1 and (test_rfc9113) HTTP/2. */
static void test_9110_6_5_1_what_is_no_trailer(void **state)
{
    static const char *const never[] = {
        "authorization", "cache-control", "connection", "content-encoding", "content-length", "content-type", "cookie", "expect", "forwarded", "host",
        "keep-alive", "location", "range", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "via", "www-authenticate",
        "x-forwarded-client-cert", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-origin-verify", "x-request-id",
    };
    static const char *const may[] = {"grpc-status", "etag", "x-checksum", "server-timing", "digest"};
    for (size_t i = 0; i < SP_ARRAY_LEN(never); i++)
        assert_false(sp_header_may_trail(sp_header_id(sp_str_c(never[i]))));
    for (size_t i = 0; i < SP_ARRAY_LEN(may); i++)
        assert_true(sp_header_may_trail(sp_header_id(sp_str_c(may[i]))));
    CHECK(SP_H1_REQUEST, CHUNKED("0\r\nCookie: a\r\nVia: x\r\nForwarded: for=x\r\nX-Checksum: 1\r\n\r\n"), CHUNKED_GOT "|| x-checksum=1");
}

/* Fields of one connection go no further, nor does what Connection names. */
static void test_9110_7_6_1_connection(void **state)
{
    static const struct message table[] = {
        M(NOMINATED("X-Hop,\tClose , ,\r\nX-Hop: 1\r\nx-hop: 2\r\nX: 3"), "POST http a / 1.1 close x=3|"),
        M(NOMINATED("x-a\r\nConnection: x-b\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3"), "POST http a / 1.1 x-c=3|"),
        M(WITH("X-A: 1\r\nConnection: x-a"), "POST http a / 1.1|"), /* also where it stands behind them */
        M(WITH("Keep-Alive: 5\r\nProxy-Connection: close\r\nTE: gzip\r\nUpgrade: x\r\nHTTP2-Settings: y"), "POST http a / 1.1|"),
        M(NOMINATED("a b"), "!http1.connection_header_rejected"),
        M(NOMINATED("\"close\""), "!http1.connection_header_rejected"),
        M(NOMINATED(":path"), "!http1.connection_header_rejected"),
        M(NOMINATED("a=b"), "!http1.connection_header_rejected"),
        M(NOMINATED("a,b,c,d,e,f,g,h,i,j"), "!http1.connection_header_rejected"),
        M(NOMINATED("a,b,c,d,e\r\nConnection: f,g,h,i,j"), "!http1.connection_header_rejected"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

/* Connection must not name what is meant for every recipient: it would be taken from under the next one's eyes. */
static void test_9110_7_6_1_what_connection_may_not_name(void **state)
{
    static const struct message table[] = {
        M(NOMINATED("Host"), "!http1.connection_header_rejected"),
        M(NOMINATED("content-length"), "!http1.connection_header_rejected"),
        M(NOMINATED("Transfer-Encoding"), "!http1.connection_header_rejected"),
        M(NOMINATED("close, Authorization"), "!http1.connection_header_rejected"),
        M(NOMINATED("Cookie"), "!http1.connection_header_rejected"),
        M(NOMINATED("content-type"), "!http1.connection_header_rejected"),
        M(NOMINATED("cache-control"), "!http1.connection_header_rejected"),
        M(NOMINATED("Forwarded"), "!http1.connection_header_rejected"),
        M(NOMINATED("Via"), "!http1.connection_header_rejected"),
        M(NOMINATED("x-forwarded-for"), "!http1.connection_header_rejected"),
        M(NOMINATED("X-Forwarded-Client-Cert"), "!http1.connection_header_rejected"),
        M(NOMINATED("x-request-id"), "!http1.connection_header_rejected"),
        M(NOMINATED("x-origin-verify"), "!http1.connection_header_rejected"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
    static const struct message answers[] = {
        M("HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 1\r\n\r\nx", "!http1.connection_header_rejected"),
        M("HTTP/1.1 200 OK\r\nConnection: set-cookie\r\nSet-Cookie: a\r\nContent-Length: 0\r\n\r\n", "!http1.connection_header_rejected"),
        M("HTTP/1.1 200 OK\r\nConnection: x\r\nX: a\r\nContent-Length: 0\r\n\r\n", "200 1.1 content-length=0|"),
    };
    CHECK_ALL(SP_H1_RESPONSE, answers);
}

static void test_9110_7_8_upgrade(void **state)
{
    static const struct message table[] = {
        M(WITH("Upgrade: websocket\r\nConnection: Upgrade"), "POST http a / 1.1 {websocket} last|"),
        M(WITH("Upgrade: websocket"), "POST http a / 1.1|"), /* Connection has to say so */
        M(WITH("Connection: upgrade"), "POST http a / 1.1|"),
        M(WITH("Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b"), "!http1.invalid_upgrade"),
        M(WITH("Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\nConnection: Upgrade, HTTP2-Settings"), "POST http a / 1.1|"),
        M(WITH("Upgrade: x\r\nConnection: Upgrade\r\nContent-Length: 1"), "!http1.upgrade_with_body"),
        M(WITH("Upgrade: x\r\nConnection: Upgrade\r\nTransfer-Encoding: chunked"), "!http1.upgrade_with_body"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
    h1_config.h1_accept_10 = true;
    CHECK(SP_H1_REQUEST, "GET / HTTP/1.0\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "GET http a / 1.0 close|");
}

static void test_9110_10_1_1_expect(void **state)
{
    static const struct message table[] = {
        M("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
          "PUT http a / 1.1 expect expect=100-Continue content-length=1|x"),
        M("PUT / HTTP/1.1\r\nHost: a\r\nExpect: other\r\n\r\n", "PUT http a / 1.1 expect=other|"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
    h1_config.h1_accept_10 = true; /* whose clients cannot mean it */
    CHECK(SP_H1_REQUEST, "PUT / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
          "PUT http a / 1.0 close expect=100-continue content-length=1|x");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, h1_setup)
    const struct CMUnitTest tests[] = {
        T(test_9110_4_2_authorities),
        T(test_9110_5_3_order_of_fields),
        T(test_9110_6_5_1_what_is_no_trailer),
        T(test_9110_7_6_1_connection),
        T(test_9110_7_6_1_what_connection_may_not_name),
        T(test_9110_7_8_upgrade),
        T(test_9110_10_1_1_expect),
    };
    return cmocka_run_group_tests(tests, NULL, h1_teardown);
}
