/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages that are good, options, limits; what is refused stands in test_rfc9112*.c, by section. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "unit/http/h1_table.h"

static void good_requests(void **state)
{
    static const struct message table[] = {
        M("GET / HTTP/1.1\r\nHost: a.b:80\r\n\r\n", "GET http a.b:80 / 1.1|"),
        M("GET /p/q?r=s&t HTTP/1.1\r\nhOsT:a\r\nX-Y:  v w \t\r\nEmpty:\r\n\r\n",
          "GET http a /p/q?r=s&t 1.1 x-y=v w empty=|"),
        M("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET http a / 1.1|"),
        M("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET http a / 1.1|"),
        M("M-SEARCH /{|}^`\\\"<>'[] HTTP/1.1\r\nHost: a\r\n\r\n", "M-SEARCH http a /{|}^`\\\"<>'[] 1.1|"),
        M("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS http a * 1.1|"),
        M("GET http://b/c?d HTTP/1.1\r\nHost: a\r\n\r\n", "GET http b /c?d 1.1|"),
        M("GET HTTP://b:8 HTTP/1.1\r\nHost: a\r\n\r\n", "GET http b:8 / 1.1|"),
        M("GET http://b?c HTTP/1.1\r\nHost: a\r\n\r\n", "GET http b /?c 1.1|"),
        M("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS http b * 1.1|"),
        M("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", "CONNECT http b:443  1.1 {CONNECT} last|"),
        M("GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\tz\r\n\r\n", "GET http a / 1.1 x=\x80\xff\tz|"),
        M("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET", "POST http a / 1.1 content-length=3|abc+3"),
        M("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 \t\r\n\r\nabc", "POST http a / 1.1 content-length=3|abc"),
        M("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \tchunked\t\r\n\r\n0\r\n\r\n", CHUNKED_GOT "||"),
        M("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encodings: 1\r\nContent-Length: 3\r\n\r\nabc",
          "POST http a / 1.1 transfer-encodings=1 content-length=3|abc"),
        M("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "POST http a / 1.1 content-length=0|"),
        M("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0003\r\n\r\nabc", "POST http a / 1.1 content-length=0003|abc"),
        M("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", "POST http a / 1.1 content-length=5|ab..."),
        M("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET http a / 1.1 close|"),
        M("GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop,\tClose , ,\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nX: 2\r\n\r\n",
          "GET http a / 1.1 close x=2|"),
        M("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nProxy-Connection: x\r\nTE: gzip, Trailers\r\n\r\n",
          "GET http a / 1.1 te=trailers|"),
        M("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: gzip\r\n\r\n", "GET http a / 1.1|"),
        M("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
          "GET http a / 1.1 {websocket} last|"),
        M("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", "GET http a / 1.1|"),
        M("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\nConnection: Upgrade, "
          "HTTP2-Settings\r\n\r\n",
          "GET http a / 1.1|"),
        M("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
          "PUT http a / 1.1 expect expect=100-Continue content-length=1|x"),
        M("PUT / HTTP/1.1\r\nHost: a\r\nExpect: other\r\n\r\n", "PUT http a / 1.1 expect=other|"),
        M("GET", "..."),
        M("GET / HTTP/1.1\r\nHost: a\r\n\r", "..."),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void good_chunks(void **state)
{
    static const struct message table[] = {
        M(CHUNKED("3\r\nabc\r\n0\r\n\r\n"), CHUNKED_GOT "|abc|"),
        M(CHUNKED("3\r\nabc\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\nGET /"),
          CHUNKED_GOT "|abc01234567890123456789|+5"),
        M(CHUNKED("00000003\r\nabc\r\n000\r\n\r\n"), CHUNKED_GOT "|abc|"),
        M(CHUNKED("3;a=b;c=\"d;e\"\r\nabc\r\n0;x\r\n\r\n"), CHUNKED_GOT "|abc|"),
        M(CHUNKED("3; a\r\nabc\r\n0\r\n\r\n"), CHUNKED_GOT "|abc|"),
        M(CHUNKED("1\r\nx\r\n0\r\nX-T: 1\r\nU:2\r\n\r\n!"), CHUNKED_GOT "|x| x-t=1 u=2+1"),
        M(CHUNKED("0\r\nContent-Length: 5\r\nHost: x\r\nAuthorization: y\r\nX-Origin-Verify: z\r\nOk: 1\r\n\r\n"),
          CHUNKED_GOT "|| ok=1"),
        M(CHUNKED("0\r\nContent-Length: 3a\r\nContent-Length: 3\r\nTransfer-Encoding: gzip\r\nOk: 1\r\n\r\nGET"), CHUNKED_GOT "|| ok=1+3"),
        M(CHUNKED(""), CHUNKED_GOT "||..."),
        M(CHUNKED("7fffffffffffffff\r\nabc"), CHUNKED_GOT "|abc|..."),
        M(CHUNKED("3\r\n\r\n\n\r\n0\r\n\r\n"), CHUNKED_GOT "|\r\n\n|"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void options(void **state)
{
    h1_config.underscores = 1;
    CHECK(SP_H1_REQUEST, WITH("a_b: c"), "!http1.unexpected_underscore");
    h1_config.underscores = 2;
    CHECK(SP_H1_REQUEST, WITH("a_b: c\r\nd: e"), "POST http a / 1.1 d=e|");
    h1_config.underscores = 0;
    CHECK(SP_H1_REQUEST, WITH("a_b: c"), "POST http a / 1.1 a_b=c|");
    h1_config.h1_allow_chunked_length = true;
    CHECK(SP_H1_REQUEST,
          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "POST http a / 1.1 last||");
    h1_config.h1_allow_absolute_url = false;
    CHECK(SP_H1_REQUEST, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url");
    h1_config.h1_allow_absolute_url = h1_config.tls = true;
    CHECK(SP_H1_REQUEST, "GET https://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET https b / 1.1|");
    h1_config.h1_accept_10 = true;
    h1_config.h1_default_host = SP_STR("d");
    CHECK(SP_H1_REQUEST, "GET / HTTP/1.0\r\n\r\n", "GET https d / 1.0 close|");
    CHECK(SP_H1_REQUEST, "GET / HTTP/1.1\r\n\r\n", "!missing_host_header");
}

/* The limit itself passes, one byte or line more does not, wherever the input is cut. */
static void limits(void **state)
{
    h1_config.max_url_bytes = 10;
    CHECK(SP_H1_REQUEST, "GET /123456789 HTTP/1.1\r\nHost: a\r\n\r\n", "GET http a /123456789 1.1|");
    CHECK(SP_H1_REQUEST, "GET /1234567890 HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.url_too_long");
    CHECK(SP_H1_REQUEST, "GET /12345678901234567890123456789012345678901234567890123456789012345",
          "!http1.url_too_long");
    h1_config.max_headers = 2;
    CHECK(SP_H1_REQUEST, "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n", "GET http a / 1.1 x=1|");
    CHECK(SP_H1_REQUEST, "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\n\r\n", "!http1.too_many_headers");
    CHECK(SP_H1_REQUEST, CHUNKED("0\r\na: 1\r\nb: 2\r\n\r\n"), CHUNKED_GOT "|| a=1 b=2");
    CHECK(SP_H1_REQUEST, CHUNKED("0\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n"), "!http1.too_many_headers");
    static const char fits[] = "GET / HTTP/1.1\r\nHost: a\r\nX: 12345678901\r\n\r\n";
    h1_config.max_header_bytes = sizeof(fits) - 1;
    CHECK(SP_H1_REQUEST, fits, "GET http a / 1.1 x=12345678901|");
    h1_config.max_header_bytes--;
    CHECK(SP_H1_REQUEST, fits, "!http1.headers_too_large");
    CHECK(SP_H1_REQUEST, "GET / HTTP/1.1\r\nHost: a\r\nX: 1234567890123456789012345678901234567890",
          "!http1.headers_too_large");
    h1_config.max_header_bytes = 20;
    CHECK(SP_H1_RESPONSE, "HTTP/1.1 200 01234567890123456789", "!http1.headers_too_large");
    h1_config.max_header_bytes = 100;
    h1_config.max_headers = 100;
    CHECK(SP_H1_REQUEST,
          CHUNKED("0\r\na: 0123456789012345678901234567890123456789012345678901\r\n"
                  "b: 0123456789012345678901234567890123456789012345678901\r\n\r\n"),
          "!http1.trailers_too_large");
}

static void many_lines_and_long_extensions(void **state)
{
    char *text = malloc(100000), *end = text;
    h1_config.max_headers = 500;
    end += sprintf(end, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 400; i++)
        end += sprintf(end, "x-%d: %d\r\n", i, i);
    end += sprintf(end, "\r\n");
    char *whole = h1_dump(SP_H1_REQUEST, &h1_config, text, (size_t)(end - text), 0, 100000);
    assert_non_null(strstr(whole, " x-0=0 "));
    assert_non_null(strstr(whole, " x-127=127 x-128=128 "));
    assert_non_null(strstr(whole, " x-399=399|"));
    h1_expect(SP_H1_REQUEST, text, (size_t)(end - text), whole, 0, 1);
    free(whole);
    end = text + sprintf(text, "%s", CHUNKED(""));
    for (int i = 0; i < 100; i++) /* small ones, but many */
        end += sprintf(
            end,
            "1;0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\r\nx\r\n");
    h1_expect(SP_H1_REQUEST, text, (size_t)(end - text), "!http1.chunk_extensions_too_large", 0, 100000);
    h1_expect(SP_H1_REQUEST, text, (size_t)(end - text), "!http1.chunk_extensions_too_large", 0, 1);
    /* Where the data outweighs them they may go on for ever. */
    end = text + sprintf(text, "%s", CHUNKED(""));
    for (int i = 0; i < 300; i++)
        end += sprintf(end, "64;%090d\r\n%0100d\r\n", 0, 0);
    char *got = h1_dump(SP_H1_REQUEST, &h1_config, text, (size_t)(end - text), 0, 100000);
    assert_int_equal(got[0], 'P');
    free(got);
    free(text);
}

/* No byte is looked at twice: a long head a byte at a time costs little more than its length. */
static void byte_at_a_time_is_not_quadratic(void **state)
{
    enum { N = 4 * 1024 * 1024 };
    char *text = malloc(N + 100), *end = text;
    h1_config.max_header_bytes = 2 * N;
    end += sprintf(end, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(end, 'v', N);
    end += N;
    struct timespec from, to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    h1_expect(SP_H1_REQUEST, text, (size_t)(end - text), "...", 0, 1);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    assert_true(to.tv_sec - from.tv_sec < 20); /* quadratic: hours */
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(good_requests, h1_setup),
        cmocka_unit_test_setup(good_chunks, h1_setup),
        cmocka_unit_test_setup(options, h1_setup),
        cmocka_unit_test_setup(limits, h1_setup),
        cmocka_unit_test_setup(many_lines_and_long_extensions, h1_setup),
        cmocka_unit_test_setup(byte_at_a_time_is_not_quadratic, h1_setup),
    };
    return cmocka_run_group_tests(tests, NULL, h1_teardown);
}
