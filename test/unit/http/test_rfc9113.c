/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RFC 9113, section 8: messages. A test's name begins with the section that it is about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "h2_rig.h"

struct message {
    const char *detail;
    const char *v[16];
};

#define GOOD ":method", "GET", ":scheme", "https", ":authority", "a.test", ":path", "/"
#define WITH_PATH(p) ":method", "GET", ":scheme", "https", ":authority", "a", ":path", p
#define WITH_AUTHORITY(a) ":method", "GET", ":scheme", "https", ":authority", a, ":path", "/"

static void put(struct rig *r, uint32_t id, const struct message *m)
{
    struct h2f_block *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    for (unsigned i = 0; i < SP_ARRAY_LEN(m->v) && m->v[i]; i += 2)
        h2f_field(b, m->v[i], m->v[i + 1]);
    h2f_block(&r->in, id, H2F_END_STREAM, b, 0);
    free(b);
}

static void close_on_error(struct sp_codec_config *c)
{
    c->h2_stream_error_on_invalid = false;
}

/* Each is reset, and nobody hears of it; with stream_error_on_invalid_http_message off the connection ends, with an innocent one on it. */
static void refused(const struct message *table, size_t n)
{
    struct rig *r = rig_new(true, NULL);
    for (unsigned i = 0; i < n; i++) {
        uint32_t id = 1 + 2 * i;
        put(r, id, &table[i]);
        rig_go(r);
        if (r->s[id].reset != NGHTTP2_PROTOCOL_ERROR || strcmp(r->side.last_detail, table[i].detail) != 0)
            fail_msg("message %u: reset %d, %s, not %s", i, r->s[id].reset, r->side.last_detail, table[i].detail);
        assert_int_equal(r->side.events[SP_CE_BAD_REQUEST], i + 1);
        assert_int_equal(r->rc, 0);
    }
    assert_int_equal(r->side.n, 0);
    rig_check_alive(r, 999);
    rig_free(r);
    for (unsigned i = 0; i < n; i++) {
        r = rig_new(true, close_on_error);
        h2f_get(&r->in, 1, H2F_END_STREAM);
        put(r, 3, &table[i]);
        rig_go(r);
        assert_int_equal(r->goaway, NGHTTP2_PROTOCOL_ERROR);
        assert_string_equal(r->side.last_detail, table[i].detail);
        assert_true(r->side.codec->want_close);
        assert_int_equal(r->side.n, r->side.n_closed);
        rig_free(r);
    }
}

#define REFUSED(...)                                                                                                   \
    do {                                                                                                               \
        static const struct message table_[] = {__VA_ARGS__};                                                         \
        refused(table_, SP_ARRAY_LEN(table_));                                                                         \
    } while (0)

static void taken(const struct message *table, size_t n)
{
    struct rig *r = rig_new(true, NULL);
    for (unsigned i = 0; i < n; i++) {
        put(r, 1 + 2 * i, &table[i]);
        rig_go(r);
        assert_int_equal(r->side.n, i + 1);
        assert_string_equal(r->side.x[i]->authority, table[i].detail);
        assert_true(r->side.x[i]->ended);
        assert_null(sp_headers_get_id(r->side.x[i]->head, SP_H_HOST).ptr);
    }
    assert_int_equal(r->side.events[SP_CE_BAD_REQUEST], 0);
    rig_free(r);
}

/* Here `detail` is what :authority becomes. */
#define TAKEN(...)                                                                                                     \
    do {                                                                                                               \
        static const struct message table_[] = {__VA_ARGS__};                                                         \
        taken(table_, SP_ARRAY_LEN(table_));                                                                           \
    } while (0)

/* ---- requests ---- */

static void test_9113_8_1_trailers_end_the_message(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    h2f_post(&r->in, 1, 0);
    h2f_frame(&r->in, H2F_DATA, 0, 1, "abc", 3);
    h2f_headers(&r->in, 1, H2F_END_STREAM, "x-t", "1", "content-length", "5", "x-forwarded-for", "1.2.3.4", "cookie", "a=b",
                "cookie", "c=d", "via", "1.1 x", "forwarded", "for=x", "x-request-id", "1", NULL);
    rig_go(r);
    assert_true(r->side.x[0]->ended);
    assert_int_equal(r->side.x[0]->trailers->n, 1); /* what may not stand in trailers (RFC 9110 section 6.5.1) is gone */
    h2f_post(&r->in, 3, 0);
    h2f_headers(&r->in, 3, H2F_END_STREAM, ":path", "/evil", NULL);
    h2f_post(&r->in, 5, 0);
    h2f_headers(&r->in, 5, 0, "x-t", "1", NULL); /* no END_STREAM */
    h2f_post(&r->in, 7, 0);
    h2f_headers(&r->in, 7, H2F_END_STREAM, "connection", "x", NULL);
    h2f_post(&r->in, 9, 0);
    h2f_headers(&r->in, 9, H2F_END_STREAM, "X-T", "1", NULL);
    rig_go(r);
    for (uint32_t id = 3; id <= 9; id += 2)
        assert_int_equal(r->s[id].reset, NGHTTP2_PROTOCOL_ERROR);
    rig_check_alive(r, 11);
    rig_free(r);
}

static void test_9113_8_1_1_content_length(void **state)
{
    (void)state;
    REFUSED({"http2.invalid_content_length", {GOOD, "content-length", "+5"}},
            {"http2.invalid_content_length", {GOOD, "content-length", "0x5"}},
            {"http2.invalid_content_length", {GOOD, "content-length", "5, 5"}},
            {"http2.invalid_content_length", {GOOD, "content-length", ""}},
            {"http2.invalid_content_length", {GOOD, "content-length", "5", "content-length", "5"}},
            {"http2.invalid_content_length", {GOOD, "content-length", "99999999999999999999"}},
            {"http2.content_length_mismatch", {GOOD, "content-length", "5"}} /* and END_STREAM */);
    struct rig *r = rig_new(true, NULL);
    static const struct {
        const char *said;
        size_t sent;
        bool good;
    } cases[] = {{"10", 10, true}, {"10", 9, false}, {"10", 11, false}, {"0", 0, true}, {"0", 1, false}};
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        uint32_t id = 1 + 2 * i;
        h2f_headers(&r->in, id, 0, GOOD, "content-length", cases[i].said, NULL);
        h2f_frame(&r->in, H2F_DATA, H2F_END_STREAM, id, "0123456789abc", cases[i].sent);
        rig_go(r);
        assert_int_equal(r->s[id].reset, cases[i].good ? RIG_NO_CODE : NGHTTP2_PROTOCOL_ERROR);
    }
    /* In two reads: the user knows the stream by then, and hears of its end. */
    h2f_headers(&r->in, 101, 0, GOOD, "content-length", "5", NULL);
    rig_go(r);
    h2f_frame(&r->in, H2F_DATA, 0, 101, "123456", 6);
    rig_go(r);
    struct cu_exchange *x = r->side.x[r->side.n - 1];
    assert_true(x->aborted && x->cancelled && x->closed && x->n_body == 0);
    assert_int_equal(x->abort_why, SP_ABORT_PROTOCOL);
    assert_int_equal(x->closed_why, SP_ABORT_PROTOCOL);
    /* Trailers end it as DATA does. */
    h2f_headers(&r->in, 103, 0, GOOD, "content-length", "5", NULL);
    h2f_frame(&r->in, H2F_DATA, 0, 103, "123", 3);
    h2f_headers(&r->in, 103, H2F_END_STREAM, "x-t", "1", NULL);
    rig_go(r);
    assert_int_equal(r->s[103].reset, NGHTTP2_PROTOCOL_ERROR);
    rig_free(r);
}

static void test_9113_8_2_1_field_names(void **state)
{
    (void)state;
    REFUSED({"http2.invalid_header_name", {GOOD, "X-Upper", "1"}}, {"http2.invalid_header_name", {GOOD, "Cookie", "1"}},
            {"http2.invalid_header_name", {GOOD, "x y", "1"}}, {"http2.invalid_header_name", {GOOD, "", "1"}},
            {"http2.invalid_header_name", {GOOD, "x\ny", "1"}}, {"http2.invalid_header_name", {GOOD, "x\ry", "1"}},
            {"http2.invalid_header_name", {GOOD, "x: y", "1"}}, {"http2.invalid_header_name", {GOOD, "x:", "1"}},
            {"http2.invalid_header_name", {GOOD, "x\x7f", "1"}}, {"http2.invalid_header_name", {GOOD, "x\xc3\xa4", "1"}},
            {"http2.invalid_header_name", {GOOD, "x\t", "1"}}, {"http2.invalid_header_name", {GOOD, " x", "1"}},
            {"http2.invalid_header_name", {GOOD, "transfer-encoding ", "chunked"}},
            {"http2.invalid_header_name", {GOOD, "transfer-encoding: chunked\r\nx", "1"}});
}

static void test_9113_8_2_1_field_values(void **state)
{
    (void)state;
    REFUSED({"http2.invalid_header_value", {GOOD, "x-a", "1\n2"}}, {"http2.invalid_header_value", {GOOD, "x-a", "1\r2"}},
            {"http2.invalid_header_value", {GOOD, "x-a", "1\r\ntransfer-encoding: chunked"}},
            {"http2.invalid_header_value", {GOOD, "x-a", " 1"}}, {"http2.invalid_header_value", {GOOD, "x-a", "1\t"}},
            {"http2.invalid_header_value", {GOOD, "x-a", " "}}, {"http2.invalid_header_value", {GOOD, "x-a", "\x01"}},
            {"http2.invalid_header_value", {GOOD, "cookie", "a\x7f"}}, {"http2.invalid_header_value", {GOOD, "cookie", "a\n"}});
    TAKEN({"a.test", {GOOD, "x-a", ""}}, {"a.test", {GOOD, "content-length", "0", "x-a", "v\xe4lue\twith tab"}});
    static const char *const names[] = {"x-a", ":path", ":authority", ":method", ":scheme"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(names); i++) { /* NUL, wherever it stands */
        struct rig *r = rig_new(true, NULL);
        struct h2f_block *b = calloc(1, sizeof(*b));
        assert_non_null(b);
        static const char *const good[] = {GOOD};
        for (unsigned k = 0; k < SP_ARRAY_LEN(good); k += 2)
            if (strcmp(good[k], names[i]) != 0)
                h2f_field(b, good[k], good[k + 1]);
        h2f_field_n(b, sp_str_c(names[i]), sp_str_n("/\0b", 3));
        h2f_block(&r->in, 1, H2F_END_STREAM, b, 0);
        rig_go(r);
        assert_int_equal(r->s[1].reset, NGHTTP2_PROTOCOL_ERROR);
        assert_int_equal(r->side.n, 0);
        free(b);
        rig_free(r);
    }
}

static void test_9113_8_2_2_connection_specific_fields(void **state)
{
    (void)state;
    REFUSED({"http2.connection_header", {GOOD, "connection", "close"}}, {"http2.connection_header", {GOOD, "connection", ""}},
            {"http2.connection_header", {GOOD, "keep-alive", "1"}}, {"http2.connection_header", {GOOD, "proxy-connection", "1"}},
            {"http2.connection_header", {GOOD, "transfer-encoding", "chunked"}}, {"http2.connection_header", {GOOD, "upgrade", "h2c"}},
            {"http2.invalid_te", {GOOD, "te", "gzip"}}, {"http2.invalid_te", {GOOD, "te", "trailers, gzip"}},
            {"http2.invalid_te", {GOOD, "te", ""}});
    TAKEN({"a.test", {GOOD, "te", "trailers"}}, {"a.test", {GOOD, "http2-settings", "AAMA"}});
}

static void test_9113_8_2_3_cookie_crumbs(void **state)
{
    (void)state;
    struct rig *r = rig_new(true, NULL);
    h2f_headers(&r->in, 1, H2F_END_STREAM, GOOD, "cookie", "a=1", "x-b", "2", "cookie", "", "cookie", "c=3", NULL);
    rig_go(r);
    struct sp_headers *h = r->side.x[0]->head;
    assert_int_equal(h->n, 2);
    assert_true(sp_str_eq(h->v[0].value, SP_STR("a=1; ; c=3")));
    assert_int_equal(h->v[1].id, SP_H_OTHER);
    rig_free(r);
}

static void test_9113_8_3_pseudo_header_fields(void **state)
{
    (void)state;
    REFUSED({"http2.invalid_pseudo_header", {GOOD, ":path", "/2"}}, {"http2.invalid_pseudo_header", {GOOD, ":method", "GET"}},
            {"http2.invalid_pseudo_header", {GOOD, ":authority", "b"}}, {"http2.invalid_pseudo_header", {GOOD, ":scheme", "http"}},
            {"http2.invalid_pseudo_header", {GOOD, ":status", "200"}}, {"http2.invalid_pseudo_header", {GOOD, ":unknown", "1"}},
            {"http2.invalid_pseudo_header", {GOOD, ":", "1"}}, {"http2.invalid_pseudo_header", {GOOD, ":Path", "/"}},
            {"http2.invalid_pseudo_header", {":method", "GET", ":scheme", "https", "x-a", "1", ":path", "/"}});
}

static void test_9113_8_3_1_request_pseudo_header_fields(void **state)
{
    (void)state;
    REFUSED({"http2.missing_pseudo_header", {":method", "GET", ":scheme", "https", ":authority", "a"}},
            {"http2.missing_pseudo_header", {":method", "GET", ":path", "/", ":authority", "a"}},
            {"http2.missing_pseudo_header", {":scheme", "https", ":path", "/", ":authority", "a"}},
            {"http2.invalid_pseudo_header", {WITH_PATH("")}}, {"http2.invalid_path", {WITH_PATH("x")}},
            {"http2.invalid_path", {WITH_PATH("*")}}, {"http2.invalid_path", {WITH_PATH("http://b/")}},
            {"http2.invalid_path", {WITH_PATH("/#a")}},
            {"http2.invalid_scheme", {":method", "GET", ":scheme", "ftp", ":authority", "a", ":path", "/"}},
            {"http2.invalid_scheme", {":method", "GET", ":scheme", "https://evil/", ":authority", "a", ":path", "/"}},
            {"http2.host_is_not_authority", {GOOD, "host", "b.test"}}, {"http2.host_is_not_authority", {GOOD, "host", "a.test:443"}},
            {"http2.invalid_host", {GOOD, "host", "a.test", "host", "a.test"}}, {"http2.invalid_host", {GOOD, "host", "a b"}},
            {"http2.invalid_host", {GOOD, "host", ""}});
    TAKEN({"a.test", {GOOD, "host", "A.Test"}},
          {"b.test:8443", {":method", "GET", ":scheme", "HTTPS", ":path", "/", "host", "b.test:8443"}},
          {"", {":method", "GET", ":scheme", "http", ":path", "/"}}, /* the receiver answers 400 */
          {"a", {":method", "OPTIONS", ":scheme", "https", ":authority", "a", ":path", "*"}});
}

static void test_9113_8_5_connect(void **state)
{
    (void)state;
    REFUSED({"http2.missing_pseudo_header", {":method", "CONNECT", ":scheme", "https", ":authority", "a:1", ":path", "/"}},
            {"http2.missing_pseudo_header", {":method", "CONNECT"}},
            {"http2.extended_connect", {":method", "CONNECT", ":authority", "a:1", "content-length", "1"}},
            {"http2.extended_connect", {":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "a",
                                        ":path", "/"}}); /* RFC 8441, which was not offered */
    TAKEN({"a:443", {":method", "CONNECT", ":authority", "a:443"}});
}

/* What becomes a line of HTTP/1 further on has no place for a second one in it. */
static void test_9113_10_3_nothing_is_injected_into_http_1(void **state)
{
    (void)state;
    REFUSED({"http2.invalid_method", {":method", "G T", ":scheme", "https", ":authority", "a", ":path", "/"}},
            {"http2.invalid_method", {":method", "GET / HTTP/1.1\r\nx: y\r\n\r\nGET", ":scheme", "https", ":authority", "a", ":path", "/"}},
            {"http2.invalid_method", {":method", "get", ":scheme", "https", ":authority", "a", ":path", "/"}},
            {"http2.invalid_method", {":method", "GET:", ":scheme", "https", ":authority", "a", ":path", "/"}},
            {"http2.invalid_path", {WITH_PATH("/ b")}}, {"http2.invalid_path", {WITH_PATH("/\tb")}},
            {"http2.invalid_path", {WITH_PATH("/ HTTP/1.1\r\nx: y")}}, {"http2.invalid_path", {WITH_PATH("/\nb")}},
            {"http2.invalid_path", {WITH_PATH("/\xff")}}, {"http2.invalid_authority", {WITH_AUTHORITY("a\r\nx: y")}},
            {"http2.invalid_authority", {WITH_AUTHORITY("a b")}}, {"http2.invalid_authority", {WITH_AUTHORITY("u@a")}},
            {"http2.invalid_authority", {WITH_AUTHORITY("a/b")}}, {"http2.invalid_authority", {WITH_AUTHORITY("%61")}}, {"http2.invalid_authority", {WITH_AUTHORITY("a:b")}},
            {"http2.invalid_header_value", {GOOD, "host", "a\r\nx: y"}});
}

/* ---- responses, of origins ---- */

static struct cu_exchange *ask(struct rig *r, const char *method, bool end)
{
    struct cu_exchange *x = cu_open(&r->side);
    assert_non_null(x);
    cu_send(x, cu_request(x, method, "/"), end);
    rig_go(r);
    return x;
}

static void answers_refused(const struct message *table, size_t n)
{
    struct rig *r = rig_new(false, NULL);
    for (unsigned i = 0; i < n; i++) {
        struct cu_exchange *x = ask(r, "POST", i % 2); /* when both sides ended there is nothing to reset */
        uint32_t id = (uint32_t)x->cs->id;
        put(r, id, &table[i]);
        rig_go(r);
        assert_string_equal(r->side.last_detail, table[i].detail);
        assert_int_equal(r->s[id].reset, i % 2 ? RIG_NO_CODE : NGHTTP2_PROTOCOL_ERROR);
        assert_true(x->aborted && x->closed && !x->n_heads);
        assert_int_equal(x->abort_why, SP_ABORT_PROTOCOL);
    }
    rig_free(r);
}

#define ANSWERS_REFUSED(...)                                                                                           \
    do {                                                                                                               \
        static const struct message table_[] = {__VA_ARGS__};                                                         \
        answers_refused(table_, SP_ARRAY_LEN(table_));                                                                 \
    } while (0)

static void test_9113_8_1_1_malformed_answers(void **state)
{
    (void)state;
    ANSWERS_REFUSED({"http2.content_length_mismatch", {":status", "200", "content-length", "5"}},
                    {"http2.invalid_content_length", {":status", "200", "content-length", "x"}},
                    {"http2.invalid_content_length", {":status", "200", "content-length", "0", "content-length", "0"}},
                    {"http2.invalid_content_length", {":status", "204", "content-length", "5"}},
                    {"http2.end_in_1xx", {":status", "103"}});
}

static void test_9113_8_2_fields_of_answers(void **state)
{
    (void)state;
    ANSWERS_REFUSED({"http2.invalid_header_value", {":status", "200", "x-a", "1\n2"}},
                    {"http2.invalid_header_value", {":status", "200", "x-a", "1\r\nset-cookie: x"}},
                    {"http2.invalid_header_value", {":status", "200", "x-a", "1 "}},
                    {"http2.invalid_header_name", {":status", "200", "X-A", "1"}},
                    {"http2.invalid_header_name", {":status", "200", "x:a", "1"}},
                    {"http2.invalid_header_name", {":status", "200", "", "1"}},
                    {"http2.connection_header", {":status", "200", "transfer-encoding", "chunked"}},
                    {"http2.connection_header", {":status", "200", "connection", "close"}},
                    {"http2.connection_header", {":status", "200", "keep-alive", "5"}},
                    {"http2.connection_header", {":status", "200", "upgrade", "x"}},
                    {"http2.invalid_te", {":status", "200", "te", "trailers"}});
}

static void test_9113_8_3_2_response_pseudo_header_fields(void **state)
{
    (void)state;
    ANSWERS_REFUSED({"http2.missing_pseudo_header", {"x-a", "1"}}, {"http2.invalid_status", {":status", "20"}},
                    {"http2.invalid_status", {":status", "099"}}, {"http2.invalid_status", {":status", "2000"}},
                    {"http2.invalid_status", {":status", "600"}}, {"http2.invalid_status", {":status", "2x0"}},
                    {"http2.invalid_status", {":status", "+20"}}, {"http2.invalid_pseudo_header", {":status", ""}},
                    {"http2.invalid_pseudo_header", {":status", "200", ":status", "200"}},
                    {"http2.invalid_pseudo_header", {":status", "200", ":path", "/"}},
                    {"http2.invalid_pseudo_header", {"x-a", "1", ":status", "200"}});
}

static void test_9113_8_6_no_101(void **state)
{
    (void)state;
    ANSWERS_REFUSED({"http2.invalid_status", {":status", "101"}});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_9113_8_1_trailers_end_the_message),
        cmocka_unit_test(test_9113_8_1_1_content_length),
        cmocka_unit_test(test_9113_8_2_1_field_names),
        cmocka_unit_test(test_9113_8_2_1_field_values),
        cmocka_unit_test(test_9113_8_2_2_connection_specific_fields),
        cmocka_unit_test(test_9113_8_2_3_cookie_crumbs),
        cmocka_unit_test(test_9113_8_3_pseudo_header_fields),
        cmocka_unit_test(test_9113_8_3_1_request_pseudo_header_fields),
        cmocka_unit_test(test_9113_8_5_connect),
        cmocka_unit_test(test_9113_10_3_nothing_is_injected_into_http_1),
        cmocka_unit_test(test_9113_8_1_1_malformed_answers),
        cmocka_unit_test(test_9113_8_2_fields_of_answers),
        cmocka_unit_test(test_9113_8_3_2_response_pseudo_header_fields),
        cmocka_unit_test(test_9113_8_6_no_101),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
