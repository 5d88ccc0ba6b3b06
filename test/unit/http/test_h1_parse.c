/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables of good and bad messages; each is also fed cut at every place and byte by byte, with the same result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "unit/http/h1_dump.h"

struct message {
    const char *bytes, *expected;
    size_t len;
};

static struct sp_codec_config config;

static int setup(void **state)
{
    sp_codec_config_init(&config, true);
    return 0;
}

static int teardown(void **state)
{
    sp_arena_thread_done();
    sp_buf_thread_done();
    return 0;
}

static void expect(enum sp_h1_kind kind, const char *bytes, size_t n, const char *expected, size_t first, size_t piece)
{
    char *got = h1_dump(kind, &config, bytes, n, first, piece);
    if (strcmp(got, expected) != 0)
        fail_msg("%.*s\ncut at %zu, in pieces of %zu:\n  got  %s\n  want %s", (int)n, bytes, first, piece, got,
                 expected);
    free(got);
}

static void check(enum sp_h1_kind kind, const struct message *m)
{
    size_t n = m->len;
    expect(kind, m->bytes, n, m->expected, 0, n);
    expect(kind, m->bytes, n, m->expected, 0, 1);
    for (size_t cut = 1; cut < n; cut++)
        expect(kind, m->bytes, n, m->expected, cut, n);
}

#define CHECK_ALL(kind, table)                                                                                         \
    do {                                                                                                               \
        for (size_t i_ = 0; i_ < SP_ARRAY_LEN(table); i_++)                                                            \
            check((kind), &(table)[i_]);                                                                               \
    } while (0)

#define M(text, want)                                                                                                  \
    {                                                                                                                  \
        (text), (want), sizeof(text) - 1                                                                               \
    }
#define CHECK(kind, text, want) check((kind), &(struct message)M(text, want))
/* A request with one more line. */
#define WITH(line) "POST / HTTP/1.1\r\nHost: a\r\n" line "\r\n\r\n"
/* A request with a chunked body. */
#define CHUNKED(body) "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" body
#define CHUNKED_GOT "POST http a / 1.1"

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
        M(CHUNKED(""), CHUNKED_GOT "||..."),
        M(CHUNKED("7fffffffffffffff\r\nabc"), CHUNKED_GOT "|abc|..."),
        M(CHUNKED("3\r\n\r\n\n\r\n0\r\n\r\n"), CHUNKED_GOT "|\r\n\n|"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void bad_lines(void **state)
{
    static const struct message table[] = {
        M("GET / HTTP/1.1\nHost: a\n\n", "!http1.bare_lf"),
        M("GET / HTTP/1.1\r\nHost: a\n\r\n", "!http1.bare_lf"),
        M("GET / HTTP/1.1\r\nHost: a\r\n\n", "!http1.bare_lf"),
        M("GET / HTTP/1.1\rHost: a\r\n\r\n", "!http1.bare_cr"),
        M("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", "!http1.bare_cr"),
        M("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "!http1.bare_cr"),
        M("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "!http1.bare_cr"),
        M("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.bare_lf"),
        M("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.empty_lines"),
        M("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", "!http1.invalid_characters"),
        M("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_characters"),
        M("\x16\x03\x01\x02", "!http1.invalid_characters"),
        M("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", "!http1.invalid_characters"),
        M("GET / HTTP/1.1\r\nHost: a\r\nX: \x0b\r\n\r\n", "!http1.invalid_characters"),
        M("GET /\r\n", "!http1.invalid_request_line"),
        M("GET\r\n", "!http1.invalid_request_line"),
        M("GET  / HTTP/1.1\r\n", "!http1.invalid_request_line"),
        M("GET /  HTTP/1.1\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/1.1 \r\n", "!http1.invalid_request_line"),
        M("GET / x HTTP/1.1\r\n", "!http1.invalid_request_line"),
        M("GET\t/ HTTP/1.1\r\n", "!http1.invalid_method"),
        M("GET /\tHTTP/1.1\r\n", "!http1.invalid_url"),
        M("GET / http/1.1\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/11\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/1.10\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/+1.1\r\n", "!http1.invalid_request_line"),
        M("GET / ICAP/1.1\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/1.0\r\n", "!low_version"),
        M("GET / HTTP/0.9\r\n", "!http1.unsupported_version"),
        M("GET / HTTP/1.2\r\n", "!http1.unsupported_version"),
        M("GET / HTTP/3.0\r\n", "!http1.unsupported_version"),
        M("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!http1.unsupported_version"),
        M(" GET / HTTP/1.1\r\n", "!http1.invalid_method"),
        M("G{T / HTTP/1.1\r\n", "!http1.invalid_method"),
        M("G\x80T / HTTP/1.1\r\n", "!http1.invalid_method"),
        M("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n", "!http1.invalid_method"),
        M("GET /a#b HTTP/1.1\r\n", "!http1.invalid_url"),
        M("GET /\xc3\xa4 HTTP/1.1\r\n", "!http1.invalid_url"),
        M("GET a HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET http://b\\c/ HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_scheme"),
        M("GET https://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.https_url_on_plaintext_connection"),
        M("CONNECT b HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url"),
        M("CONNECT b:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "!http1.content_length_not_allowed"),
        M("CONNECT b:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
          "!http1.transfer_encoding_not_allowed"),
        M("SSH-2.0-OpenSSH_9.2\r\n", "!http1.invalid_request_line"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void bad_fields(void **state)
{
    static const struct message table[] = {
        M(WITH("X: y\r\n z"), "!http1.folded_header"),
        M(WITH("X: y\r\n\tz"), "!http1.folded_header"),
        M(WITH("Content-Length:\r\n 5"), "!http1.invalid_content_length"),
        M(WITH("Transfer-Encoding:\r\n chunked"), "!http1.invalid_transfer_encoding"),
        M("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "!http1.folded_header"),
        M(WITH("X : y"), "!http1.invalid_header_name"),
        M(WITH("X\t: y"), "!http1.invalid_header_name"),
        M(WITH("Content-Length : 5"), "!http1.invalid_header_name"),
        M(WITH("Transfer-Encoding : chunked"), "!http1.invalid_header_name"),
        M(WITH("X"), "!http1.invalid_header_name"),
        M(WITH(": y"), "!http1.invalid_header_name"),
        M(WITH("X Y: z"), "!http1.invalid_header_name"),
        M(WITH("X(: y"), "!http1.invalid_header_name"),
        M(WITH("X\x80: y"), "!http1.invalid_header_name"),
        M(WITH("\"X\": y"), "!http1.invalid_header_name"),
        M("GET / HTTP/1.1\r\n\r\n", "!missing_host_header"),
        M("GET http://b/ HTTP/1.1\r\n\r\n", "!missing_host_header"),
        M(WITH("Host: a"), "!http1.multiple_host"),
        M(WITH("host: b"), "!http1.multiple_host"),
        M("GET / HTTP/1.1\r\nHost:\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", "!http.invalid_authority"),
        M("GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n", "!http.invalid_authority"),
        M(WITH("Connection: Host"), "!http1.connection_header_rejected"),
        M(WITH("Connection: content-length"), "!http1.connection_header_rejected"),
        M(WITH("Connection: Transfer-Encoding"), "!http1.connection_header_rejected"),
        M(WITH("Connection: x-forwarded-for"), "!http1.connection_header_rejected"),
        M(WITH("Connection: a b"), "!http1.connection_header_rejected"),
        M(WITH("Connection: \"close\""), "!http1.connection_header_rejected"),
        M(WITH("Connection: :path"), "!http1.connection_header_rejected"),
        M(WITH("Connection: a,b,c,d,e,f,g,h,i,j"), "!http1.connection_header_rejected"),
        M(WITH("Connection: a,b,c,d,e\r\nConnection: f,g,h,i,j"), "!http1.connection_header_rejected"),
        M(WITH("Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b"), "!http1.invalid_upgrade"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

/* What request smuggling is made of: each would let two parsers disagree about where the message ends. */
static void smuggling(void **state)
{
    static const struct message table[] = {
        M(WITH("Content-Length: 4\r\nTransfer-Encoding: chunked"), "!http1.content_length_and_chunked_not_allowed"),
        M(WITH("Transfer-Encoding: chunked\r\nContent-Length: 4"), "!http1.content_length_and_chunked_not_allowed"),
        M(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: identity"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: gzip, chunked"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunked, chunked"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunked, identity"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: xchunked"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunkedx"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chunked;x=y"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: \"chunked\""), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: ,chunked"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding:"), "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: chun\xc5\xbf"
               "ed"),
          "!http1.invalid_transfer_encoding"),
        M(WITH("Transfer-Encoding: \x0b"
               "chunked"),
          "!http1.invalid_characters"),
        M(WITH("Transfer-Encoding:\n chunked"), "!http1.bare_lf"),
        M(WITH("X: y\nTransfer-Encoding: chunked"), "!http1.bare_lf"),
        M(WITH("X: y\rTransfer-Encoding: chunked"), "!http1.bare_cr"),
        M(WITH("Content-Length: 4\r\nContent-Length: 4"), "!http1.multiple_content_length"),
        M(WITH("Content-Length: 4\r\nContent-Length: 5"), "!http1.multiple_content_length"),
        M(WITH("Content-Length: 4, 4"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: +4"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: -4"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 4 4"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 0x4"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 4a"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 4.0"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 1e3"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: \"4\""), "!http1.invalid_content_length"),
        M(WITH("Content-Length:"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 9223372036854775808"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 18446744073709551616"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 18446744073709551620"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: 00000000000000000004"), "!http1.invalid_content_length"),
        M(WITH("Content-Length: \xd9\xa4"), "!http1.invalid_content_length"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
    static const struct message old[] = {
        M("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "!http1.transfer_encoding_not_allowed"),
        M("POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
          "POST http a / 1.0 content-length=1|x"),
        M("GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET http a / 1.0 close|"),
        M("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", "GET http a / 1.0 close|"),
        M("GET / HTTP/1.0\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "GET http a / 1.0 close|"),
        M("GET / HTTP/1.0\r\n\r\n", "!missing_host_header"),
    };
    config.h1_accept_10 = true;
    CHECK_ALL(SP_H1_REQUEST, old);
}

static void bad_chunks(void **state)
{
    static const struct message table[] = {
        M(CHUNKED("0x3\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("+3\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("-3\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED(" 3\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3 \r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3\t;x\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3_0\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED(";x\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("g\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3,\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("8000000000000000\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("ffffffffffffffff\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("10000000000000003\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("00000000000000003\r\nabc\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKED("3\nabc\r\n0\r\n\r\n"), "!http1.bare_lf"),
        M(CHUNKED("3\rabc\r\n0\r\n\r\n"), "!http1.bare_cr"),
        M(CHUNKED("3;a\nabc\r\n0\r\n\r\n"), "!http1.bare_lf"),
        M(CHUNKED("3;a\rb\r\nabc\r\n0\r\n\r\n"), "!http1.bare_cr"),
        M(CHUNKED("3;\x01\r\nabc\r\n"), "!http1.invalid_characters"),
        M(CHUNKED("3\r\nabcd\r\n0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKED("3\r\nabc\n0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKED("3\r\nabc\r0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKED("3\r\nabc0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKED("3\r\nab\r\n0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKED("0\n\n"), "!http1.bare_lf"),
        M(CHUNKED("0\r\n\n"), "!http1.bare_lf"),
        M(CHUNKED("0\r\nX: y\n\r\n"), "!http1.bare_lf"),
        M(CHUNKED("0\r\nX : y\r\n\r\n"), "!http1.invalid_header_name"),
        M(CHUNKED("0\r\nX: y\r\n z\r\n\r\n"), "!http1.folded_header"),
        M(CHUNKED("0\r\n\r\r\n"), "!http1.bare_cr"),
        M(CHUNKED("0\r\nGET / HTTP/1.1\r\n\r\n"), "!http1.invalid_header_name"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void responses(void **state)
{
    static const struct message table[] = {
        M("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "200 1.1 content-length=2|ab"),
        M("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 1.1 content-length=0|"),
        M("HTTP/1.1 999 \r\nServer: x\r\nConnection: close\r\n\r\nab", "999 1.1 close server=x|ab..."),
        M("HTTP/1.0 200 OK\r\n\r\nab", "200 1.0 close|ab..."),
        M("HTTP/1.1 200 \x80 odd\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: 1\r\n\r\n", "200 1.1|x| t=1"),
        M("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "304 1.1 content-length=9|..."),
        M("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "204 1.1|"),
        M("HTTP/1.1 200 OK\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "200 1.1 host=x content-length=0|"),
        M("HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n", "!http1.content_length_not_allowed"),
        M("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "!http1.transfer_encoding_not_allowed"),
        M("HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n", "!http1.transfer_encoding_not_allowed"),
        M("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "!http1.transfer_encoding_not_allowed"),
        M("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "!http1.invalid_transfer_encoding"),
        M("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
          "!http1.content_length_and_chunked_not_allowed"),
        M("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "!http1.bare_lf"),
        M("\r\nHTTP/1.1 200 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1 99 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1 099 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1 2000 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1 20x OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1  200 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1\t200 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/2.0 200 OK\r\n\r\n", "!http1.unsupported_version"),
        M("ICY 200 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1 200 OK\r\nX y\r\n\r\n", "!http1.invalid_header_name"),
        M("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", "!http1.folded_header"),
    };
    CHECK_ALL(SP_H1_RESPONSE, table);
}

static void options(void **state)
{
    config.underscores = 1;
    CHECK(SP_H1_REQUEST, WITH("a_b: c"), "!http1.unexpected_underscore");
    config.underscores = 2;
    CHECK(SP_H1_REQUEST, WITH("a_b: c\r\nd: e"), "POST http a / 1.1 d=e|");
    config.underscores = 0;
    CHECK(SP_H1_REQUEST, WITH("a_b: c"), "POST http a / 1.1 a_b=c|");
    config.h1_allow_chunked_length = true;
    CHECK(SP_H1_REQUEST,
          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          "POST http a / 1.1 last||");
    config.h1_allow_absolute_url = false;
    CHECK(SP_H1_REQUEST, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_url");
    config.h1_allow_absolute_url = config.tls = true;
    CHECK(SP_H1_REQUEST, "GET https://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET https b / 1.1|");
    config.h1_accept_10 = true;
    config.h1_default_host = SP_STR("d");
    CHECK(SP_H1_REQUEST, "GET / HTTP/1.0\r\n\r\n", "GET https d / 1.0 close|");
    CHECK(SP_H1_REQUEST, "GET / HTTP/1.1\r\n\r\n", "!missing_host_header");
}

/* The limit itself passes, one byte or line more does not, wherever the input is cut. */
static void limits(void **state)
{
    config.max_url_bytes = 10;
    CHECK(SP_H1_REQUEST, "GET /123456789 HTTP/1.1\r\nHost: a\r\n\r\n", "GET http a /123456789 1.1|");
    CHECK(SP_H1_REQUEST, "GET /1234567890 HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.url_too_long");
    CHECK(SP_H1_REQUEST, "GET /12345678901234567890123456789012345678901234567890123456789012345",
          "!http1.url_too_long");
    config.max_headers = 2;
    CHECK(SP_H1_REQUEST, "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n", "GET http a / 1.1 x=1|");
    CHECK(SP_H1_REQUEST, "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\n\r\n", "!http1.too_many_headers");
    CHECK(SP_H1_REQUEST, CHUNKED("0\r\na: 1\r\nb: 2\r\n\r\n"), CHUNKED_GOT "|| a=1 b=2");
    CHECK(SP_H1_REQUEST, CHUNKED("0\r\na: 1\r\nb: 2\r\nc: 3\r\n\r\n"), "!http1.too_many_headers");
    static const char fits[] = "GET / HTTP/1.1\r\nHost: a\r\nX: 12345678901\r\n\r\n";
    config.max_header_bytes = sizeof(fits) - 1;
    CHECK(SP_H1_REQUEST, fits, "GET http a / 1.1 x=12345678901|");
    config.max_header_bytes--;
    CHECK(SP_H1_REQUEST, fits, "!http1.headers_too_large");
    CHECK(SP_H1_REQUEST, "GET / HTTP/1.1\r\nHost: a\r\nX: 1234567890123456789012345678901234567890",
          "!http1.headers_too_large");
    config.max_header_bytes = 20;
    CHECK(SP_H1_RESPONSE, "HTTP/1.1 200 01234567890123456789", "!http1.headers_too_large");
    config.max_header_bytes = 100;
    config.max_headers = 100;
    CHECK(SP_H1_REQUEST,
          CHUNKED("0\r\na: 0123456789012345678901234567890123456789012345678901\r\n"
                  "b: 0123456789012345678901234567890123456789012345678901\r\n\r\n"),
          "!http1.trailers_too_large");
}

static void many_lines_and_long_extensions(void **state)
{
    char *text = malloc(100000), *end = text;
    config.max_headers = 500;
    end += sprintf(end, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 400; i++)
        end += sprintf(end, "x-%d: %d\r\n", i, i);
    end += sprintf(end, "\r\n");
    char *whole = h1_dump(SP_H1_REQUEST, &config, text, (size_t)(end - text), 0, 100000);
    assert_non_null(strstr(whole, " x-0=0 "));
    assert_non_null(strstr(whole, " x-127=127 x-128=128 "));
    assert_non_null(strstr(whole, " x-399=399|"));
    expect(SP_H1_REQUEST, text, (size_t)(end - text), whole, 0, 1);
    free(whole);
    end = text + sprintf(text, "%s", CHUNKED(""));
    for (int i = 0; i < 100; i++) /* small ones, but many */
        end += sprintf(
            end,
            "1;0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\r\nx\r\n");
    expect(SP_H1_REQUEST, text, (size_t)(end - text), "!http1.chunk_extensions_too_large", 0, 100000);
    expect(SP_H1_REQUEST, text, (size_t)(end - text), "!http1.chunk_extensions_too_large", 0, 1);
    /* Where the data outweighs them they may go on for ever. */
    end = text + sprintf(text, "%s", CHUNKED(""));
    for (int i = 0; i < 300; i++)
        end += sprintf(end, "64;%090d\r\n%0100d\r\n", 0, 0);
    char *got = h1_dump(SP_H1_REQUEST, &config, text, (size_t)(end - text), 0, 100000);
    assert_int_equal(got[0], 'P');
    free(got);
    free(text);
}

/* No byte is looked at twice: a long head a byte at a time costs little more than its length. */
static void byte_at_a_time_is_not_quadratic(void **state)
{
    enum { N = 4 * 1024 * 1024 };
    char *text = malloc(N + 100), *end = text;
    config.max_header_bytes = 2 * N;
    end += sprintf(end, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(end, 'v', N);
    end += N;
    struct timespec from, to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    expect(SP_H1_REQUEST, text, (size_t)(end - text), "...", 0, 1);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    assert_true(to.tv_sec - from.tv_sec < 20); /* quadratic: hours */
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(good_requests, setup),
        cmocka_unit_test_setup(good_chunks, setup),
        cmocka_unit_test_setup(bad_lines, setup),
        cmocka_unit_test_setup(bad_fields, setup),
        cmocka_unit_test_setup(smuggling, setup),
        cmocka_unit_test_setup(bad_chunks, setup),
        cmocka_unit_test_setup(responses, setup),
        cmocka_unit_test_setup(options, setup),
        cmocka_unit_test_setup(limits, setup),
        cmocka_unit_test_setup(many_lines_and_long_extensions, setup),
        cmocka_unit_test_setup(byte_at_a_time_is_not_quadratic, setup),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
