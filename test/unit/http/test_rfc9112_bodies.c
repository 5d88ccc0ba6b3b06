/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 9112, sections 6 and 7, of requests: where a message ends. Each of these has been a way to smuggle a second one in. */
#include "unit/http/h1_table.h"

static void test_9112_6_1_chunked_and_nothing_else(void **state)
{
    static const struct message table[] = {
        M("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tChUnKeD\t\r\n\r\n0\r\n\r\n", "POST http a / 1.1||"),
        M(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding:"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: identity"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: gzip, chunked"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunked, gzip"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunked, chunked"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunked, identity"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: xchunked"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunkedx"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunked;x=y"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: \"chunked\""), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: ,chunked"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunked,"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding:"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: \xa0"
               "chunked"),
          "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chun\xc5\xbf"
               "ed"),
          "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: \x0b"
               "chunked"),
          "!http1.invalid_characters"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
    assert_int_equal(sp_h1_error(SP_H1E_ENCODING)->status, 501);
}

/* With Transfer-Encoding it is faulty; nor is one of HTTP/1.0's connections kept that nobody asked to keep. */
static void test_9112_6_1_http_1_0(void **state)
{
    static const struct message table[] = {
        M("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "!http1.transfer_encoding_not_allowed"),
        M("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
          "!http1.transfer_encoding_not_allowed"),
        M("POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
          "POST http a / 1.0 content-length=1|x"),
        M("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET http a / 1.0 close|"),
        M("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", "GET http a / 1.0 close|"),
        M("GET / HTTP/1.0\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "GET http a / 1.0 close|"),
        M("GET / HTTP/1.0\r\n\r\n", "!missing_host_header"),
    };
    h1_config.h1_accept_10 = true;
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_6_2_a_length_is_digits(void **state)
{
    static const struct message table[] = {
        M("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0003\r\n\r\nabc", "POST http a / 1.1 content-length=0003|abc"),
        M(WITH("Content-Length: +4"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: -4"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 4 4"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 0x4"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 4a"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 4.0"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 4_0"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 4;x"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 1e3"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: \"4\""), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 4\xa0"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: \xd9\xa4"), "!http1.invalid_content_length"),
        M(WITH("Content-Length:"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 4\0"), "!http1.invalid_characters"),
        M(WITH("Content-Length: 9223372036854775808"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 18446744073709551616"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 18446744073709551620"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 00000000000000000004"), "!http1.invalid_content_length"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

/* Even the same one twice, which a recipient may take for one. */
static void test_9112_6_3_two_lengths(void **state)
{
    static const struct message table[] = {
        M(WITH("Content-Length: 4\r\nContent-Length: 4"), "!http1.multiple_content_length"),
        M(WITH("Content-Length: 4\r\nContent-Length: 5"), "!http1.multiple_content_length"),
        M(WITH("Content-Length: 4\r\ncontent-length: 0"), "!http1.multiple_content_length"),
        M(WITH("Content-Length: 4, 4"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 4,5"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 4,"), "!http1.invalid_content_length"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_6_3_length_and_chunked(void **state)
{
    static const struct message table[] = {
        M(WITH("Content-Length: 4\r\nTransfer-Encoding: chunked"), "!http1.content_length_and_chunked_not_allowed"),
        M(WITH("Transfer-Encoding: chunked\r\nContent-Length: 4"), "!http1.content_length_and_chunked_not_allowed"),
        M(WITH("Transfer-Encoding: chunked\r\nContent-Length: 0"), "!http1.content_length_and_chunked_not_allowed"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
    /* Where it is allowed the length goes no further, and the connection ends behind it. */
    h1_config.h1_allow_chunked_length = true;
    CHECK(SP_H1_REQUEST, CHUNKED("0\r\n\r\n"), CHUNKED_GOT "||");
    CHECK(SP_H1_REQUEST, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "POST http a / 1.1 last||");
    CHECK(SP_H1_REQUEST, WITH("Content-Length: 4\r\nContent-Length: 4\r\nTransfer-Encoding: chunked"),
          "!http1.multiple_content_length");
}

/* Whatever the method: without a length and not in chunks there is none, and what follows is the next request. */
static void test_9112_6_3_no_length_is_no_body(void **state)
{
    static const struct message table[] = {
        M("POST / HTTP/1.1\r\nHost: a\r\n\r\nGET /", "POST http a / 1.1|+5"),
        M("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET", "GET http a / 1.1 content-length=3|abc+3"),
        M("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET", "HEAD http a / 1.1 content-length=3|abc+3"),
        M("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET /", "POST http a / 1.1 content-length=0|+5"),
        M("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab", "POST http a / 1.1 content-length=5|ab..."),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_7_1_chunk_sizes(void **state)
{
    static const struct message table[] = {
        M(CHUNKED("3\r\nabc\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\nGET /"), CHUNKED_GOT "|abc01234567890123456789|+5"),
        M(CHUNKED("00000003\r\nabc\r\n000\r\n\r\n"), CHUNKED_GOT "|abc|"),
        M(CHUNKED("7fffffffffffffff\r\nabc"), CHUNKED_GOT "|abc|..."),
        M(CHUNKED("0x3\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("+3\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("-3\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("-0\r\n\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED(" 3\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3 \r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3\t\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3\0\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3_0\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3.0\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED(";x\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("g\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3g\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("\xef\xbc\x93\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3,\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("8000000000000000\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("ffffffffffffffff\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("10000000000000003\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("00000000000000003\r\nabc\r\n"), "!http1.invalid_chunk_size"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_7_1_chunks_end_with_crlf(void **state)
{
    static const struct message table[] = {
        M(CHUNKED("3\r\n\r\n\n\r\n0\r\n\r\n"), CHUNKED_GOT "|\r\n\n|"),
        M(CHUNKED("3\nabc\r\n0\r\n\r\n"), "!http1.bare_lf"),
        M(CHUNKED("3\rabc\r\n0\r\n\r\n"), "!http1.bare_cr"),
        M(CHUNKED("3\r\r\nabc\r\n0\r\n\r\n"), "!http1.bare_cr"),
        M(CHUNKED("3\r\nabcd\r\n0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKED("3\r\nabc\n0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKED("3\r\nabc\r0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKED("3\r\nabc\r\r\n0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKED("3\r\nabc0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKED("3\r\nabc \r\n0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKED("3\r\nab\r\n0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKED("3\r\nabc\r\n\r\n0\r\n\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("0\n\n"), "!http1.bare_lf"),
        M(CHUNKED("0\r\n\n"), "!http1.bare_lf"),
        M(CHUNKED("0\r\n\r\r\n"), "!http1.bare_cr"),
        M(CHUNKED("3\r\nabc\r\n"), CHUNKED_GOT "|abc|..."),
        M(CHUNKED("3\r\nabc\r\n0\r\n"), CHUNKED_GOT "|abc|..."),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

/* Ignored, and bounded (test_h1_parse: many_lines_and_long_extensions); white space before the ';' is refused, though it may be skipped. */
static void test_9112_7_1_1_extensions(void **state)
{
    static const struct message table[] = {
        M(CHUNKED("3;a=b;c=\"d;e\"\r\nabc\r\n0;x\r\n\r\n"), CHUNKED_GOT "|abc|"),
        M(CHUNKED("3; a\r\nabc\r\n0\r\n\r\n"), CHUNKED_GOT "|abc|"),
        M(CHUNKED("3;\r\nabc\r\n0\r\n\r\n"), CHUNKED_GOT "|abc|"),
        M(CHUNKED("3 ;a\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3\t;x\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3;a\nabc\r\n0\r\n\r\n"), "!http1.bare_lf"),
        M(CHUNKED("3;a\rb\r\nabc\r\n0\r\n\r\n"), "!http1.bare_cr"),
        M(CHUNKED("3;\"\r\n\"\r\nabc\r\n0\r\n\r\n"), "!http1.invalid_chunk_end"), /* no line goes on in quotes */
        M(CHUNKED("3;\x01\r\nabc\r\n"), "!http1.invalid_characters"),
        M(CHUNKED("3;\0\r\nabc\r\n"), "!http1.invalid_characters"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

/* Read as strictly as headers, and they never become headers. */
static void test_9112_7_1_2_trailers(void **state)
{
    static const struct message table[] = {
        M(CHUNKED("1\r\nx\r\n0\r\nX-T: 1\r\nU:2\r\n\r\n!"), CHUNKED_GOT "|x| x-t=1 u=2+1"),
        M(CHUNKED("0\r\nContent-Length: 5\r\nHost: x\r\nAuthorization: y\r\nX-Origin-Verify: z\r\nOk: 1\r\n\r\n"),
          CHUNKED_GOT "|| ok=1"),
        M(CHUNKED("0\r\nX: y\n\r\n"), "!http1.bare_lf"),
        M(CHUNKED("0\r\nX : y\r\n\r\n"), "!http1.invalid_header_name"),
        M(CHUNKED("0\r\n X: y\r\n\r\n"), "!http1.folded_header"),
        M(CHUNKED("0\r\nX: y\r\n z\r\n\r\n"), "!http1.folded_header"),
        M(CHUNKED("0\r\nX: \x01\r\n\r\n"), "!http1.invalid_characters"),
        M(CHUNKED("0\r\nGET / HTTP/1.1\r\n\r\n"), "!http1.invalid_header_name"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_7_4_te(void **state)
{
    static const struct message table[] = {
        M(WITH("TE: gzip, Trailers"), "POST http a / 1.1 te=trailers|"),
        M(WITH("TE: trailers\r\nTE: trailers"), "POST http a / 1.1 te=trailers|"),
        M(WITH("Connection: TE\r\nTE: trailers"), "POST http a / 1.1 te=trailers|"),
        M(WITH("TE: chunked"), "POST http a / 1.1|"),
        M(WITH("TE: gzip;q=0.5"), "POST http a / 1.1|"),
        M(WITH("TE: trailers;q=1"), "POST http a / 1.1|"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, h1_setup)
    const struct CMUnitTest tests[] = {
        T(test_9112_6_1_chunked_and_nothing_else),
        T(test_9112_6_1_http_1_0),
        T(test_9112_6_2_a_length_is_digits),
        T(test_9112_6_3_two_lengths),
        T(test_9112_6_3_length_and_chunked),
        T(test_9112_6_3_no_length_is_no_body),
        T(test_9112_7_1_chunk_sizes),
        T(test_9112_7_1_chunks_end_with_crlf),
        T(test_9112_7_1_1_extensions),
        T(test_9112_7_1_2_trailers),
        T(test_9112_7_4_te),
    };
    return cmocka_run_group_tests(tests, NULL, h1_teardown);
}
