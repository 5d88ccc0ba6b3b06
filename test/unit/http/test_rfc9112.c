/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 9112, sections 2 to 5: request lines and fields. A test's name begins with the section that it is about. */
#include "unit/http/h1_table.h"

#define LINE(text) text "\r\nHost: a\r\n\r\n"

/* A recipient may take a bare LF for a line's end, and must not take a bare CR for one: we take neither. */
static void test_9112_2_2_lines_end_with_crlf(void **state)
{
    static const struct message table[] = {
        M("GET / HTTP/1.1\nHost: a\n\n", "!http1.bare_lf"),
        M("GET / HTTP/1.1\r\nHost: a\n\r\n", "!http1.bare_lf"),
        M("GET / HTTP/1.1\r\nHost: a\r\n\n", "!http1.bare_lf"),
        M("GET / HTTP/1.1\rHost: a\r\n\r\n", "!http1.bare_cr"),
        M("GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", "!http1.bare_cr"),
        M("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "!http1.bare_cr"),
        M("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", "!http1.bare_cr"),
        M("GET / HTTP/1.1\n\rHost: a\r\n\r\n", "!http1.bare_lf"),
        M("GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n", "!http1.bare_cr"),
        M(WITH("X: y\nTransfer-Encoding: chunked"), "!http1.bare_lf"),
        M(WITH("X: y\rTransfer-Encoding: chunked"), "!http1.bare_cr"),
        M(WITH("Transfer-Encoding:\n chunked"), "!http1.bare_lf"),
        M(WITH("X: \x85Y: z"), "POST http a / 1.1 x=\x85Y: z|"), /* NEL, VT, FF are no line ends */
        M(WITH("X: \x0bY: z"), "!http1.invalid_characters"),
        M(WITH("X: \x0cY: z"), "!http1.invalid_characters"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_2_2_empty_lines_before_a_request(void **state)
{
    static const struct message table[] = {
        M("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET http a / 1.1|"),
        M("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET http a / 1.1|"),
        M("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.empty_lines"),
        M("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.bare_lf"),
        M("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.bare_cr"),
        M(" \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_method"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_2_2_no_white_space_before_the_first_field(void **state)
{
    static const struct message table[] = {
        M("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "!http1.folded_header"),
        M("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", "!http1.folded_header"),
        M("GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", "!http1.folded_header"),
        M("GET / HTTP/1.1\r\n Content-Length: 5\r\nHost: a\r\n\r\nhello", "!http1.folded_header"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_2_2_no_control_bytes(void **state)
{
    static const struct message table[] = {
        M("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", "!http1.invalid_characters"),
        M("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_characters"),
        M("GET\0 / HTTP/1.1\r\nHost: a\r\n\r\n", "!http1.invalid_characters"),
        M("\x16\x03\x01\x02", "!http1.invalid_characters"), /* a TLS client */
        M(WITH("X: \x7f"), "!http1.invalid_characters"),
        M(WITH("X: \x01"), "!http1.invalid_characters"),
        M(WITH("X: \x1b[2J"), "!http1.invalid_characters"),
        M(WITH("X\0Y: z"), "!http1.invalid_characters"),
        M(WITH("X: a\0b"), "!http1.invalid_characters"),
        M(WITH("X: a\tb\x80\xff"), "POST http a / 1.1 x=a\tb\x80\xff|"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_2_3_versions(void **state)
{
    static const struct message table[] = {
        M("GET / http/1.1\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/11\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/1.10\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/01.1\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/1,1\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/+1.1\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/1.\r\n", "!http1.invalid_request_line"),
        M("GET / ICAP/1.1\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/1.0\r\n", "!low_version"),
        M("GET / HTTP/0.9\r\n", "!http1.unsupported_version"),
        M("GET / HTTP/1.2\r\n", "!http1.unsupported_version"),
        M("GET / HTTP/3.0\r\n", "!http1.unsupported_version"),
        M("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "!http1.invalid_method"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

/* One space between the parts: what else recipients may take for one is refused. */
static void test_9112_3_request_line(void **state)
{
    static const struct message table[] = {
        M("GET /\r\n", "!http1.invalid_request_line"), /* HTTP/0.9 */
        M("GET\r\n", "!http1.invalid_request_line"),
        M("GET  / HTTP/1.1\r\n", "!http1.invalid_request_line"),
        M("GET /  HTTP/1.1\r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/1.1 \r\n", "!http1.invalid_request_line"),
        M("GET / HTTP/1.1\t\r\n", "!http1.invalid_request_line"),
        M("GET / x HTTP/1.1\r\n", "!http1.invalid_request_line"),
        M("GET /a b HTTP/1.1\r\n", "!http1.invalid_request_line"),
        M("GET\t/ HTTP/1.1\r\n", "!http1.invalid_method"),
        M("GET /\tHTTP/1.1\r\n", "!http1.invalid_url"),
        M("GET\xa0/ HTTP/1.1\r\n", "!http1.invalid_method"),
        M("SSH-2.0-OpenSSH_9.2\r\n", "!http1.invalid_request_line"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

/* Longer than we know: 501 for a method, 414 for a target. */
static void test_9112_3_lengths(void **state)
{
    CHECK(SP_H1_REQUEST, LINE("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1"), "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF http a / 1.1|");
    CHECK(SP_H1_REQUEST, "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n", "!http1.method_too_long");
    assert_int_equal(sp_h1_error(SP_H1E_METHOD_TOO_LONG)->status, 501);
    h1_config.max_url_bytes = 10;
    CHECK(SP_H1_REQUEST, LINE("GET /123456789 HTTP/1.1"), "GET http a /123456789 1.1|");
    CHECK(SP_H1_REQUEST, LINE("GET /1234567890 HTTP/1.1"), "!http1.url_too_long");
    assert_int_equal(sp_h1_error(SP_H1E_URL_TOO_LONG)->status, 414);
}

static void test_9112_3_1_methods(void **state)
{
    static const struct message table[] = {
        M(LINE("get / HTTP/1.1"), "!http1.invalid_method"), /* case-sensitive: not GET, but it would be to some */
        M(LINE("Delete / HTTP/1.1"), "!http1.invalid_method"),
        M(LINE("PRI / HTTP/1.1"), "!http1.invalid_method"),
        M(LINE("getX / HTTP/1.1"), "getX http a / 1.1|"),
        M(LINE("!#$%&'*+-.^_`|~ / HTTP/1.1"), "!#$%&'*+-.^_`|~ http a / 1.1|"),
        M(" GET / HTTP/1.1\r\n", "!http1.invalid_method"),
        M("G{T / HTTP/1.1\r\n", "!http1.invalid_method"),
        M("GE:T / HTTP/1.1\r\n", "!http1.invalid_method"),
        M("\"GET\" / HTTP/1.1\r\n", "!http1.invalid_method"),
        M("G\x80T / HTTP/1.1\r\n", "!http1.invalid_method"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_3_2_exactly_one_valid_host(void **state)
{
    static const struct message table[] = {
        M("GET / HTTP/1.1\r\n\r\n", "!missing_host_header"),
        M("GET http://b/ HTTP/1.1\r\n\r\n", "!missing_host_header"),
        M(WITH("Host: a"), "!http1.multiple_host"),
        M(WITH("host: b"), "!http1.multiple_host"),
        M("GET / HTTP/1.1\r\nHost:\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a\tb\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a#b\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: http://a/\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a:\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: [a]x\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n", "!http.invalid_authority"),
        M("GET / HTTP/1.1\r\nHost: %61\r\n\r\n", "!http.invalid_authority"), /* an origin may take it for "a" */
        M("GET / HTTP/1.1\r\nHost: [::1]:8\r\n\r\n", "GET http [::1]:8 / 1.1|"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_3_2_invalid_targets(void **state)
{
    static const struct message table[] = {
        M("GET /a#b HTTP/1.1\r\n", "!http1.invalid_url"),
        M("GET /\xc3\xa4 HTTP/1.1\r\n", "!http1.invalid_url"),
        M("GET /\x7f HTTP/1.1\r\n", "!http1.invalid_characters"),
        M(LINE("GET a HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("GET a:80 HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("GET ?a HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("GET \\a HTTP/1.1"), "!http1.invalid_url"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

/* What lies behind the slash is the path's business (stream/path.h), and is not rewritten here. */
static void test_9112_3_2_1_origin_form(void **state)
{
    static const struct message table[] = {
        M(LINE("GET /p/q?r=s&t HTTP/1.1"), "GET http a /p/q?r=s&t 1.1|"),
        M(LINE("GET //b/c HTTP/1.1"), "GET http a //b/c 1.1|"), /* a path that begins so, and no host */
        M(LINE("GET /http://b/ HTTP/1.1"), "GET http a /http://b/ 1.1|"),
        M(LINE("GET /%0d%0aX:%20y HTTP/1.1"), "GET http a /%0d%0aX:%20y 1.1|"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

/* It replaces Host, which must be there and be one all the same. */
static void test_9112_3_2_2_absolute_form(void **state)
{
    static const struct message table[] = {
        M(LINE("GET http://b/c?d HTTP/1.1"), "GET http b /c?d 1.1|"),
        M(LINE("GET HTTP://b:8 HTTP/1.1"), "GET http b:8 / 1.1|"),
        M(LINE("GET http://b?c HTTP/1.1"), "GET http b /?c 1.1|"),
        M(LINE("GET http:// HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("GET http:///x HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("GET http:/x HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("GET http://b\\c/ HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("GET http://b:99999/ HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("GET ftp://b/ HTTP/1.1"), "!http1.invalid_scheme"),
        M(LINE("GET https://b/ HTTP/1.1"), "!http1.https_url_on_plaintext_connection"),
        M("GET http://b/ HTTP/1.1\r\nHost: a b\r\n\r\n", "!http.invalid_authority"),
        M("GET http://b/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "!http1.multiple_host"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_3_2_3_authority_form_is_for_connect(void **state)
{
    static const struct message table[] = {
        M("CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", "CONNECT http b:443  1.1 {CONNECT} last|"),
        M(LINE("CONNECT b HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("CONNECT / HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("CONNECT http://b:443/ HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("CONNECT b:0 HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("CONNECT u@b:443 HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("GET b:443 HTTP/1.1"), "!http1.invalid_url"),
        M("CONNECT b:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "!http1.content_length_not_allowed"),
        M("CONNECT b:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "!http1.transfer_encoding_not_allowed"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_3_2_4_asterisk_form_is_for_options(void **state)
{
    static const struct message table[] = {
        M(LINE("OPTIONS * HTTP/1.1"), "OPTIONS http a * 1.1|"),
        M(LINE("OPTIONS http://b HTTP/1.1"), "OPTIONS http b * 1.1|"),
        M(LINE("OPTIONS http://b/ HTTP/1.1"), "OPTIONS http b / 1.1|"),
        M(LINE("GET * HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("OPTIONS *x HTTP/1.1"), "!http1.invalid_url"),
        M(LINE("OPTIONS ** HTTP/1.1"), "!http1.invalid_url"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_3_3_the_scheme_is_the_connections(void **state)
{
    CHECK(SP_H1_REQUEST, WITH("X-Forwarded-Proto: https"), "POST http a / 1.1 x-forwarded-proto=https|");
    h1_config.tls = true;
    CHECK(SP_H1_REQUEST, LINE("GET / HTTP/1.1"), "GET https a / 1.1|");
    CHECK(SP_H1_REQUEST, LINE("GET https://b/ HTTP/1.1"), "GET https b / 1.1|");
}

static void test_9112_5_names_are_tokens_with_a_colon(void **state)
{
    static const struct message table[] = {
        M(WITH("X"), "!http1.invalid_header_name"),
        M(WITH(": y"), "!http1.invalid_header_name"),
        M(WITH("X Y: z"), "!http1.invalid_header_name"),
        M(WITH("X(: y"), "!http1.invalid_header_name"),
        M(WITH("X/Y: z"), "!http1.invalid_header_name"),
        M(WITH("X,Y: z"), "!http1.invalid_header_name"),
        M(WITH("X@Y: z"), "!http1.invalid_header_name"),
        M(WITH("X\x80: y"), "!http1.invalid_header_name"),
        M(WITH("\xef\xbb\xbfX: y"), "!http1.invalid_header_name"),
        M(WITH("\"X\": y"), "!http1.invalid_header_name"),
        M(WITH("X=y"), "!http1.invalid_header_name"),
        M(WITH(":path: /x"), "!http1.invalid_header_name"),
        M(WITH("GET / HTTP/1.1"), "!http1.invalid_header_name"),
        M(WITH("X:: y"), "POST http a / 1.1 x=: y|"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_5_1_no_white_space_before_the_colon(void **state)
{
    static const struct message table[] = {
        M(WITH("X : y"), "!http1.invalid_header_name"),
        M(WITH("X\t: y"), "!http1.invalid_header_name"),
        M("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "!http1.invalid_header_name"),
        M(WITH("Content-Length : 5"), "!http1.invalid_header_name"),
        M(WITH("Transfer-Encoding : chunked"), "!http1.invalid_header_name"),
        M(WITH("Transfer-Encoding\x0b: chunked"), "!http1.invalid_characters"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_5_1_white_space_around_a_value_is_none_of_it(void **state)
{
    static const struct message table[] = {
        M(WITH("X: \t y \t "), "POST http a / 1.1 x=y|"),
        M(WITH("X:y"), "POST http a / 1.1 x=y|"),
        M(WITH("X:"), "POST http a / 1.1 x=|"),
        M(WITH("X: \t"), "POST http a / 1.1 x=|"),
        M(WITH("X:\xa0y"), "POST http a / 1.1 x=\xa0y|"), /* no white space of HTTP's */
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

static void test_9112_5_2_folded_lines_are_refused(void **state)
{
    static const struct message table[] = {
        M(WITH("X: y\r\n z"), "!http1.folded_header"),
        M(WITH("X: y\r\n\tz"), "!http1.folded_header"),
        M(WITH("X: y\r\n "), "!http1.folded_header"),
        M(WITH("X: y\r\n Transfer-Encoding: chunked"), "!http1.folded_header"),
        M("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", "!http1.folded_header"),
        M(WITH("Content-Length:\r\n 5"), "!http1.invalid_content_length"),
        M(WITH("Transfer-Encoding:\r\n chunked"), "!http1.invalid_transfer_encoding"),
    };
    CHECK_ALL(SP_H1_REQUEST, table);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup(f, h1_setup)
    const struct CMUnitTest tests[] = {
        T(test_9112_2_2_lines_end_with_crlf),
        T(test_9112_2_2_empty_lines_before_a_request),
        T(test_9112_2_2_no_white_space_before_the_first_field),
        T(test_9112_2_2_no_control_bytes),
        T(test_9112_2_3_versions),
        T(test_9112_3_request_line),
        T(test_9112_3_lengths),
        T(test_9112_3_1_methods),
        T(test_9112_3_2_exactly_one_valid_host),
        T(test_9112_3_2_invalid_targets),
        T(test_9112_3_2_1_origin_form),
        T(test_9112_3_2_2_absolute_form),
        T(test_9112_3_2_3_authority_form_is_for_connect),
        T(test_9112_3_2_4_asterisk_form_is_for_options),
        T(test_9112_3_3_the_scheme_is_the_connections),
        T(test_9112_5_names_are_tokens_with_a_colon),
        T(test_9112_5_1_no_white_space_before_the_colon),
        T(test_9112_5_1_white_space_around_a_value_is_none_of_it),
        T(test_9112_5_2_folded_lines_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, h1_teardown);
}
