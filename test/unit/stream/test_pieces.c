/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small pieces of the connection manager: authority, date, x-forwarded-client-cert, local replies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream/date.h"
#include "stream/host.h"
#include "stream/local_reply.h"
#include "stream/xfcc.h"

static struct sp_arena arena;

static const char *text(struct sp_str s)
{
    return sp_arena_str(&arena, s).ptr;
}

static void test_host(void **state)
{
    static const char *const dots[][2] = {
        {"a.test.", "a.test"}, {"a.test", "a.test"}, {"a.test.:80", "a.test:80"}, {"a.test:80", "a.test:80"},
        {"[::1]", "[::1]"}, {"[::1]:80", "[::1]:80"}, {"a..", "a."}, {".", "."}, {"1.2.3.4.", "1.2.3.4"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(dots); i++)
        assert_string_equal(text(sp_host_strip_dot(sp_str_c(dots[i][0]), &arena)), dots[i][1]);
    static const struct {
        const char *in;
        unsigned only;
        const char *out;
    } ports[] = {
        {"a:80", 0, "a"}, {"a", 0, "a"}, {"a:80", 80, "a"}, {"a:80", 81, "a:80"}, {"[::1]:80", 0, "[::1]"},
        {"[::1]", 0, "[::1]"}, {"[::80]", 80, "[::80]"}, {"a:", 0, "a:"}, {"a:x", 0, "a:x"}, {"a:99999", 0, "a:99999"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(ports); i++)
        assert_string_equal(text(sp_host_strip_port(sp_str_c(ports[i].in), ports[i].only)), ports[i].out);
    sp_arena_done(&arena);
}

static void test_date(void **state)
{
    assert_string_equal(text(sp_date(0, &arena)), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_string_equal(text(sp_date(1795545884ll * 1000000000, &arena)), "Tue, 24 Nov 2026 18:44:44 GMT");
    assert_string_equal(text(sp_date(1795545884ll * 1000000000 + 999999999, &arena)), "Tue, 24 Nov 2026 18:44:44 GMT");
    assert_string_equal(text(sp_date(1795545885ll * 1000000000, &arena)), "Tue, 24 Nov 2026 18:44:45 GMT");
    assert_int_equal(sp_date(1, &arena).len, SP_DATE_LEN);
    sp_arena_done(&arena);
}

static struct sp_conn_info client_with_certificate(void)
{
    static struct sp_str local[] = {SP_STR_INIT("spiffe://door")},
                         uri[] = {SP_STR_INIT("spiffe://a"), SP_STR_INIT("u;v")},
                         dns[] = {SP_STR_INIT("a.test"), SP_STR_INIT("evil,By=x")};
    static struct sp_tls_info tls;
    static const struct sp_str others[] = {SP_STR_INIT("\x30\x01\x01"), SP_STR_INIT("\x30\x01\x02")};
    struct sp_conn_info conn = {.tls_used = true, .tls = &tls,
                                .cert = {&tls, SP_STR_INIT("\x30\x03\xfb\xff\xfe"), others, 2}};
    tls = (struct sp_tls_info){
        .peer_presented = true, .peer_verified = true, .peer_subject = SP_STR_INIT("CN=a\"b,O=c"),
        .peer_sha256 = SP_STR_INIT("abcd"), .local_uri = local, .n_local_uri = 1, .peer_uri = uri, .n_peer_uri = 2,
        .peer_dns = dns, .n_peer_dns = 2,
    };
    return conn;
}

static const struct sp_client_cert *from_header;

/* What the header is after the rules were applied to a request that came with `in`; NULL: it has none. */
static const char *xfcc(struct sp_xfcc_rules rules, const struct sp_conn_info *conn, const char *in)
{
    struct sp_headers h;
    struct sp_stream_info info = {.conn = conn, .header_cert = from_header};
    sp_headers_init(&h, &arena);
    if (in)
        sp_headers_add_id(&h, SP_H_X_FORWARDED_CLIENT_CERT, sp_str_c(in));
    if (sp_xfcc_drops(&rules, &info))
        sp_headers_remove_id(&h, SP_H_X_FORWARDED_CLIENT_CERT);
    else
        sp_xfcc_write(&rules, &info, &h);
    assert_true(sp_headers_count(&h, SP_STR("x-forwarded-client-cert")) <= 1);
    struct sp_str v = sp_headers_get_id(&h, SP_H_X_FORWARDED_CLIENT_CERT);
    return v.ptr ? text(v) : NULL;
}

static void test_xfcc_modes(void **state)
{
    struct sp_conn_info with = client_with_certificate(), without = {.tls = &sp_tls_info_none, .cert.tls = &sp_tls_info_none}, unverified = with;
    struct sp_tls_info bad = *with.tls;
    bad.peer_verified = false;
    unverified.tls = unverified.cert.tls = &bad;
    struct sp_xfcc_rules r = {0};
    assert_null(xfcc(r, &with, "By=forged"));
    r.mode = SP_XFCC_FORWARD_ONLY;
    assert_string_equal(xfcc(r, &with, "By=front"), "By=front");
    assert_null(xfcc(r, &without, "By=forged"));
    assert_null(xfcc(r, &unverified, "By=forged"));
    r.mode = SP_XFCC_APPEND;
    assert_string_equal(xfcc(r, &with, "By=front"), "By=front,By=spiffe://door;Hash=abcd");
    assert_string_equal(xfcc(r, &with, NULL), "By=spiffe://door;Hash=abcd");
    assert_null(xfcc(r, &without, "By=forged"));
    r.mode = SP_XFCC_SET;
    assert_string_equal(xfcc(r, &with, "By=forged"), "By=spiffe://door;Hash=abcd");
    assert_null(xfcc(r, &unverified, NULL));
    r.mode = SP_XFCC_ALWAYS_FORWARD_ONLY;
    assert_string_equal(xfcc(r, &without, "By=x"), "By=x");
    sp_arena_done(&arena);
}

static void test_xfcc_parts(void **state)
{
    struct sp_conn_info with = client_with_certificate();
    struct sp_xfcc_rules r = {.mode = SP_XFCC_SET, .subject = true, .uri = true, .dns = true};
    assert_string_equal(xfcc(r, &with, NULL), "By=spiffe://door;Hash=abcd;Subject=\"CN=a\\\"b,O=c\";URI=spiffe://a;"
                                              "URI=\"u;v\";DNS=a.test;DNS=\"evil,By=x\"");
    struct sp_tls_info bare = {.peer_presented = true, .peer_verified = true, .peer_sha256 = with.tls->peer_sha256};
    with.tls = with.cert.tls = &bare;
    assert_string_equal(xfcc(r, &with, NULL), "Hash=abcd;Subject=\"\";URI=");
    static const char *const subjects[][2] = {
        {"CN=a\\, b", "CN=a\\, b"}, {"CN=\\\"", "CN=\\\""}, {"CN=\\\\\"", "CN=\\\\\\\""}, {"CN=a\\", "CN=a\\\\"}};
    for (size_t i = 0; i < SP_ARRAY_LEN(subjects); i++) {
        r = (struct sp_xfcc_rules){.mode = SP_XFCC_SET, .subject = true};
        bare.peer_subject = sp_str_c(subjects[i][0]);
        char want[64];
        snprintf(want, sizeof(want), "Hash=abcd;Subject=\"%s\"", subjects[i][1]);
        assert_string_equal(xfcc(r, &with, NULL), want);
    }
    r = (struct sp_xfcc_rules){.mode = SP_XFCC_SET, .cert = true};
    assert_string_equal(xfcc(r, &with, NULL), "Hash=abcd;Cert=\"-----BEGIN%20CERTIFICATE-----%0AMAP7%2F%2F4%3D%0A"
                                              "-----END%20CERTIFICATE-----%0A\"");
#define PEM(text) "-----BEGIN%20CERTIFICATE-----%0A" text "%0A-----END%20CERTIFICATE-----%0A"
    r = (struct sp_xfcc_rules){.mode = SP_XFCC_SET, .cert = true, .chain = true};
    assert_string_equal(xfcc(r, &with, NULL), "Hash=abcd;Cert=\"" PEM("MAP7%2F%2F4%3D") "\";Chain=\"" PEM("MAP7%2F%2F4%3D")
                                              PEM("MAEB") PEM("MAEC") "\"");
    /* One from a header stands in for the connection's, and is as good on a plain one. */
    struct sp_conn_info plain = {.tls = &sp_tls_info_none, .cert.tls = &sp_tls_info_none};
    struct sp_tls_info viewer = {.peer_presented = true, .peer_verified = true, .peer_sha256 = SP_STR("beef")};
    struct sp_client_cert cert = {.tls = &viewer, .der = SP_STR("\x30\x01\x03")};
    from_header = &cert;
    assert_string_equal(xfcc(r, &with, NULL), "Hash=beef;Cert=\"" PEM("MAED") "\";Chain=\"" PEM("MAED") "\"");
    assert_string_equal(xfcc(r, &plain, "By=forged"), "Hash=beef;Cert=\"" PEM("MAED") "\";Chain=\"" PEM("MAED") "\"");
    from_header = NULL;
    sp_arena_done(&arena);
}

static struct sp_headers reply_head;
static struct sp_buf reply_body;

static void make(struct sp_reply reply, const char *method, const char *type)
{
    struct sp_headers request;
    sp_headers_init(&request, &arena);
    request.method = sp_str_c(method);
    if (type)
        sp_headers_add_id(&request, SP_H_CONTENT_TYPE, sp_str_c(type));
    reply_head = (struct sp_headers){0};
    sp_buf_clear(&reply_body);
    sp_local_reply_make(&reply, &request, &arena, NULL, &reply_head, &reply_body);
}

static const char *field(enum sp_header_id id)
{
    struct sp_str v = sp_headers_get_id(&reply_head, id);
    return v.ptr ? text(v) : "-";
}

static void test_local_reply(void **state)
{
    struct sp_header extra[] = {{.name = SP_STR_INIT("x-a"), .value = SP_STR_INIT("b")}};
    make((struct sp_reply){.status = 403, .body = SP_STR("no"), .no_store = true, .headers = extra, .n_headers = 1},
         "GET", NULL);
    assert_int_equal(reply_head.status, 403);
    assert_string_equal(field(SP_H_CONTENT_TYPE), "text/plain");
    assert_string_equal(field(SP_H_CONTENT_LENGTH), "2");
    assert_string_equal(field(SP_H_CACHE_CONTROL), "no-store");
    assert_string_equal(text(sp_headers_get(&reply_head, SP_STR("x-a"))), "b");
    assert_int_equal(reply_body.len, 2);
    make((struct sp_reply){.status = 404}, "GET", NULL);
    assert_string_equal(field(SP_H_CONTENT_TYPE), "-");
    assert_string_equal(field(SP_H_CONTENT_LENGTH), "0");
    make((struct sp_reply){.status = 200, .body = SP_STR("{}"), .content_type = SP_STR("application/json")}, "HEAD",
         NULL);
    assert_string_equal(field(SP_H_CONTENT_TYPE), "application/json");
    assert_string_equal(field(SP_H_CONTENT_LENGTH), "2");
    assert_int_equal(reply_body.len, 0);
    make((struct sp_reply){.status = 204, .body = SP_STR("x")}, "GET", NULL);
    assert_string_equal(field(SP_H_CONTENT_LENGTH), "-");
    assert_int_equal(reply_body.len, 0);
    sp_buf_clear(&reply_body);
    sp_arena_done(&arena);
}

static void test_grpc_reply(void **state)
{
    static const unsigned codes[][2] = {{400, 13}, {401, 16}, {403, 7},   {404, 12}, {429, 14}, {502, 14},
                                        {503, 14}, {504, 14}, {200, 2}, {500, 2},  {413, 2}};
    for (size_t i = 0; i < SP_ARRAY_LEN(codes); i++)
        assert_int_equal(sp_grpc_status(codes[i][0]), codes[i][1]);
    static const char *const grpc[] = {"application/grpc", "application/grpc+json", "Application/gRPC;x=y"};
    static const char *const other[] = {"application/grpcx", "application/grpc-web", "text/plain", NULL};
    for (size_t i = 0; i < SP_ARRAY_LEN(grpc); i++) {
        make((struct sp_reply){.status = 404, .body = SP_STR("é")}, "POST", grpc[i]);
        assert_int_equal(reply_head.status, 200);
        assert_string_equal(field(SP_H_GRPC_STATUS), "12");
        assert_string_equal(field(SP_H_GRPC_MESSAGE), "%C3%A9");
        assert_int_equal(reply_body.len, 0);
    }
    for (size_t i = 0; i < SP_ARRAY_LEN(other); i++) {
        make((struct sp_reply){.status = 404}, "POST", other[i]);
        assert_int_equal(reply_head.status, 404);
    }
    sp_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host),       cmocka_unit_test(test_date),       cmocka_unit_test(test_xfcc_modes),
        cmocka_unit_test(test_xfcc_parts), cmocka_unit_test(test_local_reply), cmocka_unit_test(test_grpc_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
