/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 9112 of what origins answer, read with the suspicion that clients get. What a bad one does to its exchange: test_h1_client. */
#include "unit/http/h1_table.h"

#define ANSWER(lines) "HTTP/1.1 200 OK\r\n" lines "\r\n\r\n"
#define CHUNKS(body) "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" body

static void test_9112_2_2_lines_of_answers(void **state)
{
    static const struct message table[] = {
        M("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "!http1.bare_lf"),
        M("HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n", "!http1.bare_lf"),
        M("HTTP/1.1 200 OK\rContent-Length: 0\r\n\r\n", "!http1.bare_cr"),
        M(ANSWER("X: a\rSet-Cookie: b"), "!http1.bare_cr"),
        M(ANSWER("X: a\0b"), "!http1.invalid_characters"),
        M(ANSWER("X: \x1b"), "!http1.invalid_characters"),
        M("HTTP/1.1 200 O\0K\r\n\r\n", "!http1.invalid_characters"),
        M("\r\nHTTP/1.1 200 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1 200 OK\r\n X: y\r\n\r\n", "!http1.folded_header"),
    };
    CHECK_ALL(SP_H1_RESPONSE, table);
}

static void test_9112_4_status_lines(void **state)
{
    static const struct message table[] = {
        M("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 1.1 content-length=0|"), /* many leave the space out */
        M("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 1.1 content-length=0|"),
        M("HTTP/1.1 999 \r\nServer: x\r\nConnection: close\r\n\r\nab", "999 1.1 close server=x|ab..."),
        M("HTTP/1.0 200 OK\r\n\r\nab", "200 1.0 close|ab..."),
        M("HTTP/1.1 200 \x80 o\td\r\nContent-Length: 0\r\n\r\n", "200 1.1 content-length=0|"),
        M("HTTP/1.1 99 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1 099 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1 2000 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1 200OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1 20x OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1 +20 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1  200 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/1.1\t200 OK\r\n\r\n", "!http1.invalid_status_line"),
        M(" HTTP/1.1 200 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("HTTP/2.0 200 OK\r\n\r\n", "!http1.unsupported_version"),
        M("HTTP/0.9 200 OK\r\n\r\n", "!http1.unsupported_version"),
        M("ICY 200 OK\r\n\r\n", "!http1.invalid_status_line"),
        M("<html>hello, hello</html>\r\n", "!http1.invalid_status_line"), /* HTTP/0.9 */
    };
    CHECK_ALL(SP_H1_RESPONSE, table);
}

/* A gateway may mend folds and take out space before a colon; whoever sends them is answered for with 502. */
static void test_9112_5_fields_of_answers(void **state)
{
    static const struct message table[] = {
        M(ANSWER("X y"), "!http1.invalid_header_name"),
        M(ANSWER("X : y"), "!http1.invalid_header_name"),
        M(ANSWER("Content-Length : 0"), "!http1.invalid_header_name"),
        M(ANSWER(": y"), "!http1.invalid_header_name"),
        M(ANSWER("X: y\r\n z"), "!http1.folded_header"),
        M(ANSWER("Content-Type: a\r\n\tb"), "!http1.folded_header"),
        M(ANSWER("Host: x\r\nContent-Length: 0"), "200 1.1 host=x content-length=0|"),
    };
    CHECK_ALL(SP_H1_RESPONSE, table);
}

static void test_9112_6_1_codings_of_answers(void **state)
{
    static const struct message table[] = {
        M(ANSWER("Transfer-Encoding: gzip"), "!http1.invalid_transfer_encoding"),
        M(ANSWER("Transfer-Encoding: gzip, chunked"), "!http1.invalid_transfer_encoding"),
        M(ANSWER("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), "!http1.invalid_transfer_encoding"),
        M(ANSWER("Transfer-Encoding: identity"), "!http1.invalid_transfer_encoding"),
        M("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "!http1.transfer_encoding_not_allowed"),
        M("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "!http1.transfer_encoding_not_allowed"),
        M("HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n", "!http1.transfer_encoding_not_allowed"),
        M("HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n", "!http1.transfer_encoding_not_allowed"),
        M("HTTP/1.1 101 Switching\r\nTransfer-Encoding: chunked\r\n\r\n", "!http1.transfer_encoding_not_allowed"),
    };
    CHECK_ALL(SP_H1_RESPONSE, table);
}

static void test_9112_6_2_lengths_of_answers(void **state)
{
    static const struct message table[] = {
        M(ANSWER("Content-Length: +1"), "!http1.invalid_content_length"),
        M(ANSWER("Content-Length: 1x"), "!http1.invalid_content_length"),
        M(ANSWER("Content-Length: -1"), "!http1.invalid_content_length"),
        M(ANSWER("Content-Length: 1, 1"), "!http1.invalid_content_length"),
        M(ANSWER("Content-Length: "), "!http1.invalid_content_length"),
        M(ANSWER("Content-Length: 1\r\nContent-Length: 1"), "!http1.multiple_content_length"),
        M(ANSWER("Content-Length: 1\r\nContent-Length: 2"), "!http1.multiple_content_length"),
        M(ANSWER("Content-Length: 1\r\nTransfer-Encoding: chunked"), "!http1.content_length_and_chunked_not_allowed"),
        M("HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\n", "!http1.content_length_not_allowed"),
        M("HTTP/1.1 103 Early\r\nContent-Length: 1\r\n\r\n", "!http1.content_length_not_allowed"),
        M("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "204 1.1|"), /* servers say so; it goes no further */
    };
    CHECK_ALL(SP_H1_RESPONSE, table);
}

static void test_9112_6_3_where_answers_end(void **state)
{
    static const struct message table[] = {
        M("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "200 1.1 content-length=2|ab"),
        M("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1", "200 1.1 content-length=2|ab+8"),
        M(CHUNKS("1\r\nx\r\n0\r\nT: 1\r\n\r\n"), "200 1.1|x| t=1"),
        M("HTTP/1.1 200 OK\r\n\r\nab", "200 1.1|ab..."), /* with the connection */
        M("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "304 1.1 content-length=9|..."),
    };
    CHECK_ALL(SP_H1_RESPONSE, table);
}

static void test_9112_7_1_chunks_of_answers(void **state)
{
    static const struct message table[] = {
        M(CHUNKS("0x1\r\nx\r\n0\r\n\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKS("1 \r\nx\r\n0\r\n\r\n"), "!http1.invalid_chunk_size"),
        M(CHUNKS("ffffffffffffffff\r\nx"), "!http1.invalid_chunk_size"),
        M(CHUNKS("1\nx\r\n0\r\n\r\n"), "!http1.bare_lf"),
        M(CHUNKS("1\r\nxy\r\n0\r\n\r\n"), "!http1.invalid_chunk_end"),
        M(CHUNKS("1;\x01\r\nx\r\n0\r\n\r\n"), "!http1.invalid_characters"),
        M(CHUNKS("0\r\nX : y\r\n\r\n"), "!http1.invalid_header_name"),
        M(CHUNKS("0\r\nSet-Cookie: x\r\nLocation: y\r\nContent-Length: 4\r\nOk: 1\r\n\r\n"), "200 1.1|| ok=1"),
    };
    CHECK_ALL(SP_H1_RESPONSE, table);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, h1_setup)
    const struct CMUnitTest tests[] = {
        T(test_9112_2_2_lines_of_answers),
        T(test_9112_4_status_lines),
        T(test_9112_5_fields_of_answers),
        T(test_9112_6_1_codings_of_answers),
        T(test_9112_6_2_lengths_of_answers),
        T(test_9112_6_3_where_answers_end),
        T(test_9112_7_1_chunks_of_answers),
    };
    return cmocka_run_group_tests(tests, NULL, h1_teardown);
}
