/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who decided what became of a request, and the ring of those that were refused. */
#include <stdio.h>
#include <stdlib.h>

#include "format_support.h"
#include "stream/caller.h"
#include "stream/hcm.h"
#include "stream/refused.h"
#include "stream_support.h"

#define TYPE "\"@type\": type.googleapis.com/"
#define STAGED_JWT \
    "- {name: jwt, typed_config: {" TYPE "sallyport.filters.http.staged.v1.Staged, enforcement: SHADOW, filter: {" TYPE \
    "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication}}}\n"
#define ALL SHIELD_FILTER JWT_FILTER ROUTER_FILTER

static enum sp_status refuse(struct sp_filter *f, struct sp_headers *h, bool end)
{
    sp_filter_reply_text(f, 403, SP_STR("no"), SP_STR("refused{a reason;x}"));
    return SP_STOP;
}

static enum sp_status reset(struct sp_filter *f, struct sp_headers *h, bool end)
{
    sp_filter_reply(f, &(struct sp_reply){.reset = true, .details = SP_STR("gone")});
    return SP_STOP;
}

static enum sp_status greet(struct sp_filter *f, struct sp_headers *h, bool end)
{
    sp_filter_reply_text(f, 200, SP_STR("hi"), SP_STR("cors_response"));
    return SP_STOP;
}

static enum sp_status fail_upstream(struct sp_filter *f, struct sp_headers *h, bool end)
{
    sp_filter_reply_text(f, 503, SP_STR("no"), SP_STR("no_healthy_upstream"));
    return SP_STOP;
}

static void who(const struct sp_filter *f, struct sp_caller *out)
{
    sp_caller_say(out, SP_STR("secret"), SP_STR("spring"));
    sp_caller_say(out, SP_STR("subject"), SP_STR(""));
}

static void who_else(const struct sp_filter *f, struct sp_caller *out)
{
    sp_caller_say(out, SP_STR("subject"), SP_STR("a b;c=\"d\"\n%"));
    sp_caller_say(out, SP_STR("secret"), SP_STR("second"));
}

static const char *text_of(const struct exchange *e, const char *yaml)
{
    static char text[2048];
    struct t_config c;
    struct sp_buf b;
    sp_buf_init(&b);
    t_config_load(&c, &envoy__config__core__v3__substitution_format_string__descriptor, yaml);
    struct sp_format *f = sp_format_new_msg(c.doc, &c.diag, c.msg);
    assert_non_null(f);
    const struct sp_format_input in = {.info = info_of(e)};
    sp_format_write(f, &in, &b);
    text[sp_buf_peek(&b, text, sizeof(text) - 1)] = 0;
    sp_buf_clear(&b);
    sp_format_free(f);
    t_config_done(&c);
    return text;
}

static const char *decision(const struct exchange *e)
{
    return text_of(e, "text_format: '%SALLYPORT_DECISION%'");
}

static void test_denied(void **state)
{
    struct world *w = world_new(NULL, ALL, NULL);
    fake_decode[JWT] = refuse;
    fake_caller[SHIELD] = who;
    struct exchange *e = ask(w, GET("/"), true);
    assert_string_equal(decision(e), "jwt:denied:refused{a_reason%3Bx};secret=spring");
    assert_string_equal(text_of(e, "json_format: {d: '%SALLYPORT_DECISION%'}"),
                        "{\"d\":{\"by\":\"jwt\",\"verdict\":\"denied\",\"reason\":\"refused{a reason;x}\",\"caller\":{\"secret\":\"spring\"}}}\n");
    assert_string_equal(text_of(e, "json_format: {d: 'a %SALLYPORT_DECISION%'}"),
                        "{\"d\":\"a jwt:denied:refused{a_reason%3Bx};secret=spring\"}\n");
    over(e, SP_ABORT_NONE);
    fake_decode[JWT] = NULL;
    fake_decode[SHIELD] = reset;
    e = ask(w, GET("/"), true);
    assert_string_equal(decision(e), "shield:denied:gone;secret=spring");
    over(e, SP_ABORT_NONE);
    world_free(w);
}

static void test_allowed(void **state)
{
    sp_refused_thread_done();
    struct world *w = world_new(NULL, ALL, NULL);
    fake_caller[SHIELD] = who;
    fake_caller[JWT] = who_else;
    struct exchange *e = ask(w, GET("/"), true);
    assert_string_equal(decision(e), "router:allowed:;secret=spring;subject=a%20b%3Bc=\\\"d\\\"%0A%25"); /* so far */
    respond(e, ":status: 200\n", true);
    assert_string_equal(decision(e), "router:allowed:via_upstream;secret=spring;subject=a%20b%3Bc=\\\"d\\\"%0A%25");
    assert_string_equal(text_of(e, "json_format: {d: '%SALLYPORT_DECISION%'}"),
                        "{\"d\":{\"by\":\"router\",\"verdict\":\"allowed\",\"reason\":\"via_upstream\",\"caller\":"
                        "{\"secret\":\"spring\",\"subject\":\"a b;c=\\\"d\\\"\\u000a%\"}}}\n");
    over(e, SP_ABORT_NONE);
    fake_decode[JWT] = greet;
    e = ask(w, GET("/"), true);
    assert_string_equal(decision(e), "jwt:allowed:cors_response;secret=spring;subject=a%20b%3Bc=\\\"d\\\"%0A%25");
    over(e, SP_ABORT_NONE);
    assert_null(sp_refused_take_copy());
    world_free(w);
}

static void test_failed(void **state)
{
    sp_refused_thread_done();
    struct world *w = world_new(NULL, ALL, NULL);
    fake_decode[ROUTER] = fail_upstream;
    struct exchange *e = ask(w, GET("/"), true);
    assert_string_equal(decision(e), "router:failed:no_healthy_upstream");
    over(e, SP_ABORT_NONE);
    fake_decode[ROUTER] = NULL;
    e = ask(w, GET("/"), true);
    over(e, SP_ABORT_CLOSED);
    assert_null(sp_refused_take_copy()); /* nobody refused it */
    world_free(w);
}

static void test_shadowed(void **state)
{
    struct world *w = world_new(NULL, STAGED_JWT ROUTER_FILTER, NULL);
    fake_decode[JWT] = refuse;
    struct exchange *e = ask(w, GET("/"), true);
    respond(e, ":status: 200\n", true);
    assert_string_equal(decision(e), "jwt:shadowed:refused{a_reason%3Bx}");
    over(e, SP_ABORT_NONE);
    world_free(w);
}

static void test_routes(void **state)
{
    struct world *w = world_new(NULL, ALL, "- {match: {path: /teapot}, direct_response: {status: 418}}\n"
                                           "- {match: {path: /away}, redirect: {path_redirect: /there}}\n");
    struct exchange *e = ask(w, GET("/"), true);
    assert_string_equal(decision(e), "route:denied:route_not_found");
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/teapot"), true);
    assert_string_equal(decision(e), "route:denied:direct_response");
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/away"), true);
    assert_string_equal(decision(e), "route:allowed:direct_response");
    over(e, SP_ABORT_NONE);
    e = ask(w, ":method: GET\n:scheme: http\n:authority: a.test\n:path: x\n", true);
    assert_string_equal(decision(e), "connection_manager:denied:absolute_path_rejected");
    over(e, SP_ABORT_NONE);
    world_free(w);
}

static void test_certificate(void **state)
{
    struct t_stream s;
    struct sp_str uri[] = {SP_STR_INIT("spiffe://cdn/one")};
    t_stream_init(&s);
    s.tls.peer_presented = true;
    s.tls.peer_subject = SP_STR("CN=edge one");
    s.tls.peer_uri = uri;
    s.tls.n_peer_uri = 1;
    s.info.details = SP_STR("http1.codec_error");
    assert_string_equal(t_text(&s, "%SALLYPORT_DECISION%"), "codec:denied:http1.codec_error"); /* nobody has verified it */
    s.tls.peer_verified = true;
    assert_string_equal(t_text(&s, "%SALLYPORT_DECISION%"),
                        "codec:denied:http1.codec_error;certificate=CN=edge%20one;san=spiffe://cdn/one");
    assert_string_equal(t_value(&s, "%SALLYPORT_DECISION%"),
                        "codec:denied:http1.codec_error;certificate=CN=edge%20one;san=spiffe://cdn/one");
    s.in.of_connection = true;
    assert_string_equal(t_text(&s, "%SALLYPORT_DECISION%"), "-");
    s.conn.failure_reason = SP_STR("ip_restriction_denied");
    assert_string_equal(t_text(&s, "%SALLYPORT_DECISION%"), "listener:denied:ip_restriction_denied");
    t_stream_done(&s);
}

static void is(const struct sp_refused *r, enum sp_refused_text which, const char *expected)
{
    struct sp_str s = sp_refused_text(r, which);
    assert_int_equal(s.len, strlen(expected));
    assert_memory_equal(s.ptr, expected, s.len);
}

static void test_ring(void **state)
{
    char head[4096], path[2048];
    struct world *w = world_new(NULL, SHIELD_FILTER STAGED_JWT MUTATION_FILTER ROUTER_FILTER, NULL);
    static const struct sp_conn_place door = {.name = SP_STR_INIT("door")};
    w->conn.listener = &door;
    sp_refused_thread_done();
    fake_decode[JWT] = refuse;
    fake_decode[MUTATION] = refuse;
    fake_caller[SHIELD] = who;
    memset(path, 'p', sizeof(path));
    for (unsigned i = 0; i < SP_REFUSED_RING + 3; i++) {
        snprintf(head, sizeof(head), GET("/%u%.*s?token=secret"), i, i == 5 ? 2000 : 0, path);
        over(ask(w, head, true), SP_ABORT_NONE);
        world_pass(w, 10);
    }
    struct sp_refused_copy *all = sp_refused_take_copy();
    assert_int_equal(all->n, SP_REFUSED_RING);
    assert_int_equal(all->dropped, 3);
    const struct sp_refused *r = &all->v[0];
    assert_int_equal(r->status, 403);
    is(r, SP_REFUSED_PATH, "/3");
    is(r, SP_REFUSED_METHOD, "GET");
    is(r, SP_REFUSED_HOST, "a.test");
    is(r, SP_REFUSED_LISTENER, "door");
    is(r, SP_REFUSED_BY, "mutation");
    is(r, SP_REFUSED_REASON, "refused{a reason;x}");
    is(r, SP_REFUSED_CALLER, "{\"secret\":\"spring\"}");
    struct sp_str trace = sp_refused_text(r, SP_REFUSED_TRACE);
    assert_int_equal(trace.len, sizeof("+shield\0~jwt\0-mutation"));
    assert_memory_equal(trace.ptr, "+shield\0~jwt\0-mutation", trace.len);
    assert_int_equal(sp_refused_text(&all->v[2], SP_REFUSED_PATH).len, 128);
    is(&all->v[SP_REFUSED_RING - 1], SP_REFUSED_PATH, "/130");
    free(all);
    for (unsigned i = 0; i < 3 * SP_REFUSED_RING; i++) /* in one second or, on its edge, in two */
        over(ask(w, GET("/flood"), true), SP_ABORT_NONE);
    all = sp_refused_take_copy();
    assert_int_equal(all->n + all->dropped, 4 * SP_REFUSED_RING + 3);
    is(&all->v[SP_REFUSED_RING - 1], SP_REFUSED_PATH, "/flood");
    free(all);
    world_free(w);
    sp_refused_thread_done();
}

/* A request that never became a stream; and what is cut keeps whole characters. */
static void test_ring_of_codecs(void **state)
{
    sp_refused_thread_done();
    struct world *w = world_new(NULL, NULL, NULL);
    sp_hcm_codec_event(w->hcm, &w->conn, &w->turn, SP_CE_BAD_REQUEST, "http1.codec_error", 400);
    struct sp_refused_copy *all = sp_refused_take_copy();
    assert_int_equal(all->n, 1);
    is(&all->v[0], SP_REFUSED_BY, "codec");
    is(&all->v[0], SP_REFUSED_REASON, "http1.codec_error");
    is(&all->v[0], SP_REFUSED_PATH, "");
    is(&all->v[0], SP_REFUSED_TRACE, "");
    free(all);
    char host[65] = "";
    memset(host, 'h', 63);
    memcpy(host + 63, "\xc3\xa4", 2);
    struct t_stream s;
    t_stream_init(&s);
    s.request.authority = sp_str_n(host, 65);
    sp_refused_note(&s.info, &s.request, 1);
    all = sp_refused_take_copy();
    assert_int_equal(sp_refused_text(&all->v[1], SP_REFUSED_HOST).len, 63);
    free(all);
    t_stream_done(&s);
    world_free(w);
    sp_refused_thread_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_denied),   cmocka_unit_test(test_allowed),     cmocka_unit_test(test_failed),
        cmocka_unit_test(test_shadowed), cmocka_unit_test(test_routes),      cmocka_unit_test(test_certificate),
        cmocka_unit_test(test_ring),     cmocka_unit_test(test_ring_of_codecs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
