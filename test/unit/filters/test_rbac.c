/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rbac: what is stricter than Envoy, or cannot be seen beside it (test_envoy_rbac.py compares the rest): who cannot be
 * told apart is refused, certificates have to be verified, config errors, shadow rules.
 */
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb-c.h"
#include "fake_chain.h"
#include "filters/registry.h"

#define OPS &sp_rbac_ops
#define DESC &envoy__extensions__filters__http__rbac__v3__rbac__descriptor
#define ROUTE_DESC &envoy__extensions__filters__http__rbac__v3__rbacper_route__descriptor
#define NS "envoy.filters.http.rbac"
#define WHO(principal) "{policies: {p: {permissions: [{any: true}], principals: [" principal "]}}}"
#define NOT_WHO(principal) "{action: DENY, policies: {p: {permissions: [{any: true}], principals: [" principal "]}}}"
#define RULES(rules) "rules: " rules "\n"

static struct fake_stream s;
static struct fake_config *c;

static void begin(const char *yaml)
{
    c = fake_config_new(OPS, DESC, yaml);
    fake_stream_init(&s, "/a/b?c=/d");
}

static void finish(void)
{
    fake_stream_done(&s);
    fake_config_free(c);
}

static void allowed(void)
{
    uint64_t before = fake_stat("rbac.allowed");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_false(s.replied);
    assert_int_equal(fake_stat("rbac.allowed"), before + 1);
    assert_string_equal(fake_metadata(&s, NS, "enforced_engine_result"), "\"allowed\"");
    s.info.metadata = NULL;
}

static void denied(const char *details)
{
    uint64_t before = fake_stat("rbac.denied");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_replied(&s, 403, "RBAC: access denied", details);
    assert_int_equal(fake_stat("rbac.denied"), before + 1);
    assert_string_equal(fake_metadata(&s, NS, "enforced_engine_result"), "\"denied\"");
    s.info.metadata = NULL;
    s.replied = false;
}

#define NONE "rbac_access_denied_matched_policy[none]"
#define P "rbac_access_denied_matched_policy[p]"
#define UNDECIDED "rbac_access_denied_undecided"

static void test_three_addresses(void **state)
{
    static const char *const yaml[] = {
        RULES(WHO("{direct_remote_ip: {address_prefix: 203.0.113.9, prefix_len: 32}}")),
        RULES(WHO("{source_ip: {address_prefix: 203.0.113.9, prefix_len: 32}}")),
        RULES(WHO("{remote_ip: {address_prefix: 203.0.113.9, prefix_len: 32}}")),
    };
    for (unsigned i = 0; i < 3; i++) {
        begin(yaml[i]);
        struct sp_addr *of[] = {&s.conn.socket, &s.conn.peer, &s.info.client};
        for (unsigned j = 0; j < 3; j++) {
            fake_address(&s, "192.0.2.1");
            *of[j] = fake_ip("203.0.113.9");
            if (i == j)
                allowed();
            else
                denied(NONE);
            *of[j] = fake_ip("::ffff:203.0.113.9"); /* the other spelling */
            if (i == j)
                allowed();
            else
                denied(NONE);
        }
        finish();
    }
}

/* A CLIENT that could not be derived is nobody, neither in an ALLOW nor in a DENY, nor behind a not. */
static void test_client_unknown(void **state)
{
    static const char *const yaml[] = {
        RULES(WHO("{remote_ip: {address_prefix: 192.0.2.0, prefix_len: 24}}")),
        RULES(NOT_WHO("{remote_ip: {address_prefix: 203.0.113.0, prefix_len: 24}}")),
        RULES(WHO("{not_id: {remote_ip: {address_prefix: 203.0.113.0, prefix_len: 24}}}")),
        RULES(WHO("{or_ids: {ids: [{remote_ip: {address_prefix: 203.0.113.0, prefix_len: 24}}, {any: true}]}}")),
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(yaml); i++) {
        begin(yaml[i]);
        allowed();
        s.info.client_failed = true;
        denied(UNDECIDED);
        finish();
    }
    begin(RULES(WHO("{direct_remote_ip: {address_prefix: 192.0.2.0, prefix_len: 24}}"))); /* does not ask for it */
    s.info.client_failed = true;
    allowed();
    finish();
}

static void test_expression_at_its_limit(void **state)
{
    char text[600] = "";
    memset(text, 'a', 500);
    text[500] = 'c';
    begin(RULES(NOT_WHO("{header: {name: x-a, string_match: {safe_regex: {regex: '(a+)+bc'}}}}")));
    fake_header(&s, "x-a", "ac");
    allowed();
    finish();
    begin(RULES(NOT_WHO("{header: {name: x-a, string_match: {safe_regex: {regex: '(a+)+bc'}}}}")));
    fake_header(&s, "x-a", text);
    denied(UNDECIDED);
    finish();
    begin(RULES("{action: DENY, policies: {p: {principals: [{any: true}], permissions: [{url_path: {path: "
                "{safe_regex: {regex: '/(a+)+bc'}}}}]}}}"));
    s.request.path = sp_arena_printf(&s.arena, "/%s", text);
    denied(UNDECIDED);
    finish();
}

static void test_unreadable_metadata(void **state)
{
    const char *yaml = RULES(NOT_WHO("{metadata: {filter: ns, path: [{key: k}, {key: x}], value: {bool_match: true}}}"));
    static const struct {
        const char *json;
        int result; /* 1 allowed, 0 denied by the policy, -1 undecided */
    } cases[] = {{"{\"x\":true}", 0}, {"{\"x\":false}", 1}, {"{\"x\":\"true\"}", 1}, {"[]", 1}, {"7", 1}, {"\"x\"", 1},
                 {"{\"x\":true,\"x\":false}", -1}, {"{\"x\":tru", -1}, {"", -1}};
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_metadata m = {.ns = SP_STR("ns"), .key = SP_STR("k"), .json = sp_str_c(cases[i].json)};
        begin(yaml);
        s.info.metadata = &m;
        if (cases[i].result > 0)
            allowed();
        else
            denied(cases[i].result < 0 ? UNDECIDED : P);
        finish();
    }
    begin(yaml); /* none at all */
    allowed();
    finish();
}

static void test_certificates(void **state)
{
    static const struct sp_str uri[] = {SP_STR_INIT("spiffe://a/b"), SP_STR_INIT("spiffe://c/d")},
                               dns[] = {SP_STR_INIT("a.test")};
    static const struct {
        const char *match;
        bool yes;
    } cases[] = {{"exact: spiffe://c/d", true}, {"exact: a.test", true}, {"exact: CN=x", true}, {"prefix: spiffe", true},
                 {"exact: spiffe://e", false}, {"exact: x", false}};
    fake_tls = fake_tls_verifies = true;
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        char yaml[300];
        snprintf(yaml, sizeof(yaml), "rules: " WHO("{authenticated: {principal_name: {%s}}}"), cases[i].match);
        fake_tls = fake_tls_verifies = true;
        begin(yaml);
        s.conn.tls_used = true;
        s.tls = (struct sp_tls_info){.peer_presented = true, .peer_verified = true, .peer_subject = SP_STR("CN=x"),
                                     .peer_uri = uri, .n_peer_uri = 2, .peer_dns = dns, .n_peer_dns = 1};
        if (cases[i].yes)
            allowed();
        else
            denied(NONE);
        s.tls.peer_verified = false; /* shown, and not verified */
        denied(NONE);
        finish();
    }
    fake_tls = fake_tls_verifies = true;
    begin(RULES(WHO("{authenticated: {}}")));
    s.conn.tls_used = true;
    denied(NONE); /* TLS alone is nobody's proof */
    s.tls.peer_presented = s.tls.peer_verified = true;
    allowed();
    finish();
    fake_config_refused(OPS, DESC, RULES(WHO("{authenticated: {}}")), "verifies no client certificates");
}

static void test_path_is_without_query(void **state)
{
    begin(RULES("{policies: {p: {principals: [{any: true}], permissions: [{url_path: {path: {exact: /a/b}}}]}}}"));
    allowed();
    s.request.path = SP_STR("/a/b/?");
    denied(NONE);
    s.request.path = SP_STR("/x?/a/b");
    denied(NONE);
    finish();
}

static void test_shadow_rules(void **state)
{
    begin("shadow_rules: " NOT_WHO("{any: true}") "\nshadow_rules_stat_prefix: next_\n");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_true(sp_str_eq(s.shadow, SP_STR(P)));
    assert_int_equal(fake_stat("rbac.next_.shadow_denied"), 1);
    assert_string_equal(fake_metadata(&s, NS, "next_shadow_engine_result"), "\"denied\"");
    assert_string_equal(fake_metadata(&s, NS, "next_shadow_effective_policy_id"), "\"p\"");
    assert_null(fake_metadata(&s, NS, "enforced_engine_result"));
    finish();
    begin("shadow_rules: " NOT_WHO("{remote_ip: {address_prefix: 10.0.0.0, prefix_len: 8}}"));
    s.info.client_failed = true;
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_true(sp_str_eq(s.shadow, SP_STR(UNDECIDED)));
    finish();
}

/* A long list is a table: the same answers, for each kind of address, beside other principals. */
static void test_many_addresses(void **state)
{
    char list[4000] = "";
    for (unsigned i = 0; i < 40; i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "{%s: {address_prefix: 10.%u.0.0, prefix_len: 16}}, ",
                 i % 2 ? "remote_ip" : "direct_remote_ip", i);
    for (unsigned nested = 0; nested < 2; nested++) {
        char yaml[5000];
        snprintf(yaml, sizeof(yaml), "rules: {policies: {p: {permissions: [{any: true}], principals: [%s%s"
                 "{header: {name: x-ok, present_match: true}}, {remote_ip: {address_prefix: '2001:db8::', prefix_len: 32}}%s]}}}",
                 nested ? "{or_ids: {ids: [" : "", list, nested ? "]}}" : "");
        begin(yaml);
        for (unsigned i = 0; i < 41; i++) {
            fake_address(&s, "192.0.2.1");
            struct sp_addr *meant = i % 2 ? &s.info.client : &s.conn.socket, *other = i % 2 ? &s.conn.socket : &s.info.client;
            char ip[32];
            snprintf(ip, sizeof(ip), "10.%u.3.4", i);
            *meant = fake_ip(ip);
            if (i < 40)
                allowed();
            else
                denied(NONE);
            *meant = fake_ip("192.0.2.1");
            *other = fake_ip(ip);
            denied(NONE);
        }
        fake_address(&s, "2001:db8::9");
        allowed();
        s.info.client_failed = true;
        denied(UNDECIDED);
        s.info.client_failed = false;
        fake_address(&s, "192.0.2.1");
        fake_header(&s, "x-ok", "1");
        allowed();
        finish();
    }
}

static void test_route(void **state)
{
    struct fake_config *off = fake_route_config_new(OPS, ROUTE_DESC, "{}");
    struct fake_config *other = fake_route_config_new(OPS, ROUTE_DESC, "rbac: {rules: {}}");
    begin(RULES(WHO("{any: true}")));
    allowed();
    s.route_config = other->config;
    denied(NONE); /* no policies: nobody */
    s.route_config = off->config;
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    finish();
    fake_config_free(off);
    fake_config_free(other);
}

static void test_config_errors(void **state)
{
    fake_config_refused(OPS, DESC, RULES(WHO("{}")), "principals[0]");
    fake_config_refused(OPS, DESC, RULES(WHO("{any: false}")), "any");
    fake_config_refused(OPS, DESC, RULES(WHO("{and_ids: {ids: []}}")), "ids");
    fake_config_refused(OPS, DESC, "rules: {policies: {p: {permissions: [], principals: [{any: true}]}}}", "permissions");
    fake_config_refused(OPS, DESC, "rules: {policies: {p: {permissions: [{any: true}]}}}", "principals");
    fake_config_refused(OPS, DESC, "rules: {policies: {p: {}}}", "permissions");
    fake_config_refused(OPS, DESC, RULES(WHO("{remote_ip: {address_prefix: 10.0.0.1}}")), "prefix_len is missing");
    fake_config_refused(OPS, DESC, RULES(WHO("{remote_ip: {address_prefix: x, prefix_len: 8}}")), "not an IPv4 or IPv6");
    fake_config_refused(OPS, DESC, RULES(WHO("{filter_state: {key: x}}")), "filter_state");
    fake_config_refused(OPS, DESC, "rules: {policies: {p: {permissions: [{any: true}], principals: [{any: true}], "
                                   "condition: {}}}}", "condition");
    fake_config_refused(OPS, DESC, "matcher: {}", "matcher");
    fake_config_refused(OPS, DESC, "rules: {policies: {p: {principals: [{any: true}], permissions: [{uri_template: {}}]}}}",
                        "uri_template");
    fake_config_refused(OPS, DESC, "rules: {policies: {p: {principals: [{any: true}], permissions: [{uri_template: {name: t, "
                        "typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}}]}}}",
                        "only envoy.extensions.path.match.uri_template");
    fake_config_refused(OPS, DESC, "rules: {policies: {p: {principals: [{any: true}], permissions: "
                        "[{destination_port_range: {start: 5, end: 5}}]}}}", "no range of ports");
    fake_config_refused(OPS, DESC, "rules: {policies: {p: {principals: [{any: true}], permissions: "
                        "[{destination_port: 70000}]}}}", "destination_port");
    fake_config_refused(OPS, DESC, RULES(WHO("{sourced_metadata: {metadata_source: ROUTE, metadata_matcher: {filter: a, "
                        "path: [{key: b}], value: {null_match: {}}}}}")), "metadata_source");
    fake_config_refused(OPS, DESC, RULES(WHO("{metadata: {filter: a, path: [], value: {null_match: {}}}}")), "path");
    fake_config_refused(OPS, DESC, RULES(WHO("{metadata: {filter: a, path: [{key: b}], value: {}}}")), "value");
}

/* A path that is not normalised is warned of. */
static void test_warnings(void **state)
{
    static const char *const paths[] = {"url_path: {path: {prefix: /admin}}", "header: {name: ':Path', present_match: true}"};
    for (unsigned i = 0; i < 2; i++) {
        char yaml[300];
        snprintf(yaml, sizeof(yaml), "rules: {policies: {p: {principals: [{any: true}], permissions: [{%s}]}}}", paths[i]);
        begin(yaml);
        assert_int_equal(c->diag.n_warnings, 1);
        finish();
    }
    begin(RULES(WHO("{header: {name: x-path, present_match: true}}")));
    assert_int_equal(c->diag.n_warnings, 0);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_addresses),         cmocka_unit_test(test_client_unknown),
        cmocka_unit_test(test_expression_at_its_limit), cmocka_unit_test(test_unreadable_metadata),
        cmocka_unit_test(test_certificates),            cmocka_unit_test(test_path_is_without_query),
        cmocka_unit_test(test_many_addresses),          cmocka_unit_test(test_shadow_rules),            cmocka_unit_test(test_route),
        cmocka_unit_test(test_config_errors),           cmocka_unit_test(test_warnings),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
