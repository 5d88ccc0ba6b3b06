/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claims_authz: who passes by which claims, what is named when not, no type taken for another, parts of the request that
 * could be read in two ways, identity headers.
 */
#include "fake_chain.h"

#include <string.h>

#include "filters/access_token.h"
#include "filters/registry.h"
#include "sallyport/filters/http/claims_authz/v1/claims_authz.pb-c.h"

#define OPS &sp_claims_authz_ops
#define DESC &sallyport__filters__http__claims_authz__v1__claims_authz__descriptor
#define ROUTE_DESC &sallyport__filters__http__claims_authz__v1__claims_authz_per_route__descriptor
#define JWT "envoy.filters.http.jwt_authn"
#define SOURCES "sources: [{key: claims}]\n"

static struct fake_stream s;

static void metadata(const char *ns, const char *key, const char *json)
{
    struct sp_filter f = {.chain = (struct sp_chain *)(void *)&s};
    sp_filter_set_metadata(&f, sp_str_c(ns), sp_str_c(key), sp_str_c(json));
}

/* Runs one request with these claims (NULL: none); the details of its refusal, or NULL. */
static const char *run(const struct fake_config *c, const char *path, const char *claims)
{
    static char details[600];
    fake_stream_init(&s, path);
    if (claims)
        metadata(JWT, "claims", claims);
    enum sp_status st = fake_decode(&s, c);
    assert_int_equal(st == SP_STOP, s.replied);
    snprintf(details, sizeof(details), "%.*s", SP_STR_ARG(s.reply.details));
    return s.replied ? details : NULL;
}

static void allowed(const struct fake_config *c, const char *claims)
{
    const char *why = run(c, "/t/acme/x", claims);
    if (why)
        fail_msg("%s: %s", claims, why);
    fake_stream_done(&s);
}

static void denied(const struct fake_config *c, const char *claims, const char *details)
{
    const char *why = run(c, "/t/acme/x", claims);
    if (!why || strcmp(why, details) != 0)
        fail_msg("%s: %s, not %s", claims ? claims : "none", why ? why : "allowed", details);
    assert_true(s.reply.no_store);
    assert_int_equal(s.reply.status, claims ? 403 : 401);
    fake_stream_done(&s);
}

#define DENIED(what) "claims_authz_denied{" what "}"

static struct fake_config *config(const char *requires)
{
    char yaml[2000];
    snprintf(yaml, sizeof(yaml), SOURCES "requires: {%s}\n", requires);
    return fake_config_new(OPS, DESC, yaml);
}

static void test_nobody(void **state)
{
    struct fake_config *c = config("authenticated: true");
    uint64_t before = fake_stat("claims_authz.unauthenticated");
    denied(c, NULL, DENIED("no_verified_token"));
    assert_int_equal(fake_stat("claims_authz.unauthenticated"), before + 1);
    allowed(c, "{}");
    run(c, "/", NULL);
    assert_string_equal(fake_reply_header(&s, "www-authenticate"), "Bearer realm=\"api\"");
    fake_replied(&s, 401, "Unauthorized", DENIED("no_verified_token"));
    fake_stream_done(&s);
    /* What is no object of claims is nobody's either. */
    static const char *const bad[] = {"\"claims\"", "7", "[{}]", "{\"a\":1,\"a\":2}", "{\"a\"", "", "true"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++)
        denied(c, bad[i], DENIED("claims_unreadable"));
    fake_config_free(c);
}

static void test_scopes(void **state)
{
    struct fake_config *c = config("scopes: {all_of: [read, 'write:x']}");
    allowed(c, "{\"scope\":\"read write:x\"}");
    allowed(c, "{\"scope\":\"a write:x read b\"}");
    allowed(c, "{\"scp\":[\"write:x\",\"read\"]}");
    allowed(c, "{\"scp\":\"read\",\"scope\":\"write:x\"}");
    denied(c, "{}", DENIED("scope:read,scope:write:x"));
    denied(c, "{\"scope\":\"read\"}", DENIED("scope:write:x"));
    denied(c, "{\"scope\":\"READ write:x\"}", DENIED("scope:read"));
    denied(c, "{\"scope\":\"read,write:x\"}", DENIED("scope:read,scope:write:x"));
    denied(c, "{\"scope\":\"read\\twrite:x\"}", DENIED("scope:read,scope:write:x"));
    denied(c, "{\"scope\":{\"read\":true,\"write:x\":true}}", DENIED("scope:read,scope:write:x"));
    denied(c, "{\"scope\":[[\"read\",\"write:x\"]]}", DENIED("scope:read,scope:write:x"));
    denied(c, "{\"scope\":null,\"scp\":7}", DENIED("scope:read,scope:write:x"));
    denied(c, "{\"scp\":[\"read write:x\"]}", DENIED("scope:read,scope:write:x")); /* an element is one scope */
    run(c, "/", "{\"scope\":\"other\"}");
    assert_string_equal(fake_reply_header(&s, "www-authenticate"),
                        "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"read write:x\"");
    fake_replied(&s, 403, "Forbidden", DENIED("scope:read,scope:write:x"));
    fake_stream_done(&s);
    fake_config_free(c);

    c = config("scopes: {any_of: [read, admin]}");
    allowed(c, "{\"scope\":\"admin\"}");
    denied(c, "{\"scope\":\"rea\"}", DENIED("scope:read")); /* one that would do */
    fake_config_free(c);
}

static void test_roles_and_groups(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, SOURCES "role_claims: [realm_access.roles, role]\n"
        "requires: {all_of: {requirements: [{roles: {any_of: [editor, admin]}}, {groups: {all_of: ['A team']}}]}}");
    allowed(c, "{\"realm_access\":{\"roles\":[\"x\",\"admin\"]},\"groups\":[\"A team\"]}");
    allowed(c, "{\"role\":\"editor\",\"groups\":\"A team\"}"); /* whole, with its space */
    denied(c, "{\"role\":\"editor\",\"groups\":\"A team B\"}", DENIED("group:A team"));
    denied(c, "{\"roles\":[\"admin\"],\"groups\":[\"A team\"]}", DENIED("role:editor")); /* not the claims that are named */
    denied(c, "{}", DENIED("role:editor,group:A team"));
    run(c, "/", "{}");
    assert_string_equal(fake_reply_header(&s, "www-authenticate"), "Bearer realm=\"api\", error=\"insufficient_scope\"");
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_types_are_not_taken_for_another(void **state)
{
    struct fake_config *c = config("claim: {name: a.b, boolean: true}");
    allowed(c, "{\"a\":{\"b\":true}}");
    allowed(c, "{\"a.b\":true}");
    static const char *const wrong[] = {"{\"a\":{\"b\":\"true\"}}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":false}}", "{\"a\":true}", "{}",
                                        "{\"a\":{\"b\":[true]}}", "{\"a\":{\"b\":null}}", "{\"a\":[{\"b\":true}]}"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(wrong); i++)
        denied(c, wrong[i], DENIED("claim:a.b"));
    fake_config_free(c);

    c = config("claim: {name: num, integer: 5}");
    allowed(c, "{\"num\":5}");
    denied(c, "{\"num\":\"5\"}", DENIED("claim:num"));
    denied(c, "{\"num\":5.0}", DENIED("claim:num"));
    denied(c, "{\"num\":[5]}", DENIED("claim:num"));
    fake_config_free(c);

    c = config("claim: {name: v, values: {any_of: ['5', 'true', 'a b', 'null']}}");
    allowed(c, "{\"v\":\"5\"}");
    allowed(c, "{\"v\":[1,null,\"a b\"]}");
    static const char *const not_text[] = {"{\"v\":5}", "{\"v\":true}", "{\"v\":null}", "{\"v\":[5,true,null]}", "{\"v\":\"a\"}",
                                           "{\"v\":\"5 \"}", "{\"v\":\"\"}", "{\"v\":{\"5\":\"5\"}}", "{\"v\":\"5\\u0020x\"}"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(not_text); i++)
        denied(c, not_text[i], DENIED("claim:v:5"));
    fake_config_free(c);

    c = config("claim: {name: v, words: {all_of: [a, b]}}");
    allowed(c, "{\"v\":\"b  a\"}");
    denied(c, "{\"v\":\"a\"}", DENIED("claim:v:b"));
    fake_config_free(c);
}

static void test_trees(void **state)
{
    struct fake_config *c = config("any_of: {requirements: [{all_of: {requirements: [{roles: {all_of: [r]}}, {scopes: {all_of: [s]}}]}},"
                                   " {scopes: {all_of: [x, z]}}, {claim: {name: root, boolean: true}}]}");
    allowed(c, "{\"roles\":\"r\",\"scope\":\"s\"}");
    allowed(c, "{\"scope\":\"x z\"}");
    allowed(c, "{\"root\":true}");
    denied(c, "{\"roles\":\"r\"}", DENIED("scope:s")); /* the first way that scopes alone would open */
    denied(c, "{\"scope\":\"x\"}", DENIED("scope:z"));
    denied(c, "{\"root\":false}", DENIED("scope:x,scope:z"));
    fake_config_free(c);
    /* Many: named up to a limit, refused all the same. */
    char yaml[1000] = "scopes: {all_of: [";
    for (unsigned i = 0; i < 30; i++)
        snprintf(yaml + strlen(yaml), sizeof(yaml) - strlen(yaml), "s%u%s", i, i < 29 ? ", " : "]}");
    c = config(yaml);
    assert_non_null(run(c, "/", "{}"));
    assert_null(strstr(fake_reply_header(&s, "www-authenticate"), "s16"));
    fake_stream_done(&s);
    fake_config_free(c);
}

/* Whether the tenant "acme" gets through on this path. */
static bool by_path(const struct fake_config *c, const char *path)
{
    const char *why = run(c, path, "{\"tenant\":\"acme\"}");
    if (why)
        assert_string_equal(why, DENIED("tenant"));
    fake_stream_done(&s);
    return !why;
}

static void test_tenant_in_path(void **state)
{
    static const char *const good[] = {"/t/acme", "/t/acme/", "/t/acme/x?y=/t/evil", "/t/acme/a%20b", "/t/acme/x//y", "/T/acme",
                                       "/t;a/acme", "/t/acme/...", "/t/acme/.x"};
    static const char *const bad[] = {"/t/evil", "/t/ACME", "/t", "/", "/t/", "/t/acme;x", "/t/acme%2e", "/t/%61cme", "/t/acme%2fx",
                                      "/t/acme/../evil", "/t/acme/..", "/t/acme/%2e%2e/evil", "/t/acme/.%2E/evil",
                                      "/t/acme/..;a=b/evil", "/t/acme/%2E%2e;/evil", "/./t/acme", "/t/./acme", "//t/acme", "/t//acme",
                                      "/t\\acme", "/t/acme\\..\\evil", "/t/acme/..%5cevil", "/t/acme%252f..%252fevil", "/t/evil/acme",
                                      "/t/acme#/../evil", "/t/evil?/t/acme", "*", "t/acme", "/;x/acme/evil", "/;/acme", "/t/;/acme"};
    struct fake_config *c = config("tenant: {path_segment: 1}");
    for (unsigned i = 0; i < SP_ARRAY_LEN(good); i++)
        if (!by_path(c, good[i]))
            fail_msg("%s", good[i]);
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++)
        if (by_path(c, bad[i]))
            fail_msg("%s", bad[i]);
    allowed(c, "{\"tenant\":[\"other\",\"acme\"]}");
    denied(c, "{\"tenant\":{\"acme\":1}}", DENIED("tenant"));
    denied(c, "{\"tenant\":\"\"}", DENIED("tenant"));
    denied(c, "{}", DENIED("tenant"));
    fake_config_free(c);
}

static void test_tenant_in_host(void **state)
{
    static const struct {
        const char *host;
        bool yes;
    } cases[] = {{"acme.api.test", true}, {"ACME.API.test", true}, {"acme.api.test:8443", true}, {"evil.api.test", false},
                 {"acme.evil.api.test", false}, {"evil.acme.api.test", false}, {"acme.api.test.evil.test", false}, {"acmeapi.test", false},
                 {"acme.api.test.", false}, {".api.test", false}, {"api.test", false}, {"acme..api.test", false}, {"acme", false},
                 {"[::1]", false}, {"", false}};
    struct fake_config *c = config("tenant: {subdomain_of: API.test}");
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        fake_stream_init(&s, "/");
        s.request.authority = sp_str_c(cases[i].host);
        metadata(JWT, "claims", "{\"tenant\":\"acme\"}");
        if ((fake_decode(&s, c) == SP_CONTINUE) != cases[i].yes)
            fail_msg("%s", cases[i].host);
        fake_stream_done(&s);
    }
    fake_config_free(c);
}

static bool by_header(const struct fake_config *c, const char *name, const char *value, const char *more)
{
    fake_stream_init(&s, "/");
    if (name)
        fake_header(&s, name, value);
    if (more)
        fake_header(&s, more, "acme");
    metadata(JWT, "claims", "{\"org\":{\"id\":\"acme\"}}");
    bool yes = fake_decode(&s, c) == SP_CONTINUE;
    fake_stream_done(&s);
    return yes;
}

static void test_claim_equals_header(void **state)
{
    struct fake_config *c = config("claim: {name: org.id, equals: {header: X-Org-Id}}");
    assert_true(by_header(c, "x-org-id", "acme", NULL));
    assert_true(by_header(c, "x-org-id", "acme", "x-other"));
    assert_false(by_header(c, "x-org-id", "evil", NULL));
    assert_false(by_header(c, "x-org-id", "", NULL));
    assert_false(by_header(c, NULL, NULL, NULL));
    assert_false(by_header(c, "x-org-id", "acme", "x-org-id")); /* twice */
    assert_false(by_header(c, "x_org-id", "acme", NULL));       /* its twin */
    assert_false(by_header(c, "x-org-id", "acme", "x_org_id"));
    assert_false(by_header(c, "x-org-id", "acme,evil", NULL));
    fake_config_free(c);
}

static void test_sources(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC,
        "sources: [{key: claims}, {metadata_namespace: sallyport.filters.http.token_introspection, key: token}]\n"
        "requires: {scopes: {all_of: [a, b]}}\n");
    fake_stream_init(&s, "/"); /* the other filter's alone */
    metadata("sallyport.filters.http.token_introspection", "token", "{\"scope\":\"a b\"}");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    fake_stream_done(&s);
    fake_stream_init(&s, "/"); /* two tokens are not added up */
    metadata("sallyport.filters.http.token_introspection", "token", "{\"scope\":\"a b\"}");
    metadata(JWT, "claims", "{\"scope\":\"a\"}");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_stream_done(&s);
    fake_stream_init(&s, "/"); /* other namespaces and keys are nobody's proof */
    metadata("token_introspection", "token", "{\"scope\":\"a b\"}");
    metadata(JWT, "failed", "{\"scope\":\"a b\"}");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    assert_int_equal(s.reply.status, 401);
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_scheme_of_the_challenge(void **state)
{
    static const char *const schemes[] = {"Bearer", "DPoP", "bearer", "dpop", "Other"};
    struct fake_config *c = config("scopes: {all_of: [read]}");
    for (unsigned i = 0; i < SP_ARRAY_LEN(schemes); i++) {
        char value[32];
        fake_stream_init(&s, "/");
        snprintf(value, sizeof(value), "%s tok", schemes[i]);
        fake_header(&s, "authorization", value);
        sp_access_token_note(&s.info, &s.request, SP_STR("tok"));
        metadata(JWT, "claims", "{\"scope\":\"write\"}");
        assert_int_equal(fake_decode(&s, c), SP_STOP);
        assert_int_equal(s.reply.status, 403);
        assert_string_equal(fake_reply_header(&s, "www-authenticate"),
                            i % 2 ? "DPoP realm=\"api\", error=\"insufficient_scope\", scope=\"read\""
                                  : "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"read\"");
        fake_stream_done(&s);
    }
    fake_config_free(c);
}

#define HEADERS "claim_to_headers: [{header_name: X-User, claim_name: sub}, {header_name: x-org, claim_name: org.id}]\n"

static void test_identity_headers(void **state)
{
    struct fake_config *c = fake_config_new(OPS, DESC, SOURCES HEADERS "requires: {scopes: {all_of: [a]}}\n");
    fake_filter_config = c->config;
    struct fake_config *off = fake_route_config_new(OPS, ROUTE_DESC, "disabled: true");
    static const char *const claims[] = {"{\"sub\":\"alice\",\"org\":{\"id\":7},\"scope\":\"a\"}", "{\"scope\":\"a\"}",
                                         "{\"sub\":\"a\\r\\nx: y\",\"scope\":\"a\"}", NULL};
    static const char *const user[] = {"alice", NULL, NULL, NULL}, *const org[] = {"7", NULL, NULL, NULL};
    for (unsigned i = 0; i < SP_ARRAY_LEN(claims); i++) {
        fake_stream_init(&s, "/");
        fake_header(&s, "x-user", "mallory");
        fake_header(&s, "x_user", "mallory");
        fake_header(&s, "x-org", "1");
        if (claims[i])
            metadata(JWT, "claims", claims[i]);
        s.route_config = i == 3 ? off->config : NULL;
        assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
        assert_null(fake_request_header(&s, "x_user"));
        const char *got[] = {fake_request_header(&s, "x-user"), fake_request_header(&s, "x-org")};
        assert_string_equal(got[0] ? got[0] : "none", user[i] ? user[i] : "none");
        assert_string_equal(got[1] ? got[1] : "none", org[i] ? org[i] : "none");
        assert_true(sp_headers_count(&s.request, SP_STR("x-user")) <= 1);
        fake_stream_done(&s);
    }
    /* Refused, as a staged filter may be let pass: no word of the client's is left, trailers included. */
    fake_stream_init(&s, "/");
    fake_header(&s, "x-user", "mallory");
    metadata(JWT, "claims", "{\"sub\":\"alice\"}");
    struct sp_filter *f = fake_filter(&s, c);
    assert_int_equal((OPS)->decode_headers(f, &s.request, false), SP_STOP);
    assert_string_equal(fake_request_header(&s, "x-user"), "alice");
    struct sp_headers t;
    sp_headers_init(&t, &s.arena);
    sp_headers_add(&t, SP_STR("x-user"), SP_STR("mallory"));
    assert_int_equal((OPS)->decode_trailers(f, &t), SP_CONTINUE);
    assert_int_equal(t.n, 0);
    fake_stream_done(&s);
    fake_config_free(off);
    fake_config_free(c);
}

static void test_routes(void **state)
{
    struct fake_config *c = config("scopes: {all_of: [a]}");
    fake_filter_config = c->config;
    struct fake_config *off = fake_route_config_new(OPS, ROUTE_DESC, "disabled: true"),
                       *other = fake_route_config_new(OPS, ROUTE_DESC, "requires: {scopes: {all_of: [b]}}");
    static const struct {
        bool of_other;
        const char *claims;
        bool yes;
    } cases[] = {{true, "{\"scope\":\"b\"}", true}, {true, "{\"scope\":\"a\"}", false}, {true, NULL, false}, {false, NULL, true},
                 {false, "7", true}};
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        fake_stream_init(&s, "/");
        s.route_config = cases[i].of_other ? other->config : off->config;
        if (cases[i].claims)
            metadata(JWT, "claims", cases[i].claims);
        assert_int_equal(fake_decode(&s, c) == SP_CONTINUE, cases[i].yes);
        fake_stream_done(&s);
    }
    fake_config_free(off);
    fake_config_free(other);
    fake_config_free(c);
}

static void bad(const char *requires, const char *words)
{
    char yaml[600];
    snprintf(yaml, sizeof(yaml), SOURCES "requires: {%s}\n", requires);
    fake_config_refused(OPS, DESC, yaml, words);
}

static void test_config_errors(void **state)
{
    fake_config_refused(OPS, DESC, "requires: {authenticated: true}", "sources");
    fake_config_refused(OPS, DESC, "sources: []\nrequires: {authenticated: true}", "sources");
    fake_config_refused(OPS, DESC, "sources: [{}]\nrequires: {authenticated: true}", "sources[0].key");
    fake_config_refused(OPS, DESC, SOURCES, "requires");
    fake_config_refused(OPS, DESC, SOURCES "requires: {authenticated: true}\nrealm: 'a\"b'", "realm");
    fake_config_refused(OPS, DESC, SOURCES "requires: {authenticated: true}\nscope_claims: []", "scope_claims");
    fake_config_refused(OPS, DESC, SOURCES "requires: {authenticated: true}\n"
                        "claim_to_headers: [{header_name: host, claim_name: x}, {header_name: content-length, claim_name: x}]",
                        "claim_to_headers[0]|claim_to_headers[1]");
    bad("", "requires");
    bad("authenticated: false", "authenticated");
    bad("all_of: {requirements: []}", "requirements");
    bad("scopes: {}", "either all_of or any_of");
    bad("scopes: {all_of: []}", "all_of");
    bad("scopes: {all_of: [a], any_of: [b]}", "either all_of or any_of");
    bad("scopes: {all_of: ['a b', 'a\"']}", "all_of[0]|all_of[1]");
    bad("roles: {any_of: ['a b']}", "one word each");
    bad("claim: {name: '', boolean: true}", "name");
    bad("claim: {name: x}", "claim");
    bad("tenant: {}", "tenant");
    bad("tenant: {path_segment: 64}", "path_segment");
    bad("tenant: {subdomain_of: '*.x.test'}", "no plain domain");
    bad("tenant: {subdomain_of: .x.test}", "no plain domain");
    bad("tenant: {subdomain_of: 'x.test:8'}", "no plain domain");
    bad("tenant: {subdomain_of: ''}", "no plain domain");
    bad("tenant: {header: ':path'}", "ordinary header");
    bad("any_of: {requirements: [{scopes: {}}, {tenant: {header: host}}]}", "either all_of|ordinary header");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scheme_of_the_challenge),
        cmocka_unit_test(test_nobody),           cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_roles_and_groups), cmocka_unit_test(test_types_are_not_taken_for_another),
        cmocka_unit_test(test_trees),            cmocka_unit_test(test_tenant_in_path),
        cmocka_unit_test(test_tenant_in_host),   cmocka_unit_test(test_claim_equals_header),
        cmocka_unit_test(test_sources),          cmocka_unit_test(test_identity_headers),
        cmocka_unit_test(test_routes),           cmocka_unit_test(test_config_errors),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
