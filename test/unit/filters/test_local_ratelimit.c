/* SPDX-License-Identifier: GPL-2.0-or-later */
/* local_ratelimit: when it counts, refuses, lets pass and tells; whose bucket; what is refused in a config. */
#include "fake_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb-c.h"
#include "filters/registry.h"
#include "support/config.h"

#define DESC &envoy__extensions__filters__http__local_ratelimit__v3__local_rate_limit__descriptor
#define ON "filter_enabled: {default_value: {numerator: 100}}\nfilter_enforced: {default_value: {numerator: 100}}\n"
#define BUCKET(n) "token_bucket: {max_tokens: " n ", fill_interval: 60s}\n"

static struct fake_config *config(const char *yaml)
{
    return fake_config_new(&sp_local_ratelimit_ops, DESC, yaml);
}

static enum sp_status ask(const struct fake_config *c, const char *ip, uint64_t conn, uint64_t now_ns, struct fake_stream *s)
{
    fake_stream_init(s, "/p");
    fake_address(s, ip);
    s->conn.id = conn;
    s->turn.now_ns = now_ns;
    return fake_decode(s, c);
}

/* How many of n requests pass. */
static unsigned pass(const struct fake_config *c, const char *ip, uint64_t conn, unsigned n)
{
    unsigned passed = 0;
    for (unsigned i = 0; i < n; i++) {
        struct fake_stream s;
        passed += ask(c, ip, conn, 5 * SP_NS_PER_S, &s) == SP_CONTINUE;
        fake_stream_done(&s);
    }
    return passed;
}

static uint64_t counter(const char *name)
{
    char full[128];
    uint64_t value;
    snprintf(full, sizeof(full), "%s", name);
    if (sp_stats_find(sp_str_c(full), &value) < 0)
        fail_msg("there is no stat %s", full);
    return value;
}

static void refuses(void **state)
{
    struct fake_config *c = config("stat_prefix: r\n" ON BUCKET("2"));
    struct fake_stream s;
    assert_int_equal(pass(c, "192.0.2.1", 1, 2), 2);
    assert_int_equal(ask(c, "192.0.2.2", 1, 5 * SP_NS_PER_S, &s), SP_STOP);
    fake_replied(&s, 429, "local_rate_limited", "local_rate_limited");
    assert_int_equal(s.reply.flags, SP_FLAG_RL);
    fake_stream_done(&s);
    assert_int_equal(ask(c, "192.0.2.2", 1, 65 * SP_NS_PER_S, &s), SP_CONTINUE); /* a minute later */
    fake_stream_done(&s);
    assert_int_equal(counter("r.http_local_rate_limit.enabled"), 4);
    assert_int_equal(counter("r.http_local_rate_limit.ok"), 3);
    assert_int_equal(counter("r.http_local_rate_limit.rate_limited"), 1);
    assert_int_equal(counter("r.http_local_rate_limit.enforced"), 1);
    fake_config_free(c);
}

static void lets_pass(void **state)
{
    struct fake_config *c = config("stat_prefix: p\nfilter_enabled: {default_value: {numerator: 100}}\n" BUCKET("1")
                                   "request_headers_to_add_when_not_enforced: [{header: {key: x-over, value: 'yes'}}]\n");
    struct fake_stream s;
    assert_int_equal(pass(c, "192.0.2.1", 1, 1), 1);
    assert_int_equal(ask(c, "192.0.2.1", 1, 5 * SP_NS_PER_S, &s), SP_CONTINUE);
    assert_string_equal(fake_request_header(&s, "x-over"), "yes");
    assert_string_equal(fake_metadata(&s, "envoy.filters.http.local_ratelimit", "not_enforced"), "true");
    assert_true(sp_str_eq(s.shadow, SP_STR("local_rate_limited")));
    fake_stream_done(&s);
    assert_int_equal(counter("p.http_local_rate_limit.rate_limited"), 1);
    assert_int_equal(counter("p.http_local_rate_limit.enforced"), 0);
    fake_config_free(c);
    /* not enabled, Envoy's default: not even counted */
    c = config("stat_prefix: none\n" BUCKET("1"));
    assert_int_equal(pass(c, "192.0.2.1", 1, 3), 3);
    assert_int_equal(counter("none.http_local_rate_limit.enabled"), 0);
    fake_config_free(c);
}

static void parts(void **state)
{
    struct fake_config *c = config("stat_prefix: h\nfilter_enabled: {default_value: {numerator: 100}}\n" BUCKET("1")
                                   "filter_enforced: {default_value: {numerator: 5000, denominator: TEN_THOUSAND}}\n");
    unsigned passed = pass(c, "192.0.2.1", 1, 1001);
    assert_in_range(passed, 350, 650);
    assert_int_equal(counter("h.http_local_rate_limit.rate_limited"), 1000);
    assert_int_equal(counter("h.http_local_rate_limit.enforced"), 1001 - passed);
    fake_config_free(c);
}

static void for_each_client(void **state)
{
    struct fake_config *c = config("stat_prefix: c\n" ON BUCKET("1000")
                                   "rate_limits: [{actions: [{remote_address: {}}]}]\n"
                                   "descriptors:\n"
                                   "- {entries: [{key: remote_address}], token_bucket: {max_tokens: 2, fill_interval: 60s}}\n"
                                   "- {entries: [{key: remote_address, value: 192.0.2.9}], token_bucket: {max_tokens: 5, fill_interval: 60s}}\n");
    assert_int_equal(pass(c, "192.0.2.1", 1, 4), 2);
    assert_int_equal(pass(c, "192.0.2.2", 2, 4), 2);
    assert_int_equal(pass(c, "2001:db8::1", 3, 4), 2);
    assert_int_equal(pass(c, "192.0.2.9", 4, 9), 5);
    assert_int_equal(pass(c, "192.0.2.1", 5, 4), 0);
    fake_config_free(c);
}

static void on_trial(void **state)
{
    struct fake_config *c = config("stat_prefix: s\n" ON "rate_limits: [{actions: [{remote_address: {}}]}]\n"
                                   "descriptors: [{entries: [{key: remote_address}], shadow_mode: true, "
                                   "token_bucket: {max_tokens: 1, fill_interval: 60s}}]\n");
    struct fake_stream s;
    assert_int_equal(pass(c, "192.0.2.1", 1, 3), 3);
    assert_int_equal(ask(c, "192.0.2.1", 1, 5 * SP_NS_PER_S, &s), SP_CONTINUE);
    assert_string_equal(fake_metadata(&s, "envoy.filters.http.local_ratelimit", "shadow_mode"), "true");
    fake_stream_done(&s);
    assert_int_equal(counter("s.http_local_rate_limit.ok"), 1);
    assert_int_equal(counter("s.http_local_rate_limit.rate_limited"), 3);
    assert_int_equal(counter("s.http_local_rate_limit.shadow_mode"), 3);
    assert_int_equal(counter("s.http_local_rate_limit.enforced"), 0);
    fake_config_free(c);
}

static void full_table(void **state)
{
    struct fake_config *c = config("stat_prefix: t\n" ON "rate_limits: [{actions: [{remote_address: {}}]}]\n"
                                   "max_dynamic_descriptors: 8\n"
                                   "descriptors: [{entries: [{key: remote_address}], token_bucket: {max_tokens: 1, fill_interval: 60s}}]\n");
    unsigned passed = 0;
    for (unsigned i = 0; i < 200; i++) {
        char ip[32];
        snprintf(ip, sizeof(ip), "2001:db8::%u", i);
        passed += pass(c, ip, 1, 1);
    }
    assert_int_equal(passed, 8);
    assert_int_equal(counter("t.http_local_rate_limit.buckets_taken_over"), 192);
    fake_config_free(c);
}

static void for_each_connection(void **state)
{
    struct fake_config *c = config("stat_prefix: k\n" ON BUCKET("2") "local_rate_limit_per_downstream_connection: true\n");
    assert_int_equal(pass(c, "192.0.2.1", 1, 4), 2);
    assert_int_equal(pass(c, "192.0.2.1", 2, 4), 2);
    assert_int_equal(pass(c, "192.0.2.1", 1, 4), 0);
    fake_config_free(c);
}

static void answer(const struct fake_config *c, struct fake_stream *s, const char *request)
{
    fake_stream_init(s, "/p");
    t_headers(&s->request, &s->arena, request);
    s->turn.now_ns = 5 * SP_NS_PER_S;
    struct sp_filter *f = fake_filter(s, c);
    bool refused = c->ops->decode_headers(f, &s->request, true) == SP_STOP;
    t_headers(&s->response, &s->arena, refused ? ":status: 429" : ":status: 200");
    s->has_response = true;
    assert_int_equal(c->ops->encode_headers(f, &s->response, true), SP_CONTINUE);
}

static void tells(void **state)
{
    struct fake_config *c = config("stat_prefix: x\n" ON "token_bucket: {max_tokens: 2, fill_interval: 20s}\n"
                                   "enable_x_ratelimit_headers: DRAFT_VERSION_03\nrate_limited_as_resource_exhausted: true\n"
                                   "response_headers_to_add: [{header: {key: x-path, value: '%REQ(:path)%'}}]\n");
    static const char *const expected[] = {
        ":status: 200\nx-ratelimit-limit: 2\nx-ratelimit-remaining: 1\nx-ratelimit-reset: 0\n",
        ":status: 200\nx-ratelimit-limit: 2\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 20\n",
        ":status: 429\nx-path: /p\nx-ratelimit-limit: 2\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 20\n",
        ":status: 429\ngrpc-status: 8\nx-path: /p\nx-ratelimit-limit: 2\nx-ratelimit-remaining: 0\nx-ratelimit-reset: 20\n",
    };
    for (unsigned i = 0; i < 4; i++) {
        struct fake_stream s;
        answer(c, &s, i == 3 ? ":method: POST\n:path: /p\ncontent-type: application/grpc" : ":method: GET\n:path: /p");
        assert_string_equal(t_headers_text(&s.response, &s.arena), expected[i]);
        fake_stream_done(&s);
    }
    fake_config_free(c);
}

static void of_a_route(void **state)
{
    struct fake_config *c = config("stat_prefix: all\n" ON BUCKET("1"));
    struct fake_config *r = fake_route_config_new(&sp_local_ratelimit_ops, DESC, "stat_prefix: own\n" ON BUCKET("2"));
    struct fake_stream s;
    for (unsigned i = 0; i < 3; i++) {
        fake_stream_init(&s, "/p");
        s.route_config = r->config;
        assert_int_equal(fake_decode(&s, c), i < 2 ? SP_CONTINUE : SP_STOP);
        fake_stream_done(&s);
    }
    assert_int_equal(counter("own.http_local_rate_limit.enforced"), 1);
    assert_int_equal(counter("all.http_local_rate_limit.enabled"), 0);
    fake_config_free(r);
    fake_config_free(c);
}

/* A reload gives nobody new tokens, unless what is said of buckets has changed. */
static void the_next_config(void **state)
{
#define BY_CLIENT "rate_limits: [{actions: [{remote_address: {}}]}]\ndescriptors: [{entries: [{key: remote_address}], " \
                  "token_bucket: {max_tokens: 2, fill_interval: 60s}}]\n"
    struct fake_config *c = config("stat_prefix: next\n" ON BUCKET("3") BY_CLIENT);
    assert_int_equal(pass(c, "192.0.2.1", 1, 9), 2);
    struct fake_config *other = config("stat_prefix: next\n" ON BUCKET("4") BY_CLIENT);
    assert_int_equal(pass(other, "192.0.2.1", 1, 9), 2);
    fake_config_free(other);
    for (unsigned i = 0; i < 3; i++) {
        struct fake_config *next = config("stat_prefix: m\nenable_x_ratelimit_headers: DRAFT_VERSION_03\n" ON BUCKET("3") BY_CLIENT);
        fake_config_free(c);
        c = next;
        assert_int_equal(pass(c, "192.0.2.1", 1, 9), 0);
    }
    assert_int_equal(pass(c, "192.0.2.2", 1, 9), 1); /* one was left for all */
    fake_config_free(c);
    c = config("stat_prefix: next\n" ON BUCKET("3") BY_CLIENT); /* no config had it any more */
    assert_int_equal(pass(c, "192.0.2.1", 1, 9), 2);
    fake_config_free(c);
}

static void warns(const char *yaml, const char *words)
{
    struct fake_config *c = config(yaml);
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    sp_diag_print(&c->diag, f);
    fclose(f);
    if (words ? !strstr(text, words) : *text)
        fail_msg("expected \"%s\" in: %s", words ? words : "", text);
    free(text);
    fake_config_free(c);
}

static void configs(void **state)
{
    static const char *const bad[][2] = {
        {ON BUCKET("1"), "stat_prefix: required"},
        {"stat_prefix: b\ntoken_bucket: {max_tokens: 0, fill_interval: 1s}", "max_tokens"},
        {"stat_prefix: b\ntoken_bucket: {max_tokens: 1}", "fill_interval"},
        {"stat_prefix: b\ntoken_bucket: {max_tokens: 1, fill_interval: 0.049s}", "less than 50 ms"},
        {"stat_prefix: b\ndescriptors: [{entries: [{key: a}], token_bucket: {max_tokens: 1, fill_interval: 1s}}, "
         "{entries: [{key: a}], token_bucket: {max_tokens: 2, fill_interval: 1s}}]", "descriptors[1].entries|a descriptor above has the same"},
        {"stat_prefix: b\ndescriptors: [{entries: [{key: a}]}]", "token_bucket: required"},
        {"stat_prefix: b\nstage: 11", "stage"},
        {"stat_prefix: b\nlocal_cluster_rate_limit: {}", "local_cluster_rate_limit"},
        {"stat_prefix: b\nrate_limits: [{actions: [{}]}]", "one of these is required"},
        {"stat_prefix: b\nrate_limits: [{actions: [{dynamic_metadata: {}}]}]", "dynamic_metadata"},
        {"stat_prefix: b\nrate_limits: [{actions: [{metadata: {descriptor_key: k, source: ROUTE_ENTRY, metadata_key: "
         "{key: n, path: [{key: k}]}}}]}]", "source"},
        {"stat_prefix: b\nrate_limits: [{actions: [{generic_key: {descriptor_value: '%NOPE%'}}]}]", "NOPE"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        fake_config_refused(&sp_local_ratelimit_ops, DESC, bad[i][0], bad[i][1]);
    warns("stat_prefix: w\n" BUCKET("1"), "no request is counted (set filter_enabled");
    warns("stat_prefix: w\nfilter_enabled: {default_value: {numerator: 1}}\n" BUCKET("1"), "none is refused (set filter_enforced");
    warns("stat_prefix: w\n" ON BUCKET("1"), NULL);
    warns("stat_prefix: w\n", NULL); /* for routes to fill in */
#define KEYS(actions, keys)                                                                                                \
    "stat_prefix: w\n" ON "rate_limits: [{actions: [" actions "]}]\ndescriptors: [{entries: [" keys "], " SMALL "}]\n"
#define SMALL "token_bucket: {max_tokens: 1, fill_interval: 60s}"
#define PLAN "{request_headers: {header_name: x-plan, descriptor_key: plan, skip_if_absent: true}}"
    warns(KEYS("{remote_address: {}}", "{key: remote_address}"), NULL);
    warns(KEYS("{remote_address: {}}", "{key: remote_adress}"), "descriptors[0].entries: no entry of rate_limits makes these keys");
    warns(KEYS("{remote_address: {}}, {generic_key: {descriptor_value: x}}", "{key: generic_key}, {key: remote_address}"),
          "no entry of rate_limits makes");
    warns(KEYS("{remote_address: {}}, " PLAN, "{key: remote_address}"), NULL);
    warns(KEYS("{remote_address: {}}, " PLAN, "{key: remote_address}, {key: plan}"), NULL);
    warns(KEYS("{remote_address: {}}, " PLAN, "{key: plan}"), "no entry of rate_limits makes");
    warns("stat_prefix: w\n" ON "stage: 1\n" "rate_limits: [{actions: [{remote_address: {}}]}]\n"
          "descriptors: [{entries: [{key: remote_address}], " SMALL "}]\n", "no entry of rate_limits makes");
    warns("stat_prefix: w\n" ON "descriptors: [{entries: [{key: of_routes}], " SMALL "}]\n", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses),     cmocka_unit_test(lets_pass),           cmocka_unit_test(parts), cmocka_unit_test(for_each_client),
        cmocka_unit_test(full_table),  cmocka_unit_test(for_each_connection), cmocka_unit_test(tells), cmocka_unit_test(of_a_route), cmocka_unit_test(the_next_config),
        cmocka_unit_test(on_trial),    cmocka_unit_test(configs),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
