/* SPDX-License-Identifier: GPL-2.0-or-later */
/* token_introspection: who asks, once for all who wait, and what becomes of each of them. */
#include "fake_call.h"

#include <stdio.h>

#include "clusters/cluster.h"
#include "config/load.h"
#include "crypto/hash.h"
#include "crypto/jws.h"
#include "filters/registry.h"
#include "sallyport/filters/http/token_introspection/v1/token_introspection.pb-c.h"

#define DESC &sallyport__filters__http__token_introspection__v1__token_introspection__descriptor
#define ROUTE_DESC &sallyport__filters__http__token_introspection__v1__token_introspection_per_route__descriptor
#define NS "sallyport.filters.http.token_introspection"
#define BASIC "client_auth: {basic: {client_id: door, client_secret: {inline_string: secret}}}"
#define ENDPOINT "endpoint: {uri: 'http://idp.example/introspect?x=1', cluster: c, timeout: 1s}"
#define GOOD "{\"active\":true,\"sub\":\"alice\",\"scope\":\"read write\",\"exp\":1800000600}"

static struct fake_config *c;

struct request {
    struct fake_stream s;
    struct sp_filter *f;
    enum sp_status status;
};

static void begin(const char *fields)
{
    char yaml[1024];
    snprintf(yaml, sizeof(yaml), "{" ENDPOINT "%s%s}", fields[0] ? ", " : "", fields);
    c = fake_config_new(&sp_token_introspection_ops, DESC, yaml);
}

static void finish(void)
{
    fake_calls_forget();
    fake_config_free(c);
}

static void ready(struct request *r, const char *token)
{
    char value[256];
    fake_stream_init(&r->s, "/");
    snprintf(value, sizeof(value), "Bearer %s", token);
    if (token[0])
        fake_header(&r->s, "authorization", value);
}

static void go(struct request *r)
{
    r->f = fake_filter(&r->s, c);
    r->status = c->ops->decode_headers(r->f, &r->s.request, true);
}

static void ask(struct request *r, const char *token)
{
    ready(r, token);
    go(r);
}

static void over(struct request *r)
{
    if (r->f)
        c->ops->destroy(r->f);
    fake_stream_done(&r->s);
}

static void passed(const struct request *r)
{
    if (r->s.replied)
        fail_msg("refused: %.*s", SP_STR_ARG(r->s.reply.details));
    assert_true(r->status == SP_CONTINUE || r->s.continued[SP_DECODE] == 1);
}

static void refused(const struct request *r, unsigned status, const char *details)
{
    assert_true(r->s.replied);
    assert_int_equal(r->s.continued[SP_DECODE], 0);
    assert_int_equal(r->s.reply.status, status);
    if (!sp_str_eq(r->s.reply.details, sp_str_c(details)))
        fail_msg("%.*s", SP_STR_ARG(r->s.reply.details));
    assert_int_equal(fake_reply_header(&r->s, "www-authenticate") != NULL, status != 503);
}

/* One request, whose answer is `answer`. */
static void one(const char *answer, unsigned status, const char *details)
{
    struct request r;
    static unsigned n;
    char token[32];
    snprintf(token, sizeof(token), "one-%u", n++);
    ask(&r, token);
    assert_int_equal(r.status, SP_STOP_PAUSE);
    fake_answer(&fake_calls[n_fake_calls - 1], 200, answer, SP_ABORT_NONE);
    if (status)
        refused(&r, status, details);
    else
        passed(&r);
    over(&r);
}

static void test_asks(void **state)
{
    struct request r;
    begin(BASIC ", claim_to_headers: [{header_name: X-User, claim_name: sub}], payload_in_metadata: t, space_delimited_claims: [scope]");
    ready(&r, "a+b/c=");
    fake_header(&r.s, "x-user", "forged");
    go(&r);
    assert_int_equal(r.status, SP_STOP_PAUSE);
    assert_int_equal(n_fake_calls, 1);
    assert_string_equal(fake_calls[0].r.path.ptr, "/introspect?x=1");
    assert_string_equal(fake_calls[0].r.authority.ptr, "idp.example");
    assert_string_equal(fake_calls[0].r.body.ptr, "token=a%2Bb%2Fc%3D&token_type_hint=access_token");
    assert_string_equal(fake_call_header(&fake_calls[0], "authorization"), "Basic ZG9vcjpzZWNyZXQ=");
    assert_string_equal(fake_call_header(&fake_calls[0], "content-type"), "application/x-www-form-urlencoded");
    assert_null(fake_request_header(&r.s, "x-user"));
    fake_answer(&fake_calls[0], 200, GOOD, SP_ABORT_NONE);
    passed(&r);
    assert_int_equal(r.s.continued[SP_DECODE], 1);
    assert_string_equal(fake_request_header(&r.s, "x-user"), "alice");
    assert_null(fake_request_header(&r.s, "authorization"));
    assert_string_equal(fake_metadata(&r.s, NS, "t"),
                        "{\"active\":true,\"sub\":\"alice\",\"scope\":[\"read\",\"write\"],\"exp\":1800000600}");
    assert_true(sp_str_eq(r.s.info.access_token, SP_STR("a+b/c=")));
    assert_true(r.s.info.access_token_bearer);
    over(&r);
    finish();
}

static void test_answers(void **state)
{
    begin(BASIC ", issuers: ['https://i'], required_scopes: [read]");
    one("{\"active\":true,\"iss\":\"https://i\",\"scope\":\"read\"}", 0, NULL);
    one("{\"active\":true,\"iss\":\"https://i\",\"scope\":\"reader\"}", 403, "token_introspection_denied{scope}");
    one("{\"active\":true,\"iss\":\"https://x\",\"scope\":\"read\"}", 401, "token_introspection_denied{issuer}");
    one("{\"active\":false}", 401, "token_introspection_denied{inactive}");
    one("{\"active\":true,\"iss\":\"https://i\",\"exp\":1}", 401, "token_introspection_denied{expired}");
    one("{\"active\":\"true\"}", 503, "token_introspection_error{bad_answer}");
    one("", 503, "token_introspection_error{bad_answer}");
    finish();
}

static void refuses(void (*change)(struct fake_stream *s), const char *token, unsigned status, const char *details)
{
    struct request r;
    ready(&r, token);
    if (change)
        change(&r.s);
    go(&r);
    assert_int_equal(r.status, SP_STOP);
    refused(&r, status, details);
    over(&r);
}

static void again(struct fake_stream *s)
{
    fake_header(s, "authorization", "bearer x");
}
static void basic_only(struct fake_stream *s)
{
    fake_header(s, "authorization", "Basic eDp5");
}
static void tab(struct fake_stream *s)
{
    fake_header(s, "authorization", "Bearer\tx y");
}
static void nothing(struct fake_stream *s)
{
    fake_header(s, "authorization", "Bearer");
}

static void test_no_good_token(void **state)
{
    begin(BASIC ", bypass_cors_preflight: true");
    struct request r;
    for (int origin = 0; origin < 2; origin++) {
        ready(&r, "");
        r.s.request.method = SP_STR("OPTIONS");
        fake_header(&r.s, "access-control-request-method", "GET");
        if (origin)
            fake_header(&r.s, "origin", "https://app.example");
        go(&r);
        assert_int_equal(r.status, origin ? SP_CONTINUE : SP_STOP);
        over(&r);
    }
    refuses(NULL, "", 401, "token_introspection_denied{missing}");
    refuses(basic_only, "", 401, "token_introspection_denied{missing}");
    refuses(tab, "", 401, "token_introspection_denied{malformed}");
    refuses(nothing, "", 401, "token_introspection_denied{malformed}");
    refuses(NULL, "a,b", 401, "token_introspection_denied{malformed}");
    refuses(again, "x", 400, "token_introspection_denied{multiple_tokens}");
    assert_int_equal(n_fake_calls, 0);
    finish();
}

static void test_many_wait(void **state)
{
    struct request r[5];
    begin(BASIC);
    uint64_t asked = fake_stat("token_introspection.requests"), together = fake_stat("token_introspection.joined");
    for (unsigned i = 0; i < 5; i++)
        ask(&r[i], i < 4 ? "same" : "other");
    assert_int_equal(n_fake_calls, 2);
    assert_int_equal(fake_stat("token_introspection.requests"), asked + 2);
    assert_int_equal(fake_stat("token_introspection.joined"), together + 3);
    /* One goes away meanwhile. */
    c->ops->destroy(r[1].f);
    r[1].f = NULL;
    fake_answer(&fake_calls[0], 200, GOOD, SP_ABORT_NONE);
    passed(&r[0]);
    passed(&r[2]);
    passed(&r[3]);
    assert_int_equal(r[1].s.continued[SP_DECODE], 0);
    assert_int_equal(r[4].s.continued[SP_DECODE], 0);
    /* The last one that waits for the other. */
    c->ops->destroy(r[4].f);
    r[4].f = NULL;
    assert_true(fake_calls[1].cancelled);
    for (unsigned i = 5; i--;)
        over(&r[i]);
    finish();
}

static void test_kept(void **state)
{
    struct request r;
    begin(BASIC ", required_scopes: [write]");
    uint64_t hits = fake_stat("token_introspection.cache_hit");
    ask(&r, "kept");
    fake_answer(&fake_calls[0], 200, GOOD, SP_ABORT_NONE);
    over(&r);
    ask(&r, "kept");
    assert_int_equal(r.status, SP_CONTINUE);
    passed(&r);
    assert_null(fake_request_header(&r.s, "authorization"));
    over(&r);
    /* A minute later it is asked for anew. */
    ready(&r, "kept");
    r.s.turn.now_ns += 60 * SP_NS_PER_S;
    go(&r);
    assert_int_equal(r.status, SP_STOP_PAUSE);
    fake_answer(&fake_calls[1], 200, "{\"active\":false}", SP_ABORT_NONE);
    refused(&r, 401, "token_introspection_denied{inactive}");
    over(&r);
    /* What is not active is kept for ten seconds, in a place of its own: the good answer is over, too. */
    ready(&r, "kept");
    r.s.turn.now_ns += 69 * SP_NS_PER_S;
    go(&r);
    refused(&r, 401, "token_introspection_denied{inactive}");
    over(&r);
    assert_int_equal(fake_stat("token_introspection.cache_hit"), hits + 2);
    finish();
}

/* A reload asks nobody about tokens that are known; another config does. */
static void test_kept_for_the_next_config(void **state)
{
    struct request r;
    begin(BASIC);
    ask(&r, "known");
    fake_answer(&fake_calls[0], 200, GOOD, SP_ABORT_NONE);
    over(&r);
    struct fake_config *old = c;
    begin(BASIC);
    fake_config_free(old);
    ask(&r, "known");
    assert_int_equal(r.status, SP_CONTINUE);
    passed(&r);
    over(&r);
    old = c;
    begin(BASIC ", cache: {max_ttl: 30s}");
    fake_config_free(old);
    ask(&r, "known");
    assert_int_equal(r.status, SP_STOP_PAUSE);
    over(&r);
    finish();
}

static void test_not_kept_beyond_exp(void **state)
{
    struct request r;
    begin(BASIC);
    ask(&r, "short");
    fake_answer(&fake_calls[0], 200, "{\"active\":true,\"exp\":1800000005}", SP_ABORT_NONE);
    passed(&r);
    over(&r);
    ready(&r, "short");
    r.s.turn.now_ns += 5 * SP_NS_PER_S;
    go(&r);
    assert_int_equal(r.status, SP_STOP_PAUSE);
    over(&r);
    finish();
}

static void step(struct request *r, unsigned ms)
{
    sp_turn_end(&r->s.turn);
    sp_turn_begin(&r->s.turn, r->s.turn.now_ns + ms * SP_NS_PER_MS, r->s.turn.wall_ns);
}

static void test_retries(void **state)
{
    struct request r;
    begin(BASIC ", retries: 2");
    ask(&r, "retried");
    fake_answer(&fake_calls[0], 0, "", SP_ABORT_CONNECT);
    assert_false(r.s.replied);
    step(&r, 50);
    assert_int_equal(n_fake_calls, 2);
    fake_answer(&fake_calls[1], 502, "", SP_ABORT_NONE);
    step(&r, 100);
    assert_int_equal(n_fake_calls, 3);
    fake_answer(&fake_calls[2], 0, "", SP_ABORT_TIMEOUT);
    refused(&r, 503, "token_introspection_error{timeout}");
    over(&r);
    /* Gone while it waits to ask again: nothing more happens. */
    ask(&r, "gone");
    fake_answer(&fake_calls[3], 0, "", SP_ABORT_RESET);
    c->ops->destroy(r.f);
    r.f = NULL;
    step(&r, 1000);
    assert_int_equal(n_fake_calls, 4);
    over(&r);
    /* What will not be otherwise is not asked again. */
    static const struct {
        unsigned status;
        enum sp_abort why;
        const char *word;
    } final[] = {{401, SP_ABORT_NONE, "client_refused"}, {400, SP_ABORT_NONE, "client_refused"}, {404, SP_ABORT_NONE, "endpoint_status"},
                 {302, SP_ABORT_NONE, "endpoint_status"}, {0, SP_ABORT_TOO_LARGE, "bad_answer"}};
    for (unsigned i = 0; i < SP_ARRAY_LEN(final); i++) {
        char details[64];
        ask(&r, "final");
        fake_answer(&fake_calls[n_fake_calls - 1], final[i].status, "{\"active\":true}", final[i].why);
        snprintf(details, sizeof(details), "token_introspection_error{%s}", final[i].word);
        refused(&r, 503, details);
        over(&r);
    }
    finish();
}

/* A timeout answered while the endpoint was asked, and the client has not read all of that yet. */
static void test_too_late(void **state)
{
    struct request r;
    begin(BASIC);
    uint64_t allowed = fake_stat("token_introspection.allowed"), denied = fake_stat("token_introspection.denied");
    for (int good = 0; good < 2; good++) {
        ask(&r, good ? "late-good" : "late-bad");
        r.s.has_response = true;
        fake_answer(&fake_calls[n_fake_calls - 1], 200, good ? GOOD : "{\"active\":false}", SP_ABORT_NONE);
        assert_false(r.s.replied);
        assert_int_equal(r.s.continued[SP_DECODE], 0);
        over(&r);
    }
    assert_int_equal(fake_stat("token_introspection.allowed"), allowed);
    assert_int_equal(fake_stat("token_introspection.denied"), denied);
    finish();
}

static void test_overload(void **state)
{
    struct request r[3];
    begin(BASIC ", max_waiting: 2");
    ask(&r[0], "a");
    ask(&r[1], "a");
    ask(&r[2], "a");
    refused(&r[2], 503, "token_introspection_error{overload}");
    over(&r[2]);
    over(&r[1]);
    ask(&r[2], "b");
    assert_int_equal(r[2].status, SP_STOP_PAUSE);
    over(&r[2]);
    over(&r[0]);
    finish();
}

static void test_places(void **state)
{
    struct request r;
    begin(BASIC ", from_headers: [{name: authorization, value_prefix: 'DPoP '}, {name: X-Token}], forward: true");
    ready(&r, "");
    fake_header(&r.s, "x-token", "whole");
    go(&r);
    fake_answer(&fake_calls[0], 200, GOOD, SP_ABORT_NONE);
    passed(&r);
    assert_string_equal(fake_request_header(&r.s, "x-token"), "whole");
    assert_false(r.s.info.access_token_bearer);
    over(&r);
    ready(&r, "");
    fake_header(&r.s, "authorization", "dpop whole");
    go(&r);
    passed(&r);
    over(&r);
    ask(&r, "whole");
    refused(&r, 401, "token_introspection_denied{missing}");
    assert_string_equal(fake_reply_header(&r.s, "www-authenticate"), "DPoP realm=\"api\"");
    over(&r);
    finish();
}

static void test_skips_jwts(void **state)
{
    static const char jwt[] = "eyJhbGciOiJSUzI1NiJ9.e30.AAAA";
    struct request r;
    begin(BASIC ", jwt: SKIP, verified_jwt: {keys: [payload]}");
    ask(&r, jwt);
    refused(&r, 401, "token_introspection_denied{jwt_not_verified}");
    over(&r);
    /* Another key says nothing. */
    ready(&r, jwt);
    r.f = fake_filter(&r.s, c);
    sp_filter_set_metadata(r.f, SP_STR("envoy.filters.http.jwt_authn"), SP_STR("failed"), SP_STR("{}"));
    go(&r);
    refused(&r, 401, "token_introspection_denied{jwt_not_verified}");
    over(&r);
    for (int with = 0; with < 2; with++) { /* jwt_authn may have taken it out */
        ready(&r, with ? jwt : "");
        r.f = fake_filter(&r.s, c);
        sp_filter_set_metadata(r.f, SP_STR("envoy.filters.http.jwt_authn"), SP_STR("payload"), SP_STR("{}"));
        go(&r);
        assert_int_equal(r.status, SP_CONTINUE);
        passed(&r);
        over(&r);
    }
    ready(&r, "opaque");
    r.f = fake_filter(&r.s, c);
    sp_filter_set_metadata(r.f, SP_STR("envoy.filters.http.jwt_authn"), SP_STR("payload"), SP_STR("{}"));
    go(&r);
    refused(&r, 400, "token_introspection_denied{multiple_tokens}");
    over(&r);
    ask(&r, "opaque");
    assert_int_equal(r.status, SP_STOP_PAUSE);
    over(&r);
    finish();
}

static void test_routes(void **state)
{
    struct request r;
    struct fake_config *off = fake_route_config_new(&sp_token_introspection_ops, ROUTE_DESC, "disabled: true");
    struct fake_config *maybe = fake_route_config_new(&sp_token_introspection_ops, ROUTE_DESC, "required: false");
    struct fake_config *more = fake_route_config_new(&sp_token_introspection_ops, ROUTE_DESC, "required_scopes: [admin, read]");
    begin(BASIC ", claim_to_headers: [{header_name: x-user, claim_name: sub}]");
    ready(&r, "x");
    fake_header(&r.s, "x_user", "forged");
    r.s.route_config = off->config;
    go(&r);
    assert_int_equal(r.status, SP_CONTINUE);
    assert_null(fake_request_header(&r.s, "x_user"));
    assert_non_null(fake_request_header(&r.s, "authorization"));
    over(&r);
    ready(&r, "");
    r.s.route_config = maybe->config;
    go(&r);
    assert_int_equal(r.status, SP_CONTINUE);
    over(&r);
    ready(&r, "scoped");
    r.s.route_config = more->config;
    go(&r);
    fake_answer(&fake_calls[0], 200, GOOD, SP_ABORT_NONE);
    refused(&r, 403, "token_introspection_denied{scope}");
    assert_string_equal(fake_reply_header(&r.s, "www-authenticate"),
                        "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"admin read\"");
    over(&r);
    finish();
    fake_config_free(off);
    fake_config_free(maybe);
    fake_config_free(more);
}

/* What the endpoint gets, by client_auth. */
static const struct sp_http_call *auth_call(const char *auth)
{
    static struct request r;
    begin(auth);
    ask(&r, "t");
    assert_int_equal(n_fake_calls, 1);
    over(&r);
    return &fake_calls[0];
}

static void test_client_auth(void **state)
{
    const struct sp_http_call *call =
        auth_call("client_auth: {post: {client_id: 'a b', client_secret: {inline_string: 'x&y=z'}}}");
    assert_string_equal(call->r.body.ptr,
                        "token=t&token_type_hint=access_token&client_id=a%20b&client_secret=x%26y%3Dz");
    assert_null(fake_call_header(call, "authorization"));
    finish();
    call = auth_call("client_auth: {bearer: {token: {inline_string: our-token}}}");
    assert_string_equal(fake_call_header(call, "authorization"), "Bearer our-token");
    finish();
    /* RFC 6749 section 2.3.1: both are encoded before they are joined: "a%3Ab:p%25w". */
    call = auth_call("client_auth: {basic: {client_id: 'a:b', client_secret: {inline_string: 'p%w'}}}");
    assert_string_equal(fake_call_header(call, "authorization"), "Basic YSUzQWI6cCUyNXc=");
    finish();
}

static void test_config(void **state)
{
#define NO(yaml, words) fake_config_refused(&sp_token_introspection_ops, DESC, "{" yaml "}", words)
    NO(ENDPOINT, "client_auth");
    NO(BASIC, "endpoint");
    NO(ENDPOINT ", client_auth: {}", "client_auth");
    NO(ENDPOINT ", client_auth: {basic: {client_id: x}}", "client_secret");
    NO(ENDPOINT ", client_auth: {basic: {client_id: x, client_secret: {inline_string: ''}}}", "empty");
    NO(ENDPOINT ", client_auth: {bearer: {token: {inline_string: 'a b'}}}", "no bearer token");
    NO(ENDPOINT ", client_auth: {private_key_jwt: {client_id: x, private_key: {inline_string: 'x'}}}", "no private key");
    NO(ENDPOINT ", client_auth: {tls: {client_id: x}}", "no TLS");
    NO("endpoint: {uri: 'https://x/', cluster: c, timeout: 1s}, " BASIC, "no TLS");
    NO("endpoint: {uri: 'http://x/#y', cluster: c, timeout: 1s}, " BASIC, "fragment");
    NO("endpoint: {uri: 'http://u@x/', cluster: c, timeout: 1s}, " BASIC, "no plain host");
    NO("discovered: {issuer: 'https://i'}, " BASIC, "there is no issuer 'https://i'");
    NO("discovered: {issuer: '', timeout: 31s}, " BASIC, "issuer");
    NO("endpoint: {uri: 'http://x/', cluster: missing, timeout: 31s}, " BASIC, "no cluster \"missing\"");
    NO("endpoint: {uri: 'http://x/', cluster: c, timeout: 31s}, " BASIC, "timeout");
    NO("endpoint: {uri: 'http://x/', cluster: c, timeout: 0s}, " BASIC, "timeout");
    NO(ENDPOINT ", " BASIC ", jwt: SKIP", "verified_jwt");
    NO(ENDPOINT ", " BASIC ", verified_jwt: {keys: [x]}", "SKIP");
    NO(ENDPOINT ", " BASIC ", jwt: SKIP, verified_jwt: {}", "keys");
    NO(ENDPOINT ", " BASIC ", required_scopes: ['a b'], realm: '\"', claim_to_headers: [{header_name: te, claim_name: x}]",
       "no scope|realm|belongs to the connection");
    NO(ENDPOINT ", " BASIC ", claim_to_headers: [{header_name: Authorization, claim_name: x}]", "tokens are read from");
    NO(ENDPOINT ", " BASIC ", issuers: []", "issuers");
    NO(ENDPOINT ", " BASIC ", cache: {max_ttl: 100000s}", "max_ttl");
    fake_config_refused(&sp_token_introspection_ops, ROUTE_DESC, "required_scopes: ['\"']", "no scope");
}

static struct sp_doc *cluster_doc;
static struct sp_diag cluster_diag;

static int setup(void **state)
{
    fake_setup(state);
    sp_diag_init(&cluster_diag);
    cluster_doc = sp_doc_load_partial("c.yaml", SP_STR("name: c\nload_assignment: {cluster_name: c}"), SP_SYNTAX_YAML,
                                      &envoy__config__cluster__v3__cluster__descriptor, &cluster_diag);
    struct sp_cluster_build build = {.doc = cluster_doc, .diag = &cluster_diag, .n_workers = 1};
    fake_cluster = cluster_doc ? sp_cluster_new(&build, sp_doc_root(cluster_doc)) : NULL;
    return fake_cluster ? 0 : -1;
}

static int teardown(void **state)
{
    sp_cluster_unref(fake_cluster);
    sp_doc_free(cluster_doc);
    sp_diag_done(&cluster_diag);
    return fake_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks),    cmocka_unit_test(test_answers),   cmocka_unit_test(test_no_good_token),
        cmocka_unit_test(test_many_wait), cmocka_unit_test(test_kept),    cmocka_unit_test(test_kept_for_the_next_config),
        cmocka_unit_test(test_not_kept_beyond_exp),
        cmocka_unit_test(test_retries), cmocka_unit_test(test_too_late), cmocka_unit_test(test_overload),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_skips_jwts), cmocka_unit_test(test_routes), cmocka_unit_test(test_client_auth),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
