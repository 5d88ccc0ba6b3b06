/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of an issuer's description is believed. */
#include "fetch_fake.h"

#include "filters/oidc_discovery.h"

#define ISSUER &sallyport__oidc__v1__issuer__descriptor
#define SELF "issuer: 'https://i.test/t', cluster: c, hosts: [{host: 'keys.test:8443', cluster: k}], allow_http: false"
#define DOC(issuer, members) "{\"issuer\":\"" issuer "\"" members "}"
#define KEYS ",\"jwks_uri\":\"https://i.test/k\""
#define DESK ",\"introspection_endpoint\":\"https://keys.test:8443/in?x\""

static struct sp_jwks_stats stats;
static struct sp_oidc *o;
static bool tls = true; /* of all clusters */

static void stats_begin(void)
{
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("t"), NULL, SP_STR_NULL);
    stats.success = sp_stats_counter(scope, SP_STR("success"));
    stats.failed = sp_stats_counter(scope, SP_STR("failed"));
}

static void begin(const char *yaml, unsigned needs)
{
    stats_begin();
    o = sp_oidc_new(&fake.build, fetch_fake_begin(ISSUER, yaml), needs, SP_STR("x"), &stats);
    assert_non_null(o);
}

static void end(void)
{
    sp_live_set_stop_tasks(sp_doc_live(fake.doc));
    sp_oidc_free(o);
    fetch_fake_end();
}

static void believed(const char *text)
{
    const char *why = NULL;
    struct sp_oidc_facts *f = sp_oidc_read(o, sp_str_c(text), &why);
    if (!f)
        fail_msg("%s: %s", text, why);
    sp_oidc_facts_free(f);
}

static void refused(const char *text, const char *words)
{
    const char *why = NULL;
    struct sp_oidc_facts *f = sp_oidc_read(o, sp_str_c(text), &why);
    if (f || !strstr(why, words))
        fail_msg("%s: %s", text, f ? "believed" : why);
}

static void test_good(void **state)
{
    const char *why;
    begin(SELF, SP_OIDC_KEYS | SP_OIDC_INTROSPECTION);
    struct sp_oidc_facts *f = sp_oidc_read(o, SP_STR(DOC("https://i.test/t", KEYS DESK ",\"x\":{\"y\":[1]},"
        "\"id_token_signing_alg_values_supported\":[\"RS256\",\"none\",\"HS256\",7,\"XX\"]")), &why);
    assert_non_null(f);
    assert_true(sp_str_eq(f->jwks.authority, SP_STR("i.test")));
    assert_true(sp_str_eq(f->jwks.path, SP_STR("/k")));
    assert_true(sp_str_eq(f->introspection.authority, SP_STR("keys.test:8443")));
    assert_true(sp_str_eq(f->introspection.path, SP_STR("/in?x")));
    assert_non_null(f->introspection.cluster);
    assert_int_equal(f->algs, sp_jws_alg_bit(SP_STR("RS256")));
    sp_oidc_facts_free(f);
    believed(DOC("https://i.test/t", ",\"jwks_uri\":\"https://I.TEST/k\"" DESK));
    end();
}

static void test_other_issuers(void **state)
{
    begin(SELF, SP_OIDC_KEYS);
    static const char *const names[] = {"https://i.test/t/", "https://i.test", "https://I.test/t", "https://i.test/t ", "http://i.test/t", ""};
    char text[200];
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++) {
        snprintf(text, sizeof(text), "{\"issuer\":\"%s\"" KEYS "}", names[i]);
        refused(text, "of another issuer");
    }
    refused("{\"jwks_uri\":\"https://i.test/k\"}", "of another issuer");
    refused("{\"issuer\":[\"https://i.test/t\"]" KEYS "}", "of another issuer");
    refused("{\"issuer\":\"https://evil\",\"issuer\":\"https://i.test/t\"" KEYS "}", "no JSON object");
    end();
}

static void test_urls(void **state)
{
    begin(SELF, SP_OIDC_KEYS);
    refused(DOC("https://i.test/t", ",\"jwks_uri\":\"http://i.test/k\""), "not https");
    refused(DOC("https://i.test/t", ",\"jwks_uri\":\"https://evil.test/k\""), "no cluster is named for");
    refused(DOC("https://i.test/t", ",\"jwks_uri\":\"https://i.test:8443/k\""), "no cluster is named for");
    refused(DOC("https://i.test/t", ",\"jwks_uri\":\"https://i.test.evil.test/k\""), "no cluster is named for");
    refused(DOC("https://i.test/t", ",\"jwks_uri\":\"https://i.test@evil.test/k\""), "is none");
    refused(DOC("https://i.test/t", ",\"jwks_uri\":\"https://evil.test\\\\@i.test/k\""), "is none");
    refused(DOC("https://i.test/t", ",\"jwks_uri\":\"https://i.test/k\\r\\nx: y\""), "is none");
    refused(DOC("https://i.test/t", ",\"jwks_uri\":\"/k\""), "is none");
    refused(DOC("https://i.test/t", ",\"jwks_uri\":7"), "does not name");
    refused(DOC("https://i.test/t", ""), "does not name");
    /* What is not needed may be wrong. */
    believed(DOC("https://i.test/t", KEYS ",\"introspection_endpoint\":\"https://evil.test/\""));
    believed(DOC("https://i.test/t", KEYS));
    end();
    begin(SELF, SP_OIDC_INTROSPECTION);
    refused(DOC("https://i.test/t", KEYS), "does not name");
    refused(DOC("https://i.test/t", ",\"introspection_endpoint\":\"https://evil.test/\""), "no cluster is named for");
    believed(DOC("https://i.test/t", DESK));
    end();
}

static void test_http(void **state)
{
    begin("issuer: 'http://i.test', cluster: c, allow_http: true", SP_OIDC_KEYS);
    believed("{\"issuer\":\"http://i.test\",\"jwks_uri\":\"http://i.test/k\"}");
    end();
}

/* The description, then its keys; the first that fails of the two is the end of waiting. */
static void test_fetches_both(void **state)
{
    begin("issuer: 'http://i.test/t/', cluster: c, allow_http: true", SP_OIDC_KEYS);
    struct sp_live_set *set = sp_doc_live(fake.doc);
    sp_live_set_start_tasks(set, &fake.prober);
    assert_string_equal(fake.url, "http://i.test/t/.well-known/openid-configuration");
    assert_null(sp_oidc_facts(o));
    fake.called = false; /* two calls may be under way: the keys' is made in the answer */
    struct sp_buf b;
    sp_http_call_cb *done = fake.done;
    void *ctx = fake.ctx;
    sp_buf_init(&b);
    sp_buf_append_str(&b, SP_STR("{\"issuer\":\"http://i.test/t/\",\"jwks_uri\":\"http://i.test/k\"}"));
    done(ctx, 200, NULL, &b, SP_ABORT_NONE);
    sp_buf_clear(&b);
    assert_non_null(sp_oidc_facts(o));
    assert_string_equal(fake.url, "http://i.test/k");
    assert_false(sp_live_set_ready(set));
    fetch_answer(503, "");
    assert_true(sp_live_set_ready(set));
    assert_null(sp_jwks_remote_keys(sp_oidc_keys(o)));
    end();
}

/* Both of an issuer that is down are there at once in the next config, and nobody is asked. */
static void test_the_next_config(void **state)
{
    begin("issuer: 'http://i.test/t/', cluster: c, allow_http: true", SP_OIDC_KEYS);
    sp_live_set_start_tasks(sp_doc_live(fake.doc), &fake.prober);
    fake.called = false;
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append_str(&b, SP_STR("{\"issuer\":\"http://i.test/t/\",\"jwks_uri\":\"http://i.test/k\"}"));
    fake.done(fake.ctx, 200, NULL, &b, SP_ABORT_NONE);
    sp_buf_clear(&b);
    fetch_answer(200, "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"a\","
                      "\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}");
    for (unsigned i = 0; i < 3; i++) {
        struct sp_oidc *old = o;
        fetch_pass(10 * SP_NS_PER_S);
        o = sp_oidc_new(&fake.build, fetch_fake_next(ISSUER, "issuer: 'http://i.test/t/', cluster: c, allow_http: true"), SP_OIDC_KEYS,
                        SP_STR("x"), &stats);
        assert_non_null(sp_oidc_facts(o));
        assert_non_null(sp_jwks_remote_keys(sp_oidc_keys(o)));
        assert_true(sp_live_set_ready(sp_doc_live(fake.doc)));
        sp_live_set_start_tasks(sp_doc_live(fake.doc), &fake.prober);
        assert_false(fake.called);
        sp_live_set_stop_tasks(sp_doc_live(fake.old));
        sp_oidc_free(old);
        fetch_fake_old_gone();
    }
    fetch_pass(570 * SP_NS_PER_S); /* the keys are due, as ever */
    assert_string_equal(fake.url, "http://i.test/k");
    fetch_answer(503, "");
    assert_non_null(sp_jwks_remote_keys(sp_oidc_keys(o)));
    end();
}

static void test_bad_configs(void **state)
{
    static const char *const bad[][2] = {
        {"issuer: 'i.test', cluster: c", "no issuer's URL"}, {"issuer: 'http://i.test', cluster: c", "not https"},
        {"issuer: 'https://i.test?x', cluster: c", "no issuer's URL"}, {"issuer: 'https://i.test/?x', cluster: c", "no issuer's URL"},
        {"issuer: 'http://i.test', cluster: nobody, allow_http: true", "no cluster \"nobody\""},
        {"issuer: 'http://i.test', cluster: c, allow_http: true, hosts: [{host: x, cluster: nobody}]", "no cluster \"nobody\""},
        {"issuer: 'http://i.test', cluster: c, allow_http: true, algorithms: [none]", "none that an issuer"},
        {"issuer: 'http://i.test', cluster: c, allow_http: true, algorithms: [HS256]", "none that an issuer"}};
    stats_begin();
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        assert_null(sp_oidc_new(&fake.build, fetch_fake_begin(ISSUER, bad[i][0]), SP_OIDC_KEYS, SP_STR("x"), &stats));
        assert_true(fetch_fake_error(bad[i][1]));
        fetch_fake_end();
    }
}

/* Keys over an open line are an attacker's: of the issuer's own cluster and of each host's. */
static void test_no_tls(void **state)
{
    for (int i = 0; i < 2; i++) {
        tls = i == 1;
        begin(SELF, SP_OIDC_KEYS);
        assert_int_equal(fake.diag.n_warnings, tls ? 0 : 2);
        end();
    }
}

/* The https ones above ask whether their cluster has TLS. */
struct sp_tls_ctx *sp_cluster_tls(const struct sp_cluster *c)
{
    (void)c;
    return tls ? (struct sp_tls_ctx *)(void *)&fake : NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_other_issuers),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_fetches_both),
        cmocka_unit_test(test_the_next_config), cmocka_unit_test(test_bad_configs),
        cmocka_unit_test(test_no_tls),
    };
    return cmocka_run_group_tests(tests, fetch_fake_setup, fetch_fake_teardown);
}
